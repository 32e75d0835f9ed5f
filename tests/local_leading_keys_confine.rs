//! Promise: the embedded DynamoDB confines a session to the items and attributes that its policies name,
//! for every operation, as AWS documents it: own key, other key, no key, index, batch, transaction,
//! PartiQL; and policy variables stand for what the session is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::Credentials;
use aws_credential_strategies::iam::PermissionPolicy;
use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable, Role, Trust};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use local_support::{Answer, send};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::SystemTime;

const ORDERS: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/Orders";

/// `Orders` by tenant and number, with an index by day; an item of each of two tenants.
async fn cloud() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    let by_day = NewIndex::new("byDay", "weekday");
    let orders = NewTable::new("Orders", "tenant").sort_key("number", KeyType::Number);
    cloud.create_table(orders.index(by_day)).unwrap();
    for tenant in ["a", "b"] {
        let item = json!({ "tenant": tenant, "number": 1, "weekday": "monday", "secret": tenant });
        cloud.put_item("Orders", &item).unwrap();
    }
    cloud
}

/// A session of a role with this policy; with these tags, and cut down by this session policy.
async fn session(
    cloud: &LocalCloud,
    permissions: &(impl Serialize + Sync),
    session_policy: Option<&PermissionPolicy>,
    tags: &[(&str, &str)],
) -> Credentials {
    let role = Role::new("App")
        .trust(Trust::account(cloud.account()))
        .permissions(permissions);
    let role = cloud.add_role(role).unwrap();
    let config = aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
        .credentials_provider(cloud.create_access_key("deployer"))
        .build();
    let mut call = aws_sdk_sts::Client::from_conf(config)
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .set_policy(session_policy.map(PermissionPolicy::to_compact_json));
    for (key, value) in tags {
        let tag = aws_sdk_sts::types::Tag::builder().key(*key).value(*value);
        call = call.tags(tag.build().unwrap());
    }
    let output = call.send().await.unwrap();
    let keys = output.credentials().unwrap();
    Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        Some(keys.session_token().to_owned()),
        None,
        "test",
    )
}

/// One request as it goes over the wire, and its answer.
async fn answered(
    cloud: &LocalCloud,
    credentials: &Credentials,
    operation: &str,
    body: &Value,
) -> Answer {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(cloud.region())
        .name("dynamodb")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let url = format!("{}/", cloud.dynamodb_endpoint());
    let body = body.to_string();
    let target = format!("DynamoDB_20120810.{operation}");
    let mut headers = vec![
        (
            "content-type".to_owned(),
            "application/x-amz-json-1.0".to_owned(),
        ),
        ("x-amz-target".to_owned(), target),
    ];
    let signable = SignableRequest::new(
        "POST",
        &url,
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(body.as_bytes()),
    );
    let (instructions, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
    let (signed, _) = instructions.into_parts();
    headers.extend(
        signed
            .iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned())),
    );
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    send("POST", &url, &headers, &body).await
}

/// The action that was denied, if one was.
async fn denied(
    cloud: &LocalCloud,
    credentials: &Credentials,
    operation: &str,
    body: &Value,
) -> Option<String> {
    let answer = answered(cloud, credentials, operation, body).await;
    if answer.status == 200 {
        return None;
    }
    let error = answer.json();
    let code = error["__type"].as_str().unwrap();
    assert!(
        code.ends_with("#AccessDeniedException"),
        "{operation} {body}: {error}"
    );
    let message = error["Message"].as_str().unwrap();
    let (_, action) = message.split_once("perform: dynamodb:").unwrap();
    Some(action.split(' ').next().unwrap().to_owned())
}

fn key(tenant: &str) -> Value {
    json!({ "tenant": { "S": tenant }, "number": { "N": "1" } })
}

fn item(tenant: &str) -> Value {
    json!({ "tenant": { "S": tenant }, "number": { "N": "2" }, "weekday": { "S": "tuesday" } })
}

/// An action and a statement for each way to write one, with the tenant in it.
fn statements(tenant: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "PartiQLSelect",
            format!("SELECT * FROM \"Orders\" WHERE tenant = '{tenant}'"),
        ),
        (
            "PartiQLSelect",
            format!("SELECT weekday FROM Orders WHERE number = 1 AND \"tenant\" = '{tenant}'"),
        ),
        (
            "PartiQLSelect",
            format!("SELECT * FROM Orders WHERE tenant IN ['z', '{tenant}']"),
        ),
        (
            "PartiQLSelect",
            format!("SELECT * FROM Orders WHERE tenant = 'z' OR tenant = '{tenant}'"),
        ),
        (
            "PartiQLUpdate",
            format!(
                "UPDATE \"Orders\" SET weekday = 'friday' WHERE tenant = '{tenant}' AND number = 1"
            ),
        ),
        (
            "PartiQLDelete",
            format!("DELETE FROM \"Orders\" WHERE tenant = '{tenant}' AND number = 9"),
        ),
    ]
}

