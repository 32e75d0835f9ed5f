//! A trust policy admits exactly whom AWS would, and refuses principals that AWS would not take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::{Admission, Caller, Effect, TrustPolicy};
use proptest::prelude::*;

const ACCOUNT: &str = "123456789012";
const OTHER_ACCOUNT: &str = "999999999999";

fn callers() -> Vec<(&'static str, Caller)> {
    let session = |role: &str, name: &str| Caller::session(role, name).unwrap();
    let arn = |arn: &str| Caller::from_arn(arn).unwrap();
    vec![
        ("ec2", Caller::service("ec2.amazonaws.com").unwrap()),
        ("lambda", Caller::service("lambda.amazonaws.com").unwrap()),
        ("root", arn("arn:aws:iam::123456789012:root")),
        ("alice", arn("arn:aws:iam::123456789012:user/team/alice")),
        (
            "App/one",
            session("arn:aws:iam::123456789012:role/App", "one"),
        ),
        (
            "App/two",
            session("arn:aws:iam::123456789012:role/App", "two"),
        ),
        (
            "team/App/one",
            session("arn:aws:iam::123456789012:role/team/App", "one"),
        ),
        (
            "Application/one",
            session("arn:aws:iam::123456789012:role/Application", "one"),
        ),
        (
            "bob-federated",
            arn("arn:aws:sts::123456789012:federated-user/bob"),
        ),
        (
            "other App/one",
            session("arn:aws:iam::999999999999:role/App", "one"),
        ),
        ("other root", arn("arn:aws:iam::999999999999:root")),
        (
            "china App/one",
            session("arn:aws-cn:iam::123456789012:role/App", "one"),
        ),
        (
            "github",
            Caller::federated(
                "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
            )
            .unwrap(),
        ),
        ("google", Caller::federated("accounts.google.com").unwrap()),
    ]
}

/// Everyone in [`callers`].
const EVERYONE: [&str; 14] = [
    "ec2",
    "lambda",
    "root",
    "alice",
    "App/one",
    "App/two",
    "team/App/one",
    "Application/one",
    "bob-federated",
    "other App/one",
    "other root",
    "china App/one",
    "github",
    "google",
];

#[test]
fn each_principal_admits_exactly_these_callers() {
    let of_account = [
        "root",
        "alice",
        "App/one",
        "App/two",
        "team/App/one",
        "Application/one",
        "bob-federated",
    ];
    let with_china = [&of_account[..], &["china App/one"]].concat();
    let table: &[(&str, &[&str])] = &[
        (r#""*""#, &EVERYONE),
        (r#"{"AWS": "*"}"#, &EVERYONE),
        (r#"{"Service": "ec2.amazonaws.com"}"#, &["ec2"]),
        (
            r#"{"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}"#,
            &["ec2", "lambda"],
        ),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, &of_account),
        (r#"{"AWS": "123456789012"}"#, &with_china),
        (
            r#"{"AWS": "arn:aws:iam::999999999999:root"}"#,
            &["other App/one", "other root"],
        ),
        (
            r#"{"AWS": "arn:aws:iam::123456789012:role/App"}"#,
            &["App/one", "App/two"],
        ),
        (
            r#"{"AWS": "arn:aws:iam::123456789012:role/team/App"}"#,
            &["team/App/one"],
        ),
        // the ARN of a session does not show the path of its role
        (
            r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/App/one"}"#,
            &["App/one", "team/App/one"],
        ),
        (
            r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/App/three"}"#,
            &[],
        ),
        (
            r#"{"AWS": "arn:aws:iam::123456789012:user/team/alice"}"#,
            &["alice"],
        ),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#, &[]),
        (
            r#"{"AWS": "arn:aws:sts::123456789012:federated-user/bob"}"#,
            &["bob-federated"],
        ),
        (
            r#"{"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}"#,
            &["github"],
        ),
        (r#"{"Federated": "accounts.google.com"}"#, &["google"]),
        (
            r#"{"AWS": ["arn:aws:iam::999999999999:role/App"], "Service": "ec2.amazonaws.com"}"#,
            &["ec2", "other App/one"],
        ),
    ];
    for (principal, expected) in table {
        for effect in ["Allow", "Deny"] {
            let json = format!(
                r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "{effect}",
                    "Principal": {principal}, "Action": "sts:AssumeRole"}}]}}"#
            );
            let policy = TrustPolicy::from_json_allowing_anyone(&json).unwrap();
            let admitted: Vec<&str> = callers()
                .iter()
                .filter(|(_, caller)| policy.admitting(caller).next().is_some())
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(admitted, *expected, "{effect} {principal}");
        }
    }
}

