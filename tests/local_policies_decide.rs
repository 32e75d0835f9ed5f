//! Promise: the embedded cloud enforces permission policies, session policies and the caller's own
//! right to assume a role, with AWS's sentence; what it would not evaluate as AWS does, it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::iam::{PermissionPolicy, TrustPolicy};
use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable, Role, Trust};
use aws_credential_strategies::{Credentials, ErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_types::retry::RetryConfig;
use local_support::Clock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

const MY_TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";

fn policy(effect: &str, actions: &[&str], resource: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": effect, "Action": actions, "Resource": resource }],
    })
}

/// Exactly three actions on one table.
fn three_actions() -> Value {
    policy(
        "Allow",
        &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        MY_TABLE,
    )
}

async fn cloud_with_tables(clock: Clock) -> LocalCloud {
    let cloud = LocalCloud::builder().clock(clock).start().await.unwrap();
    let index = NewIndex::new("byName", "name");
    cloud
        .create_table(NewTable::new("MyTable", "id").index(index))
        .unwrap();
    cloud
        .create_table(NewTable::new("Other", "id").sort_key("at", KeyType::Number))
        .unwrap();
    cloud.put_item("MyTable", &json!({ "id": "123" })).unwrap();
    cloud
}

fn dynamodb(cloud: &LocalCloud, credentials: &Credentials) -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials.clone())
            .build(),
    )
}

fn sts(cloud: &LocalCloud, credentials: &Credentials) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials.clone())
            .build(),
    )
}

fn keys(output: &aws_sdk_sts::operation::assume_role::AssumeRoleOutput) -> Credentials {
    let credentials = output.credentials().unwrap();
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "test",
    )
}

/// A session named `session` of a role that may do what the policy says.
async fn session(cloud: &LocalCloud, policy: &Value) -> Credentials {
    let role = cloud
        .add_role(Role::new("App").permissions(policy))
        .unwrap();
    let output = sts(cloud, &cloud.create_access_key("deployer"))
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .send()
        .await
        .unwrap();
    keys(&output)
}

fn id(value: &str) -> (String, AttributeValue) {
    ("id".to_owned(), AttributeValue::S(value.to_owned()))
}

/// The message of an access that was denied, or nothing.
fn denied<O, E>(result: Result<O, SdkError<E>>) -> Option<String>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let error = result.err()?;
    let meta = error.meta();
    assert_eq!(meta.code(), Some("AccessDeniedException"), "{meta:?}");
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    Some(meta.message().unwrap().to_owned())
}

async fn get(client: &Client, table: &str) -> Option<String> {
    let (name, value) = id("123");
    let mut get = client.get_item().table_name(table).key(name, value);
    if table == "Other" {
        get = get.key("at", AttributeValue::N("1".to_owned()));
    }
    denied(get.send().await)
}

async fn put(client: &Client) -> Option<String> {
    let (name, value) = id("1");
    denied(
        client
            .put_item()
            .table_name("MyTable")
            .item(name, value)
            .send()
            .await,
    )
}

async fn delete(client: &Client) -> Option<String> {
    let (name, value) = id("1");
    denied(
        client
            .delete_item()
            .table_name("MyTable")
            .key(name, value)
            .send()
            .await,
    )
}

async fn query(client: &Client, index: Option<&str>) -> Option<String> {
    let attribute = if index.is_some() { "name" } else { "id" };
    denied(
        client
            .query()
            .table_name("MyTable")
            .set_index_name(index.map(str::to_owned))
            .key_condition_expression("#k = :v")
            .expression_attribute_names("#k", attribute)
            .expression_attribute_values(":v", AttributeValue::S("123".to_owned()))
            .send()
            .await,
    )
}

const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/App/session";

fn not_allowed(kind: &str, action: &str, resource: &str) -> Option<String> {
    Some(format!(
        "User: {SESSION} is not authorized to perform: dynamodb:{action} on resource: {resource} because no {kind} policy allows the dynamodb:{action} action"
    ))
}