/// Every operation on items, with a tenant in it: operation, action, request.
fn operations(tenant: &str) -> Vec<(&'static str, &'static str, Value)> {
    let one = |operation, more: Value| {
        let mut request = json!({ "TableName": "Orders" });
        let Value::Object(more) = more else { panic!() };
        request.as_object_mut().unwrap().extend(more);
        (operation, operation, request)
    };
    let part = |kind: &str, more: Value| {
        let (_, _, request) = one("", more);
        json!({ kind: request })
    };
    let own = || part("Get", json!({ "Key": key("a") }));
    let transaction = |operation, action, parts: Vec<Value>| {
        (operation, action, json!({ "TransactItems": parts }))
    };
    let values = json!({ ":t": { "S": tenant } });
    let mut all = vec![
        one("GetItem", json!({ "Key": key(tenant) })),
        one("PutItem", json!({ "Item": item(tenant) })),
        one(
            "DeleteItem",
            json!({ "Key": item(tenant).as_object().map(|_| key(tenant)) }),
        ),
        one("UpdateItem", json!({ "Key": key(tenant) })),
        one(
            "Query",
            json!({ "KeyConditionExpression": "tenant = :t", "ExpressionAttributeValues": values }),
        ),
        one(
            "Query",
            json!({
                "KeyConditionExpression": "#t = :t",
                "ExpressionAttributeNames": { "#t": "tenant" },
                "ExpressionAttributeValues": values,
            }),
        ),
        one(
            "Query",
            json!({ "KeyConditions": { "tenant": {
                "ComparisonOperator": "EQ", "AttributeValueList": [{ "S": tenant }],
            } } }),
        ),
        (
            "BatchGetItem",
            "BatchGetItem",
            json!({ "RequestItems": { "Orders": { "Keys": [key("a"), json!({
                "tenant": { "S": tenant }, "number": { "N": "2" },
            })] } } }),
        ),
        (
            "BatchWriteItem",
            "BatchWriteItem",
            json!({ "RequestItems": { "Orders": [
                { "DeleteRequest": { "Key": { "tenant": { "S": "a" }, "number": { "N": "7" } } } },
                { "PutRequest": { "Item": item(tenant) } },
            ] } }),
        ),
        (
            "BatchWriteItem",
            "BatchWriteItem",
            json!({ "RequestItems": { "Orders": [
                { "PutRequest": { "Item": item("a") } },
                { "DeleteRequest": { "Key": { "tenant": { "S": tenant }, "number": { "N": "7" } } } },
            ] } }),
        ),
        transaction(
            "TransactGetItems",
            "GetItem",
            vec![
                own(),
                part(
                    "Get",
                    json!({ "Key": {
                "tenant": { "S": tenant }, "number": { "N": "2" },
            } }),
                ),
            ],
        ),
        transaction(
            "TransactWriteItems",
            "PutItem",
            vec![part("Put", json!({ "Item": item(tenant) }))],
        ),
        transaction(
            "TransactWriteItems",
            "DeleteItem",
            vec![
                part("Put", json!({ "Item": item("a") })),
                part(
                    "Delete",
                    json!({ "Key": { "tenant": { "S": tenant }, "number": { "N": "8" } } }),
                ),
            ],
        ),
        transaction(
            "TransactWriteItems",
            "UpdateItem",
            vec![part(
                "Update",
                json!({
                    "Key": key(tenant),
                    "UpdateExpression": "SET #d = :d",
                    "ExpressionAttributeNames": { "#d": "weekday" },
                    "ExpressionAttributeValues": { ":d": { "S": "friday" } },
                }),
            )],
        ),
        transaction(
            "TransactWriteItems",
            "ConditionCheckItem",
            vec![
                part("Put", json!({ "Item": item("a") })),
                part(
                    "ConditionCheck",
                    json!({
                        "Key": { "tenant": { "S": tenant }, "number": { "N": "3" } },
                        "ConditionExpression": "attribute_not_exists(tenant)",
                    }),
                ),
            ],
        ),
        (
            "ExecuteStatement",
            "PartiQLSelect",
            json!({
                "Statement": "SELECT * FROM \"Orders\" WHERE tenant = ?",
                "Parameters": [{ "S": tenant }],
            }),
        ),
    ];
    for (action, statement) in statements(tenant) {
        all.push((
            "ExecuteStatement",
            action,
            json!({ "Statement": statement }),
        ));
    }
    let one_item = format!("SELECT * FROM \"Orders\" WHERE tenant = '{tenant}' AND number = 1");
    let own_item = "SELECT * FROM \"Orders\" WHERE tenant = 'a' AND number = 2";
    let update = format!(
        "UPDATE \"Orders\" SET weekday = 'friday' WHERE tenant = '{tenant}' AND number = 1"
    );
    for operation in ["BatchExecuteStatement", "ExecuteTransaction"] {
        let member = if operation == "ExecuteTransaction" {
            "TransactStatements"
        } else {
            "Statements"
        };
        for (action, statements) in [
            ("PartiQLSelect", vec![own_item, &one_item]),
            ("PartiQLUpdate", vec![&*update]),
        ] {
            let statements: Vec<_> = statements
                .into_iter()
                .map(|statement| json!({ "Statement": statement }))
                .collect();
            all.push((operation, action, json!({ member: statements })));
        }
    }
    all
}

#[tokio::test]
async fn every_operation_is_confined_to_the_own_key() {
    let cloud = cloud().await;
    let policy = PermissionPolicy::leading_keys([ORDERS], ["a", "z"]).unwrap();
    let everything = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }],
    });
    // as the policy of a role, and as one that a session is cut down by
    let role = session(&cloud, &policy, None, &[]).await;
    for (operation, _, request) in operations("a") {
        assert_eq!(
            denied(&cloud, &role, operation, &request).await,
            None,
            "{operation} {request}"
        );
    }
    for (operation, action, request) in operations("b") {
        let said = denied(&cloud, &role, operation, &request).await;
        assert_eq!(said.as_deref(), Some(action), "{operation} {request}");
    }
    let cut_down = session(&cloud, &everything, Some(&policy), &[]).await;
    for (operation, action, request) in operations("b") {
        let said = denied(&cloud, &cut_down, operation, &request).await;
        assert_eq!(said.as_deref(), Some(action), "{operation} {request}");
    }
}