#[test]
fn naming_the_account_delegates_and_naming_the_caller_does_not() {
    let caller = Caller::session("arn:aws:iam::123456789012:role/App", "one").unwrap();
    let how = |policy: TrustPolicy| policy.admitting(&caller).map(|(_, how)| how).next();
    let build = |principal: &str| TrustPolicy::builder().principal(principal).build().unwrap();
    assert_eq!(how(build(ACCOUNT)), Some(Admission::Delegated));
    assert_eq!(
        how(build("arn:aws:iam::123456789012:root")),
        Some(Admission::Delegated)
    );
    assert_eq!(
        how(build("arn:aws:iam::123456789012:role/App")),
        Some(Admission::Direct)
    );
    assert_eq!(how(build(OTHER_ACCOUNT)), None);
    // named both ways, the stronger counts
    let both = TrustPolicy::builder()
        .account(ACCOUNT)
        .role("arn:aws:iam::123456789012:role/App");
    assert_eq!(how(both.build().unwrap()), Some(Admission::Direct));
}

#[test]
fn what_is_left_to_evaluate_has_no_principal_and_any_resource() {
    let json = r#"{"Version": "2012-10-17", "Statement": [
        {"Sid": "ours", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:role/App"},
         "Action": ["sts:AssumeRole", "sts:TagSession"],
         "Condition": {"Bool": {"aws:MultiFactorAuthPresent": true}}},
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": "*", "NotAction": "sts:AssumeRole"}]}"#;
    let policy = TrustPolicy::from_json(json).unwrap();
    let caller = Caller::session("arn:aws:iam::123456789012:role/App", "one").unwrap();
    let evaluable = policy.evaluable_for(&caller).unwrap();
    insta::assert_snapshot!(evaluable, @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ours",
      "Effect": "Allow",
      "Action": [
        "sts:AssumeRole",
        "sts:TagSession"
      ],
      "Resource": "*",
      "Condition": {
        "Bool": {
          "aws:MultiFactorAuthPresent": "true"
        }
      }
    },
    {
      "Effect": "Deny",
      "NotAction": "sts:AssumeRole",
      "Resource": "*"
    }
  ]
}
"#);
    let effects: Vec<_> = policy
        .admitting(&caller)
        .map(|(statement, _)| statement.effect())
        .collect();
    assert_eq!(effects, [Effect::Allow, Effect::Deny]);

    let stranger = Caller::from_arn("arn:aws:iam::999999999999:root").unwrap();
    let only_ec2 = TrustPolicy::ec2();
    assert_eq!(only_ec2.evaluable_for(&stranger), None);
}

#[test]
fn policy_variables_in_conditions_are_named() {
    let json = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole",
         "Condition": {"StringLike": {
            "sts:RoleSessionName": ["${aws:username}", "${aws:username}-${aws:PrincipalTag/team, 'none'}"],
            "sts:ExternalId": "price-${$}${*}-${?}"}}}]}"#;
    let policy = TrustPolicy::from_json(json).unwrap();
    assert_eq!(
        policy.condition_variables(),
        ["aws:username", "aws:PrincipalTag/team, 'none'"]
    );
    let plain = TrustPolicy::builder()
        .account(ACCOUNT)
        .external_id("partner-7f3a")
        .build()
        .unwrap();
    assert_eq!(plain.condition_variables(), Vec::<&str>::new());
}

fn refusal(principal: &str) -> String {
    TrustPolicy::builder()
        .principal(principal)
        .build()
        .unwrap_err()
        .to_string()
}

