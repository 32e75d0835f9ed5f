//! Which IAM actions a DynamoDB request needs, on which resources, and what conditions may ask about it.
//!
//! After the service authorization reference: transactions have no action of their own, batches do,
//! and an index is a resource of its own. The condition keys are those of the developer guide, "Using
//! IAM policy conditions for fine-grained access control".

use super::expression::{UNKNOWN, names, partition_value, plain};
use super::partiql;
use super::schema::Schema;
use iam_rs::{Context, ContextValue};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct Access {
    pub(in crate::local) action: String,
    /// The ARN.
    pub(in crate::local) resource: String,
    asked: Asked,
}

/// What conditions may ask about an access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// The operation that it is a part of: a transaction, a statement.
    enclosing: Option<&'static str>,
    /// The values of the partition key, as text; `None` where the operation names none.
    leading_keys: Option<BTreeSet<String>>,
    /// The top-level attributes that are named.
    attributes: BTreeSet<String>,
    select: Option<String>,
    return_values: Option<String>,
    return_consumed_capacity: Option<String>,
    /// Of a PartiQL `SELECT`.
    full_table_scan: Option<bool>,
    /// By a statement that is not understood, so that it may as well ask for something else.
    not_understood: bool,
}

impl Access {
    /// Whether what is asked for is known; if not, it must not be done, whatever policies allow.
    pub(in crate::local) fn is_understood(&self) -> bool {
        !self.asked.not_understood
    }

    /// Adds what conditions may ask.
    pub(super) fn describe(&self, mut context: Context) -> Context {
        let Asked {
            enclosing,
            leading_keys,
            attributes,
            select,
            return_values,
            return_consumed_capacity,
            full_table_scan,
            not_understood: _,
        } = &self.asked;
        for (key, value) in [
            ("dynamodb:EnclosingOperation", *enclosing),
            (
                "dynamodb:ReturnConsumedCapacity",
                return_consumed_capacity.as_deref(),
            ),
            ("dynamodb:ReturnValues", return_values.as_deref()),
            ("dynamodb:Select", select.as_deref()),
        ] {
            if let Some(value) = value {
                context = context.with_string(key, value);
            }
        }
        if let Some(full) = full_table_scan {
            context = context.with_boolean("dynamodb:FullTableScan", *full);
        }
        let mut list = |name: &str, values: &BTreeSet<String>| {
            let values = values.iter().cloned().collect();
            context.insert(name.to_owned(), ContextValue::StringList(values));
        };
        if let Some(keys) = leading_keys {
            list("dynamodb:LeadingKeys", keys);
        }
        if !attributes.is_empty() {
            list("dynamodb:Attributes", attributes);
        }
        context
    }
}

/// Whether a request names its members. The engine takes them from an array as well, in their order, which
/// DynamoDB does not, and [`needed`] would find none.
pub(in crate::local) fn names_members(request: &Value) -> bool {
    let named = |part: &Value| part.is_object() || part.is_null();
    let parts_named = |part: &Value| {
        part.as_object()
            .is_some_and(|part| part.values().all(named))
    };
    request.is_object()
        && elements(request, "Statements").all(Value::is_object)
        && elements(request, "TransactStatements").all(Value::is_object)
        && elements(request, "TransactItems").all(parts_named)
        && members(request, "RequestItems").all(|(_, part)| match part {
            Value::Array(writes) => writes.iter().all(parts_named),
            part => named(part),
        })
}

