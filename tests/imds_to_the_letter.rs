//! Promise: `ImdsSource` keeps the rules for the metadata service, row by row, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, Trust};
use aws_credential_strategies::source::ImdsSource;
use aws_credential_strategies::{CredentialSource, Credentials, Error, ErrorKind};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use serde_json::json;
use source_support::{BRIEF, PATIENCE, golden, imds};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn cloud_and_source() -> (LocalCloud, ImdsSource) {
    let cloud = LocalCloud::start().await.unwrap();
    let source = imds(&cloud).build().unwrap();
    (cloud, source)
}

/// A source that gives up soon on an answer that will not come.
fn hasty(cloud: &LocalCloud) -> ImdsSource {
    imds(cloud).answer_timeout(BRIEF).build().unwrap()
}

async fn fails(source: &ImdsSource) -> Error {
    source.fetch().await.expect_err("this fetch fails")
}

fn key(credentials: &Credentials) -> &str {
    credentials.access_key_id()
}

// A healthy service.

#[tokio::test]
async fn a_fetch_is_a_token_a_list_and_a_document_on_the_extended_path() {
    let (cloud, source) = cloud_and_source().await;
    let credentials = source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!(
        (calls.token, calls.extended_list, calls.extended_document),
        (1, 1, 1)
    );
    assert_eq!(calls.total(), 3);
    assert_eq!(credentials.account_id().unwrap().as_str(), cloud.account());
    assert!(credentials.session_token().is_some());
    assert!(credentials.expiry().unwrap() > SystemTime::now());
}

#[tokio::test]
async fn token_role_and_path_are_remembered_between_fetches() {
    let (cloud, source) = cloud_and_source().await;
    source.fetch().await.unwrap();
    cloud.imds().reset_counts();
    source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_document, calls.total()), (1, 1));
}

#[tokio::test]
async fn credentials_say_that_they_come_from_the_metadata_service() {
    let (_cloud, source) = cloud_and_source().await;
    let credentials = source.fetch().await.unwrap();
    assert_eq!(
        credentials.get_property::<Vec<AwsCredentialFeature>>(),
        Some(&vec![AwsCredentialFeature::CredentialsImds])
    );
    assert!(format!("{credentials:?}").contains("InstanceProfile"));
}

// The path with the account id, and the one without.

#[tokio::test]
async fn without_the_extended_path_the_plain_one_serves_and_is_remembered() {
    let (cloud, source) = cloud_and_source().await;
    cloud.imds().extended_path(false);
    let credentials = source.fetch().await.unwrap();
    assert!(credentials.account_id().is_none());
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_list, calls.list, calls.document), (1, 1, 1));
    cloud.imds().reset_counts();
    source.fetch().await.unwrap();
    assert_eq!(cloud.imds().calls().total(), 1);
    assert_eq!(cloud.imds().calls().document, 1);
}

#[tokio::test]
async fn a_configured_name_finds_the_plain_path_too() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().extended_path(false);
    let source = imds(&cloud).profile(DEFAULT_ROLE).build().unwrap();
    source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_document, calls.document), (1, 1));
    assert_eq!(calls.extended_list + calls.list, 0);
    source.fetch().await.unwrap();
    assert_eq!(cloud.imds().calls().document, 2);
    assert_eq!(cloud.imds().calls().extended_document, 1);
}

#[tokio::test]
async fn only_404_is_a_reason_to_take_the_plain_path_where_the_other_has_answered() {
    for status in [400, 403, 500] {
        let (cloud, source) = cloud_and_source().await;
        source.fetch().await.unwrap();
        cloud
            .imds()
            .fail_next_on(ImdsCall::ExtendedDocument, 1, Fault::Status(404));
        cloud
            .imds()
            .fail_next_on(ImdsCall::Document, 1, Fault::Status(404));
        cloud
            .imds()
            .fail_on(ImdsCall::ExtendedList, Fault::Status(status));
        let error = fails(&source).await;
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(cloud.imds().calls().list, 0, "{status}");
    }
}

#[tokio::test]
async fn a_moment_without_a_role_does_not_cost_the_account_id_for_good() {
    let (cloud, source) = cloud_and_source().await;
    cloud.detach_role();
    fails(&source).await;
    cloud.attach_role(DEFAULT_ROLE).unwrap();
    assert!(source.fetch().await.unwrap().account_id().is_some());
}