#[tokio::test]
async fn what_names_no_key_is_refused() {
    let cloud = cloud().await;
    let policy = PermissionPolicy::leading_keys([ORDERS], ["a", "monday"]).unwrap();
    let session = session(&cloud, &policy, None, &[]).await;
    let day = |value: &str| {
        json!({
            "TableName": "Orders", "IndexName": "byDay",
            "KeyConditionExpression": "weekday = :d",
            "ExpressionAttributeValues": { ":d": { "S": value } },
        })
    };
    let statement = |statement: &str| json!({ "Statement": statement });
    for (operation, request, expected) in [
        ("Scan", json!({ "TableName": "Orders" }), Some("Scan")),
        (
            "Scan",
            json!({ "TableName": "Orders", "IndexName": "byDay" }),
            Some("Scan"),
        ),
        // of an index the leading key is the index's own
        ("Query", day("monday"), None),
        ("Query", day("tuesday"), Some("Query")),
        (
            "ExecuteStatement",
            statement("SELECT * FROM \"Orders\""),
            Some("PartiQLSelect"),
        ),
        (
            "ExecuteStatement",
            statement("SELECT * FROM \"Orders\" WHERE weekday = 'monday'"),
            Some("PartiQLSelect"),
        ),
        (
            "ExecuteStatement",
            statement("SELECT * FROM \"Orders\" WHERE tenant = 'a' OR weekday = 'monday'"),
            Some("PartiQLSelect"),
        ),
        (
            "ExecuteStatement",
            statement("SELECT * FROM \"Orders\".\"byDay\" WHERE weekday = 'monday'"),
            None,
        ),
        (
            "ExecuteStatement",
            statement("SELECT * FROM \"Orders\".\"byDay\" WHERE tenant = 'a'"),
            Some("PartiQLSelect"),
        ),
        (
            "ExecuteStatement",
            statement("INSERT INTO \"Orders\" VALUE {'tenant': 'b', 'number': 5}"),
            Some("PartiQLInsert"),
        ),
        (
            "ExecuteStatement",
            statement(
                "INSERT INTO \"Orders\" VALUE {'tenant': 'a', 'number': 5, 'm': {'tenant': 'b'}}",
            ),
            None,
        ),
        (
            "DescribeTable",
            json!({ "TableName": "Orders" }),
            Some("DescribeTable"),
        ),
    ] {
        let said = denied(&cloud, &session, operation, &request).await;
        assert_eq!(said.as_deref(), expected, "{operation} {request}");
    }
}

/// Statements that the engine reads otherwise than they look at first sight, on items of `tenant` alone: with their
/// action, and the parameters of those that have `?`.
fn odd_statements(tenant: &str) -> Vec<(&'static str, String, Value)> {
    let own = "tenant = 'a'";
    let select = |rest: String| ("PartiQLSelect", format!("SELECT * FROM {rest}"), json!([]));
    let as_it_is = |action, statement: String| (action, statement, json!([]));
    vec![
        select(format!(
            "\"Orders\" WHERE /* {own} AND */ tenant = '{tenant}'"
        )),
        select(format!(
            "\"Orders\" WHERE --{own} AND\n tenant = '{tenant}'"
        )),
        select(format!("\"Orders\"--\nWHERE/**/tenant='{tenant}'/* */;--")),
        select(format!("Orders WHERE tenant = '{tenant}' AND number = 1e0")),
        select(format!(
            "Orders WHERE number=1AND tenant='{tenant}'AND weekday<>''"
        )),
        select(format!(
            "Orders WHERE (((tenant = '{tenant}')) AND number >= -.5E+1)"
        )),
        select(format!(
            "Orders WHERE number BETWEEN 1 AND 2 AND tenant in ('{tenant}')"
        )),
        select(format!(
            "'Orders' where '{tenant}'=tenant order by number desc"
        )),
        select(format!(
            "Orders WHERE NOT (number = 2 OR NOT number = 1) AND \"tenant\" = '{tenant}'"
        )),
        as_it_is(
            "PartiQLDelete",
            format!("/**/ DELETE FROM \"Orders\" WHERE tenant = '{tenant}' AND number = 11"),
        ),
        as_it_is(
            "PartiQLUpdate",
            format!(
                "FROM \"Orders\" WHERE tenant = '{tenant}' AND number = 1 SET weekday = 'friday'"
            ),
        ),
        as_it_is(
            "PartiQLUpdate",
            format!(
                "UPDATE Orders SET log = list_append([1, {{'tenant': 'a'}}], [<<'a'>>])REMOVE weekday \
                 WHERE tenant = '{tenant}' AND number = 1 RETURNING MODIFIED NEW *"
            ),
        ),
        as_it_is(
            "PartiQLInsert",
            format!("INSERT INTO \"Orders\" VALUE {{\"tenant\":'{tenant}', number:30}}"),
        ),
        (
            "PartiQLSelect",
            "SELECT * FROM Orders WHERE weekday IN [?,? ?] AND tenant = ?".to_owned(),
            json!([{ "S": "a" }, { "S": "a" }, { "S": "a" }, { "S": tenant }]),
        ),
    ]
}