#[tokio::test]
async fn three_actions_on_one_table_are_these_three_and_no_other() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let client = dynamodb(&cloud, &session(&cloud, &three_actions()).await);
    assert_eq!(get(&client, "MyTable").await, None);
    assert_eq!(put(&client).await, None);
    assert_eq!(query(&client, None).await, None);

    let refused = |action, resource: &str| not_allowed("identity-based", action, resource);
    assert_eq!(delete(&client).await, refused("DeleteItem", MY_TABLE));
    let scan = client.scan().table_name("MyTable").send().await;
    assert_eq!(denied(scan), refused("Scan", MY_TABLE));
    let other = MY_TABLE.replace("MyTable", "Other");
    assert_eq!(get(&client, "Other").await, refused("GetItem", &other));
    let index = format!("{MY_TABLE}/index/byName");
    assert_eq!(
        query(&client, Some("byName")).await,
        refused("Query", &index)
    );
    let all = MY_TABLE.replace("MyTable", "*");
    assert_eq!(
        denied(client.list_tables().send().await),
        refused("ListTables", &all)
    );
    assert_eq!(cloud.dynamodb().calls().total(), 8, "the refused count too");
}

#[tokio::test]
async fn a_transaction_needs_the_action_of_each_part() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let client = dynamodb(&cloud, &session(&cloud, &three_actions()).await);
    let item = HashMap::from([id("9")]);
    let put = Put::builder()
        .table_name("MyTable")
        .set_item(Some(item.clone()))
        .build()
        .unwrap();
    let delete = Delete::builder()
        .table_name("MyTable")
        .set_key(Some(HashMap::from([id("123")])))
        .build()
        .unwrap();
    let puts = TransactWriteItem::builder().put(put).build();
    let deletes = TransactWriteItem::builder().delete(delete).build();
    let write = |parts: Vec<TransactWriteItem>| {
        client
            .transact_write_items()
            .set_transact_items(Some(parts))
            .send()
    };
    assert_eq!(denied(write(vec![puts.clone()]).await), None);
    assert_eq!(
        denied(write(vec![puts, deletes]).await),
        not_allowed("identity-based", "DeleteItem", MY_TABLE)
    );
}

#[tokio::test]
async fn a_deny_outweighs_any_allow_and_policies_add_up() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let client = dynamodb(&cloud, &session(&cloud, &three_actions()).await);
    let role = |extra: &Value| {
        let role = Role::new("App").permissions(&three_actions());
        cloud.add_role(role.permissions(extra)).unwrap();
    };
    // from here on the session that is in use may do what its role may now
    role(&policy("Allow", &["dynamodb:Delete*"], MY_TABLE));
    assert_eq!(delete(&client).await, None);
    role(&policy("Deny", &["dynamodb:*"], "*"));
    assert_eq!(
        get(&client, "MyTable").await,
        Some(format!(
            "User: {SESSION} is not authorized to perform: dynamodb:GetItem on resource: {MY_TABLE} with an explicit deny in an identity-based policy"
        ))
    );
}

#[tokio::test]
async fn a_session_policy_cuts_down_and_never_adds() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let role = cloud
        .add_role(Role::new("App").permissions(&three_actions()))
        .unwrap();
    let caller = sts(&cloud, &cloud.create_access_key("deployer"));
    let assume = || {
        caller
            .assume_role()
            .role_arn(&role)
            .role_session_name("session")
    };
    let cut = policy(
        "Allow",
        &["dynamodb:GetItem", "dynamodb:DeleteItem"],
        MY_TABLE,
    );
    let managed = cloud.add_policy("ReadOne", &cut).unwrap();
    assert_eq!(managed, "arn:aws:iam::123456789012:policy/ReadOne");
    let by_arn = PolicyDescriptorType::builder().arn(&managed).build();
    for assume in [
        assume().policy(cut.to_string()),
        assume().policy_arns(by_arn),
    ] {
        let client = dynamodb(&cloud, &keys(&assume.send().await.unwrap()));
        assert_eq!(get(&client, "MyTable").await, None);
        assert_eq!(
            put(&client).await,
            not_allowed("session", "PutItem", MY_TABLE)
        );
        assert_eq!(
            delete(&client).await,
            not_allowed("identity-based", "DeleteItem", MY_TABLE)
        );
    }
    let unknown = PolicyDescriptorType::builder()
        .arn("arn:aws:iam::123456789012:policy/Nowhere")
        .build();
    let error = assume().policy_arns(unknown).send().await.unwrap_err();
    assert_eq!(error.meta().code(), Some("ValidationError"));
}