// The role's name.

#[tokio::test]
async fn with_a_configured_name_the_list_is_not_asked() {
    let cloud = LocalCloud::start().await.unwrap();
    let source = imds(&cloud).profile(DEFAULT_ROLE).build().unwrap();
    source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_document, calls.total()), (1, 2));
}

#[tokio::test]
async fn the_first_line_that_is_not_empty_is_the_role() {
    let (cloud, source) = cloud_and_source().await;
    let list = Fault::role_list(["", "   ", "  EC2DynamoDBRole\r", "Other", "no/name"]);
    cloud.imds().fail_on(ImdsCall::ExtendedList, list);
    source.fetch().await.unwrap();
    assert_eq!(source.subject().as_deref(), Some("EC2DynamoDBRole"));
}

#[tokio::test]
async fn what_is_not_a_role_name_goes_into_no_path() {
    let long = "x".repeat(65);
    for name in [
        "../../user-data",
        "a/b",
        "..",
        "a b",
        "<html>",
        "a\u{e9}",
        &long,
    ] {
        let (cloud, source) = cloud_and_source().await;
        cloud
            .imds()
            .fail_on(ImdsCall::ExtendedList, Fault::role_list([name]));
        let error = fails(&source).await;
        assert_eq!(*error.kind(), ErrorKind::Malformed, "{name}");
        assert!(error.is_retryable());
        let calls = cloud.imds().calls();
        assert_eq!(calls.total(), 2, "{name}: token and list, no more");
    }
}

#[tokio::test]
async fn without_a_role_the_error_has_the_commands_that_attach_one() {
    let (cloud, source) = cloud_and_source().await;
    cloud.detach_role();
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::NoRole);
    assert!(error.is_retryable(), "a booting instance has no role yet");
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/meta-data/iam/security-credentials/: no role is attached to this instance (http 404, after [elapsed]); attach one with aws iam add-role-to-instance-profile --instance-profile-name PROFILE --role-name ROLE and aws ec2 associate-iam-instance-profile --instance-id INSTANCE --iam-instance-profile Name=PROFILE"##);
    cloud.attach_role(DEFAULT_ROLE).unwrap();
    source.fetch().await.unwrap();
}

#[tokio::test]
async fn an_empty_list_is_no_role_either() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedList, Fault::role_list([" ", ""]));
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::NoRole);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/: no role is attached to this instance (after [elapsed]); attach one with aws iam add-role-to-instance-profile --instance-profile-name PROFILE --role-name ROLE and aws ec2 associate-iam-instance-profile --instance-id INSTANCE --iam-instance-profile Name=PROFILE"##);
}

#[tokio::test]
async fn a_role_that_was_replaced_is_listed_again() {
    let (cloud, source) = cloud_and_source().await;
    source.fetch().await.unwrap();
    cloud
        .add_role(Role::new("Next").trust(Trust::ec2()))
        .unwrap();
    cloud.attach_role("Next").unwrap();
    cloud.imds().reset_counts();
    source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_document, calls.extended_list), (2, 1));
    assert_eq!(source.subject().as_deref(), Some("Next"));
}

#[tokio::test]
async fn a_role_that_never_has_a_document_is_listed_again_three_times() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::Status(404));
    cloud.imds().fail_on(ImdsCall::Document, Fault::Status(404));
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::NoRole);
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_list, calls.extended_document), (4, 4));
    assert_eq!(calls.document, 4);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials on role EC2DynamoDBRole at http://imds/latest/meta-data/iam/security-credentials/EC2DynamoDBRole: the role is listed, but the metadata service has no credentials for it (http 404, after [elapsed])"##);
}

#[tokio::test]
async fn a_configured_name_that_is_nowhere_is_said_to_be() {
    let cloud = LocalCloud::start().await.unwrap();
    let source = imds(&cloud).profile("EC2DynamoDBProfile").build().unwrap();
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::NoRole);
    let calls = cloud.imds().calls();
    assert_eq!((calls.extended_document, calls.document), (1, 1));
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials on role EC2DynamoDBProfile at http://imds/latest/meta-data/iam/security-credentials/EC2DynamoDBProfile: no such instance profile role (http 404, after [elapsed]); the name to configure is the role's, not the instance profile's; leave it out to take the role that is attached"##);
}

// The document.