#[tokio::test]
async fn a_statement_is_judged_as_it_is_executed() {
    let cloud = cloud().await;
    let policy = PermissionPolicy::leading_keys([ORDERS], ["a"]).unwrap();
    let session = session(&cloud, &policy, None, &[]).await;
    for tenant in ["a", "b"] {
        for (action, statement, parameters) in odd_statements(tenant) {
            let mut request = json!({ "Statement": statement });
            if parameters != json!([]) {
                request["Parameters"] = parameters;
            }
            let expected = (tenant == "b").then_some(action);
            let said = denied(&cloud, &session, "ExecuteStatement", &request).await;
            assert_eq!(said.as_deref(), expected, "{request}");
        }
    }
}

#[tokio::test]
async fn a_statement_that_is_not_understood_is_refused() {
    let cloud = cloud().await;
    cloud.create_table(("Secret", "id")).unwrap();
    let policy = PermissionPolicy::leading_keys([ORDERS], ["a"]).unwrap();
    let session = session(&cloud, &policy, None, &[]).await;
    let a = json!([{ "S": "a" }]);
    for (statement, parameters) in [
        (
            "SELECT * FROM Orders WHERE tenant = 'a' AND number = 1OR number = 1",
            None,
        ),
        (
            "SELECT * FROM Orders WHERE tenant = 'a' AND number = .5OR number = 1",
            None,
        ),
        (
            "SELECT * FROM Orders WHERE tenant = 'a' OR/**/number = 1",
            None,
        ),
        ("SELECT * FROM Orders WHERE NOT tenant = 'a'", None),
        (
            "SELECT * FROM Orders WHERE tenant IN ['a'] OR (tenant) = 'b'",
            None,
        ),
        (
            "SELECT * FROM Orders WHERE 'a' = tenant.x OR tenant = 'b'",
            None,
        ),
        ("SELECT * FROM Orders WHERE tenant NOT IN ['a']", None),
        (
            "SELECT * FROM Orders WHERE tenant IN ['a', weekday, 'b']",
            None,
        ),
        (
            "SELECT * FROM Orders WHERE attribute_exists(tenant) = true",
            None,
        ),
        (
            "SELECT * FROM Orders WHERE contains('tenant', ?) AND tenant = 'b'",
            Some(&a),
        ),
        // the first of these is a name to the engine, and no parameter
        (
            "SELECT ?, weekday FROM Orders WHERE tenant = ?",
            Some(&json!([{ "S": "b" }, { "S": "a" }])),
        ),
        (
            "SELECT /* FROM Orders WHERE tenant = 'a' */ * FROM Secret",
            None,
        ),
        ("SELECT * FROM 'Secret' WHERE tenant = 'a'", None),
        ("SELECT 'secret' FROM Orders WHERE tenant = 'b'", None),
        ("SELECT * FROM Orders WHERE tenant = 'a", None),
        ("SELECT * FROM Orders WHERE tenant = \"a", None),
        ("SELECT * FROM Orders WHERE tenant = 'a' /* ", None),
        (
            "SELECT * FROM Orders WHERE tenant = 'a'; SELECT * FROM Orders",
            None,
        ),
        ("SELECT * FROM Orders WHERE\u{a0}tenant = 'a'", None),
        (
            "INSERT INTO Orders VALUE {'tenant':'a', \"tenant\":'b', 'number':5}",
            None,
        ),
        (
            "INSERT INTO Orders VALUE {'tenant':'a', tenant:'b', 'number':5}",
            None,
        ),
        ("INSERT INTO Orders VALUE {'number':5}", None),
    ] {
        let mut request = json!({ "Statement": statement });
        if let Some(parameters) = parameters {
            request["Parameters"] = parameters.clone();
        }
        let said = denied(&cloud, &session, "ExecuteStatement", &request).await;
        assert!(said.is_some(), "{statement}");
        for (operation, member) in [
            ("BatchExecuteStatement", "Statements"),
            ("ExecuteTransaction", "TransactStatements"),
        ] {
            let many = json!({ member: [request] });
            let said = denied(&cloud, &session, operation, &many).await;
            assert!(said.is_some(), "{operation} {statement}");
        }
    }
}