#[tokio::test]
async fn awss_managed_policies_cut_down_too() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let role = cloud.add_role(Role::new("App")).unwrap();
    let caller = sts(&cloud, &cloud.create_access_key("deployer"));
    for (policy, reads, writes) in [
        ("AmazonDynamoDBReadOnlyAccess", true, false),
        ("ReadOnlyAccess", true, false),
        ("AmazonDynamoDBFullAccess", true, true),
        ("AdministratorAccess", true, true),
    ] {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        let output = caller
            .assume_role()
            .role_arn(&role)
            .role_session_name("session")
            .policy_arns(PolicyDescriptorType::builder().arn(arn).build())
            .send()
            .await
            .unwrap();
        let client = dynamodb(&cloud, &keys(&output));
        let (get, put) = (get(&client, "MyTable").await, put(&client).await);
        assert_eq!((get.is_none(), put.is_none()), (reads, writes), "{policy}");
    }
    let nothing = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let output = caller
        .assume_role()
        .role_arn(&role)
        .role_session_name("session")
        .policy(nothing)
        .send()
        .await
        .unwrap();
    let client = dynamodb(&cloud, &keys(&output));
    assert!(get(&client, "MyTable").await.is_some());
}

#[tokio::test]
async fn sessions_issued_before_a_moment_are_revoked_by_a_policy() {
    let clock = Clock::new();
    let cloud = cloud_with_tables(clock.clone()).await;
    let old = dynamodb(&cloud, &session(&cloud, &three_actions()).await);
    clock.advance(Duration::from_secs(10));
    // what the console's "revoke active sessions" attaches
    let revoke = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": "2027-01-15T08:00:05Z" } },
        }],
    });
    let role = Role::new("App").permissions(&three_actions());
    cloud.add_role(role.permissions(&revoke)).unwrap();
    assert!(
        get(&old, "MyTable")
            .await
            .unwrap()
            .contains("explicit deny in an identity-based policy")
    );
    let output = sts(&cloud, &cloud.create_access_key("deployer"))
        .assume_role()
        .role_arn(cloud.role_arn("App"))
        .role_session_name("session")
        .send()
        .await
        .unwrap();
    let new = dynamodb(&cloud, &keys(&output));
    assert_eq!(get(&new, "MyTable").await, None);
}

#[tokio::test]
async fn conditions_see_the_sessions_tags() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let tagged = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "dynamodb:*",
            "Resource": "*",
            "Condition": { "StringEquals": { "aws:PrincipalTag/team": "red" } },
        },
    });
    let role = cloud
        .add_role(Role::new("App").permissions(&tagged))
        .unwrap();
    let caller = sts(&cloud, &cloud.create_access_key("deployer"));
    let with_tag = async |team: &str| {
        let tag = Tag::builder().key("team").value(team).build().unwrap();
        let output = caller
            .assume_role()
            .role_arn(&role)
            .role_session_name("session")
            .tags(tag)
            .send()
            .await
            .unwrap();
        get(&dynamodb(&cloud, &keys(&output)), "MyTable").await
    };
    assert_eq!(with_tag("red").await, None);
    assert_eq!(
        with_tag("blue").await,
        not_allowed("identity-based", "GetItem", MY_TABLE)
    );
}

#[tokio::test]
async fn a_caller_needs_the_right_to_assume_unless_the_role_names_it() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let user = cloud.create_access_key("deployer");
    cloud.permit_user("deployer", &three_actions()).unwrap();
    let by_account = cloud.add_role(Role::new("ByAccount")).unwrap();
    let by_name = cloud
        .add_role(
            Role::new("ByName").trust(Trust::principal("arn:aws:iam::123456789012:user/deployer")),
        )
        .unwrap();
    let elsewhere = cloud
        .add_role(
            Role::new("Elsewhere")
                .account("210987654321")
                .trust(Trust::principal("arn:aws:iam::123456789012:user/deployer")),
        )
        .unwrap();
    let caller = sts(&cloud, &user);
    let assume = async |role: &str| {
        let result = caller
            .assume_role()
            .role_arn(role)
            .role_session_name("session")
            .send()
            .await;
        result
            .map(|_| ())
            .map_err(|error| error.meta().code().unwrap().to_owned())
    };
    assert_eq!(assume(&by_account).await, Err("AccessDenied".to_owned()));
    assert_eq!(assume(&by_name).await, Ok(()));
    assert_eq!(
        assume(&elsewhere).await,
        Err("AccessDenied".to_owned()),
        "another account needs both sides"
    );
    cloud
        .permit_user("deployer", &policy("Allow", &["sts:AssumeRole"], "*"))
        .unwrap();
    assert_eq!(assume(&by_account).await, Ok(()));
    assert_eq!(assume(&elsewhere).await, Ok(()));
    cloud
        .permit_user("deployer", &policy("Deny", &["sts:*"], &by_name))
        .unwrap();
    assert_eq!(assume(&by_name).await, Err("AccessDenied".to_owned()));
    assert!(caller.get_caller_identity().send().await.is_ok(), "always");
}

