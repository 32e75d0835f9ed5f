//! Promise: a role with exactly the permissions of the seed's scenario is enough for its program and for
//! nothing else, with either option; and the policy that the recorder prints is enough, and no larger
//! than what the program needs.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::{PermissionPolicy, TrustPolicy};
use aws_credential_strategies::local::{LocalCloud, NewIndex, NewTable, Role, Trust};
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, Dynamo, ErrorKind, InstanceProfile, Result,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use std::sync::Arc;

const MY_TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";
const OTHER: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/Other";

/// The permission policy of the scenario.
fn three_actions() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            "Resource": MY_TABLE,
        }],
    })
}

async fn cloud() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    let table = NewTable::new("MyTable", "id").index(NewIndex::new("byName", "name"));
    cloud.create_table(table).unwrap();
    cloud.create_table(("Other", "id")).unwrap();
    cloud
}

/// Option A: the role on the instance.
fn option_a(cloud: &LocalCloud, policy: &Value) -> Dynamo<InstanceProfile> {
    let role = Role::new("App").trust(Trust::ec2()).permissions(policy);
    cloud.add_role(role).unwrap();
    cloud.attach_role("App").unwrap();
    let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
    Dynamo::new(strategy.build().unwrap(), &cloud.sdk_config())
}

/// Option B: the role assumed by a user of the account.
fn option_b(cloud: &LocalCloud, policy: &Value) -> Dynamo<AssumeRole> {
    let trust = Trust::account(cloud.account());
    let role = Role::new("App").trust(trust).permissions(policy);
    let role_arn = cloud.add_role(role).unwrap();
    let user = SharedCredentialsProvider::new(cloud.create_access_key("deployer"));
    let strategy = AssumeRole::builder(role_arn)
        .sdk_config(&cloud.sdk_config())
        .base(user)
        .session_name("app")
        .build()
        .unwrap();
    Dynamo::new(strategy, &cloud.sdk_config())
}

/// Principal, action and resource of an access that was denied; anything else is a failed test.
fn denied<T: std::fmt::Debug>(result: Result<T>) -> (String, String, String) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"), "{error}");
    assert_eq!(error.http_status(), Some(400), "{error}");
    let ErrorKind::AccessDenied(denied) = error.kind().clone() else {
        panic!("{error}");
    };
    (
        denied.principal.unwrap(),
        denied.action.unwrap(),
        denied.resource.unwrap(),
    )
}

/// What the three actions allow, and what they do not.
async fn scenario<S: CredentialStrategy>(dynamo: &Dynamo<S>) {
    let table = dynamo.table("MyTable");
    let ada = json!({ "id": "123", "name": "Ada" });
    table.put(&ada).send().await.unwrap();
    let got: Option<Value> = table.get(("id", "123")).send().await.unwrap();
    assert_eq!(got, Some(ada));
    assert_eq!(table.query("id", "123").output().await.unwrap().count(), 1);

    let index = format!("{MY_TABLE}/index/byName");
    let other = dynamo.table("Other");
    let by_name = dynamo
        .client()
        .query()
        .table_name("MyTable")
        .index_name("byName")
        .key_condition_expression("#n = :n")
        .expression_attribute_names("#n", "name")
        .expression_attribute_values(":n", AttributeValue::S("Ada".to_owned()))
        .send()
        .await;
    let refused = [
        (
            denied(table.delete(("id", "123")).send().await),
            "dynamodb:DeleteItem",
            MY_TABLE,
        ),
        (
            denied(table.scan().output().await),
            "dynamodb:Scan",
            MY_TABLE,
        ),
        (
            denied(other.get(("id", "123")).output().await),
            "dynamodb:GetItem",
            OTHER,
        ),
        (
            denied(other.put(&json!({ "id": "123" })).send().await),
            "dynamodb:PutItem",
            OTHER,
        ),
        (
            denied(table.query("name", "Ada").index("byName").output().await),
            "dynamodb:Query",
            &index,
        ),
    ];
    for ((principal, action, resource), expected_action, expected_resource) in refused {
        let role = "arn:aws:sts::123456789012:assumed-role/App/";
        assert!(principal.starts_with(role), "{principal}");
        assert_eq!(action, expected_action);
        assert_eq!(resource, expected_resource);
    }
    assert_eq!(by_name.unwrap_err().code(), Some("AccessDeniedException"));
    // what was refused was not done
    let got: Option<Value> = table.get(("id", "123")).send().await.unwrap();
    assert!(got.is_some());
}

#[tokio::test]
async fn three_actions_on_one_table_are_all_that_option_a_may_do() {
    let cloud = cloud().await;
    scenario(&option_a(&cloud, &three_actions())).await;
}

#[tokio::test]
async fn three_actions_on_one_table_are_all_that_option_b_may_do() {
    let cloud = cloud().await;
    scenario(&option_b(&cloud, &three_actions())).await;
}

