//! Which IAM actions a DynamoDB request needs, and on which resources.
//!
//! After the service authorization reference: transactions have no action of their own, batches do,
//! and an index is a resource of its own.

use serde_json::Value;

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct Access {
    pub(in crate::local) action: String,
    /// The ARN.
    pub(in crate::local) resource: String,
    /// The operation that a part of a transaction stands in, for `dynamodb:EnclosingOperation`.
    pub(in crate::local) enclosing: Option<&'static str>,
}

/// What a request needs; `arn` is what the ARNs of the account's resources begin with.
pub(in crate::local) fn needed(operation: &str, request: &Value, arn: &str) -> Vec<Access> {
    let on = |action: &str, resource: String| Access {
        action: format!("dynamodb:{action}"),
        resource,
        enclosing: None,
    };
    let table = |name: &str| format!("{arn}table/{name}");
    match operation {
        "BatchGetItem" | "BatchWriteItem" => members(request, "RequestItems")
            .map(|(name, _)| on(operation, table(name)))
            .collect(),
        "TransactGetItems" | "TransactWriteItems" => elements(request, "TransactItems")
            .flat_map(|item| item.as_object().into_iter().flatten())
            .map(|(kind, part)| Access {
                enclosing: Some(enclosing(operation)),
                ..on(transact_action(kind), table(text(part, "TableName")))
            })
            .collect(),
        "ExecuteStatement" => vec![statement(text(request, "Statement"), arn)],
        "BatchExecuteStatement" => elements(request, "Statements")
            .map(|part| statement(text(part, "Statement"), arn))
            .collect(),
        "ExecuteTransaction" => elements(request, "TransactStatements")
            .map(|part| statement(text(part, "Statement"), arn))
            .collect(),
        "ListTables" => vec![on(operation, table("*"))],
        "ListStreams" => vec![on(operation, table("*/stream/*"))],
        _ => {
            let named = ["ResourceArn", "StreamArn"]
                .into_iter()
                .map(|member| text(request, member))
                .find(|arn| !arn.is_empty());
            let resource = match (named, text(request, "IndexName")) {
                (Some(named), _) => named.to_owned(),
                (None, "") => table(text(request, "TableName")),
                (None, index) => {
                    format!("{}/index/{index}", table(text(request, "TableName")))
                }
            };
            vec![on(operation, resource)]
        }
    }
}

fn enclosing(operation: &str) -> &'static str {
    match operation {
        "TransactGetItems" => "TransactGetItems",
        _ => "TransactWriteItems",
    }
}

/// The action behind one part of a transaction.
fn transact_action(kind: &str) -> &str {
    match kind {
        "ConditionCheck" => "ConditionCheckItem",
        "Delete" => "DeleteItem",
        "Get" => "GetItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        other => other,
    }
}

/// The access of a PartiQL statement: its verb, and the table or index that it names.
fn statement(statement: &str, arn: &str) -> Access {
    let mut words = statement.split_whitespace();
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    let (action, before_table) = match verb.as_str() {
        "DELETE" => ("PartiQLDelete", "FROM"),
        "INSERT" => ("PartiQLInsert", "INTO"),
        "UPDATE" => ("PartiQLUpdate", ""),
        _ => ("PartiQLSelect", "FROM"),
    };
    let named = if before_table.is_empty() {
        words.next()
    } else {
        words
            .by_ref()
            .find(|word| word.eq_ignore_ascii_case(before_table))
            .and_then(|_| words.next())
    };
    let parts: Vec<&str> = named
        .unwrap_or("*")
        .split('.')
        .map(|part| part.trim_matches('"'))
        .collect();
    let resource = match parts[..] {
        [table, index] => format!("{arn}table/{table}/index/{index}"),
        _ => format!("{arn}table/{}", parts.join(".")),
    };
    Access {
        action: format!("dynamodb:{action}"),
        resource,
        enclosing: None,
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn elements<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(member)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn members<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(member)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::needed;
    use serde_json::{Value, json};

    const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:";

    /// Actions and resources, without what all of them have in common.
    fn short(operation: &str, request: &Value) -> Vec<String> {
        needed(operation, request, ARN)
            .into_iter()
            .map(|access| {
                let action = access.action.replace("dynamodb:", "");
                let resource = access.resource.replace(ARN, "");
                format!("{action} {resource}")
            })
            .collect()
    }

    #[test]
    fn each_operation_needs_its_actions() {
        for (operation, request, expected) in [
            (
                "GetItem",
                json!({ "TableName": "T" }),
                vec!["GetItem table/T"],
            ),
            (
                "Query",
                json!({ "TableName": "T", "IndexName": "I" }),
                vec!["Query table/T/index/I"],
            ),
            (
                "BatchWriteItem",
                json!({ "RequestItems": { "A": [], "B": [] } }),
                vec!["BatchWriteItem table/A", "BatchWriteItem table/B"],
            ),
            (
                "TransactWriteItems",
                json!({ "TransactItems": [
                    { "Put": { "TableName": "A" } },
                    { "Update": { "TableName": "A" } },
                    { "Delete": { "TableName": "B" } },
                    { "ConditionCheck": { "TableName": "C" } },
                ] }),
                vec![
                    "PutItem table/A",
                    "UpdateItem table/A",
                    "DeleteItem table/B",
                    "ConditionCheckItem table/C",
                ],
            ),
            (
                "TransactGetItems",
                json!({ "TransactItems": [{ "Get": { "TableName": "A" } }] }),
                vec!["GetItem table/A"],
            ),
            ("ListTables", json!({}), vec!["ListTables table/*"]),
            (
                "TagResource",
                json!({ "ResourceArn": format!("{ARN}table/T") }),
                vec!["TagResource table/T"],
            ),
            (
                "ExecuteStatement",
                json!({ "Statement": "select * from \"T\".\"I\" where id = '1'" }),
                vec!["PartiQLSelect table/T/index/I"],
            ),
            (
                "BatchExecuteStatement",
                json!({ "Statements": [
                    { "Statement": "INSERT INTO T VALUE {'id': '1'}" },
                    { "Statement": "UPDATE \"T\" SET a = 1 WHERE id = '1'" },
                    { "Statement": "DELETE FROM T WHERE id = '1'" },
                ] }),
                vec![
                    "PartiQLInsert table/T",
                    "PartiQLUpdate table/T",
                    "PartiQLDelete table/T",
                ],
            ),
        ] {
            assert_eq!(short(operation, &request), expected, "{operation}");
        }
    }
}
