//! Policy documents are written as `aws iam` takes them, read strictly, and survive the round trip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::{
    Coverage, Grant, PermissionPolicy, Requires, Statement, TrustPolicy,
};
use proptest::prelude::*;
use std::time::Duration;

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";

fn three_actions() -> PermissionPolicy {
    PermissionPolicy::new([Statement::allow(
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        [TABLE],
    )])
    .unwrap()
}

#[test]
fn the_permission_policy_of_three_actions_on_one_table() {
    insta::assert_snapshot!(three_actions(), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query"
      ],
      "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"
    }
  ]
}
"#);
    insta::assert_snapshot!(three_actions().to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:PutItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}]}"#);
}

#[test]
fn a_statement_is_added_at_the_end_and_the_size_is_counted_without_white_space() {
    let policy = three_actions();
    assert_eq!(
        policy.size(),
        policy
            .to_string()
            .split_whitespace()
            .map(str::len)
            .sum::<usize>()
    );
    let more = policy
        .clone()
        .with(Statement::allow(["dynamodb:Scan"], [TABLE]))
        .unwrap();
    assert_eq!(more.statements().len(), 2);
    assert!(more.covers(&Grant::on_table("dynamodb:Scan", "MyTable")));
    assert!(more.size() > policy.size());
    assert!(policy.with(Statement::allow(["Scan"], [TABLE])).is_err());
}

#[test]
fn a_policy_is_split_by_iams_quotas_and_says_the_same() {
    let tables = (0..150).map(|n| format!("{TABLE}-{n}"));
    let tables: Vec<String> = tables.collect();
    let actions = ["dynamodb:GetItem", "dynamodb:Query"];
    let policy = PermissionPolicy::new([
        Statement::allow(actions, &tables[..5]).sid("First"),
        Statement::allow(actions, &tables).sid("Tenants").when(
            "StringEquals",
            "aws:RequestedRegion",
            ["us-east-1"],
        ),
        Statement::deny(["dynamodb:DeleteTable"], &tables).sid("Never"),
    ]);
    let policy = policy.unwrap();
    for limit in [
        PermissionPolicy::MANAGED_SIZE_MAX,
        PermissionPolicy::INLINE_SIZE_MAX,
        PermissionPolicy::SESSION_SIZE_MAX,
        400,
    ] {
        let parts = policy.split(limit).unwrap();
        assert!(parts.iter().all(|part| part.size() <= limit));
        // they are full: no fewer would do, but for what each repeats and for where statements end
        assert!(
            parts.len() <= 2 * policy.size().div_ceil(limit - 200).max(1),
            "{}",
            parts.len()
        );
        for part in &parts {
            assert_eq!(
                &PermissionPolicy::from_json(&part.to_string()).unwrap(),
                part
            );
        }
        let said = |grant: &Grant| {
            let coverages = parts.iter().map(|part| part.coverage(grant));
            let coverages: Vec<_> = coverages.collect();
            [Coverage::Denied, Coverage::Allowed, Coverage::Conditional]
                .into_iter()
                .find(|one| coverages.contains(one))
                .unwrap_or(Coverage::Missing)
        };
        for table in (0..=150).step_by(5) {
            for action in ["GetItem", "Query", "DeleteTable", "PutItem"] {
                let grant =
                    Grant::on_table(format!("dynamodb:{action}"), format!("MyTable-{table}"));
                assert_eq!(said(&grant), policy.coverage(&grant), "{grant} at {limit}");
            }
        }
    }
    let whole = policy.split(policy.size()).unwrap();
    assert_eq!(whole, std::slice::from_ref(&policy));
}

