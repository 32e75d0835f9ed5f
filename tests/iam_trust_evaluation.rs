//! What a trust policy hands out for evaluation, a policy engine judges as AWS does: action and
//! conditions there, the principal here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::{Caller, TrustPolicy, TrustPolicyBuilder};
use iam_rs::{
    Arn, Context, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy,
};
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

/// Asks the engine whether a session of [`ROLE`] may do the action.
fn decide(policy: &TrustPolicy, action: &str, context: Context) -> Decision {
    let caller = Caller::session(ROLE, "one").unwrap();
    let Some(evaluable) = policy.evaluable_for(&caller) else {
        return Decision::NotApplicable;
    };
    let policy: IAMPolicy = serde_json::from_str(&evaluable.to_string()).unwrap();
    let principal = Principal::Aws(PrincipalId::String(ROLE.to_owned()));
    let target = Arn::parse("arn:aws:iam::123456789012:role/Target").unwrap();
    let request = IAMRequest::new_with_context(principal, action, target, context);
    evaluate_policy(&policy, &request).unwrap()
}

#[test]
fn each_condition_lets_in_who_meets_it_and_nobody_else() {
    let trust = || TrustPolicy::builder().role(ROLE);
    let none = Context::new;
    let cases: [(TrustPolicyBuilder, Context, Vec<Context>); 7] = [
        (trust(), none(), vec![]),
        (
            trust().external_id("partner-7f3a"),
            none().with_string("sts:ExternalId", "partner-7f3a"),
            vec![none(), none().with_string("sts:ExternalId", "partner-7f3b")],
        ),
        (
            trust().mfa(),
            none().with_boolean("aws:MultiFactorAuthPresent", true),
            vec![
                none(),
                none().with_boolean("aws:MultiFactorAuthPresent", false),
            ],
        ),
        (
            trust().mfa_within(Duration::from_secs(900)),
            none()
                .with_boolean("aws:MultiFactorAuthPresent", true)
                .with_number("aws:MultiFactorAuthAge", 899.0),
            vec![
                none().with_boolean("aws:MultiFactorAuthPresent", true),
                none()
                    .with_boolean("aws:MultiFactorAuthPresent", true)
                    .with_number("aws:MultiFactorAuthAge", 900.0),
            ],
        ),
        (
            trust().source_identity(["alice", "bob"]),
            none().with_string("sts:SourceIdentity", "bob"),
            vec![none(), none().with_string("sts:SourceIdentity", "eve")],
        ),
        (
            trust().session_tag("team", ["payments"]),
            none().with_string("aws:RequestTag/team", "payments"),
            vec![none(), none().with_string("aws:RequestTag/team", "other")],
        ),
        (
            trust().condition(
                "ArnLike",
                "aws:PrincipalArn",
                ["arn:aws:iam::123456789012:role/A*"],
            ),
            none().with_string("aws:PrincipalArn", ROLE),
            vec![
                none(),
                none().with_string("aws:PrincipalArn", "arn:aws:iam::123456789012:role/Bpp"),
            ],
        ),
    ];
    for (builder, meets, fails) in cases {
        let policy = builder.build().unwrap();
        assert_eq!(
            decide(&policy, "sts:AssumeRole", meets),
            Decision::Allow,
            "{policy}"
        );
        for context in fails {
            assert_eq!(
                decide(&policy, "sts:AssumeRole", context),
                Decision::NotApplicable,
                "{policy}"
            );
        }
    }
}

#[test]
fn the_action_must_be_one_that_the_policy_allows() {
    let plain = TrustPolicy::builder().role(ROLE).build().unwrap();
    assert_eq!(
        decide(&plain, "sts:TagSession", Context::new()),
        Decision::NotApplicable
    );
    let tagging = TrustPolicy::builder()
        .role(ROLE)
        .session_tag("team", ["payments"])
        .build()
        .unwrap();
    let tagged = Context::new().with_string("aws:RequestTag/team", "payments");
    assert_eq!(decide(&tagging, "sts:TagSession", tagged), Decision::Allow);
}

#[test]
fn a_denial_outweighs_and_another_principal_does_not_count() {
    let json = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/App"}, "Action": "*",
         "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2024-01-01T00:00:00Z"}}},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/Other"}, "Action": "*"}]}"#;
    let policy = TrustPolicy::from_json(json).unwrap();
    let issued = |at: &str| Context::new().with_string("aws:TokenIssueTime", at);
    assert_eq!(
        decide(&policy, "sts:AssumeRole", issued("2024-06-01T00:00:00Z")),
        Decision::Allow
    );
    assert_eq!(
        decide(&policy, "sts:AssumeRole", issued("2023-06-01T00:00:00Z")),
        Decision::Deny
    );
}