/// The account that `aws:ResourceAccount` names is the role's, so that a user can be kept from leaving his own.
#[tokio::test]
async fn the_account_of_the_resource_is_that_of_the_role_which_is_assumed() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let here = cloud.add_role(Role::new("Here")).unwrap();
    let there = cloud
        .add_role(
            Role::new("There")
                .account("210987654321")
                .trust(Trust::account(cloud.account())),
        )
        .unwrap();
    // policies of one user add up
    for (name, account, expected) in [
        ("stays", "123456789012", [true, false]),
        ("leaves", "210987654321", [false, true]),
    ] {
        let caller = sts(&cloud, &cloud.create_access_key(name));
        let mut own = policy("Allow", &["sts:AssumeRole"], "*");
        own["Statement"][0]["Condition"] =
            json!({ "StringEquals": { "aws:ResourceAccount": account } });
        cloud.permit_user(name, &own).unwrap();
        for (role, expected) in [&here, &there].into_iter().zip(expected) {
            let call = caller.assume_role().role_arn(role);
            let result = call.role_session_name("session").send().await;
            assert_eq!(result.is_ok(), expected, "{role}, {account}: {result:?}");
        }
    }
    // the role's own policy is asked about the same
    let caller = sts(&cloud, &cloud.create_access_key("leaves"));
    for (account, expected) in [("123456789012", false), ("210987654321", true)] {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": "123456789012" },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:ResourceAccount": account } },
        }] });
        let trust: TrustPolicy = trust.to_string().parse().unwrap();
        let role = Role::new("There").account("210987654321").trust(trust);
        let role = cloud.add_role(role).unwrap();
        let call = caller.assume_role().role_arn(role);
        let result = call.role_session_name("session").send().await;
        assert_eq!(result.is_ok(), expected, "{account}: {result:?}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_role() {
    let cloud = cloud_with_tables(Clock::new()).await;
    let client = dynamodb(&cloud, &session(&cloud, &three_actions()).await);
    assert_eq!(get(&client, "MyTable").await, None);
    assert!(cloud.remove_role("App"));
    let error = client.list_tables().send().await.unwrap_err();
    assert_eq!(error.meta().code(), Some("UnrecognizedClientException"));
    assert!(!cloud.remove_role("App"));
}

#[tokio::test]
async fn a_policy_that_would_not_be_evaluated_as_on_aws_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let statement = |extra: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" });
        let members = statement.as_object_mut().unwrap();
        members.extend(extra.as_object().unwrap().clone());
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    for (policy, reason) in [
        (json!("{"), "no JSON"),
        (json!({}), "no policy document"),
        (json!({ "Version": "2012-10-17" }), "`Statement`"),
        (
            statement(json!({ "Principal": { "AWS": "123456789012" } })),
            "no Principal",
        ),
        (
            statement(
                json!({ "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } } }),
            ),
            "aws:PrincipalOrgID is not evaluated",
        ),
        (
            statement(
                json!({ "Condition": { "StringEquals": { "aws:username": "${s3:prefix}" } } }),
            ),
            "policy variable ${s3:prefix} is not evaluated",
        ),
    ] {
        let error = cloud
            .add_role(Role::new("App").permissions(&policy))
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Usage);
        assert_eq!(error.field(), Some("permissions"));
        assert!(error.to_string().contains(reason), "{error}");
    }
    let text = three_actions().to_string();
    assert!(
        cloud.add_role(Role::new("App").permissions(&text)).is_ok(),
        "as text"
    );
    let typed = PermissionPolicy::from_json(&text).unwrap();
    assert!(
        cloud.add_role(Role::new("App").permissions(&typed)).is_ok(),
        "as a policy"
    );
}
