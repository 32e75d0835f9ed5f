//! Tables named by ARN: DynamoDB takes one wherever it takes a name, dynoxide only names.

use crate::arn::Arn;
use bytes::Bytes;
use serde_json::{Map, Value};

/// A request whose tables are all named, and what to call them in the answer.
#[derive(Debug)]
pub(in crate::local) struct ByName {
    pub(in crate::local) body: Bytes,
    /// Each table that was named by ARN where the answer repeats it: name, ARN.
    repeated: Vec<(String, String)>,
}

/// A table of another account or region: its ARN.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::local) struct Foreign(pub(in crate::local) String);

/// Puts names in place of table ARNs; `arn` is what those of the caller's own account begin with.
pub(in crate::local) fn by_name(body: Bytes, arn: &str) -> Result<ByName, Foreign> {
    let as_it_is = |body| ByName {
        body,
        repeated: Vec::new(),
    };
    // the common case is told without parsing
    if !body.windows(ARN.len()).any(|window| window == ARN) {
        return Ok(as_it_is(body));
    }
    let Ok(Value::Object(mut request)) = serde_json::from_slice(&body) else {
        return Ok(as_it_is(body));
    };
    let mut repeated = Vec::new();
    rename_member(&mut request, arn)?;
    if let Some(Value::Object(tables)) = request.get_mut("RequestItems") {
        let mut renamed = Map::new();
        for (table, asked) in std::mem::take(tables) {
            let name = name_of(&table, arn)?.map(str::to_owned);
            if let Some(name) = &name {
                repeated.push((name.clone(), table.clone()));
            }
            renamed.insert(name.unwrap_or(table), asked);
        }
        *tables = renamed;
    }
    if let Some(Value::Array(actions)) = request.get_mut("TransactItems") {
        let members = actions
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .flat_map(|action| action.values_mut())
            .filter_map(Value::as_object_mut);
        for action in members {
            rename_member(action, arn)?;
        }
    }
    Ok(ByName {
        body: Value::Object(request).to_string().into(),
        repeated,
    })
}

impl ByName {
    /// Calls the tables in an answer what they were called in the request.
    pub(in crate::local) fn restore(repeated: &[(String, String)], answer: Bytes) -> Bytes {
        if repeated.is_empty() {
            return answer;
        }
        let Ok(Value::Object(mut document)) = serde_json::from_slice(&answer) else {
            return answer;
        };
        for member in ["Responses", "UnprocessedItems", "UnprocessedKeys"] {
            let Some(Value::Object(tables)) = document.get_mut(member) else {
                continue;
            };
            for (name, arn) in repeated {
                if let Some(value) = tables.remove(name) {
                    tables.insert(arn.clone(), value);
                }
            }
        }
        Value::Object(document).to_string().into()
    }

    pub(in crate::local) fn into_parts(self) -> (Bytes, Vec<(String, String)>) {
        (self.body, self.repeated)
    }
}

/// What a string that may be a table's ARN begins with.
const ARN: &[u8] = b"\"arn:";

fn rename_member(members: &mut Map<String, Value>, arn: &str) -> Result<(), Foreign> {
    if let Some(Value::String(table)) = members.get_mut("TableName")
        && let Some(name) = name_of(table, arn)?
    {
        *table = name.to_owned();
    }
    Ok(())
}

/// The name in the ARN of an own table; `None` where `table` is no ARN.
fn name_of<'a>(table: &'a str, own: &str) -> Result<Option<&'a str>, Foreign> {
    let of_dynamodb = Arn::split(table).is_some_and(|arn| arn.service == "dynamodb");
    if !of_dynamodb {
        return Ok(None);
    }
    table
        .strip_prefix(own)
        .and_then(|resource| resource.strip_prefix("table/"))
        .map(Some)
        .ok_or_else(|| Foreign(table.to_owned()))
}