#[tokio::test]
async fn a_role_that_does_not_admit_ec2_is_shown_the_document_to_set() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .add_role(Role::new("Mine").trust(Trust::account(cloud.account())))
        .unwrap();
    cloud.attach_role("Mine").unwrap();
    let error = fails(&source).await;
    assert!(matches!(error.kind(), ErrorKind::AccessDenied(_)));
    assert!(error.is_terminal());
    assert_eq!(cloud.imds().calls().documents(), 1);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials on role Mine at http://imds/latest/meta-data/iam/security-credentials-extended/Mine: the trust policy of the role does not admit ec2.amazonaws.com (code AssumeRoleUnauthorizedAccess, after [elapsed]); add {"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"} to the statements that aws iam get-role --role-name Mine --query Role.AssumeRolePolicyDocument shows, and set all of them with aws iam update-assume-role-policy --role-name Mine --policy-document file://trust.json, which keeps no other"##);
}

#[tokio::test]
async fn in_china_ec2_goes_by_another_name() {
    let cloud = LocalCloud::builder()
        .region("cn-north-1")
        .start()
        .await
        .unwrap();
    let source = imds(&cloud).build().unwrap();
    cloud
        .add_role(Role::new("Mine").trust(Trust::account(cloud.account())))
        .unwrap();
    cloud.attach_role("Mine").unwrap();
    let line = fails(&source).await.to_string();
    assert!(
        line.contains("does not admit ec2.amazonaws.com.cn"),
        "{line}"
    );
    assert!(
        line.contains(r#"{"Service":"ec2.amazonaws.com.cn"}"#),
        "{line}"
    );
}

#[tokio::test]
async fn any_other_code_heals_by_itself_and_is_shown() {
    let (cloud, source) = cloud_and_source().await;
    cloud.imds().fail_on(
        ImdsCall::ExtendedDocument,
        Fault::DocumentCode("InternalFailure".into()),
    );
    let error = fails(&source).await;
    assert_eq!(error.code(), Some("InternalFailure"));
    assert!(error.is_retryable());
    assert_eq!(cloud.imds().calls().documents(), 1);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials on role EC2DynamoDBRole at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the metadata service has no credentials: The metadata service could not get credentials: InternalFailure. (code InternalFailure, after [elapsed])"##);
}

#[tokio::test]
async fn a_missing_field_is_named() {
    for field in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
        let (cloud, source) = cloud_and_source().await;
        cloud.imds().fail_on(
            ImdsCall::ExtendedDocument,
            Fault::DocumentWithout(field.into()),
        );
        let error = fails(&source).await;
        assert_eq!(*error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains(field), "{error}");
        assert!(error.is_retryable());
        assert_eq!(cloud.imds().calls().documents(), 1, "{field}");
    }
}

