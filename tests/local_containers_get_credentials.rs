//! Promise: the container credential endpoint of the embedded cloud answers as the ECS agent and the EKS
//! Pod Identity agent do: whom they serve, what they say to everybody else, and when they rotate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, LocalCloud, Role, Trust};
use aws_credential_types::Credentials;
use aws_smithy_types::retry::RetryConfig;
use local_support::{Answer, Clock, send};
use serde_json::json;
use std::time::Duration;

async fn task(cloud: &LocalCloud) -> Answer {
    send("GET", &cloud.container().task_uri(), &[], "").await
}

async fn pod(cloud: &LocalCloud, token: &str) -> Answer {
    let headers = [("authorization", token)];
    send("GET", &cloud.container().pod_uri(), &headers, "").await
}

fn token(cloud: &LocalCloud) -> String {
    cloud.container().pod_token("default", "app").unwrap()
}

fn credentials(answer: &Answer) -> Credentials {
    let document = answer.json();
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    let token = Some(text("Token"));
    Credentials::new(
        text("AccessKeyId"),
        text("SecretAccessKey"),
        token,
        None,
        "test",
    )
}

/// Who the credentials say they are, as STS sees it.
async fn whoami(cloud: &LocalCloud, answer: &Answer) -> String {
    let config = aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials(answer))
        .build();
    let call = aws_sdk_sts::Client::from_conf(config).get_caller_identity();
    call.send().await.unwrap().arn().unwrap().to_owned()
}

/// What the ECS agent says when it refuses.
fn ecs(answer: &Answer) -> (u16, String, String) {
    let document = answer.json();
    assert_eq!(document["HTTPErrorCode"], answer.status.as_u16());
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    (answer.status.as_u16(), text("code"), text("message"))
}

#[tokio::test]
async fn a_task_is_served_by_its_id() {
    let cloud = LocalCloud::start().await.unwrap();
    let answer = task(&cloud).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["RoleArn"], cloud.role_arn(DEFAULT_ROLE));
    let arn = whoami(&cloud, &answer).await;
    let session = "arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/";
    assert!(arn.starts_with(session), "{arn}");
    assert!(
        cloud
            .container()
            .task_path()
            .starts_with("/v2/credentials/")
    );

    let endpoint = cloud.container().endpoint().to_owned();
    let not_found = "CredentialsV2Request: Credentials not found";
    for (path, expected) in [
        (
            "/v2/credentials/",
            (
                "NoIdInRequest",
                "CredentialsV2Request: No Credential ID in the request",
            ),
        ),
        ("/v2/credentials/6f7a", ("InvalidIdInRequest", not_found)),
    ] {
        let (status, code, message) =
            ecs(&send("GET", &format!("{endpoint}{path}"), &[], "").await);
        assert_eq!(
            (status, code.as_str(), message.as_str()),
            (400, expected.0, expected.1)
        );
    }
    let nothing = send("GET", &format!("{endpoint}/v3/credentials"), &[], "").await;
    assert_eq!(nothing.status, 404);
    let calls = cloud.container().calls();
    assert_eq!((calls.task, calls.pod, calls.other), (3, 0, 1));
}

#[tokio::test]
async fn a_pod_is_served_for_the_token_of_its_service_account() {
    let cloud = LocalCloud::start().await.unwrap();
    let answer = pod(&cloud, &token(&cloud)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["AccountId"], cloud.account());
    let arn = whoami(&cloud, &answer).await;
    let session = "arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/eks-local-";
    assert!(arn.starts_with(session), "{arn}");
    // another service account is another session
    let other = cloud.container().pod_token("default", "other").unwrap();
    assert_ne!(pod(&cloud, &other).await.body, answer.body);
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_named_as_the_agent_names_it() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let issuer = cloud.oidc_issuer();
    let sub = "system:serviceaccount:default:app";
    let minted = |claims| issuer.token(&claims).unwrap();
    let good = token(&cloud);
    let elsewhere = LocalCloud::builder().clock(clock).start().await.unwrap();
    let basic = "Service account token failed basic claim validations: token has invalid claims: ";
    let of_eks = "(InvalidTokenException): ";
    for (token, message) in [
        (String::new(), "Service account token cannot be empty"),
        (
            "no-jwt".to_owned(),
            "Service account token cannot be parsed: ",
        ),
        (
            minted(json!({ "sub": sub, "aud": "pods.eks.amazonaws.com", "exp": 1_799_999_999 })),
            &format!("{basic}token is expired"),
        ),
        (
            minted(json!({ "sub": sub, "aud": "pods.eks.amazonaws.com", "nbf": 1_800_000_100 })),
            &format!("{basic}token is not valid yet"),
        ),
        (minted(json!({ "sub": sub })), of_eks),
        (
            minted(json!({ "sub": "somebody", "aud": "pods.eks.amazonaws.com" })),
            of_eks,
        ),
        (self::token(&elsewhere), of_eks),
        (format!("{good}x"), of_eks),
    ] {
        let answer = pod(&cloud, &token).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(message), "{message}: {answer:?}");
        assert!(token.is_empty() || !answer.body.contains(&token));
    }
    // without the header at all
    let answer = send("GET", &cloud.container().pod_uri(), &[], "").await;
    assert_eq!(answer.body, "Service account token cannot be empty\n");
    assert_eq!(pod(&cloud, &good).await.status, 200);
}