/// What a request needs; `arn` is what the ARNs of the account's resources begin with.
pub(in crate::local) fn needed(
    operation: &str,
    request: &Value,
    arn: &str,
    schema: &dyn Schema,
) -> Vec<Access> {
    let consumed = request
        .get("ReturnConsumedCapacity")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let on = |action: &str, resource: String, asked: Asked| Access {
        action: format!("dynamodb:{action}"),
        resource,
        asked: Asked {
            return_consumed_capacity: consumed.clone(),
            ..asked
        },
    };
    let table = |name: &str| format!("{arn}table/{name}");
    let statement = |part: &Value, enclosing: &'static str| {
        let parameters = part.get("Parameters").and_then(Value::as_array);
        let read = partiql::read(
            text(part, "Statement"),
            parameters.map_or(&[], Vec::as_slice),
            schema,
        );
        let Some(read) = read else {
            let any = |action: &&str| on(action, table("*"), Asked::anything(enclosing));
            return partiql::ACTIONS.iter().map(any).collect();
        };
        let asked = Asked {
            enclosing: Some(enclosing),
            full_table_scan: (read.action == "PartiQLSelect")
                .then_some(read.leading_keys.is_none()),
            leading_keys: read.leading_keys,
            attributes: read.attributes,
            select: read.select.map(str::to_owned),
            return_values: read.return_values.map(str::to_owned),
            ..Asked::default()
        };
        vec![on(read.action, format!("{arn}{}", read.resource), asked)]
    };
    match operation {
        "BatchGetItem" => members(request, "RequestItems")
            .map(|(name, part)| on(operation, table(name), batch_get(part, name, schema)))
            .collect(),
        "BatchWriteItem" => members(request, "RequestItems")
            .map(|(name, part)| on(operation, table(name), batch_write(part, name, schema)))
            .collect(),
        "TransactGetItems" | "TransactWriteItems" => elements(request, "TransactItems")
            .flat_map(|item| item.as_object().into_iter().flatten())
            .map(|(kind, part)| {
                let name = text(part, "TableName");
                let asked = Asked {
                    enclosing: Some(enclosing(operation)),
                    ..single(kind, part, name, schema)
                };
                on(transact_action(kind), table(name), asked)
            })
            .collect(),
        "ExecuteStatement" => statement(request, "ExecuteStatement"),
        "BatchExecuteStatement" => elements(request, "Statements")
            .flat_map(|part| statement(part, "BatchExecuteStatement"))
            .collect(),
        "ExecuteTransaction" => elements(request, "TransactStatements")
            .flat_map(|part| statement(part, "ExecuteTransaction"))
            .collect(),
        "ListTables" => vec![on(operation, table("*"), Asked::default())],
        "ListStreams" => vec![on(operation, table("*/stream/*"), Asked::default())],
        "Query" | "Scan" => {
            let name = text(request, "TableName");
            let index = Some(text(request, "IndexName")).filter(|index| !index.is_empty());
            let resource = match index {
                Some(index) => format!("{}/index/{index}", table(name)),
                None => table(name),
            };
            let asked = listing(operation, request, name, index, schema);
            vec![on(operation, resource, asked)]
        }
        "DeleteItem" | "GetItem" | "PutItem" | "UpdateItem" => {
            let name = text(request, "TableName");
            let kind = operation.trim_end_matches("Item");
            vec![on(
                operation,
                table(name),
                single(kind, request, name, schema),
            )]
        }
        _ => {
            let named = ["ResourceArn", "StreamArn"]
                .into_iter()
                .map(|member| text(request, member))
                .find(|arn| !arn.is_empty());
            let resource = match named {
                Some(named) => named.to_owned(),
                None => table(text(request, "TableName")),
            };
            vec![on(operation, resource, Asked::default())]
        }
    }
}

/// One item: `Get`, `Put`, `Update`, `Delete` or `ConditionCheck`, alone or as a part of a transaction.
fn single(kind: &str, part: &Value, table: &str, schema: &dyn Schema) -> Asked {
    let item = part.get(if kind == "Put" { "Item" } else { "Key" });
    let mut attributes = names(part);
    attributes.extend(keys(item));
    Asked {
        leading_keys: leading(item, schema.partition_key(table, None).as_deref()),
        attributes,
        select: (kind == "Get").then(|| projected(part).to_owned()),
        return_values: (kind != "Get").then(|| {
            let given = part.get("ReturnValues").and_then(Value::as_str);
            given.unwrap_or("NONE").to_owned()
        }),
        ..Asked::default()
    }
}