fn document(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> Fault {
    let mut document = serde_json::json!({
        "Code": "Success",
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2099-01-31T12:00:00Z",
        "AccountId": "123456789012",
    });
    change(document.as_object_mut().unwrap());
    Fault::body(200, "application/json", document.to_string())
}

#[tokio::test]
async fn an_empty_field_is_named_too_and_never_becomes_a_credential() {
    for field in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
        for empty in ["", "  "] {
            let (cloud, source) = cloud_and_source().await;
            let fault = document(|members| {
                members.insert(field.to_owned(), empty.into());
            });
            cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
            let error = fails(&source).await;
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named_without_its_value() {
    let (cloud, source) = cloud_and_source().await;
    let fault = document(|members| {
        members.insert("SecretAccessKey".to_owned(), 424_242.into());
    });
    cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
    let error = fails(&source).await;
    assert!(error.to_string().contains("SecretAccessKey"), "{error}");
    assert!(!error.to_string().contains("424242"), "{error}");
}

#[tokio::test]
async fn what_the_service_may_vary_is_accepted() {
    let variants: [fn(&mut serde_json::Map<String, serde_json::Value>); 5] = [
        |members| drop(members.insert("Code".to_owned(), "success".into())),
        |members| drop(members.remove("Code")),
        |members| drop(members.insert("Future".to_owned(), serde_json::json!({ "x": [1] }))),
        |members| {
            members.insert("Expiration".to_owned(), "2099-01-31T12:00:00.123Z".into());
        },
        |members| {
            members.insert("Token".to_owned(), "with\"quotes\\and/slashes".into());
        },
    ];
    for change in variants {
        let (cloud, source) = cloud_and_source().await;
        cloud
            .imds()
            .fail_on(ImdsCall::ExtendedDocument, document(change));
        let credentials = source.fetch().await.unwrap();
        assert_eq!(key(&credentials), "ASIAEXAMPLE");
    }
}

/// It would stand in the host of DynamoDB's account-based endpoint.
#[tokio::test]
async fn what_is_no_account_id_is_left_out() {
    for (said, account) in [
        (json!("123456789012"), Some("123456789012")),
        (json!(" 123456789012 "), Some("123456789012")),
        (json!("000000000000"), Some("000000000000")),
        (json!("unknown"), None),
        (json!("12345678901"), None),
        (json!("1234-5678-9012"), None),
        (json!("123456789012.evil.example/"), None),
        (json!(""), None),
        (json!(123_456_789_012_u64), None),
        (json!(null), None),
    ] {
        let (cloud, source) = cloud_and_source().await;
        let fault = document(|members| drop(members.insert("AccountId".to_owned(), said.clone())));
        cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
        let credentials = source.fetch().await.unwrap();
        let found = credentials.account_id().map(|id| id.as_str());
        assert_eq!(found, account, "{said}");
    }
}

#[tokio::test]
async fn an_expired_document_is_handed_on_for_the_cache_to_judge() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::DocumentExpired);
    let credentials = source.fetch().await.unwrap();
    assert!(credentials.expiry().unwrap() < SystemTime::now());
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused_and_one_below_is_not() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_next_on(ImdsCall::ExtendedDocument, 1, Fault::Oversized(64 * 1024));
    source.fetch().await.unwrap();
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::Oversized(64 * 1024 + 1));
    cloud.imds().reset_counts();
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Malformed);
    assert_eq!(cloud.imds().calls().documents(), 1, "not asked again");
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the answer is larger than 65536 bytes, so it is not the metadata service's (http 200, after [elapsed])"##);
}

// The session token.

#[tokio::test]
async fn a_token_is_left_alone_a_quarter_of_its_life_before_it_ends() {
    for (ttl, tokens) in [(1, 2), (120, 1), (600, 1)] {
        let cloud = LocalCloud::start().await.unwrap();
        let source = imds(&cloud)
            .token_ttl(Duration::from_secs(ttl))
            .profile(DEFAULT_ROLE)
            .build()
            .unwrap();
        source.fetch().await.unwrap();
        if tokens == 2 {
            tokio::time::sleep(Duration::from_secs(ttl)).await;
        }
        source.fetch().await.unwrap();
        assert_eq!(cloud.imds().calls().token, tokens, "{ttl} s");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_before_its_time_is_replaced_and_the_request_repeated_once() {
    let (cloud, source) = cloud_and_source().await;
    source.fetch().await.unwrap();
    cloud.imds().revoke_tokens();
    cloud.imds().reset_counts();
    source.fetch().await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!(
        (calls.token, calls.extended_document, calls.total()),
        (1, 2, 3)
    );
}

#[tokio::test]
async fn a_new_token_that_is_refused_too_ends_the_fetch() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::Status(401));
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Refused);
    let calls = cloud.imds().calls();
    assert_eq!((calls.token, calls.extended_document), (2, 2));
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: IMDS does not take the session token that it has just given (http 401, after [elapsed])"##);
}

#[tokio::test]
async fn a_refused_token_request_is_not_repeated() {
    let (cloud, source) = cloud_and_source().await;
    cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403));
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Refused);
    assert!(error.is_retryable(), "the service may be switched on again");
    assert_eq!(cloud.imds().calls().total(), 1);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/api/token: IMDS refused a session token (http 403, after [elapsed]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled"##);
}

#[tokio::test]
async fn an_invalid_token_request_needs_a_person() {
    let (cloud, source) = cloud_and_source().await;
    cloud.imds().fail_on(ImdsCall::Token, Fault::Status(400));
    let error = fails(&source).await;
    assert!(error.is_terminal());
    assert_eq!(cloud.imds().calls().total(), 1);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/api/token: IMDS calls the request for a session token invalid (http 400, after [elapsed]); something between here and the metadata service changes requests"##);
}