#[tokio::test]
async fn a_denial_holds_however_a_statement_is_written() {
    let cloud = cloud().await;
    cloud.create_table(("Secret", "id")).unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "dynamodb:*", "Resource": ORDERS.replace("Orders", "Secret") },
        {
            "Effect": "Deny", "Action": "dynamodb:PartiQL*", "Resource": ORDERS,
            "Condition": { "ForAnyValue:StringEquals": { "dynamodb:LeadingKeys": "b" } },
        },
        {
            "Effect": "Deny", "Action": ["dynamodb:PartiQLDelete", "dynamodb:PartiQLUpdate"],
            "Resource": ORDERS,
            "Condition": { "StringEquals": { "dynamodb:ReturnValues": ["ALL_OLD", "UPDATED_NEW"] } },
        },
        {
            "Effect": "Deny", "Action": "dynamodb:PartiQL*", "Resource": ORDERS,
            "Condition": { "ForAnyValue:StringEquals": { "dynamodb:Attributes": "secret" } },
        },
    ] });
    let session = session(&cloud, &policy, None, &[]).await;
    for (statement, expected) in [
        ("SELECT * FROM Secret", Some("PartiQLSelect")),
        ("SELECT * FROM 'Secret'", Some("PartiQLSelect")),
        (
            "SELECT /* FROM Orders */ * FROM \"Secret\"",
            Some("PartiQLSelect"),
        ),
        (
            "FROM Secret WHERE id = '1' SET x = 1",
            Some("PartiQLUpdate"),
        ),
        (
            "INSERT INTO Orders VALUE {'tenant':'b', \"tenant\":'a', 'number':5}",
            Some("PartiQLInsert"),
        ),
        (
            "INSERT INTO Orders VALUE {'tenant':'a', 'number':5, \"secret\":'x'}",
            Some("PartiQLInsert"),
        ),
        (
            "DELETE FROM Orders WHERE tenant = 'a' AND number = 1 RETURNING ALL OLD *",
            Some("PartiQLDelete"),
        ),
        (
            "UPDATE Orders SET x = 1 WHERE tenant = 'a' AND number = 1 returning/**/modified new *;",
            Some("PartiQLUpdate"),
        ),
        (
            "UPDATE Orders SET x = 1 WHERE tenant = 'a' AND number = 1 RETURNING ALL NEW *",
            None,
        ),
        (
            "UPDATE Orders SET x = 1 WHERE tenant = 'a' AND number = 1",
            None,
        ),
        (
            "SELECT \"secret\" FROM Orders WHERE tenant = 'a'",
            Some("PartiQLSelect"),
        ),
        (
            "SELECT * FROM Orders WHERE tenant = 'a' ORDER BY secret",
            Some("PartiQLSelect"),
        ),
        (
            "SELECT * FROM Orders WHERE tenant = 'a' AND weekday = 'secret'",
            None,
        ),
    ] {
        let request = json!({ "Statement": statement });
        let said = denied(&cloud, &session, "ExecuteStatement", &request).await;
        assert_eq!(said.as_deref(), expected, "{statement}");
    }
    // what nothing denies, and nobody understands, is executed on no table
    for statement in [
        "SELECT 'secret' FROM Orders WHERE tenant = 'a'",
        "UPDATE Orders SET 'secret' = 1 WHERE tenant = 'a' AND number = 1",
        "SELECT * FROM Orders WHERE contains('secret', 'a') AND tenant = 'a'",
        "SELECT * FROM Secret WHERE",
    ] {
        let said = answered(
            &cloud,
            &session,
            "ExecuteStatement",
            &json!({ "Statement": statement }),
        )
        .await;
        assert_ne!(said.status, 200, "{statement}");
    }
    // a mistake is told in the engine's words
    let mistaken = json!({ "Statement": "SELECT * FORM Orders WHERE tenant = 'a'" });
    let said = answered(&cloud, &session, "ExecuteStatement", &mistaken)
        .await
        .json();
    insta::assert_snapshot!(said["message"].as_str().unwrap(), @"Statement wasn't well formed, can't be processed: Expected 'FROM' but got 'FORM'");
}

/// The engine takes the members of an object from an array as well, in their order.
#[tokio::test]
async fn what_names_no_members_is_refused() {
    let cloud = cloud().await;
    let policy = PermissionPolicy::leading_keys([ORDERS], ["a"]).unwrap();
    let session = session(&cloud, &policy, None, &[]).await;
    let statement = "SELECT * FROM Orders WHERE tenant = 'b' AND number = 1";
    let part = json!({ "TableName": "Orders", "Key": key("b") });
    for (operation, request) in [
        ("ExecuteStatement", json!(["SELECT * FROM Orders"])),
        (
            "BatchExecuteStatement",
            json!([[{ "Statement": statement }]]),
        ),
        (
            "BatchExecuteStatement",
            json!({ "Statements": [[statement, null, null, null]] }),
        ),
        (
            "ExecuteTransaction",
            json!([[{ "Statement": statement }], null, null]),
        ),
        (
            "ExecuteTransaction",
            json!({ "TransactStatements": [[statement, null, null]] }),
        ),
        (
            "GetItem",
            json!(["Orders", key("b"), null, null, null, null, null]),
        ),
        ("Scan", json!(["Orders"])),
        (
            "BatchGetItem",
            json!([{ "Orders": { "Keys": [key("b")] } }, null]),
        ),
        (
            "BatchGetItem",
            json!({ "RequestItems": { "Orders": [[key("b")]] } }),
        ),
        (
            "BatchWriteItem",
            json!([{ "Orders": [{ "PutRequest": { "Item": item("b") } }] }, null, null]),
        ),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { "Orders": [[{ "Item": item("b") }, null]] } }),
        ),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { "Orders": [{ "PutRequest": [item("b")] }] } }),
        ),
        ("TransactGetItems", json!([[{ "Get": part }], null])),
        ("TransactGetItems", json!({ "TransactItems": [[part]] })),
        (
            "TransactGetItems",
            json!({ "TransactItems": [{ "Get": ["Orders", key("b"), null, null] }] }),
        ),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [[null, null, part, null]] }),
        ),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [
            { "Put": ["Orders", item("b"), null, null, null, null] },
        ] }),
        ),
    ] {
        let said = answered(&cloud, &session, operation, &request).await;
        let code = said.json()["__type"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let refused = ["#SerializationException", "#AccessDeniedException"];
        let refused = refused.iter().any(|refused| code.ends_with(refused));
        assert!(refused, "{operation} {request}: {}", said.body);
    }
}