#[test]
fn actions_are_cut_too_and_what_cannot_be_cut_is_named() {
    let actions = (0..200).map(|n| format!("dynamodb:Action{n}"));
    let many = Statement::allow(
        actions,
        [TABLE, "arn:aws:dynamodb:us-east-1:123456789012:table/B"],
    );
    let policy = PermissionPolicy::new([many]).unwrap();
    let parts = policy.split(400).unwrap();
    assert!(parts.iter().all(|part| part.size() <= 400));
    for table in ["MyTable", "B"] {
        for n in 0..200 {
            let grant = Grant::on_table(format!("dynamodb:Action{n}"), table);
            assert_eq!(parts.iter().filter(|part| part.covers(&grant)).count(), 1);
        }
    }

    let error = three_actions().split(60).unwrap_err();
    assert_eq!(error.field(), Some("policy.Statement[0]"));
    let tables = (0..50).map(|n| format!("{TABLE}-{n}")).collect::<Vec<_>>();
    let all_but = serde_json::json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE },
        { "Effect": "Allow", "Action": "dynamodb:GetItem", "NotResource": tables },
    ] });
    let all_but = PermissionPolicy::from_json(&all_but.to_string()).unwrap();
    let error = all_but
        .split(PermissionPolicy::SESSION_SIZE_MAX)
        .unwrap_err();
    assert_eq!(error.field(), Some("policy.Statement[1]"));
}

#[test]
fn the_size_of_a_trust_policy_is_that_of_its_characters() {
    let policy = TrustPolicy::ec2();
    assert_eq!(policy.size(), policy.to_compact_json().len());
    assert!(policy.size() < TrustPolicy::SIZE_MAX);
}

#[test]
fn a_trust_policy_of_each_kind() {
    let account = TrustPolicy::builder().account("123456789012");
    insta::assert_snapshot!(TrustPolicy::ec2(), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Service": "ec2.amazonaws.com"
      },
      "Action": "sts:AssumeRole"
    }
  ]
}
"#);
    assert_eq!(
        TrustPolicy::ec2(),
        TrustPolicy::builder()
            .service("ec2.amazonaws.com")
            .build()
            .unwrap()
    );
    let guarded = account
        .clone()
        .external_id("partner-7f3a")
        .mfa_within(Duration::from_secs(3600));
    insta::assert_snapshot!(guarded.build().unwrap(), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::123456789012:root"
      },
      "Action": "sts:AssumeRole",
      "Condition": {
        "Bool": {
          "aws:MultiFactorAuthPresent": "true"
        },
        "NumericLessThan": {
          "aws:MultiFactorAuthAge": "3600"
        },
        "StringEquals": {
          "sts:ExternalId": "partner-7f3a"
        }
      }
    }
  ]
}
"#);
    let lambda = TrustPolicy::builder()
        .service("lambda.amazonaws.com")
        .source_account("123456789012")
        .source_arn("arn:aws:lambda:us-east-1:123456789012:function:orders-*");
    insta::assert_snapshot!(lambda.build().unwrap(), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Service": "lambda.amazonaws.com"
      },
      "Action": "sts:AssumeRole",
      "Condition": {
        "ArnLike": {
          "aws:SourceArn": "arn:aws:lambda:us-east-1:123456789012:function:orders-*"
        },
        "StringEquals": {
          "aws:SourceAccount": "123456789012"
        }
      }
    }
  ]
}
"#);
    let tagged = account
        .source_identity(["alice", "bob"])
        .session_tag("team", ["payments"]);
    insta::assert_snapshot!(tagged.build().unwrap(), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::123456789012:root"
      },
      "Action": [
        "sts:AssumeRole",
        "sts:SetSourceIdentity",
        "sts:TagSession"
      ],
      "Condition": {
        "StringEquals": {
          "aws:RequestTag/team": "payments",
          "sts:SourceIdentity": [
            "alice",
            "bob"
          ]
        }
      }
    }
  ]
}
"#);
    let github = TrustPolicy::builder()
        .oidc(
            "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
            "sts.amazonaws.com",
        )
        .subject("repo:example/app:ref:refs/heads/main")
        .build()
        .unwrap();
    let user = TrustPolicy::builder()
        .user("arn:aws:iam::123456789012:user/alice")
        .build()
        .unwrap();
    let saml = TrustPolicy::builder()
        .saml("arn:aws:iam::123456789012:saml-provider/Example")
        .build();
    insta::assert_snapshot!(saml.unwrap().to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:saml-provider/Example"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}}]}"#);
    insta::assert_snapshot!(github.and(user), @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"
        },
        "StringLike": {
          "token.actions.githubusercontent.com:sub": "repo:example/app:ref:refs/heads/main"
        }
      }
    },
    {
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::123456789012:user/alice"
      },
      "Action": "sts:AssumeRole"
    }
  ]
}
"#);
}