#[test]
fn an_ec2_instance_is_refused_with_what_to_write_instead() {
    insta::assert_snapshot!(refusal("arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0"), @"configure: principal: `arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0` cannot be trusted: an EC2 instance is not a principal, IAM refuses it (MalformedPolicyDocument: Invalid principal in policy); name the role of its instance profile, arn:aws:iam::123456789012:role/ROLE, or its account, 123456789012; to admit this instance alone name its session of that role, arn:aws:sts::123456789012:assumed-role/ROLE/i-1234567890abcdef0");
}

#[test]
fn other_things_that_are_no_principals_are_refused_with_what_to_write_instead() {
    insta::assert_snapshot!(refusal("arn:aws:iam::123456789012:instance-profile/EC2DynamoDBProfile"), @"configure: principal: `arn:aws:iam::123456789012:instance-profile/EC2DynamoDBProfile` cannot be trusted: an instance profile is a container for a role and not a principal; name the role in it, arn:aws:iam::123456789012:role/ROLE");
    insta::assert_snapshot!(refusal("arn:aws:iam::123456789012:group/Admins"), @"configure: principal: `arn:aws:iam::123456789012:group/Admins` cannot be trusted: a group is not a principal; name its users, or the account 123456789012 and let the group's policy allow sts:AssumeRole");
    insta::assert_snapshot!(refusal("arn:aws:iam::123456789012:assumed-role/App/one"), @"configure: principal: `arn:aws:iam::123456789012:assumed-role/App/one` cannot be trusted: sessions belong to sts, not to iam: arn:aws:sts::123456789012:assumed-role/App/one; to admit every session name the role, arn:aws:iam::123456789012:role/App");
    insta::assert_snapshot!(refusal("arn:aws:sts::123456789012:assumed-role/App"), @"configure: principal: `arn:aws:sts::123456789012:assumed-role/App` cannot be trusted: the ARN of a session is assumed-role/ROLE/SESSION, whole; to admit every session name the role, arn:aws:iam::123456789012:role/App");
    insta::assert_snapshot!(refusal("arn:aws:sts::123456789012:assumed-role/App/*"), @"configure: principal: `arn:aws:sts::123456789012:assumed-role/App/*` cannot be trusted: a principal holds no wildcard; to admit every session of a role name the role, arn:aws:iam::123456789012:role/App");
    insta::assert_snapshot!(refusal("arn:aws:iam::123456789012:role/App*"), @r#"configure: principal: `arn:aws:iam::123456789012:role/App*` cannot be trusted: a principal holds no wildcard; name each role, or name the account 123456789012 and add the condition {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/App*"}}"#);
    insta::assert_snapshot!(refusal("AROAEXAMPLEID1234567"), @"configure: principal: `AROAEXAMPLEID1234567` cannot be trusted: it is the unique id of a role or user that has been deleted, which IAM shows in place of its ARN: name the ARN again if one of that name exists, or take it out");
    insta::assert_snapshot!(refusal("arn:aws:iam::123456789012:oidc-provider/example.com"), @"configure: principal: `arn:aws:iam::123456789012:oidc-provider/example.com` cannot be trusted: an identity provider stands under `Federated`, not under `AWS`");
    insta::assert_snapshot!(refusal("arn:aws:iam::123:role/App"), @"configure: principal: `arn:aws:iam::123:role/App` cannot be trusted: the ARN has no valid partition or account");
    insta::assert_snapshot!(refusal("arn:aws:iam::*:root"), @"configure: principal: `arn:aws:iam::*:root` cannot be trusted: a principal holds no wildcard; name each account, role or user");
    insta::assert_snapshot!(refusal("EC2DynamoDBRole"), @"configure: principal: `EC2DynamoDBRole` cannot be trusted: it is neither an ARN nor the 12 digits of an account: write for example arn:aws:iam::123456789012:role/App");
    insta::assert_snapshot!(refusal("arn:aws:lambda:us-east-1:123456789012:function:f"), @"configure: principal: `arn:aws:lambda:us-east-1:123456789012:function:f` cannot be trusted: expected an account, a role, a user, or one session of a role");
}

#[test]
fn services_and_providers_are_checked_too() {
    let service = |name: &str| {
        TrustPolicy::builder()
            .service(name)
            .build()
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(service("*.amazonaws.com"), @"configure: service: `*.amazonaws.com` cannot be trusted: services cannot be named by wildcard: name each, like ec2.amazonaws.com");
    insta::assert_snapshot!(service("arn:aws:iam::123456789012:role/App"), @"configure: service: `arn:aws:iam::123456789012:role/App` cannot be trusted: an ARN stands under `AWS` or `Federated`; a service is named like ec2.amazonaws.com");
    insta::assert_snapshot!(service("EC2"), @"configure: service: `EC2` cannot be trusted: expected the name of a service, like ec2.amazonaws.com");
    let oidc = TrustPolicy::builder().oidc(
        "https://token.actions.githubusercontent.com",
        "sts.amazonaws.com",
    );
    insta::assert_snapshot!(oidc.build().unwrap_err(), @"configure: oidc: `https://token.actions.githubusercontent.com` cannot be trusted: expected the ARN of an identity provider, for example arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com or arn:aws:iam::123456789012:saml-provider/Example");
}

#[test]
fn an_identity_provider_stands_alone() {
    let provider = "arn:aws:iam::123456789012:saml-provider/Example";
    let alone = TrustPolicy::builder().saml(provider);
    assert!(alone.clone().build().is_ok());
    insta::assert_snapshot!(alone.clone().account(ACCOUNT).build().unwrap_err(), @"configure: principal: an identity provider needs an action and conditions of its own: build a policy for each, then join them by `and`");
    let two = alone.oidc("accounts.google.com", "app");
    assert_eq!(
        two.build().unwrap_err().to_string(),
        TrustPolicy::builder()
            .saml(provider)
            .account(ACCOUNT)
            .build()
            .unwrap_err()
            .to_string()
    );
}

#[test]
fn anyone_needs_a_condition_or_to_be_meant() {
    insta::assert_snapshot!(TrustPolicy::builder().anyone().build().unwrap_err(), @"configure: principal: `*` without a condition lets every AWS account assume the role; name the account or role, or add a condition such as aws:PrincipalOrgID (if it is meant: `anyone_unconditionally`, `from_json_allowing_anyone`)");
    let organization = TrustPolicy::builder()
        .anyone()
        .condition("StringEquals", "aws:PrincipalOrgID", ["o-a1b2c3d4e5"])
        .build();
    assert!(organization.is_ok());
    let meant = TrustPolicy::builder()
        .anyone_unconditionally()
        .build()
        .unwrap()
        .to_string();
    insta::assert_snapshot!(TrustPolicy::from_json(&meant).unwrap_err(), @"configure: trust policy.Statement[0].Principal: `*` without a condition lets every AWS account assume the role; name the account or role, or add a condition such as aws:PrincipalOrgID (if it is meant: `anyone_unconditionally`, `from_json_allowing_anyone`)");
    assert!(TrustPolicy::from_json_allowing_anyone(&meant).is_ok());
    // to deny anyone is no danger
    let deny = meant.replace("Allow", "Deny");
    assert!(TrustPolicy::from_json(&deny).is_ok());
}

#[test]
fn anyone_and_others_in_one_statement_would_lose_the_others() {
    let both = TrustPolicy::builder()
        .anyone_unconditionally()
        .account(ACCOUNT);
    insta::assert_snapshot!(both.build().unwrap_err(), @"configure: principal: anyone includes the others: name either");
}

#[test]
fn a_setter_for_one_kind_of_principal_takes_no_other() {
    let wrong =
        |builder: aws_credential_strategies::iam::TrustPolicyBuilder| builder.build().unwrap_err();
    let user = "arn:aws:iam::123456789012:user/alice";
    let role = "arn:aws:iam::123456789012:role/App";
    insta::assert_snapshot!(wrong(TrustPolicy::builder().role(user)), @"configure: role: expected the ARN of a role, not `arn:aws:iam::123456789012:user/alice`; `principal` takes the others");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().user(role)), @"configure: user: expected the ARN of a user, not `arn:aws:iam::123456789012:role/App`; `principal` takes the others");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().role("*")), @"configure: role: expected the ARN of a role, not `*`; `principal` takes the others");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().account("1234")), @"configure: account: expected the 12 digits of an account, not `1234`");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().external_id("x").account(ACCOUNT)), @"configure: external_id: expected 2 to 1224 letters, digits and `_+=,.@:/-`");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().mfa()), @"configure: principal: expected at least one: whom does the role trust?");
    insta::assert_snapshot!(wrong(TrustPolicy::builder().subject("repo:a/b")), @"configure: subject: expected `oidc` before it, which names the provider");
}