fn batch_get(part: &Value, table: &str, schema: &dyn Schema) -> Asked {
    let mut asked = Asked {
        attributes: names(part),
        select: Some(projected(part).to_owned()),
        ..Asked::default()
    };
    asked.add_items(elements(part, "Keys"), table, schema);
    asked
}

fn batch_write(part: &Value, table: &str, schema: &dyn Schema) -> Asked {
    let mut asked = Asked::default();
    let items = part.as_array().into_iter().flatten().filter_map(|write| {
        let put = write.get("PutRequest").and_then(|put| put.get("Item"));
        put.or_else(|| write.get("DeleteRequest")?.get("Key"))
    });
    asked.add_items(items, table, schema);
    asked
}

/// `Query` or `Scan`.
fn listing(
    operation: &str,
    request: &Value,
    table: &str,
    index: Option<&str>,
    schema: &dyn Schema,
) -> Asked {
    let leading_keys = match (operation, schema.partition_key(table, index)) {
        ("Query", Some(key)) => Some(BTreeSet::from([partition_value(request, &key)])),
        _ => None,
    };
    let select = match (request.get("Select").and_then(Value::as_str), index) {
        (Some(select), _) => select,
        (None, Some(_)) if projected(request) == ALL => "ALL_PROJECTED_ATTRIBUTES",
        (None, _) => projected(request),
    };
    Asked {
        leading_keys,
        attributes: names(request),
        select: Some(select.to_owned()),
        ..Asked::default()
    }
}

impl Asked {
    /// By a statement that is not understood: what no condition names.
    fn anything(enclosing: &'static str) -> Self {
        let unknown = || BTreeSet::from([UNKNOWN.to_owned()]);
        Asked {
            enclosing: Some(enclosing),
            leading_keys: Some(unknown()),
            attributes: unknown(),
            select: Some(UNKNOWN.to_owned()),
            return_values: Some(UNKNOWN.to_owned()),
            full_table_scan: Some(true),
            not_understood: true,
            ..Asked::default()
        }
    }

    fn add_items<'a>(
        &mut self,
        items: impl Iterator<Item = &'a Value>,
        table: &str,
        schema: &dyn Schema,
    ) {
        let key = schema.partition_key(table, None);
        for item in items {
            self.attributes.extend(keys(Some(item)));
            if let Some(values) = leading(Some(item), key.as_deref()) {
                self.leading_keys.get_or_insert_default().extend(values);
            }
        }
    }
}

const ALL: &str = "ALL_ATTRIBUTES";

/// What a read selects that does not say.
fn projected(request: &Value) -> &'static str {
    let has = |member| request.get(member).is_some();
    if has("ProjectionExpression") || has("AttributesToGet") {
        "SPECIFIC_ATTRIBUTES"
    } else {
        ALL
    }
}

/// The value of the partition key in an item or a key.
fn leading(item: Option<&Value>, key: Option<&str>) -> Option<BTreeSet<String>> {
    let value = item.and_then(|item| item.get(key?));
    key.map(|_| BTreeSet::from([plain(value)]))
}

fn keys(item: Option<&Value>) -> impl Iterator<Item = String> {
    item.and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
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

    fn no_schema(_: &str, _: Option<&str>) -> Option<String> {
        None
    }

    /// Actions and resources, without what all of them have in common.
    fn short(operation: &str, request: &Value) -> Vec<String> {
        needed(operation, request, ARN, &no_schema)
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
            (
                "ExecuteStatement",
                json!({ "Statement": "DELETE FROM T WHERE id = '1' /*" }),
                vec![
                    "PartiQLSelect table/*",
                    "PartiQLInsert table/*",
                    "PartiQLUpdate table/*",
                    "PartiQLDelete table/*",
                ],
            ),
        ] {
            assert_eq!(short(operation, &request), expected, "{operation}");
        }
    }
}
