//! Promise: the embedded metadata service keeps the rules of IMDSv2, and its documents rotate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::local::{
    DEFAULT_INSTANCE_ID, DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, Trust,
};
use local_support::{Answer, Clock, send};
use std::time::Duration;

const LIST: &str = "/latest/meta-data/iam/security-credentials/";
const EXTENDED: &str = "/latest/meta-data/iam/security-credentials-extended/";

async fn put_token(cloud: &LocalCloud, headers: &[(&str, &str)]) -> Answer {
    let url = format!("{}/latest/api/token", cloud.imds_endpoint());
    send("PUT", &url, headers, "").await
}

async fn token(cloud: &LocalCloud) -> String {
    let answer = put_token(cloud, &[("X-aws-ec2-metadata-token-ttl-seconds", "21600")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-aws-ec2-metadata-token-ttl-seconds"),
        "21600"
    );
    answer.body
}

async fn ask(cloud: &LocalCloud, token: &str, path: &str) -> Answer {
    let url = format!("{}{path}", cloud.imds_endpoint());
    send("GET", &url, &[("X-aws-ec2-metadata-token", token)], "").await
}

async fn document(cloud: &LocalCloud, token: &str) -> serde_json::Value {
    let answer = ask(cloud, token, &format!("{LIST}{DEFAULT_ROLE}")).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

#[tokio::test]
async fn a_token_needs_a_ttl_of_1_to_21600_seconds() {
    let cloud = LocalCloud::start().await.unwrap();
    assert_eq!(put_token(&cloud, &[]).await.status, 400);
    for (ttl, status) in [
        ("0", 400),
        ("1", 200),
        ("21600", 200),
        ("21601", 400),
        ("-1", 400),
        ("soon", 400),
    ] {
        let answer = put_token(&cloud, &[("X-aws-ec2-metadata-token-ttl-seconds", ttl)]).await;
        assert_eq!(answer.status, status, "ttl {ttl}");
    }
}

#[tokio::test]
async fn a_token_is_not_given_through_a_proxy_nor_by_get() {
    let cloud = LocalCloud::start().await.unwrap();
    let ttl = ("X-aws-ec2-metadata-token-ttl-seconds", "60");
    let forwarded = put_token(&cloud, &[ttl, ("X-Forwarded-For", "10.0.0.1")]).await;
    assert_eq!(forwarded.status, 403);
    let url = format!("{}/latest/api/token", cloud.imds_endpoint());
    assert_eq!(send("GET", &url, &[ttl], "").await.status, 405);
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let url = format!("{}{LIST}", cloud.imds_endpoint());
    assert_eq!(send("GET", &url, &[], "").await.status, 401);
    assert_eq!(ask(&cloud, "made-up", LIST).await.status, 401);

    let token = token(&cloud).await;
    assert_eq!(ask(&cloud, &token, LIST).await.status, 200);
    clock.advance(Duration::from_secs(21_600));
    assert_eq!(ask(&cloud, &token, LIST).await.status, 401);
}

#[tokio::test]
async fn a_revoked_token_is_refused_although_its_time_is_not_up() {
    let cloud = LocalCloud::start().await.unwrap();
    let old = token(&cloud).await;
    cloud.imds().revoke_tokens();
    assert_eq!(ask(&cloud, &old, LIST).await.status, 401);
    let new = token(&cloud).await;
    assert_eq!(ask(&cloud, &new, LIST).await.status, 200);
}

#[tokio::test]
async fn both_paths_serve_the_same_credentials_and_the_extended_one_adds_the_account() {
    let cloud = LocalCloud::start().await.unwrap();
    let token = token(&cloud).await;
    for list in [LIST, EXTENDED] {
        assert_eq!(ask(&cloud, &token, list).await.body, DEFAULT_ROLE);
    }
    let plain = document(&cloud, &token).await;
    let extended = ask(&cloud, &token, &format!("{EXTENDED}{DEFAULT_ROLE}"))
        .await
        .json();
    for member in [
        "Code",
        "LastUpdated",
        "Type",
        "AccessKeyId",
        "SecretAccessKey",
        "Token",
        "Expiration",
    ] {
        assert!(plain[member].is_string(), "{member} is there");
        assert_eq!(plain[member], extended[member], "{member}");
    }
    assert_eq!(plain["Code"], "Success");
    assert_eq!(plain["Type"], "AWS-HMAC");
    assert!(plain["AccessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(plain["AccessKeyId"].as_str().unwrap().len(), 20);
    assert!(plain.get("AccountId").is_none());
    assert_eq!(extended["AccountId"], "123456789012");
}

#[tokio::test]
async fn the_extended_path_can_be_absent() {
    let cloud = LocalCloud::start().await.unwrap();
    let token = token(&cloud).await;
    cloud.imds().extended_path(false);
    let document = format!("{EXTENDED}{DEFAULT_ROLE}");
    for path in [EXTENDED, &document] {
        assert_eq!(ask(&cloud, &token, path).await.status, 404);
    }
    assert_eq!(ask(&cloud, &token, LIST).await.status, 200);
}

#[tokio::test]
async fn a_document_is_served_until_it_rotates_and_the_old_one_has_life_left() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .rotate_documents_after(Duration::from_secs(3600))
        .start()
        .await
        .unwrap();
    let token = token(&cloud).await;
    let first = document(&cloud, &token).await;
    assert_eq!(first["LastUpdated"], "2027-01-15T08:00:00Z");
    assert_eq!(first["Expiration"], "2027-01-15T14:00:00Z", "six hours");
    clock.advance(Duration::from_secs(3599));
    assert_eq!(document(&cloud, &token).await, first);
    clock.advance(Duration::from_secs(1));
    let second = document(&cloud, &token).await;
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
    assert_eq!(second["Expiration"], "2027-01-15T15:00:00Z");
}

#[tokio::test]
async fn the_lifetime_is_what_the_builder_says() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock)
        .session_lifetime(Duration::from_secs(15))
        .start()
        .await
        .unwrap();
    let token = token(&cloud).await;
    assert_eq!(
        document(&cloud, &token).await["Expiration"],
        "2027-01-15T08:00:15Z"
    );
}

#[tokio::test]
async fn the_instance_describes_itself() {
    let cloud = LocalCloud::builder()
        .region("eu-west-1")
        .start()
        .await
        .unwrap();
    let token = token(&cloud).await;
    for (path, text) in [
        ("/latest/meta-data/instance-id", DEFAULT_INSTANCE_ID),
        ("/latest/meta-data/placement/region", "eu-west-1"),
        (
            "/latest/meta-data/placement/availability-zone",
            "eu-west-1a",
        ),
    ] {
        assert_eq!(ask(&cloud, &token, path).await.body, text);
    }
    let identity = ask(&cloud, &token, "/latest/dynamic/instance-identity/document")
        .await
        .json();
    assert_eq!(identity["accountId"], "123456789012");
    assert_eq!(identity["instanceId"], DEFAULT_INSTANCE_ID);
    assert_eq!(identity["region"], "eu-west-1");
    let profile = ask(&cloud, &token, "/latest/meta-data/iam/info")
        .await
        .json();
    assert_eq!(
        profile["InstanceProfileArn"],
        "arn:aws:iam::123456789012:instance-profile/EC2DynamoDBProfile"
    );
    assert_eq!(ask(&cloud, &token, "/latest/nothing").await.status, 404);
}

#[tokio::test]
async fn every_answer_tells_the_time_of_the_clouds_clock() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder().clock(clock).start().await.unwrap();
    let answer = put_token(&cloud, &[("X-aws-ec2-metadata-token-ttl-seconds", "60")]).await;
    assert_eq!(answer.header("date"), "Fri, 15 Jan 2027 08:00:00 GMT");
}

