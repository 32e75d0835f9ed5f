//! What a PartiQL statement asks for: its verb, table and index, the attributes it names, and the values
//! of the partition key that it is confined to.
//!
//! Each word is read as the engine reads it. What the engine takes and this does not know for certain is
//! not understood; what the engine refuses may be understood, as it does nothing.

mod condition;
mod reader;
mod words;

use super::expression::UNKNOWN;
use super::schema::Schema;
use condition::Confined;
use reader::{Reader, Term};
use serde_json::Value;
use std::collections::BTreeSet;
use words::{Word, words};

/// A statement, as far as permissions go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) action: &'static str,
    /// `table/T` or `table/T/index/I`.
    pub(super) resource: String,
    /// `None` where it is not confined to any.
    pub(super) leading_keys: Option<BTreeSet<String>>,
    pub(super) attributes: BTreeSet<String>,
    pub(super) select: Option<&'static str>,
    /// As `ReturnValues` names it.
    pub(super) return_values: Option<&'static str>,
}

/// The actions that a statement may need.
pub(super) const ACTIONS: [&str; 4] = [
    "PartiQLSelect",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
];

/// Reads a statement with the values of its `?`; `None` where it is not understood.
pub(super) fn read(
    statement: &str,
    parameters: &[Value],
    schema: &dyn Schema,
) -> Option<Statement> {
    let words = words(statement)?;
    let mut reader = Reader::new(&words, parameters);
    // a condition of a transaction
    let exists = reader.calls(&["EXISTS"]);
    if exists {
        reader.next();
        reader.expect_sign("(")?;
    }
    let verb = reader.next()?;
    let read = if verb.is("SELECT") {
        reader.select(schema)
    } else if exists {
        None
    } else if verb.is("INSERT") {
        reader.insert(schema)
    } else if verb.is("UPDATE") {
        reader.update(schema)
    } else if verb.is("DELETE") {
        reader.delete(schema)
    } else if verb.is("FROM") {
        reader.update_from(schema)
    } else {
        None
    };
    let read = read?;
    if exists {
        reader.expect_sign(")")?;
    }
    reader.ends().then_some(Statement {
        attributes: reader.attributes,
        ..read
    })
}

impl<'a> Reader<'a> {
    fn select(&mut self, schema: &dyn Schema) -> Option<Statement> {
        let all = self.take_sign("*");
        if !all {
            self.columns()?;
        }
        self.expect("FROM")?;
        let resource = self.table(schema)?;
        let leading_keys = self.filter()?;
        if self.take("ORDER") {
            self.expect("BY")?;
            self.order()?;
        }
        let select = if all {
            "ALL_ATTRIBUTES"
        } else {
            "SPECIFIC_ATTRIBUTES"
        };
        Some(Statement {
            leading_keys,
            select: Some(select),
            ..of("PartiQLSelect", resource)
        })
    }

    fn insert(&mut self, schema: &dyn Schema) -> Option<Statement> {
        self.expect("INTO")?;
        let resource = self.table(schema)?;
        self.expect("VALUE")?;
        let key = self.key.take();
        let mut attributes = BTreeSet::new();
        let mut values = BTreeSet::new();
        self.members(|name, value| {
            if Some(name) == key.as_deref() {
                values.insert(match value {
                    Term::Known(value) => value,
                    Term::Name | Term::Other => UNKNOWN.to_owned(),
                });
            }
            attributes.insert(name.to_owned());
        })?;
        // names within the values are none of the item's
        self.attributes = attributes;
        if values.is_empty() {
            values.insert(UNKNOWN.to_owned());
        }
        if self.take("IF") {
            self.expect("NOT")?;
            self.expect("EXISTS")?;
        }
        Some(Statement {
            leading_keys: key.map(|_| values),
            ..of("PartiQLInsert", resource)
        })
    }