#[tokio::test]
async fn version_one_alone_is_never_used() {
    let (cloud, source) = cloud_and_source().await;
    for status in [404, 405] {
        cloud.imds().reset_counts();
        cloud.imds().fail_on(ImdsCall::Token, Fault::Status(status));
        let error = fails(&source).await;
        assert_eq!(error.http_status(), Some(status));
        let calls = cloud.imds().calls();
        let gets = calls.extended_list + calls.list + calls.extended_document + calls.document;
        assert_eq!((calls.token, gets), (1, 0), "no GET without a token");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_a_header_is_refused() {
    for body in ["", "  ", "a\nb", "a\u{e9}\u{0}"] {
        let (cloud, source) = cloud_and_source().await;
        cloud
            .imds()
            .fail_on(ImdsCall::Token, Fault::body(200, "text/plain", body));
        let error = fails(&source).await;
        assert_eq!(*error.kind(), ErrorKind::Malformed, "{body:?}");
        assert_eq!(cloud.imds().calls().total(), 1);
    }
}

// Failures that pass, within the budget of one fetch.

#[tokio::test]
async fn passing_failures_are_survived() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Reset,
        Fault::Disconnect,
        Fault::Truncated,
        Fault::web_page(),
    ];
    for fault in faults {
        let (cloud, source) = cloud_and_source().await;
        cloud
            .imds()
            .fail_next_on(ImdsCall::ExtendedDocument, 2, fault.clone());
        source.fetch().await.unwrap();
        let calls = cloud.imds().calls();
        assert_eq!(calls.extended_document, 3, "{fault:?}");
        assert_eq!((calls.token, calls.extended_list), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn lasting_failures_end_the_fetch_with_status_and_path() {
    for (fault, kind, status) in [
        (Fault::Status(503), ErrorKind::Service, Some(503)),
        (Fault::Status(429), ErrorKind::Throttled, Some(429)),
        (Fault::Reset, ErrorKind::Unreachable, None),
        (Fault::Disconnect, ErrorKind::Malformed, Some(200)),
        (Fault::Truncated, ErrorKind::Malformed, Some(200)),
    ] {
        let (cloud, source) = cloud_and_source().await;
        cloud
            .imds()
            .fail_on(ImdsCall::ExtendedDocument, fault.clone());
        let error = fails(&source).await;
        assert_eq!(*error.kind(), kind, "{error}");
        assert_eq!(error.http_status(), status, "{error}");
        assert!(error.is_retryable());
        let path = "/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole";
        assert!(error.to_string().contains(path), "{error}");
        assert_eq!(cloud.imds().calls().extended_document, 3, "{fault:?}");
    }
}

#[tokio::test]
async fn each_request_has_its_own_budget() {
    let (cloud, source) = cloud_and_source().await;
    cloud
        .imds()
        .fail_next_on(ImdsCall::Token, 1, Fault::Status(500));
    cloud
        .imds()
        .fail_next_on(ImdsCall::ExtendedList, 1, Fault::Status(500));
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::Status(500));
    fails(&source).await;
    let calls = cloud.imds().calls();
    assert_eq!(
        (calls.token, calls.extended_list, calls.extended_document),
        (2, 2, 3)
    );
}

#[tokio::test]
async fn at_most_eight_attempts_of_a_fetch_fail() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::Status(500));
    let source = imds(&cloud).max_attempts(10).build().unwrap();
    fails(&source).await;
    assert_eq!(cloud.imds().calls().total(), 8);
}

#[tokio::test]
async fn the_number_of_attempts_is_configurable() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::Status(500));
    let source = imds(&cloud).max_attempts(1).build().unwrap();
    fails(&source).await;
    assert_eq!(cloud.imds().calls().total(), 1);
}