#[tokio::test]
async fn an_instance_is_refused_as_the_principal_of_a_trust_policy() {
    let instance = "arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0";
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": instance },
            "Action": "sts:AssumeRole",
        }],
    });
    let parsed = TrustPolicy::from_json(&document.to_string()).unwrap_err();
    let built = TrustPolicy::builder().principal(instance).build();
    let cloud = cloud().await;
    let installed = cloud.add_role(Role::new("App").trust(Trust::principal(instance)));
    for error in [parsed, built.unwrap_err(), installed.unwrap_err()] {
        assert_eq!(error.kind(), &ErrorKind::Usage, "{error}");
        let text = error.to_string();
        for part in [
            instance,
            "an EC2 instance is not a principal",
            "arn:aws:iam::123456789012:role/ROLE",
            "arn:aws:sts::123456789012:assumed-role/ROLE/i-1234567890abcdef0",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

/// Whether a denial ended a call; another failure is a failed test.
fn was_denied<O, E>(result: std::result::Result<O, SdkError<E>>) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Err(error) = result else { return false };
    assert_eq!(error.code(), Some("AccessDeniedException"), "{error:?}");
    true
}

/// A small program: two tables, an index and the raw client. It goes on after a denial, and counts them.
async fn program<S: CredentialStrategy>(dynamo: &Dynamo<S>) -> usize {
    let (table, other) = (dynamo.table("MyTable"), dynamo.table("Other"));
    let item = json!({ "id": "1", "name": "Ada" });
    let ours = [
        table.put(&item).output().await.err(),
        table.get(("id", "1")).output().await.err(),
        table.query("id", "1").output().await.err(),
        table
            .query("name", "Ada")
            .index("byName")
            .output()
            .await
            .err(),
        other.put(&json!({ "id": "1" })).output().await.err(),
        other.scan().output().await.err(),
        other.delete(("id", "1")).output().await.err(),
    ];
    let mut denials = 0;
    for error in ours.into_iter().flatten() {
        assert!(
            matches!(error.kind(), ErrorKind::AccessDenied(_)),
            "{error}"
        );
        denials += 1;
    }
    let description = dynamo.client().describe_table().table_name("MyTable");
    denials + usize::from(was_denied(description.send().await))
}

/// The documents that lack one statement, and those that lack one action or one resource of a statement.
fn one_less(policy: &Value) -> Vec<(String, Value)> {
    let statements = policy["Statement"].as_array().unwrap();
    let mut less = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        let mut without = policy.clone();
        without["Statement"].as_array_mut().unwrap().remove(at);
        less.push((format!("without {statement}"), without));
        for element in ["Action", "Resource"] {
            let Some(values) = statement[element].as_array() else {
                continue;
            };
            for (value_at, value) in values.iter().enumerate() {
                let mut without = policy.clone();
                let values = &mut without["Statement"][at][element];
                values.as_array_mut().unwrap().remove(value_at);
                if values.as_array().unwrap().is_empty() {
                    continue; // the statement itself
                }
                less.push((format!("without {value} in {statement}"), without));
            }
        }
    }
    less
}

#[tokio::test]
async fn the_recorded_policy_is_enough_and_every_part_of_it_is_needed() {
    let cloud = cloud().await;
    let everything = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }],
    });
    let dynamo = option_a(&cloud, &everything);
    assert_eq!(program(&dynamo).await, 0);
    let recorded = dynamo.recorder().policy("aws", "us-east-1", "123456789012");
    let recorded: PermissionPolicy = recorded.unwrap();
    dynamo.recorder().assert_within(&recorded).unwrap();
    let recorded = serde_json::to_value(&recorded).unwrap();
    assert!(!recorded.to_string().contains('*'), "{recorded}");

    let (a, b): (Arc<dyn CredentialStrategy>, Arc<dyn CredentialStrategy>) = (
        Arc::clone(option_a(&cloud, &recorded).strategy()) as _,
        Arc::clone(option_b(&cloud, &recorded).strategy()) as _,
    );
    let role = |trust: Trust, policy: &Value| {
        let both = trust.or(Trust::ec2());
        let role = Role::new("App").trust(both).permissions(policy);
        cloud.add_role(role).unwrap();
    };
    let account = || Trust::account(cloud.account());
    role(account(), &recorded);
    let programs = [a, b].map(|strategy| Dynamo::new(strategy, &cloud.sdk_config()));
    for dynamo in &programs {
        assert_eq!(program(dynamo).await, 0, "{recorded}");
    }

    let less = one_less(&recorded);
    let statements = recorded["Statement"].as_array().unwrap().len();
    assert!(statements > 1, "{recorded}");
    assert!(less.len() > statements, "actions are left out, too");
    for (what, policy) in less {
        if policy["Statement"].as_array().unwrap().is_empty() {
            continue;
        }
        role(account(), &policy);
        for dynamo in &programs {
            assert!(program(dynamo).await > 0, "{what} of {recorded}");
        }
    }
}