    fn update(&mut self, schema: &dyn Schema) -> Option<Statement> {
        let resource = self.table(schema)?;
        self.changes()?;
        let leading_keys = self.filter()?;
        self.updated(resource, leading_keys)
    }

    /// `FROM … WHERE … SET …`.
    fn update_from(&mut self, schema: &dyn Schema) -> Option<Statement> {
        let resource = self.table(schema)?;
        let leading_keys = self.filter()?;
        self.changes()?;
        self.updated(resource, leading_keys)
    }

    fn updated(&mut self, resource: String, leading_keys: Confined) -> Option<Statement> {
        Some(Statement {
            leading_keys,
            return_values: Some(self.returned()?),
            ..of("PartiQLUpdate", resource)
        })
    }

    fn delete(&mut self, schema: &dyn Schema) -> Option<Statement> {
        self.expect("FROM")?;
        let resource = self.table(schema)?;
        Some(Statement {
            leading_keys: self.filter()?,
            return_values: Some(self.returned()?),
            ..of("PartiQLDelete", resource)
        })
    }

    /// A table, or an index of one, as a resource; its partition key is noted.
    fn table(&mut self, schema: &dyn Schema) -> Option<String> {
        let table = self.table_name()?;
        let index = if self.take_sign(".") {
            Some(self.table_name()?)
        } else {
            None
        };
        self.key = schema.partition_key(table, index);
        Some(match index {
            Some(index) => format!("table/{table}/index/{index}"),
            None => format!("table/{table}"),
        })
    }

    /// One in single quotes the engine takes as well.
    fn table_name(&mut self) -> Option<&'a str> {
        match self.next()? {
            Word::Bare(name) | Word::Quoted(name) | Word::Text(name) | Word::Number(name) => {
                (!name.is_empty()).then_some(name)
            }
            Word::Sign(_) => None,
        }
    }

    fn columns(&mut self) -> Option<()> {
        loop {
            self.path()?;
            if !self.take_sign(",") {
                return Some(());
            }
        }
    }

    /// `WHERE`, if it is there.
    fn filter(&mut self) -> Option<Confined> {
        if self.take("WHERE") {
            self.condition()
        } else {
            Some(None)
        }
    }

    fn order(&mut self) -> Option<()> {
        loop {
            self.path()?;
            let _ = self.take("ASC") || self.take("DESC");
            if self.take("NULLS") && !self.take("FIRST") {
                self.expect("LAST")?;
            }
            if !self.take_sign(",") {
                return Some(());
            }
        }
    }

    /// `SET` and `REMOVE`, once at least.
    fn changes(&mut self) -> Option<()> {
        let mut any = false;
        loop {
            if self.take("SET") {
                self.assignment()?;
                while self.take_sign(",") {
                    self.assignment()?;
                }
            } else if self.take("REMOVE") {
                self.path()?;
            } else {
                return any.then_some(());
            }
            any = true;
        }
    }

    /// `path = value`, `path = path + value`, `path = function(a, b)`.
    fn assignment(&mut self) -> Option<()> {
        self.path()?;
        self.expect_sign("=")?;
        if self.calls(&["list_append", "set_add", "set_delete"]) {
            self.next();
            self.expect_sign("(")?;
            self.operated()?;
            self.expect_sign(",")?;
            self.operated()?;
            return self.expect_sign(")");
        }
        let first = self.value()?;
        if self.take_sign("+") || self.take_sign("-") {
            // a text stands for a path there
            if !matches!(first, Term::Name) {
                return None;
            }
            self.value()?;
        }
        Some(())
    }

    fn operated(&mut self) -> Option<()> {
        if self.is_name() {
            self.path().map(drop)
        } else {
            self.value().map(drop)
        }
    }

    /// `RETURNING`, as `ReturnValues` names it.
    fn returned(&mut self) -> Option<&'static str> {
        if !self.take("RETURNING") {
            return Some("NONE");
        }
        let (which, when) = (self.next()?, self.next()?);
        self.expect_sign("*")?;
        match (which.is("ALL"), when.is("OLD")) {
            (true, true) => Some("ALL_OLD"),
            (true, false) if when.is("NEW") => Some("ALL_NEW"),
            (false, true) if which.is("MODIFIED") => Some("UPDATED_OLD"),
            (false, false) if which.is("MODIFIED") && when.is("NEW") => Some("UPDATED_NEW"),
            _ => None,
        }
    }
}