#[test]
fn documents_as_they_are_found_are_read() {
    let console = r#"
        {"Statement": {"Sid": "", "Effect": "Allow",
            "Action": "dynamodb:*", "Resource": ["arn:aws:dynamodb:*:123456789012:table/*"],
            "Condition": {"Bool": {"aws:SecureTransport": true},
                          "NumericLessThan": {"aws:MultiFactorAuthAge": 3600},
                          "ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["a", "b"]}}},
         "Id": "from-the-console"}"#;
    insta::assert_snapshot!(PermissionPolicy::from_json(console).unwrap(), @r#"
{
  "Version": "2008-10-17",
  "Id": "from-the-console",
  "Statement": [
    {
      "Sid": "",
      "Effect": "Allow",
      "Action": "dynamodb:*",
      "Resource": "arn:aws:dynamodb:*:123456789012:table/*",
      "Condition": {
        "Bool": {
          "aws:SecureTransport": "true"
        },
        "ForAnyValue:StringLike": {
          "dynamodb:LeadingKeys": [
            "a",
            "b"
          ]
        },
        "NumericLessThan": {
          "aws:MultiFactorAuthAge": "3600"
        }
      }
    }
  ]
}
"#);
    let negative = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "NotAction": ["dynamodb:GetItem"], "NotResource": "*"}]}"#;
    insta::assert_snapshot!(PermissionPolicy::from_json(negative).unwrap().to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"dynamodb:GetItem","NotResource":"*"}]}"#);
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow",
        "Principal": {"Service": ["ec2.amazonaws.com"], "AWS": "123456789012"},
        "Action": ["sts:AssumeRole"], "Condition": {}}]}"#;
    insta::assert_snapshot!(TrustPolicy::from_json(trust).unwrap().to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"AWS":"123456789012","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#);
}

