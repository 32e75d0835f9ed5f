//! Tables of the embedded DynamoDB, created without credentials.

use serde_json::{Map, Value, json};

/// A table to create with [`LocalCloud::create_table`](crate::local::LocalCloud::create_table).
///
/// ```
/// use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cloud = LocalCloud::start().await?;
/// cloud.create_table(("MyTable", "id"))?;
/// let orders = NewTable::new("Orders", "customer")
///     .sort_key("number", KeyType::Number)
///     .index(NewIndex::new("byDay", "day"));
/// cloud.create_table(orders)?;
/// # Ok(())
/// # }
/// ```
///
/// Key attributes are strings unless said otherwise; billing is by request. A pair of names is the
/// shortest form: `("MyTable", "id")`.
#[derive(Clone, Debug)]
pub struct NewTable {
    name: String,
    partition: KeyAttribute,
    sort: Option<KeyAttribute>,
    indexes: Vec<NewIndex>,
}

/// A global secondary index of a [`NewTable`]; it holds all attributes.
///
/// ```
/// use aws_credential_strategies::local::{KeyType, NewIndex};
///
/// let by_day = NewIndex::new("byDay", "day").sort_key("number", KeyType::Number);
/// ```
#[derive(Clone, Debug)]
pub struct NewIndex {
    name: String,
    partition: KeyAttribute,
    sort: Option<KeyAttribute>,
}

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyType {
    /// Bytes.
    Binary,
    /// A number.
    Number,
    /// Text.
    #[default]
    String,
}

#[derive(Clone, Debug)]
struct KeyAttribute {
    name: String,
    kind: KeyType,
}

impl NewTable {
    /// A table with this name and partition key.
    #[must_use]
    pub fn new(name: impl Into<String>, partition_key: impl Into<String>) -> Self {
        NewTable {
            name: name.into(),
            partition: KeyAttribute::string(partition_key),
            sort: None,
            indexes: Vec::new(),
        }
    }

    /// The type of the partition key; a string by default.
    #[must_use]
    pub fn partition_type(mut self, kind: KeyType) -> Self {
        self.partition.kind = kind;
        self
    }

    /// Adds a sort key; none by default.
    #[must_use]
    pub fn sort_key(mut self, name: impl Into<String>, kind: KeyType) -> Self {
        self.sort = Some(KeyAttribute {
            name: name.into(),
            kind,
        });
        self
    }

    /// Adds a global secondary index.
    #[must_use]
    pub fn index(mut self, index: NewIndex) -> Self {
        self.indexes.push(index);
        self
    }

    pub(in crate::local) fn name(&self) -> &str {
        &self.name
    }

    /// The body of a `CreateTable` request.
    pub(in crate::local) fn request(&self) -> Value {
        let NewTable {
            name,
            partition,
            sort,
            indexes,
        } = self;
        let mut attributes = Map::new();
        let mut define = |partition: &KeyAttribute, sort: Option<&KeyAttribute>| {
            let mut schema = vec![json!({ "AttributeName": partition.name, "KeyType": "HASH" })];
            attributes.insert(partition.name.clone(), partition.code().into());
            if let Some(sort) = sort {
                schema.push(json!({ "AttributeName": sort.name, "KeyType": "RANGE" }));
                attributes.insert(sort.name.clone(), sort.code().into());
            }
            schema
        };
        let schema = define(partition, sort.as_ref());
        let indexes: Vec<Value> = indexes
            .iter()
            .map(|index| {
                json!({
                    "IndexName": index.name,
                    "KeySchema": define(&index.partition, index.sort.as_ref()),
                    "Projection": { "ProjectionType": "ALL" },
                })
            })
            .collect();
        let definitions: Vec<Value> = attributes
            .into_iter()
            .map(|(name, code)| json!({ "AttributeName": name, "AttributeType": code }))
            .collect();
        let mut request = json!({
            "TableName": name,
            "KeySchema": schema,
            "AttributeDefinitions": definitions,
            "BillingMode": "PAY_PER_REQUEST",
        });
        if let (false, Some(members)) = (indexes.is_empty(), request.as_object_mut()) {
            members.insert("GlobalSecondaryIndexes".to_owned(), indexes.into());
        }
        request
    }
}

impl<N: Into<String>, K: Into<String>> From<(N, K)> for NewTable {
    fn from((name, partition_key): (N, K)) -> Self {
        NewTable::new(name, partition_key)
    }
}

impl NewIndex {
    /// An index with this name and partition key.
    #[must_use]
    pub fn new(name: impl Into<String>, partition_key: impl Into<String>) -> Self {
        NewIndex {
            name: name.into(),
            partition: KeyAttribute::string(partition_key),
            sort: None,
        }
    }

    /// The type of the partition key; a string by default.
    #[must_use]
    pub fn partition_type(mut self, kind: KeyType) -> Self {
        self.partition.kind = kind;
        self
    }

    /// Adds a sort key; none by default.
    #[must_use]
    pub fn sort_key(mut self, name: impl Into<String>, kind: KeyType) -> Self {
        self.sort = Some(KeyAttribute {
            name: name.into(),
            kind,
        });
        self
    }
}

impl KeyAttribute {
    fn string(name: impl Into<String>) -> Self {
        KeyAttribute {
            name: name.into(),
            kind: KeyType::String,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind {
            KeyType::Binary => "B",
            KeyType::Number => "N",
            KeyType::String => "S",
        }
    }
}

/// Plain JSON as DynamoDB's typed JSON.
pub(in crate::local) fn attribute_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(value) => json!({ "BOOL": value }),
        Value::Number(value) => json!({ "N": value.to_string() }),
        Value::String(value) => json!({ "S": value }),
        Value::Array(values) => {
            json!({ "L": values.iter().map(attribute_value).collect::<Vec<_>>() })
        }
        Value::Object(members) => json!({ "M": item(members) }),
    }
}

/// Each member of a JSON object as an attribute.
pub(in crate::local) fn item(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .map(|(name, value)| (name.clone(), attribute_value(value)))
        .collect()
}