#[test]
fn callers_that_do_not_exist_are_refused() {
    assert!(Caller::service("ec2").is_err());
    assert!(Caller::federated("example.com").is_err());
    assert!(Caller::from_arn("arn:aws:iam::123456789012:role/App").is_err());
    assert!(Caller::from_arn("*").is_err());
    assert!(Caller::session("arn:aws:iam::123456789012:user/alice", "one").is_err());
    assert!(Caller::session("arn:aws:iam::123456789012:role/App", "a/b").is_err());
    assert!(Caller::session("arn:aws:iam::123456789012:role/App", "a").is_err());
}

fn principals() -> impl Strategy<Value = serde_json::Value> {
    let account = "[0-9]{12}";
    let name = "[a-zA-Z0-9+=,.@_-]{1,12}";
    let aws = prop_oneof![
        Just("*".to_owned()),
        account.prop_map(|account| account),
        account.prop_map(|account| format!("arn:aws:iam::{account}:root")),
        (account, name)
            .prop_map(|(account, name)| format!("arn:aws-cn:iam::{account}:role/{name}")),
        (account, name).prop_map(|(account, name)| format!("arn:aws:iam::{account}:user/a/{name}")),
        (account, name)
            .prop_map(|(account, name)| format!("arn:aws:sts::{account}:assumed-role/{name}/one")),
    ];
    let service = "[a-z0-9-]{1,8}[.]amazonaws[.]com";
    let federated = account.prop_map(|account| format!("arn:aws:iam::{account}:saml-provider/x"));
    prop_oneof![
        Just(serde_json::json!("*")),
        aws.clone().prop_map(|aws| serde_json::json!({"AWS": aws})),
        (
            prop::collection::vec(aws, 1..4),
            prop::collection::vec(service, 1..3),
            prop::collection::vec(federated, 1..3),
        )
            .prop_map(|(aws, service, federated)| {
                serde_json::json!({"Service": service, "AWS": aws, "Federated": federated})
            }),
    ]
}