/// What is known of a statement by its action and table alone.
fn of(action: &'static str, resource: String) -> Statement {
    Statement {
        action,
        resource,
        leading_keys: None,
        attributes: BTreeSet::new(),
        select: None,
        return_values: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{Statement, read};
    use dynoxide::Database;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};

    fn schema(table: &str, index: Option<&str>) -> Option<String> {
        match (table, index) {
            ("T" | "Own" | "Oth", None) => Some("id".to_owned()),
            ("T", Some("I")) => Some("name".to_owned()),
            _ => None,
        }
    }

    fn of(statement: &str, parameters: &[Value]) -> Option<Statement> {
        read(statement, parameters, &schema)
    }

    #[test]
    fn a_condition_confines_to_partitions_or_not() {
        let parameters = [json!({ "S": "a" }), json!({ "S": "b" })];
        for (condition, expected) in [
            ("id = 'a'", Some("a")),
            ("\"id\" = 'it''s'", Some("it's")),
            ("'a' = id", Some("a")),
            ("id = ?", Some("a")),
            ("x = ? AND id = ?", Some("b")),
            ("x IN [?] AND id = ?", Some("b")),
            ("contains(x, ?) AND id = ?", Some("b")),
            ("/* id = ? OR */ x = '?' AND id = ? -- ?", Some("a")),
            ("id IN ['a', ?]", Some("a")),
            ("id in ('b''c',, 'c') and x > 1", Some("b'c c")),
            ("(id = 'a' OR id = 'b') AND x = 1", Some("a b")),
            ("id = 'a' AND id = 'b'", Some("a b")),
            ("x BETWEEN 1 AND 2 AND id = 'a'", Some("a")),
            ("x NOT BETWEEN 1 AND 2 AND id = 'a'", Some("a")),
            ("contains(x, 'id') AND (((id = 'a')))", Some("a")),
            ("x.y[0].\"a.b\" IS NOT MISSING AND id = 'a'", Some("a")),
            (
                "attribute_exists(x) AND size(x) > 1 AND id = 'a'",
                Some("a"),
            ),
            ("x = {'a': [1, <<1>>], b: 'c'} AND id='a'", Some("a")),
            ("id = 5", Some("5")),
            ("id = -5.5", Some("-5.5")),
            ("id = - 05.50e0", Some("-5.5")),
            ("id = 1e3", Some("1000")),
            ("id=1AND x=2OR(id=.5AND NOT x=2)", Some("0.5 1")),
            ("id = 'a' OR x = 1", None),
            ("id = 'a' AND x = 1OR x = 1", None),
            ("NOT id = 'a'", None),
            ("NOT (id = 'a') AND x = 1", None),
            ("NOT NOT id = 'a'", None),
            ("id NOT IN ['a']", None),
            ("id > 'a'", None),
            ("id <> 'a'", None),
            ("m.id = 'a'", None),
            ("id.m = 'a'", None),
            ("'a' = id.m", None),
            ("'a' = id[0]", None),
            ("'id' = 'a'", None),
            ("ID = 'a'", None),
            ("\"id \" = 'a'", None),
            ("x = 'id = ''a'''", None),
            ("id IN [x]", None),
            ("id IN ['a', x]", None),
            ("id IN []", None),
            ("id = x", None),
            ("id = TRUE", None),
            ("id = END", None),
            ("id BETWEEN 'a' AND 'a'", None),
            ("attribute_exists(id) = TRUE", None),
        ] {
            let read = of(&format!("SELECT * FROM T WHERE {condition}"), &parameters);
            let keys = read
                .unwrap_or_else(|| panic!("{condition}"))
                .leading_keys
                .map(|keys| keys.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(keys.as_deref(), expected, "{condition}");
        }
    }

    #[test]
    fn each_verb_is_read_whole() {
        for (statement, action, resource, keys, attributes) in [
            (
                "select * from \"T\".\"I\" where name = 'x'",
                "PartiQLSelect",
                "table/T/index/I",
                "x",
                "name",
            ),
            (
                "SELECT id, \"from\" FROM T WHERE id = 'a' ORDER BY x DESC NULLS LAST, y;",
                "PartiQLSelect",
                "table/T",
                "a",
                "from id x y",
            ),
            (
                "SELECT/* FROM U */\"a.b\".c, d[1].e FROM 'T'",
                "PartiQLSelect",
                "table/T",
                "",
                "a.b d",
            ),
            (
                "INSERT INTO T VALUE {'id': 'a', m: {'id': 'z'}, \"n\": [b]} IF NOT EXISTS",
                "PartiQLInsert",
                "table/T",
                "a",
                "id m n",
            ),
            (
                "INSERT INTO T VALUE {id: 'a', 'id': 'b', \"id\": [], 'x': ?}",
                "PartiQLInsert",
                "table/T",
                "\0unknown a b",
                "id x",
            ),
            (
                "INSERT INTO T VALUE {'m': 'a'}",
                "PartiQLInsert",
                "table/T",
                "\0unknown",
                "m",
            ),
            (
                "UPDATE \"T\" SET x = 1 SET y.id = 2 WHERE id = 'a' RETURNING ALL NEW *",
                "PartiQLUpdate",
                "table/T",
                "a",
                "id x y",
            ),
            (
                "FROM T WHERE id = 'a' SET x = y + 1, z = list_append(v, [1]) REMOVE w",
                "PartiQLUpdate",
                "table/T",
                "a",
                "id v w x y z",
            ),
            (
                "UPDATE T REMOVE a.b SET c = set_add(c, <<'x'>>) WHERE begins_with(\"d\", 'e')",
                "PartiQLUpdate",
                "table/T",
                "",
                "a c d",
            ),
            (
                "--\nDELETE/**/FROM T WHERE id = 'a'",
                "PartiQLDelete",
                "table/T",
                "a",
                "id",
            ),
            (
                "EXISTS(SELECT * FROM T WHERE id = 'a')",
                "PartiQLSelect",
                "table/T",
                "a",
                "id",
            ),
        ] {
            let read = of(statement, &[]).unwrap_or_else(|| panic!("{statement}"));
            let join = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(
                (read.action, read.resource.as_str()),
                (action, resource),
                "{statement}"
            );
            assert_eq!(
                join(read.leading_keys.unwrap_or_default()),
                keys,
                "{statement}"
            );
            assert_eq!(join(read.attributes), attributes, "{statement}");
        }
    }

    #[test]
    fn what_is_returned_is_named_as_for_an_update() {
        for (returning, expected) in [
            ("", Some("NONE")),
            ("RETURNING ALL OLD *", Some("ALL_OLD")),
            ("returning all new *;", Some("ALL_NEW")),
            ("RETURNING/**/MODIFIED OLD*", Some("UPDATED_OLD")),
            ("RETURNING MODIFIED NEW *", Some("UPDATED_NEW")),
            ("RETURNING ALL *", None),
            ("RETURNING ALL OLD", None),
            ("RETURNING NONE OLD *", None),
            ("RETURNING ALL OLD * RETURNING ALL NEW *", None),
        ] {
            for statement in [
                "UPDATE T SET x = 1 WHERE id = 'a'",
                "DELETE FROM T WHERE id = 'a'",
            ] {
                let read = of(&format!("{statement} {returning}"), &[]);
                let returned = read.and_then(|read| read.return_values);
                assert_eq!(returned, expected, "{statement} {returning}");
            }
        }
    }

    #[test]
    fn what_is_not_known_for_certain_is_not_understood() {
        let deep = |open: &str, close: &str| {
            let (open, close) = (open.repeat(2_000), close.repeat(2_000));
            format!("SELECT * FROM T WHERE x = {open}1{close}")
        };
        for statement in [
            "",
            "nonsense",
            "\"SELECT\" * FROM T",
            "SELECT * FROM T WHERE",
            "SELECT * FROM T WHERE id = 'a' 1",
            "SELECT * FROM T WHERE id = 'a'; ;",
            "SELECT * FROM T WHERE id = 'a'; SELECT * FROM T",
            "SELECT * FROM T t WHERE id = 'a'",
            "SELECT * FROM T.I.J",
            "SELECT * FROM \"\" WHERE id = 'a'",
            "SELECT * FROM my-table",
            "SELECT 'x' FROM T",
            "SELECT ? FROM T WHERE id = ?",
            "SELECT \"\".x FROM T",
            "SELECT x[?] FROM T",
            "SELECT count(x) FROM T",
            "SELECT a, * FROM T",
            "SELECT * FROM T WHERE 'id = 'a'",
            "SELECT * FROM T WHERE (id = 'a'",
            "SELECT * FROM T WHERE id = 'a')",
            "SELECT * FROM T WHERE id = 'a' OR",
            "SELECT * FROM T WHERE id = ('a')",
            "SELECT * FROM T WHERE id = \"a\" \"b\"",
            "SELECT * FROM T WHERE id = `a`",
            "SELECT * FROM T WHERE contains('x', 'a')",
            "SELECT * FROM T WHERE begins_with(?, 'a') AND id = ?",
            "SELECT * FROM T WHERE EXISTS(SELECT * FROM U)",
            "SELECT * FROM T WHERE other(id) AND id = 'a'",
            "SELECT * FROM T WHERE id IN ['a')",
            "SELECT * FROM T WHERE id LIKE 'a'",
            "SELECT * FROM T ORDER BY x WHERE id = 'a'",
            "UPDATE T WHERE id = 'a'",
            "UPDATE T SET 'x' = 1 WHERE id = 'a'",
            "UPDATE T SET y = 'x' + 1 WHERE id = 'a'",
            "FROM T WHERE id = 'a'",
            "FROM T SET x = 1 WHERE id = 'a'",
            "INSERT INTO T VALUE ?",
            "INSERT INTO T VALUE {'id': 'a'",
            "INSERT INTO T VALUE {'id' 'a'}",
            "INSERT INTO T VALUE {'id': 'a' 'x': 'b'}",
            "INSERT INTO T {'id': 'a'}",
            "EXISTS(DELETE FROM T WHERE id = 'a')",
            "EXISTS(SELECT * FROM T",
            &deep("[", "]"),
            &deep("{'a':", "}"),
            &deep("<<", ">>"),
            &deep("size(", ")"),
            &format!("SELECT * FROM T WHERE {}id = 'a'", "(".repeat(10_000)),
        ] {
            assert_eq!(of(statement, &[]), None, "{statement}");
        }
    }

    /// A condition on `id` and `x`, as words and as what it says about an item.
    #[derive(Clone, Debug)]
    enum Says {
        Id(&'static str),
        IdAmong(Vec<&'static str>),
        XBetween(u8, u8),
        Not(Box<Says>),
        And(Box<Says>, Box<Says>),
        Or(Box<Says>, Box<Says>),
    }

    impl Says {
        fn words(&self) -> Vec<String> {
            let split = |text: &str| text.split(' ').map(str::to_owned).collect();
            let inner = |says: &Says| [split("("), says.words(), split(")")].concat();
            match self {
                Says::Id(id) => split(&format!("id = '{id}'")),
                Says::IdAmong(ids) => {
                    let ids: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
                    split(&format!("\"id\" IN [ {} ]", ids.join(" , ")))
                }
                Says::XBetween(from, to) => split(&format!("x BETWEEN {from} AND {to}")),
                Says::Not(says) => [split("NOT"), inner(says)].concat(),
                Says::And(a, b) => [inner(a), split("AND"), inner(b)].concat(),
                // by precedence, without parentheses where they are not needed
                Says::Or(a, b) => [a.words(), split("or"), b.words()].concat(),
            }
        }

        fn holds(&self, id: &str, x: u8) -> bool {
            match self {
                Says::Id(wanted) => *wanted == id,
                Says::IdAmong(ids) => ids.contains(&id),
                Says::XBetween(from, to) => (*from..=*to).contains(&x),
                Says::Not(inner) => !inner.holds(id, x),
                Says::And(a, b) => a.holds(id, x) && b.holds(id, x),
                Says::Or(a, b) => a.holds(id, x) || b.holds(id, x),
            }
        }
    }

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn says() -> impl Strategy<Value = Says> {
        let id = || proptest::sample::select(&IDS[..]);
        let leaf = prop_oneof![
            id().prop_map(Says::Id),
            proptest::collection::vec(id(), 1..3).prop_map(Says::IdAmong),
            (0..3_u8, 0..3_u8).prop_map(|(from, to)| Says::XBetween(from, to)),
        ];
        leaf.prop_recursive(4, 16, 2, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                inner.prop_map(|inner| Says::Not(Box::new(inner))),
                pair.clone()
                    .prop_map(|(a, b)| Says::And(Box::new(a), Box::new(b))),
                pair.prop_map(|(a, b)| Says::Or(Box::new(a), Box::new(b))),
            ]
        })
    }

    /// What may stand between two words; nothing only where they stay two.
    const GAPS: [&str; 8] = [
        "",
        " ",
        "\t\n",
        "/**/",
        "/* OR id = 'c' OR */",
        "/*'*/",
        "--'\n",
        " -- AND id = 'a' AND\r\n",
    ];

    fn written(words: &[String], gaps: &[usize]) -> String {
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let digit = |c: char| c.is_ascii_digit();
        let mut text = String::new();
        let mut before = "";
        for (word, gap) in words.iter().zip(gaps.iter().cycle()) {
            let apart = match before.chars().next_back() {
                // a name may follow a number at once, where it is no exponent
                Some(last) if belongs(last) && before.starts_with(digit) => {
                    word.starts_with(digit) || word.starts_with(['e', 'E'])
                }
                Some(last) if belongs(last) => word.starts_with(belongs),
                Some(quote @ ('\'' | '"')) => word.starts_with(quote),
                _ => false,
            };
            text.push_str(match GAPS[*gap] {
                "" if apart => " ",
                gap => gap,
            });
            text.push_str(word);
            before = word;
        }
        text
    }

    fn gaps() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(0..GAPS.len(), 1..12)
    }

    /// What is put among the words of a statement, or in place of one.
    const WORDS: [&str; 67] = [
        "id",
        "\"id\"",
        "'id'",
        "x",
        "\"x\"",
        "'x'",
        "m",
        "'a'",
        "'b'",
        "\"c\"",
        "''",
        "\"\"",
        "1",
        "1.",
        ".5",
        "1e0",
        "-",
        "+",
        "-1",
        "?",
        "=",
        "<>",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "<<",
        ">>",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        ".",
        "*",
        ";",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "IS",
        "MISSING",
        "NULL",
        "TRUE",
        "END",
        "contains",
        "begins_with",
        "attribute_exists",
        "size",
        "WHERE",
        "SET",
        "REMOVE",
        "FROM",
        "SELECT",
        "Oth",
        "Own",
        "RETURNING",
        "ORDER",
        "BY",
        "'",
        "/*",
        "--",
    ];

    /// Statements in whose place of `?` a condition stands, and how each begins and ends.
    const FRAMES: [&str; 9] = [
        "SELECT * FROM \"Own\" WHERE ?",
        "SELECT id , x FROM Own WHERE ? AND \"id\" IN [ 'a' ]",
        "DELETE FROM Own WHERE ? AND id = 'b'",
        "UPDATE Own SET x = 7 , m . n = 'c' WHERE id = 'a' AND ?",
        "UPDATE Own REMOVE x SET l = list_append ( l , [ 1 ] ) WHERE id = 'b' AND ( ? )",
        "FROM Own WHERE ? AND id = 'c' SET x = x + 1 RETURNING ALL OLD *",
        "INSERT INTO Own VALUE { 'id' : 'd' , 'x' : 1 , 'm' : { 'id' : 'e' } }",
        "INSERT INTO Own VALUE { 'id' : 'd' , \"id\" : 'e' , x : [ 1 , << 1 >> ] } IF NOT EXISTS",
        "SELECT * FROM Own WHERE size ( x ) > 1 OR contains ( m , 'n' ) AND 'a' = id AND ?",
    ];

    type Items = BTreeMap<String, Value>;

    type Touched = BTreeSet<(Option<String>, String, bool)>;

    struct Tables(Database);

    impl Tables {
        /// Two tables that are alike.
        fn new() -> Self {
            let database = Database::memory().unwrap();
            for table in ["Own", "Oth"] {
                let request = json!({
                    "TableName": table,
                    "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                    "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                    "BillingMode": "PAY_PER_REQUEST",
                });
                let request = serde_json::from_value(request).unwrap();
                database.create_table(request).unwrap();
                for (x, id) in IDS.iter().enumerate() {
                    let request = json!({ "TableName": table, "Item": {
                        "id": { "S": id },
                        "x": { "N": x.to_string() },
                        "m": { "M": { "n": { "S": table } } },
                        "l": { "L": [] },
                    } });
                    let request = serde_json::from_value(request).unwrap();
                    database.put_item(request).unwrap();
                }
            }
            Tables(database)
        }

        fn items(&self, table: &str) -> Items {
            let request = serde_json::from_value(json!({ "TableName": table })).unwrap();
            let scanned = serde_json::to_value(self.0.scan(request).unwrap()).unwrap();
            let items = scanned["Items"].as_array().unwrap().iter();
            items
                .map(|item| (item["id"]["S"].as_str().unwrap().to_owned(), item.clone()))
                .collect()
        }

        /// What a statement reads or changes: table, where that is told, and partition, and whether it
        /// is changed; `None` if the statement is refused.
        fn touched(&self, statement: &str, parameters: &[Value]) -> Option<Touched> {
            let tables = ["Own", "Oth"];
            let before = tables.map(|table| self.items(table));
            let request = json!({ "Statement": statement, "Parameters": parameters });
            let request = serde_json::from_value(request).unwrap();
            let answer = self.0.execute_statement(request).ok()?;
            let mut touched = BTreeSet::new();
            for (table, before) in tables.into_iter().zip(before) {
                let after = self.items(table);
                let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
                let changed = ids.into_iter();
                let changed = changed.filter(|id| before.get(*id) != after.get(*id));
                let table = || Some(table.to_owned());
                touched.extend(changed.map(|id| (table(), id.clone(), true)));
            }
            let answer = serde_json::to_value(answer).unwrap();
            for item in answer["Items"].as_array().into_iter().flatten() {
                let table = item["m"]["M"]["n"]["S"].as_str();
                let table = table.filter(|table| tables.contains(table));
                if let Some(id) = item["id"]["S"].as_str() {
                    touched.insert((table.map(str::to_owned), id.to_owned(), false));
                }
            }
            Some(touched)
        }
    }

    fn frame() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(&FRAMES[..])
    }

    /// Words in whose place another one leaves a statement well-formed as a rule.
    const ALIKE: [&[&str]; 6] = [
        &["AND", "OR", "or", "AND NOT", "or NOT"],
        &[
            "id",
            "\"id\"",
            "'id'",
            "x",
            "\"x\"",
            "m . n",
            "m.id",
            "l [ 0 ]",
            "'a'",
            "'b'",
            "'c'",
            "?",
            "1",
            "1.",
            "-1",
            ".5",
            "END",
            "NULL",
            "size ( id )",
            "\"\"\"\"",
            "\"i\"\"d\"",
        ],
        &["=", "<>", "!=", "<", ">=", "IN"],
        &["Own", "Oth", "'Oth'", "\"Oth\"", "\"O\"\"th\""],
        &["(", "NOT (", "( ("],
        &[")", ") )", ")AND x = 1", ")OR x = 1", "--", "/*", ";"],
    ];

    /// Where a word is put into a statement, in place of how many; of one alike, where that is one.
    fn changes() -> impl Strategy<Value = Vec<(usize, usize, &'static str, usize)>> {
        let word = proptest::sample::select(&WORDS[..]);
        proptest::collection::vec((0..60_usize, 0..4_usize, word, 0..100_usize), 0..4)
    }

    fn changed(words: &mut Vec<String>, changes: Vec<(usize, usize, &'static str, usize)>) {
        for (at, replaced, word, alike) in changes {
            let at = at % words.len();
            let end = (at + replaced).min(words.len());
            let group = ALIKE
                .iter()
                .find(|group| replaced > 1 && group.contains(&words[at].as_str()));
            match group {
                Some(group) => words[at] = group[alike % group.len()].to_owned(),
                None => drop(words.splice(at..end, [word.to_owned()])),
            }
        }
    }

    proptest! {
        #[test]
        fn no_item_outside_of_the_partitions_fits(says in says(), gaps in gaps()) {
            let words = [vec!["SELECT * FROM T WHERE".to_owned()], says.words()].concat();
            let statement = written(&words, &gaps);
            let read = of(&statement, &[]);
            prop_assert!(read.is_some(), "{statement}");
            if let Some(keys) = read.and_then(|read| read.leading_keys) {
                for id in IDS {
                    let fits = (0..3).any(|x| says.holds(id, x));
                    prop_assert!(!fits || keys.contains(id), "{id} fits {statement}");
                }
            }
        }

        #[test]
        fn the_engine_does_no_more_than_was_read(
            frame in frame(), says in says(), changes in changes(), gaps in gaps(),
        ) {
            let condition = says.words();
            let mut words = Vec::new();
            for word in frame.split(' ') {
                match word {
                    "?" => words.extend(condition.iter().cloned()),
                    word => words.push(word.to_owned()),
                }
            }
            let whole = changes.is_empty();
            changed(&mut words, changes);
            let statement = written(&words, &gaps);
            let parameters = ["a", "b"].map(|id| json!({ "S": id }));
            let read = of(&statement, &parameters);
            prop_assert!(read.is_some() || !whole, "{statement}");
            let Some(read) = read else { return Ok(()) };
            let Some(touched) = Tables::new().touched(&statement, &parameters) else {
                return Ok(());
            };
            for (table, id, changed) in touched {
                prop_assert!(!changed || read.action != "PartiQLSelect", "{statement}");
                let table = table.map(|table| format!("table/{table}"));
                let other = table.filter(|table| *table != read.resource);
                prop_assert_eq!(other, None, "{}", statement);
                let within = read.leading_keys.as_ref().is_none_or(|keys| keys.contains(&id));
                prop_assert!(within, "{id}: {statement}");
            }
        }

        #[test]
        fn any_text_is_read(text in r#"(SELECT|INSERT INTO|UPDATE|é| |T|id|WHERE|=|'|"|\?|\(|\[|\{|<|:|,|\.|-1|AND|NOT|IN|/\*|\*/|--|\n){0,20}"#) {
            of(&text, &[]);
        }
    }
}