#[tokio::test]
async fn the_texts_of_passing_failures() {
    let (cloud, source) = cloud_and_source().await;
    let mut texts = Vec::new();
    for fault in [
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(418),
        Fault::web_page(),
        Fault::Disconnect,
    ] {
        cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
        let error = fails(&source).await;
        texts.push(golden(&cloud, &error));
    }
    insta::assert_snapshot!(texts.join("\n"), @r##"
    fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the metadata service failed (http 503, attempts 3, after [elapsed])
    fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the metadata service asks for fewer requests (http 429, attempts 3, after [elapsed])
    fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the answer is not one of IMDSv2's (http 418, after [elapsed])
    fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the credential document is not JSON from line 1 column 1 on (http 200, attempts 3, after [elapsed])
    fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: the connection ended in the middle of the answer (http 200, attempts 3, after [elapsed])
      <- error reading a body from connection
      <- end of file before message length reached
    "##);
}

/// A service that closes the connection after each answer, and marks the end of a body by nothing else.
#[tokio::test]
async fn a_service_that_keeps_no_connection_open_is_served_by_as_many() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let document = json!({
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": "2099-01-31T12:00:00Z",
        });
        let mut requests = Vec::new();
        for body in [
            "the-token".to_owned(),
            "App".to_owned(),
            document.to_string(),
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    });
    let source = ImdsSource::builder()
        .endpoint(format!("{endpoint}/base/"))
        .connect_timeout(PATIENCE)
        .answer_timeout(PATIENCE)
        .max_attempts(1)
        .build()
        .unwrap();
    assert_eq!(key(&source.fetch().await.unwrap()), "ASIAEXAMPLE");
    let requests = served
        .await
        .unwrap()
        .join("")
        .replace(&endpoint[7..], "host")
        .replace(
            concat!("aws-credential-strategies/", env!("CARGO_PKG_VERSION")),
            "ours",
        );
    insta::assert_snapshot!(requests.replace('\r', "").trim_end(), @r##"
    PUT /base/latest/api/token HTTP/1.1
    host: host
    accept: */*
    user-agent: ours
    x-aws-ec2-metadata-token-ttl-seconds: 21600
    content-length: 0

    GET /base/latest/meta-data/iam/security-credentials-extended/ HTTP/1.1
    host: host
    accept: */*
    user-agent: ours
    x-aws-ec2-metadata-token: the-token

    GET /base/latest/meta-data/iam/security-credentials-extended/App HTTP/1.1
    host: host
    accept: */*
    user-agent: ours
    x-aws-ec2-metadata-token: the-token
    "##);
}

// Nobody there, and answers that are lost.

#[tokio::test]
async fn nobody_at_the_endpoint_means_not_on_ec2() {
    let cloud = LocalCloud::start().await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = imds(&cloud).endpoint(&closed).build().unwrap();
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Unreachable);
    assert!(error.is_retryable());
    insta::assert_snapshot!(golden(&cloud, &error).replace(&closed, "http://closed"), @r##"
    fetch credentials at http://closed/latest/api/token: cannot connect: not on EC2, or the metadata service is off (attempts 3, after [elapsed]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
      <- Connection refused (os error 111)
    "##);
}

#[tokio::test]
async fn a_lost_token_answer_is_explained_by_the_hop_limit() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let source = hasty(&cloud);
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
    assert_eq!(cloud.imds().calls().token, 3);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/api/token: IMDS reachable, token response lost: hop limit 1 in a container? (attempts 3, after [elapsed]); raise it with aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2"##);
}

#[tokio::test]
async fn a_lost_document_is_a_time_out_and_no_matter_of_hops() {
    let cloud = LocalCloud::start().await.unwrap();
    let source = hasty(&cloud);
    cloud
        .imds()
        .fail_on(ImdsCall::ExtendedDocument, Fault::Hang);
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert_eq!(cloud.imds().calls().extended_document, 3);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"fetch credentials at http://imds/latest/meta-data/iam/security-credentials-extended/EC2DynamoDBRole: no complete answer in time (attempts 3, after [elapsed])"##);
}

#[tokio::test]
async fn the_limit_on_an_answer_includes_its_body() {
    let cloud = LocalCloud::start().await.unwrap();
    let source = hasty(&cloud);
    let slow = Fault::Trickle(BRIEF / 5);
    cloud.imds().fail_on(ImdsCall::ExtendedDocument, slow);
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::Timeout);
}

// What a diagnosis asks.

#[tokio::test]
async fn the_steps_of_a_fetch_can_be_checked_one_by_one() {
    let (cloud, source) = cloud_and_source().await;
    source.check_connection().await.unwrap();
    assert_eq!(cloud.imds().calls().total(), 0);
    let token = source.check_token().await.unwrap();
    assert_eq!(token.ttl, Some(Duration::from_secs(21_600)));
    let date = token.date.expect("the service tells the time");
    let apart = SystemTime::now().duration_since(date).unwrap_or_default();
    assert!(apart < Duration::from_secs(60));
    assert_eq!(source.attached_roles().await.unwrap(), [DEFAULT_ROLE]);
    cloud.detach_role();
    let error = source.attached_roles().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoRole);
}
