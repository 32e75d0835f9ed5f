//! A denial says who was refused what, and which one statement would end it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::Denied;
use proptest::prelude::*;

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";

fn denial(tail: &str) -> Denied {
    Denied::parse(&format!(
        "User: arn:aws:sts::123456789012:assumed-role/App/i-0abc is not authorized to perform: \
         dynamodb:Scan on resource: {TABLE}{tail}"
    ))
}

#[test]
fn the_message_of_dynamodb_is_taken_apart() {
    let denied = denial(" because no identity-based policy allows the dynamodb:Scan action");
    assert_eq!(
        denied.principal.as_deref(),
        Some("arn:aws:sts::123456789012:assumed-role/App/i-0abc")
    );
    assert_eq!(denied.action.as_deref(), Some("dynamodb:Scan"));
    assert_eq!(denied.resource.as_deref(), Some(TABLE));
    assert_eq!(
        denied.reason.as_deref(),
        Some("no identity-based policy allows the dynamodb:Scan action")
    );
    insta::assert_snapshot!(denied.remedy().unwrap(), @r#"add to the caller's permission policy: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    // without a reason, as older services answer
    assert_eq!(denial("").statement_to_add(), denied.statement_to_add());
    assert_eq!(denial(".").statement_to_add(), denied.statement_to_add());
}

#[test]
fn the_statement_belongs_where_the_reason_says() {
    let place = |reason: &str| denial(reason).remedy().unwrap();
    insta::assert_snapshot!(place(" because no session policy allows the dynamodb:Scan action"), @r#"add to the session policy that the role was assumed with: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    insta::assert_snapshot!(place(" because no permissions boundary allows the dynamodb:Scan action"), @r#"add to the permissions boundary of the caller: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    insta::assert_snapshot!(place(" because no service control policy allows the dynamodb:Scan action"), @r#"add to the service control policy of the organization: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    insta::assert_snapshot!(place(" because no VPC endpoint policy allows the dynamodb:Scan action"), @r#"add to the policy of the VPC endpoint: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#);
    assert!(
        place(" because no resource-based policy allows the dynamodb:Scan action")
            .starts_with("add to the policy of the resource, with the caller as principal: ")
    );
    let assume = Denied::parse(
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on \
         resource: arn:aws:iam::999999999999:role/App",
    );
    insta::assert_snapshot!(assume.remedy().unwrap(), @r#"add to the caller's permission policy, and see that the role's trust policy admits the caller: {"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::999999999999:role/App"}"#);
}

#[test]
fn against_an_explicit_deny_no_statement_helps() {
    for tail in [
        " with an explicit deny in an identity-based policy",
        " with an explicit deny in a service control policy: arn:aws:organizations::1:policy/p-1",
        " because of an Explicit Deny",
    ] {
        let denied = denial(tail);
        assert_eq!(denied.statement_to_add(), None, "{tail}");
        assert!(
            denied.remedy().unwrap().contains("no other can outweigh"),
            "{tail}"
        );
    }
}

#[test]
fn the_policy_that_denies_is_named() {
    for (kind, policy) in [
        ("an identity-based policy", "the caller's permission policy"),
        (
            "a session policy",
            "the session policy that the role was assumed with",
        ),
        (
            "a permissions boundary",
            "the permissions boundary of the caller",
        ),
        (
            "a service control policy: arn:aws:organizations::1:policy/p-1",
            "the service control policy of the organization",
        ),
        (
            "a resource control policy",
            "the resource control policy of the organization",
        ),
        ("a resource-based policy", "the policy of the resource"),
        ("a VPC endpoint policy", "the policy of the VPC endpoint"),
    ] {
        let denied = denial(&format!(" with an explicit deny in {kind}"));
        assert_eq!(
            denied.remedy().unwrap(),
            format!(
                "{policy} denies it, which no other can outweigh: change the statement that denies"
            ),
        );
    }
}

#[test]
fn what_services_put_into_quotes_is_read_out_of_them() {
    for (open, close) in [("\"", "\""), ("'", "'"), ("[", "]")] {
        let denied = Denied::parse(&format!(
            "User: {open}arn:aws:iam::123456789012:user/a{close} is not authorized to perform: \
             {open}s3:GetObject{close} on resource: {open}arn:aws:s3:::bucket/key{close} because no \
             identity-based policy allows the s3:GetObject action"
        ));
        assert_eq!(
            denied.principal.as_deref(),
            Some("arn:aws:iam::123456789012:user/a")
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(denied.remedy().unwrap(), @r#"add to the caller's permission policy: {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/key"}"#);
        }
    }
    // a name that was struck out as a secret would be a wildcard
    let struck = Denied::parse(
        "User: x is not authorized to perform: dynamodb:Scan on resource: arn:aws:dynamodb:us-east-1:123456789012:table/***",
    );
    assert_eq!(struck.statement_to_add(), None);
}

#[test]
fn without_a_resource_the_policy_is_named_all_the_same() {
    let remedy = |message: &str| Denied::parse(message).remedy().unwrap();
    // KMS, which does not say which key
    insta::assert_snapshot!(remedy("User: arn:aws:iam::123456789012:user/a is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"), @"allow kms:Decrypt in the caller's permission policy, and see that the key policy lets the account's IAM policies decide, or admits the caller itself");
    insta::assert_snapshot!(remedy("User: arn:aws:iam::123456789012:user/a is not authorized to perform: ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action"), @"allow ec2:DescribeInstances in the caller's permission policy");
    // STS, where nobody signs
    insta::assert_snapshot!(remedy("Not authorized to perform sts:AssumeRoleWithWebIdentity"), @"allow sts:AssumeRoleWithWebIdentity in the trust policy of the role");
}

#[test]
fn a_role_of_identity_center_is_admitted_whatever_its_path() {
    let denied = Denied::parse(
        "User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/u@x.org is not \
         authorized to perform: sts:TagSession on resource: arn:aws:iam::999999999999:role/App",
    );
    insta::assert_snapshot!(denied.remedy().unwrap(), @r#"add to the trust policy of the role App: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Admin_*"}}}"#);
}

#[test]
fn what_is_not_said_is_not_invented() {
    for message in [
        "",
        "Access Denied",
        "not authorized",
        "User: ",
        "because ",
        "on resource: x",
    ] {
        let denied = Denied::parse(message);
        assert_eq!(denied.action, None, "{message}");
        assert_eq!(denied.statement_to_add(), None, "{message}");
        assert_eq!(denied.remedy(), None, "{message}");
    }
    // what cannot stand in a policy is not offered for one
    let strange = Denied::parse("is not authorized to perform: a:b{}\" on resource: MyTable");
    assert_eq!(strange.statement_to_add(), None);
    // EC2 appends a text for another call
    let long = Denied::parse(
        "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/alice is \
         not authorized to perform: ec2:RunInstances on resource: \
         arn:aws:ec2:us-east-1:123456789012:instance/* because no identity-based policy allows the \
         ec2:RunInstances action. Encoded authorization failure message: AbCd",
    );
    assert_eq!(long.action.as_deref(), Some("ec2:RunInstances"));
    assert_eq!(
        long.reason.as_deref(),
        Some("no identity-based policy allows the ec2:RunInstances action")
    );
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(message in "(User: |not authorized to perform: |on resource: |because |\\PC){0,12}") {
        let denied = Denied::parse(&message);
        let _ = (denied.statement_to_add(), denied.remedy());
    }
}