#[test]
fn nothing_is_dropped_silently() {
    let permission = |json: &str| PermissionPolicy::from_json(json).unwrap_err().to_string();
    let in_statement = |members: &str| {
        permission(&format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{{members}}}]}}"#
        ))
    };
    insta::assert_snapshot!(permission("{"), @"configure: policy: expected a policy document in JSON");
    insta::assert_snapshot!(permission(r#"{"Version": "2012-10-17"}"#), @"configure: policy.Statement: missing from the policy");
    insta::assert_snapshot!(permission(r#"{"Version": "2012-10-17", "Statement": []}"#), @"configure: policy.Statement: expected at least one");
    insta::assert_snapshot!(permission(r#"{"Version": "2024-01-01", "Statement": []}"#), @"configure: policy.Version: expected `2012-10-17` or `2008-10-17`, not `2024-01-01`: it is the version of the policy language, not of the document");
    insta::assert_snapshot!(permission(r#"{"Statements": []}"#), @"configure: policy.Statements: no such element in a policy");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*", "Resource": "*", "Why": 1"#), @"configure: policy.Statement[0].Why: no such element in a statement");
    insta::assert_snapshot!(in_statement(r#""Effect": "allow", "Action": "*", "Resource": "*""#), @"configure: policy.Statement[0].Effect: expected `Allow` or `Deny`, not `allow`");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*""#), @"configure: policy.Statement[0].Resource: missing from the statement");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": [], "Resource": "*""#), @"configure: policy.Statement[0].Action: expected at least one");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": [7], "Resource": "*""#), @"configure: policy.Statement[0].Action[0]: expected a string, not a number");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "GetItem", "Resource": "*""#), @"configure: policy.Statement[0].Action: expected `service:Operation` or `*`, not `GetItem`");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*", "Resource": "MyTable""#), @"configure: policy.Statement[0].Resource: expected an ARN or `*`, not `MyTable`");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*""#), @"configure: policy.Statement[0].NotAction: excluded by its positive or negative twin: keep one of them");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*""#), @"configure: policy.Statement[0].Principal: a permission policy has no principal: it speaks of whoever it is attached to; who may assume a role stands in the role's trust policy");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}"#), @"configure: policy.Statement[0].Condition.StringIs: no such condition operator");
    insta::assert_snapshot!(in_statement(r#""Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"a": {}}}"#), @"configure: policy.Statement[0].Condition.Null.a: expected a string, a boolean or a number, not an object");
    insta::assert_snapshot!(in_statement(r#""Sid": "a b", "Effect": "Allow", "Action": "*", "Resource": "*""#), @"configure: policy.Statement[0].Sid: expected ASCII letters and digits, not `a b`");
    let twice = PermissionPolicy::from_json(r#"{"Statement": [], "Statement": []}"#).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&twice).unwrap(), @"`Statement` stands twice at line 1 column 29");

    let trust = |members: &str| {
        let json = format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole", {members}}}]}}"#
        );
        TrustPolicy::from_json(&json).unwrap_err().to_string()
    };
    let ec2 = r#""Principal": {"Service": "ec2.amazonaws.com"}"#;
    insta::assert_snapshot!(trust(&format!(r#"{ec2}, "Resource": "*""#)), @"configure: trust policy.Statement[0].Resource: a trust policy has no resource, IAM refuses it (Has prohibited field Resource): it stands on the role that it is about");
    insta::assert_snapshot!(trust(r#""NotPrincipal": {"AWS": "123456789012"}"#), @"configure: trust policy.Statement[0].NotPrincipal: a trust policy says whom it trusts: name them in Principal, and exceptions in a statement that denies");
    insta::assert_snapshot!(trust(r#""Principal": "arn:aws:iam::123456789012:root""#), @r#"configure: trust policy.Statement[0].Principal: expected an object such as {"AWS": "arn:aws:iam::123456789012:root"}; only `*` stands by itself"#);
    insta::assert_snapshot!(trust(r#""Principal": {"User": "alice"}"#), @"configure: trust policy.Statement[0].Principal.User: no such kind of principal: expected AWS, Federated or Service");
    insta::assert_snapshot!(trust(r#""Principal": {"CanonicalUser": "79a5"}"#), @"configure: trust policy.Statement[0].Principal.CanonicalUser: a canonical user id belongs in an S3 bucket policy: name the account under `AWS`");
    insta::assert_snapshot!(trust(r#""Principal": {}"#), @"configure: trust policy.Statement[0].Principal: expected at least one principal");
    insta::assert_snapshot!(trust(r#""Principal": {"AWS": []}"#), @"configure: trust policy.Statement[0].Principal.AWS: expected at least one");
    insta::assert_snapshot!(trust(r#""Sid": "a""#), @"configure: trust policy.Statement[0].Principal: missing from the statement");
    let other_service = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Principal": {"AWS": "123456789012"}}}"#;
    insta::assert_snapshot!(TrustPolicy::from_json(other_service).unwrap_err(), @"configure: trust policy.Statement.Action: a trust policy is about sts actions such as sts:AssumeRole, not `s3:*`");
}

#[test]
fn a_trust_policy_that_names_an_instance_is_refused_where_it_stands() {
    let wrong = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {
        "AWS": "arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0"},
        "Action": "sts:AssumeRole"}]}"#;
    let error = TrustPolicy::from_json(wrong).unwrap_err();
    assert_eq!(
        error.field(),
        Some("trust policy.Statement[0].Principal.AWS")
    );
    assert!(
        error
            .to_string()
            .contains("name the role of its instance profile"),
        "{error}"
    );
}

#[test]
fn what_a_policy_says_of_a_grant() {
    use Coverage::{Allowed, Conditional, Denied, Missing};
    let get = Grant::on_table("dynamodb:GetItem", "MyTable");
    let query_index = Grant::on_index("dynamodb:Query", "MyTable", "byDate");
    let list = Grant::on_any("dynamodb:ListTables");
    let exact = Grant::on_table("dynamodb:GetItem", TABLE);
    let table: &[(&str, [Coverage; 4])] = &[
        // statements; GetItem on MyTable, Query on its index, ListTables, GetItem on the full ARN
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
            [Allowed, Allowed, Allowed, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:getitem","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#,
            [Allowed, Missing, Missing, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#,
            [Allowed, Missing, Missing, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable/index/*"}"#,
            [Missing, Allowed, Missing, Missing],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/My*"}"#,
            [Allowed, Allowed, Missing, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:*:table/mytable"}"#,
            [Missing, Missing, Missing, Missing],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:eu-west-1:123456789012:table/MyTable"}"#,
            [Allowed, Missing, Missing, Missing],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*"}"#,
            [Allowed, Allowed, Missing, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"dynamodb:Get?tem","Resource":"arn:aws:dynamodb:*:*:table/MyTabl?"}"#,
            [Allowed, Missing, Missing, Allowed],
        ),
        (
            r#"{"Effect":"Allow","NotAction":"dynamodb:Query","Resource":"*"}"#,
            [Allowed, Missing, Allowed, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:dynamodb:*:*:table/Secret"}"#,
            [Allowed, Allowed, Allowed, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
            [Conditional, Conditional, Conditional, Conditional],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/table}"}"#,
            [Conditional, Conditional, Missing, Conditional],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"dynamodb:Query","Resource":"*"}"#,
            [Allowed, Denied, Allowed, Allowed],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2024-01-01T00:00:00Z"}}}"#,
            [Conditional, Conditional, Conditional, Conditional],
        ),
        (
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#,
            [Missing, Missing, Missing, Missing],
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","NotResource":"arn:aws:dynamodb:*:*:table/MyTable"}"#,
            [Allowed, Denied, Denied, Allowed],
        ),
    ];
    for (statements, expected) in table {
        let json = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let policy = PermissionPolicy::from_json(&json).unwrap();
        let said = [&get, &query_index, &list, &exact].map(|grant| policy.coverage(grant));
        assert_eq!(said, *expected, "{statements}");
        assert_eq!(policy.covers(&get), expected[0] == Allowed);
    }
}

/// "If the * wildcard is the last character of a resource ARN segment, it can expand to match beyond the colon
/// boundaries" (IAM User Guide, "IAM JSON policy elements: Resource"); anywhere else it stays in its segment.
#[test]
fn a_star_runs_over_colons_from_the_end_of_a_segment_only() {
    let table = "arn:aws:dynamodb:us-east-1:123456789012:table/Orders";
    let stream = "arn:aws:logs:us-east-1:123456789012:log-group:app:log-stream:one";
    for (pattern, resource, applies) in [
        ("arn:aws:dynamodb:*:table/Orders", table, true),
        ("arn:aws:dynamodb:us-*:table/Orders", table, true),
        ("arn:aws:dynamodb:eu-*:table/Orders", table, false),
        ("arn:aws:*:table/Orders", table, true),
        ("arn:*:table/Orders", table, true),
        ("arn:*:table/Other", table, false),
        ("arn:aws:dynamodb:*:123456789012:table/Orders", table, true),
        ("arn:aws:dynamodb:*:210987654321:table/Orders", table, false),
        ("arn:aws:dynamodb:us-east-1:*", table, true),
        ("arn:aws:dynamodb:us-east-1", table, false),
        // not at the end of their segments
        ("arn:aws:dynamodb:*2:table/Orders", table, false),
        (
            "arn:aws:dynamodb:us-*-1:123456789012:table/Orders",
            table,
            true,
        ),
        ("arn:aws:dynamodb:us-*2:table/Orders", table, false),
        ("arn:aws:dynamodb:us-east-?:table/Orders", table, false),
        ("arn:aws:logs:*:log-group:app:*", stream, true),
        ("arn:aws:logs:*:log-stream:one", stream, true),
        ("arn:aws:logs:*:log-stream:two", stream, false),
        ("arn:aws:logs:*:*:log-group:app:*:one", stream, true),
    ] {
        let grant = Grant::on_arn("x:Y", resource);
        let allowing = PermissionPolicy::new([Statement::allow(["x:Y"], [pattern])]).unwrap();
        assert_eq!(allowing.covers(&grant), applies, "{pattern}");
        // a denial counts as far
        let denying = PermissionPolicy::new([
            Statement::allow(["*"], ["*"]),
            Statement::deny(["x:Y"], [pattern]),
        ])
        .unwrap();
        assert_eq!(denying.covers(&grant), !applies, "{pattern}");
    }
    // a table by name is in whatever account and region
    let orders = Grant::on_table("dynamodb:GetItem", "Orders");
    for (pattern, applies) in [
        ("arn:aws:dynamodb:*:table/Orders", true),
        ("arn:*:table/Orders", true),
        ("arn:aws:dynamodb:*:table/Other", false),
    ] {
        let policy = PermissionPolicy::new([Statement::allow(["dynamodb:*"], [pattern])]).unwrap();
        assert_eq!(policy.covers(&orders), applies, "{pattern}");
    }
}

#[test]
fn a_policy_for_grants_refuses_what_would_widen_it() {
    let refusal = |grant: Grant| {
        PermissionPolicy::for_grants([grant], "aws", "us-east-1", "123456789012")
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(refusal(Grant::on_table("dynamodb:GetItem", "My*")), @"configure: table: expected 3 to 255 of letters, digits, `_`, `.` and `-`, not `My*`");
    insta::assert_snapshot!(refusal(Grant::on_table("dynamodb:GetItem", "arn:aws:dynamodb:*:*:table/*")), @"configure: resource: expected the ARN of one resource, not `arn:aws:dynamodb:*:*:table/*`");
    insta::assert_snapshot!(refusal(Grant::on_table("GetItem", "MyTable")), @"configure: policy.Statement[0].Action: expected `service:Operation` or `*`, not `GetItem`");
    let get = || [Grant::on_table("dynamodb:GetItem", "MyTable")];
    insta::assert_snapshot!(PermissionPolicy::for_grants(get(), "us-east-1", "aws", "123456789012").unwrap_err(), @"configure: partition: expected `aws`, `aws-cn` or another partition, not `us-east-1`");
    insta::assert_snapshot!(PermissionPolicy::for_grants(get(), "aws", "123456789012", "us-east-1").unwrap_err(), @"configure: region: expected a region such as `us-east-1`, or `*`, not `123456789012`");
    insta::assert_snapshot!(PermissionPolicy::for_grants([], "aws", "us-east-1", "123456789012").unwrap_err(), @"configure: grants: expected at least one: IAM takes no policy without a statement");
}

#[test]
fn an_operation_is_checked_against_a_policy_without_sending_it() {
    let needs = [
        Grant::on_table("dynamodb:GetItem", "MyTable"),
        Grant::on_table("dynamodb:DeleteItem", "MyTable"),
        Grant::on_table("dynamodb:GetItem", "MyTable"),
    ];
    let needs = needs.as_slice();
    assert_eq!(needs.grants().len(), 2);
    insta::assert_snapshot!(three_actions().assert_covers(needs).unwrap_err(), @r#"check policy: policy: does not cover dynamodb:DeleteItem on table/MyTable (not allowed by any statement); add {"Effect":"Allow","Action":"dynamodb:DeleteItem","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    let denying = PermissionPolicy::new([
        Statement::allow(["*"], ["*"]),
        Statement::deny(["dynamodb:DeleteItem"], ["*"]),
    ])
    .unwrap();
    insta::assert_snapshot!(denying.assert_covers(needs).unwrap_err(), @"check policy: policy: does not cover dynamodb:DeleteItem on table/MyTable (denied by a statement)");
    let all = PermissionPolicy::new([Statement::allow(["dynamodb:*"], ["*"])]).unwrap();
    assert!(all.assert_covers(needs).is_ok());
}

fn statement() -> impl Strategy<Value = serde_json::Value> {
    let action = prop_oneof![Just("*".to_owned()), "[a-z]{1,5}:[A-Za-z*?]{1,8}"];
    let resource = prop_oneof![
        Just("*".to_owned()),
        "arn:aws:[a-z]{1,4}:[a-z*]{0,4}::[a-zA-Z/*?:${}.]{1,12}"
    ];
    let operator = prop_oneof![
        Just("StringEquals"),
        Just("Bool"),
        Just("ForAllValues:StringLike"),
        Just("ArnLikeIfExists"),
        Just("Null"),
    ];
    let value = prop_oneof![
        any::<String>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
    ];
    let values = prop_oneof![
        value.clone(),
        prop::collection::vec(value, 1..3).prop_map(serde_json::Value::from),
    ];
    let keys = prop::collection::btree_map("[a-zA-Z0-9:/._-]{1,10}", values, 1..3);
    let conditions = prop::collection::btree_map(operator.prop_map(str::to_owned), keys, 0..3);
    (
        any::<bool>(),
        any::<[bool; 2]>(),
        prop::collection::vec(action, 1..4),
        prop::collection::vec(resource, 1..4),
        conditions,
    )
        .prop_map(
            |(allow, [not_action, not_resource], actions, resources, conditions)| {
                serde_json::json!({
                    "Effect": if allow { "Allow" } else { "Deny" },
                    (if not_action { "NotAction" } else { "Action" }): actions,
                    (if not_resource { "NotResource" } else { "Resource" }): resources,
                    "Condition": conditions,
                })
            },
        )
}

proptest! {
    #[test]
    fn a_permission_policy_survives_the_round_trip(statements in prop::collection::vec(statement(), 1..4)) {
        let json = serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy = PermissionPolicy::from_json(&json).unwrap();
        let written = policy.to_string();
        let again = PermissionPolicy::from_json(&written).unwrap();
        prop_assert_eq!(&policy, &again);
        prop_assert_eq!(written, again.to_string());
        prop_assert_eq!(&policy, &PermissionPolicy::from_json(&policy.to_compact_json()).unwrap());
    }

    #[test]
    fn no_input_makes_the_parsers_panic(text in any::<String>(), statement in statement()) {
        let _ = PermissionPolicy::from_json(&text);
        let _ = TrustPolicy::from_json(&text);
        let _ = TrustPolicy::from_json(&serde_json::json!({"Statement": statement}).to_string());
    }

    #[test]
    fn a_policy_for_grants_covers_them_and_no_other(
        wanted in prop::collection::btree_set(("[A-C]{3}", prop::option::of("[a-b]{3}"), 0..3usize), 1..8),
        other in ("[A-C]{3}", prop::option::of("[a-b]{3}"), 0..3usize),
    ) {
        let grant = |(table, index, action): &(String, Option<String>, usize)| {
            let action = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"][*action];
            match index {
                Some(index) => Grant::on_index(action, table, index),
                None => Grant::on_table(action, table),
            }
        };
        let policy =
            PermissionPolicy::for_grants(wanted.iter().map(grant), "aws", "us-east-1", "123456789012").unwrap();
        prop_assert!(wanted.iter().all(|one| policy.covers(&grant(one))));
        prop_assert_eq!(policy.covers(&grant(&other)), wanted.contains(&other));
    }
}