#[tokio::test]
async fn the_agent_answers_to_its_address_alone() {
    let cloud = LocalCloud::start().await.unwrap();
    let by_name = cloud
        .container()
        .pod_uri()
        .replace("127.0.0.1", "localhost");
    let token = token(&cloud);
    let answer = send("GET", &by_name, &[("authorization", &token)], "").await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.body,
        "Access Denied. Called agent through invalid address, please use either [127.0.0.1] address not localhost\n"
    );
    // the agent of ECS does not mind
    let by_name = cloud
        .container()
        .task_uri()
        .replace("127.0.0.1", "localhost");
    assert_eq!(send("GET", &by_name, &[], "").await.status, 200);
}

#[tokio::test]
async fn the_role_must_admit_the_service() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::ec2()))
        .unwrap();
    cloud.attach_container_role("App").unwrap();
    assert_eq!(ecs(&task(&cloud).await).1, "InvalidIdInRequest");
    let token = token(&cloud);
    let answer = pod(&cloud, &token).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("(AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client"),
        "{answer:?}"
    );
    // a pod's sessions are tagged, which the trust policy has to let pass
    let assume = |actions: &[&str], conditions| {
        let document = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": actions,
            "Condition": { "StringEquals": conditions },
        }] });
        let trust = TrustPolicy::from_json(&document.to_string()).unwrap();
        cloud.add_role(Role::new("App").trust(trust)).unwrap();
    };
    let namespace = |name| json!({ "aws:RequestTag/kubernetes-namespace": name });
    for (actions, of, status) in [
        (&["sts:AssumeRole"][..], "default", 400),
        (&["sts:AssumeRole", "sts:TagSession"], "default", 200),
        (&["sts:AssumeRole", "sts:TagSession"], "other", 400),
    ] {
        assume(actions, namespace(of));
        assert_eq!(pod(&cloud, &token).await.status, status, "{actions:?} {of}");
    }
    cloud.detach_container_role();
    let answer = pod(&cloud, &token).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .body
            .contains("(ResourceNotFoundException): No pod identity association found")
    );
    assert_eq!(
        ecs(&task(&cloud).await).2,
        "CredentialsV2Request: Credentials not found"
    );
    assert!(cloud.attach_container_role("Nobody").is_err());
}

#[tokio::test]
async fn what_is_handed_out_stays_until_it_rotates() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let token = token(&cloud);
    let key = |answer: &Answer| answer.json()["AccessKeyId"].as_str().unwrap().to_owned();
    let first = (key(&task(&cloud).await), key(&pod(&cloud, &token).await));
    let again = (key(&task(&cloud).await), key(&pod(&cloud, &token).await));
    assert_eq!(first, again);
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(key(&task(&cloud).await), first.0);
    clock.advance(Duration::from_secs(2));
    let second = key(&task(&cloud).await);
    assert_ne!(second, first.0);
    assert!(cloud.revoke(&second));
    let third = key(&task(&cloud).await);
    assert_ne!(third, second, "a key that is gone is handed out no more");
    cloud.container().rotate();
    assert_ne!(key(&task(&cloud).await), third);
}

#[tokio::test]
async fn faults_strike_as_elsewhere() {
    let cloud = LocalCloud::start().await.unwrap();
    let container = cloud.container();
    container.fail_next(1, Fault::Status(503));
    let (status, code, _) = ecs(&task(&cloud).await);
    assert_eq!((status, code.as_str()), (503, "CredentialsUninitialized"));
    container.fail_next(1, Fault::error(429, "ThrottlingException"));
    assert_eq!(ecs(&task(&cloud).await).1, "ThrottlingException");
    container.fail_next(1, Fault::DocumentWithout("Token".into()));
    assert!(task(&cloud).await.json().get("Token").is_none());
    container.fail_next(1, Fault::DocumentCode("InvalidIdInRequest".into()));
    assert_eq!(task(&cloud).await.status, 400);
    container.fail_next(1, Fault::DocumentExpired);
    let expired = task(&cloud).await;
    let calls = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials(&expired))
            .build(),
    );
    let error = calls.get_caller_identity().send().await.unwrap_err();
    let code = aws_sdk_sts::error::ProvideErrorMetadata::code(&error);
    assert_eq!(code, Some("ExpiredToken"));
    container.fail_next(1, Fault::Truncated);
    assert!(serde_json::from_str::<serde_json::Value>(&task(&cloud).await.body).is_err());
    assert_eq!(task(&cloud).await.status, 200);
}

#[tokio::test]
async fn every_partition_has_containers() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("eusc-de-east-1", "aws-eusc")] {
        let cloud = LocalCloud::builder().region(region).start().await.unwrap();
        let arn = whoami(&cloud, &pod(&cloud, &token(&cloud)).await).await;
        assert!(arn.starts_with(&format!("arn:{partition}:sts::")), "{arn}");
    }
}