proptest! {
    #[test]
    fn a_trust_policy_survives_the_round_trip_and_admits_the_same(
        principals in prop::collection::vec((principals(), any::<bool>()), 1..4),
    ) {
        let statements: Vec<_> = principals
            .into_iter()
            .map(|(principal, allow)| {
                let effect = if allow { "Allow" } else { "Deny" };
                serde_json::json!({"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"})
            })
            .collect();
        let json = serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy = TrustPolicy::from_json_allowing_anyone(&json).unwrap();
        let again = TrustPolicy::from_json_allowing_anyone(&policy.to_string()).unwrap();
        prop_assert_eq!(&policy, &again);
        prop_assert_eq!(policy.to_string(), again.to_string());
        for (name, caller) in callers() {
            let count = policy.admitting(&caller).count();
            prop_assert_eq!(count, again.admitting(&caller).count(), "{}", name);
        }
    }

    #[test]
    fn a_role_admits_its_own_sessions_only(
        account in "1[12]{11}", of in "1[12]{11}",
        role in "([ab]/)?[AB]{1,2}", from in "([ab]/)?[AB]{1,2}",
        session in "[xy]{2,3}", other in "[xy]{2,3}",
    ) {
        let caller = Caller::session(&format!("arn:aws:iam::{of}:role/{from}"), &session).unwrap();
        let admits = |principal: String| {
            let policy = TrustPolicy::builder().principal(&principal).build().unwrap();
            policy.admitting(&caller).next().is_some()
        };
        let same_role = account == of && role == from;
        prop_assert_eq!(admits(format!("arn:aws:iam::{account}:role/{role}")), same_role);
        prop_assert_eq!(admits(account.clone()), account == of);
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let expected = account == of && name(&role) == name(&from) && session == other;
        let named = format!("arn:aws:sts::{account}:assumed-role/{}/{other}", name(&role).unwrap());
        prop_assert_eq!(admits(named), expected);
    }
}