#[tokio::test]
async fn roles_are_attached_replaced_and_detached_while_it_runs() {
    let cloud = LocalCloud::start().await.unwrap();
    let token = token(&cloud).await;
    let old = document(&cloud, &token).await;
    cloud
        .add_role(Role::new("Other").trust(Trust::ec2()))
        .unwrap();
    cloud.attach_role("Other").unwrap();
    assert_eq!(ask(&cloud, &token, LIST).await.body, "Other");
    assert_eq!(
        ask(&cloud, &token, &format!("{LIST}{DEFAULT_ROLE}"))
            .await
            .status,
        404
    );
    let new = ask(&cloud, &token, &format!("{LIST}Other")).await.json();
    assert_ne!(new["AccessKeyId"], old["AccessKeyId"]);

    cloud.detach_role();
    for path in [LIST, EXTENDED, "/latest/meta-data/iam/info"] {
        assert_eq!(ask(&cloud, &token, path).await.status, 404, "{path}");
    }
    cloud.attach_role(DEFAULT_ROLE).unwrap();
    assert_eq!(ask(&cloud, &token, LIST).await.body, DEFAULT_ROLE);
}

#[tokio::test]
async fn a_role_that_does_not_admit_ec2_yields_no_credentials() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.add_role(Role::new("NotForEc2")).unwrap();
    cloud.attach_role("NotForEc2").unwrap();
    let token = token(&cloud).await;
    let document = ask(&cloud, &token, &format!("{LIST}NotForEc2"))
        .await
        .json();
    assert_eq!(document["Code"], "AssumeRoleUnauthorizedAccess");
    assert!(document["Message"].as_str().unwrap().contains("NotForEc2"));
    assert!(document.get("SecretAccessKey").is_none());
}

#[tokio::test]
async fn documents_go_wrong_as_told() {
    let cloud = LocalCloud::start().await.unwrap();
    let token = token(&cloud).await;
    let imds = cloud.imds();

    imds.fail_next_on(ImdsCall::Document, 1, Fault::DocumentCode("Failed".into()));
    assert_eq!(document(&cloud, &token).await["Code"], "Failed");

    imds.fail_next_on(
        ImdsCall::Document,
        1,
        Fault::DocumentWithout("Token".into()),
    );
    let without = document(&cloud, &token).await;
    assert!(without.get("Token").is_none() && without["AccessKeyId"].is_string());

    let first = document(&cloud, &token).await;
    imds.fail_on(ImdsCall::Document, Fault::DocumentSame);
    cloud.expire_sessions();
    assert_eq!(document(&cloud, &token).await, first);
    imds.heal();
    assert_ne!(
        document(&cloud, &token).await["AccessKeyId"],
        first["AccessKeyId"]
    );

    imds.fail_on(ImdsCall::Document, Fault::DocumentExpired);
    let expired = document(&cloud, &token).await;
    assert!(expired["Expiration"].as_str().unwrap() < first["LastUpdated"].as_str().unwrap());

    imds.fail_on(ImdsCall::List, Fault::role_list(["A", "B"]));
    assert_eq!(ask(&cloud, &token, LIST).await.body, "A\nB\n");
}