/// A policy of one statement on `Orders` under a condition.
fn when(action: &str, conditions: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": action, "Resource": [ORDERS, format!("{ORDERS}/index/*")],
        "Condition": conditions,
    }] })
}

#[tokio::test]
async fn of_no_key_all_are_among_any_as_aws_documents_it() {
    let cloud = cloud().await;
    let scan = json!({ "TableName": "Orders" });
    for (conditions, expected) in [
        // why the documentation says to leave Scan out
        (
            json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" } }),
            None,
        ),
        (
            json!({ "ForAnyValue:StringEquals": { "dynamodb:LeadingKeys": "a" } }),
            Some("Scan"),
        ),
        (
            json!({ "StringEquals": { "dynamodb:LeadingKeys": "a" } }),
            Some("Scan"),
        ),
        (json!({ "Null": { "dynamodb:LeadingKeys": "true" } }), None),
    ] {
        let session = session(
            &cloud,
            &when("dynamodb:Scan", conditions.clone()),
            None,
            &[],
        )
        .await;
        let said = denied(&cloud, &session, "Scan", &scan).await;
        assert_eq!(said.as_deref(), expected, "{conditions}");
    }
}

#[tokio::test]
async fn attributes_and_what_is_returned_are_confined() {
    let cloud = cloud().await;
    let conditions = json!({
        "ForAllValues:StringEquals": { "dynamodb:Attributes": ["tenant", "number", "weekday"] },
        "StringEqualsIfExists": {
            "dynamodb:Select": "SPECIFIC_ATTRIBUTES",
            "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"],
        },
    });
    let session = session(&cloud, &when("dynamodb:*", conditions), None, &[]).await;
    let get = |projection: Value| {
        let mut request = json!({ "TableName": "Orders", "Key": key("a") });
        request
            .as_object_mut()
            .unwrap()
            .extend(projection.as_object().unwrap().clone());
        request
    };
    let update = |expression: &str, returned: &str| {
        json!({
            "TableName": "Orders", "Key": key("a"), "ReturnValues": returned,
            "UpdateExpression": expression,
            "ExpressionAttributeValues": { ":v": { "S": "x" } },
        })
    };
    let query = |more: Value| {
        let mut request = json!({
            "TableName": "Orders", "KeyConditionExpression": "tenant = :t",
            "ExpressionAttributeValues": { ":t": { "S": "a" } },
        });
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        request
    };
    let secret = json!({ "#s": "secret" });
    let reads = |projection: Value| {
        let mut part = json!({ "Keys": [key("a")] });
        part.as_object_mut()
            .unwrap()
            .extend(projection.as_object().unwrap().clone());
        json!({ "RequestItems": { "Orders": part } })
    };
    let writes =
        |item: Value| json!({ "RequestItems": { "Orders": [{ "PutRequest": { "Item": item } }] } });
    let mut with_secret = item("a");
    with_secret["secret"] = json!({ "S": "x" });
    let transaction = |kind: &str, part: Value| json!({ "TransactItems": [{ kind: part }] });
    let changed = |attribute: &str| {
        json!({
            "TableName": "Orders", "Key": key("a"),
            "UpdateExpression": format!("SET {attribute} = :v"),
            "ExpressionAttributeValues": { ":v": { "S": "x" } },
        })
    };
    for (operation, request, allowed) in [
        (
            "GetItem",
            get(json!({ "ProjectionExpression": "tenant, weekday" })),
            true,
        ),
        (
            "GetItem",
            get(json!({ "AttributesToGet": ["weekday"] })),
            true,
        ),
        ("GetItem", get(json!({})), false),
        (
            "GetItem",
            get(json!({ "ProjectionExpression": "secret" })),
            false,
        ),
        (
            "GetItem",
            get(json!({ "ProjectionExpression": "#s", "ExpressionAttributeNames": secret })),
            false,
        ),
        ("UpdateItem", update("SET weekday = :v", "NONE"), true),
        (
            "UpdateItem",
            update("SET weekday = :v", "UPDATED_NEW"),
            true,
        ),
        ("UpdateItem", update("SET weekday = :v", "ALL_OLD"), false),
        ("UpdateItem", update("SET secret = :v", "NONE"), false),
        (
            "PutItem",
            json!({ "TableName": "Orders", "Item": item("a") }),
            true,
        ),
        (
            "PutItem",
            json!({ "TableName": "Orders", "Item": item("a"), "ConditionExpression": "attribute_exists(secret)" }),
            false,
        ),
        (
            "Query",
            query(json!({ "ProjectionExpression": "weekday" })),
            true,
        ),
        ("Query", query(json!({})), false),
        ("Query", query(json!({ "Select": "COUNT" })), false),
        (
            "Query",
            query(json!({ "ProjectionExpression": "weekday", "FilterExpression": "secret = :t" })),
            false,
        ),
        (
            "Scan",
            json!({ "TableName": "Orders", "ProjectionExpression": "weekday" }),
            true,
        ),
        ("Scan", json!({ "TableName": "Orders" }), false),
        (
            "BatchGetItem",
            reads(json!({ "ProjectionExpression": "weekday" })),
            true,
        ),
        ("BatchGetItem", reads(json!({})), false),
        (
            "BatchGetItem",
            reads(json!({ "ProjectionExpression": "secret" })),
            false,
        ),
        ("BatchWriteItem", writes(item("a")), true),
        ("BatchWriteItem", writes(with_secret), false),
        (
            "TransactGetItems",
            transaction("Get", get(json!({ "ProjectionExpression": "weekday" }))),
            true,
        ),
        (
            "TransactGetItems",
            transaction("Get", get(json!({ "ProjectionExpression": "secret" }))),
            false,
        ),
        (
            "TransactWriteItems",
            transaction("Update", changed("weekday")),
            true,
        ),
        (
            "TransactWriteItems",
            transaction("Update", changed("secret")),
            false,
        ),
        (
            "ExecuteStatement",
            json!({ "Statement": "SELECT weekday FROM \"Orders\" WHERE tenant = 'a'" }),
            true,
        ),
        (
            "ExecuteStatement",
            json!({ "Statement": "SELECT * FROM \"Orders\" WHERE tenant = 'a'" }),
            false,
        ),
        (
            "ExecuteStatement",
            json!({ "Statement": "SELECT secret FROM \"Orders\" WHERE tenant = 'a'" }),
            false,
        ),
    ] {
        let said = denied(&cloud, &session, operation, &request).await;
        assert_eq!(said.is_none(), allowed, "{operation} {request}: {said:?}");
    }
}

#[tokio::test]
async fn the_enclosing_operation_and_a_full_scan_are_told() {
    let cloud = cloud().await;
    let put = json!({ "TableName": "Orders", "Item": item("a") });
    let transaction = json!({ "TransactItems": [{ "Put": put }] });
    let insert = "INSERT INTO \"Orders\" VALUE {'tenant': 'a', 'number': 6}";
    let statement = json!({ "Statement": insert });
    let statements = json!({ "TransactStatements": [{ "Statement": insert.replace('6', "7") }] });
    let scan = json!({ "Statement": "SELECT * FROM \"Orders\" WHERE weekday = 'monday'" });
    let partition = json!({ "Statement": "SELECT * FROM \"Orders\" WHERE tenant = 'a'" });
    let is_in =
        |operation: &str| json!({ "StringEquals": { "dynamodb:EnclosingOperation": operation } });
    let consumed =
        |told: &str| json!({ "StringEquals": { "dynamodb:ReturnConsumedCapacity": told } });
    let read = json!({ "TableName": "Orders", "Key": key("a") });
    let reads = json!({ "TransactItems": [{ "Get": read }] });
    let mut read_and_told = read.clone();
    read_and_told["ReturnConsumedCapacity"] = json!("TOTAL");
    let batch = json!({ "Statements": [{ "Statement": "SELECT * FROM \"Orders\" WHERE tenant = 'a' AND number = 1" }] });
    for (conditions, operation, request, allowed) in [
        (
            json!({ "StringEquals": { "dynamodb:EnclosingOperation": "TransactWriteItems" } }),
            "TransactWriteItems",
            &transaction,
            true,
        ),
        (
            json!({ "StringEquals": { "dynamodb:EnclosingOperation": "TransactWriteItems" } }),
            "PutItem",
            &put,
            false,
        ),
        (
            json!({ "StringEquals": { "dynamodb:EnclosingOperation": ["ExecuteStatement"] } }),
            "ExecuteStatement",
            &statement,
            true,
        ),
        (
            json!({ "StringEquals": { "dynamodb:EnclosingOperation": ["ExecuteStatement"] } }),
            "ExecuteTransaction",
            &statements,
            false,
        ),
        (is_in("TransactGetItems"), "TransactGetItems", &reads, true),
        (is_in("TransactGetItems"), "GetItem", &read, false),
        (
            is_in("TransactWriteItems"),
            "TransactGetItems",
            &reads,
            false,
        ),
        (
            is_in("ExecuteTransaction"),
            "ExecuteTransaction",
            &statements,
            true,
        ),
        (
            is_in("BatchExecuteStatement"),
            "BatchExecuteStatement",
            &batch,
            true,
        ),
        (
            is_in("BatchExecuteStatement"),
            "ExecuteStatement",
            &partition,
            false,
        ),
        (
            is_in("ExecuteStatement"),
            "BatchExecuteStatement",
            &batch,
            false,
        ),
        (consumed("TOTAL"), "GetItem", &read_and_told, true),
        (consumed("TOTAL"), "GetItem", &read, false),
        (consumed("INDEXES"), "GetItem", &read_and_told, false),
        (
            json!({ "Bool": { "dynamodb:FullTableScan": "false" } }),
            "ExecuteStatement",
            &partition,
            true,
        ),
        (
            json!({ "Bool": { "dynamodb:FullTableScan": "false" } }),
            "ExecuteStatement",
            &scan,
            false,
        ),
    ] {
        let session = session(&cloud, &when("dynamodb:*", conditions.clone()), None, &[]).await;
        let said = denied(&cloud, &session, operation, request).await;
        assert_eq!(
            said.is_none(),
            allowed,
            "{conditions} {operation}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_tag_of_the_session_says_whose_items_they_are() {
    let cloud = cloud().await;
    let policy = PermissionPolicy::leading_keys_of_tag([ORDERS], "tenant").unwrap();
    for tenant in ["a", "b"] {
        let tagged = session(&cloud, &policy, None, &[("tenant", tenant)]).await;
        for of in ["a", "b"] {
            let get = json!({ "TableName": "Orders", "Key": key(of) });
            let said = denied(&cloud, &tagged, "GetItem", &get).await;
            assert_eq!(said.is_none(), tenant == of, "{tenant} {of}");
        }
    }
    // without the tag the variable is no one
    let untagged = session(&cloud, &policy, None, &[]).await;
    let get = json!({ "TableName": "Orders", "Key": key("a") });
    assert!(denied(&cloud, &untagged, "GetItem", &get).await.is_some());
}

#[tokio::test]
async fn variables_stand_in_resources_too() {
    let cloud = cloud().await;
    cloud.create_table(("deployer-Notes", "id")).unwrap();
    let policy = |resource: &str| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "dynamodb:Scan",
            "Resource": format!("arn:aws:dynamodb:us-east-1:123456789012:table/{resource}"),
        }] })
    };
    let notes = json!({ "TableName": "deployer-Notes" });
    let user = cloud.create_access_key("deployer");
    cloud
        .permit_user("deployer", &policy("${aws:username}-*"))
        .unwrap();
    assert_eq!(denied(&cloud, &user, "Scan", &notes).await, None);
    let orders = json!({ "TableName": "Orders" });
    assert!(denied(&cloud, &user, "Scan", &orders).await.is_some());
    let other = cloud.create_access_key("other");
    cloud
        .permit_user("other", &policy("${aws:username}-*"))
        .unwrap();
    assert!(denied(&cloud, &other, "Scan", &notes).await.is_some());
    // a denial whose resource cannot be told denies nothing, and allows nothing either
    let defaulted = policy("${aws:PrincipalTag/prefix, 'deployer'}-Notes");
    cloud.permit_user("third", &defaulted).unwrap();
    let third = cloud.create_access_key("third");
    assert_eq!(denied(&cloud, &third, "Scan", &notes).await, None);
    for resource in ["${s3:prefix}", "${*}", "${aws:username"] {
        let error = cloud.permit_user("fourth", &policy(resource)).unwrap_err();
        assert!(error.to_string().contains("is not evaluated"), "{error}");
    }
}

#[tokio::test]
async fn arns_are_equal_by_wildcard_as_aws_takes_them() {
    let cloud = cloud().await;
    let scan = json!({ "TableName": "Orders" });
    for (operator, pattern, allowed) in [
        ("ArnEquals", "arn:aws:iam::*:role/A*", true),
        ("ArnEquals", "arn:aws:iam::123456789012:role/App", true),
        ("ArnEquals", "arn:aws:iam::*:role/B*", false),
        ("ArnNotEquals", "arn:aws:iam::*:role/A*", false),
        ("ArnNotEqualsIfExists", "arn:aws:iam::*:role/B*", true),
        ("ForAnyValue:ArnEquals", "arn:aws:iam::*:role/?pp", true),
    ] {
        let conditions = json!({ operator: { "aws:PrincipalArn": pattern } });
        let session = session(&cloud, &when("dynamodb:Scan", conditions), None, &[]).await;
        let said = denied(&cloud, &session, "Scan", &scan).await;
        assert_eq!(said.is_none(), allowed, "{operator} {pattern}");
    }
    let both = json!({
        "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::*:role/A*" },
        "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/B*" },
    });
    let error = cloud
        .permit_user("deployer", &when("dynamodb:Scan", both))
        .unwrap_err();
    assert!(
        error.to_string().contains("ArnEquals and ArnLike"),
        "{error}"
    );
}

#[test]
fn a_session_policy_that_would_not_fit_says_what_to_do_instead() {
    let wrong = |keys: Vec<String>| {
        let error = PermissionPolicy::leading_keys([ORDERS], keys).unwrap_err();
        error.to_string()
    };
    let many: Vec<String> = (0..200).map(|n| format!("tenant-{n:05}")).collect();
    insta::assert_snapshot!(wrong(many), @"narrow policy: keys: the session policy would have 3587 characters, and STS takes 2048; tag sessions with the key and let the role's own policy compare it with ${aws:PrincipalTag/…}: PermissionPolicy::leading_keys_of_tag");
    insta::assert_snapshot!(wrong(vec!["東京".to_owned()]), @"narrow policy: keys: `東京` has the character '東', and STS takes none beyond 'ÿ' in a session policy; tag sessions with the key and let the role's own policy compare it with ${aws:PrincipalTag/…}: PermissionPolicy::leading_keys_of_tag");
    insta::assert_snapshot!(wrong(vec!["${aws:username}".to_owned()]), @"narrow policy: keys: `${aws:username}` has the form of a policy variable, which a policy would replace; tag sessions with the key and let the role's own policy compare it with ${aws:PrincipalTag/…}: PermissionPolicy::leading_keys_of_tag");
    insta::assert_snapshot!(wrong(Vec::new()), @"narrow policy: keys: expected at least one value of the partition key; tag sessions with the key and let the role's own policy compare it with ${aws:PrincipalTag/…}: PermissionPolicy::leading_keys_of_tag");
    let tables = PermissionPolicy::leading_keys(["Orders"], ["a"]).unwrap_err();
    insta::assert_snapshot!(tables, @"narrow policy: tables: expected the ARN of a table, not `Orders`");
    let tag = PermissionPolicy::leading_keys_of_tag([ORDERS], "a}b").unwrap_err();
    insta::assert_snapshot!(tag, @"narrow policy: tag: expected the key of a session tag: 1 to 128 letters, digits, spaces and _.:/=+-@, not `a}b`");
    let tag = PermissionPolicy::leading_keys_of_tag([ORDERS], "東京").unwrap_err();
    insta::assert_snapshot!(tag, @"narrow policy: tag: `東京` has the character '東', and IAM takes none beyond 'ÿ' in a policy");
    assert!(PermissionPolicy::leading_keys_of_tag([ORDERS], "straße").is_ok());
    insta::assert_snapshot!(PermissionPolicy::leading_keys([ORDERS], ["a"]).unwrap().to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:BatchGetItem","dynamodb:BatchWriteItem","dynamodb:ConditionCheckItem","dynamodb:DeleteItem","dynamodb:GetItem","dynamodb:PartiQLDelete","dynamodb:PartiQLInsert","dynamodb:PartiQLSelect","dynamodb:PartiQLUpdate","dynamodb:PutItem","dynamodb:Query","dynamodb:UpdateItem"],"Resource":["arn:aws:dynamodb:us-east-1:123456789012:table/Orders","arn:aws:dynamodb:us-east-1:123456789012:table/Orders/index/*"],"Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":"a"},"Null":{"dynamodb:LeadingKeys":"false"}}}]}"#);
    // as many as fit, are taken
    let fitting: Vec<String> = (0..80).map(|n| format!("tenant-{n:05}")).collect();
    assert!(PermissionPolicy::leading_keys([ORDERS], fitting).is_ok());
}
