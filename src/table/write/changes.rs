//! What an update changes, as its expression.

use crate::error::{Error, Result};
use crate::table::encode::{set_of, type_of};
use crate::table::expression::expressions::{Expressions, checked_length};
use crate::table::expression::operand::Operand;
use crate::table::expression::path::{Path, Step};
use crate::table::expression::raw_expression::RawExpression;
use crate::table::item::Attributes;
use crate::table::key::Key;
use crate::table::value::{IntoValue, kind_of};
use aws_sdk_dynamodb::types::AttributeValue;
use std::fmt;

/// One change, in the clause of the update expression that it belongs to.
#[derive(Clone)]
pub(super) enum Change {
    Add(Path, Result<AttributeValue>),
    DeleteFromSet(Path, Result<AttributeValue>),
    Raw(RawExpression),
    Remove(Path),
    Set(Path, Operand),
}

impl Change {
    pub(super) fn add(path: Path, value: impl IntoValue) -> Self {
        let value = value.into_value().and_then(|value| match value {
            AttributeValue::N(_) => Ok(value),
            value => as_set(value, "a number, or the members of a set"),
        });
        Change::Add(path, value)
    }

    pub(super) fn delete_from_set(path: Path, members: impl IntoValue) -> Self {
        let members = members.into_value().and_then(|members| {
            let members = match members {
                AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_) => {
                    AttributeValue::L(vec![members])
                }
                members => members,
            };
            as_set(members, "members of a set")
        });
        Change::DeleteFromSet(path, members)
    }

    /// What makes an item of these attributes: NULL, which a `None` is, removes. Attributes of the key
    /// stay, and must be those of the key.
    pub(super) fn of_item(item: Attributes, key: &Key, nested: bool) -> Result<Vec<Self>> {
        let mut changes = Vec::new();
        let mut item: Vec<_> = item.into_iter().collect();
        // one item gives one expression
        item.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in item {
            match key.attributes().get(&name) {
                Some(held) if *held == value => {}
                Some(_) => {
                    let expected = "expected the value of the key, which an update cannot change";
                    return Err(Error::usage(format!("key attribute {name:?}"), expected));
                }
                None => collect(vec![Step::Name(name)], value, nested, &mut changes),
            }
        }
        Ok(changes)
    }
}

fn collect(steps: Vec<Step>, value: AttributeValue, nested: bool, into: &mut Vec<Change>) {
    match value {
        AttributeValue::Null(_) => into.push(Change::Remove(Path::new(steps))),
        AttributeValue::M(members) if nested => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (name, value) in members {
                let steps = steps.iter().cloned().chain([Step::Name(name)]);
                collect(steps.collect(), value, nested, into);
            }
        }
        value => into.push(Change::Set(Path::new(steps), Operand::converted(Ok(value)))),
    }
}

/// The update expression, if there are changes.
pub(super) fn render(
    changes: Vec<Change>,
    expressions: &mut Expressions,
) -> Result<Option<String>> {
    let mut clauses = Clauses::default();
    for change in changes {
        clauses.push(change, expressions)?;
    }
    let text = clauses.into_text();
    text.map(|text| checked_length("update", text)).transpose()
}

/// The four clauses, each of which may stand once, in the order of [`KEYWORDS`].
#[derive(Default)]
struct Clauses([String; 4]);

const KEYWORDS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];
const SET: usize = 0;
const REMOVE: usize = 1;
const ADD: usize = 2;
const DELETE: usize = 3;

impl Clauses {
    /// The clause, ready for one more change.
    fn next(&mut self, clause: usize) -> &mut String {
        let text = &mut self.0[clause];
        if !text.is_empty() {
            text.push_str(", ");
        }
        text
    }

    fn push(&mut self, change: Change, expressions: &mut Expressions) -> Result<()> {
        let (clause, path, value) = match change {
            Change::Raw(raw) => return self.push_raw(raw, expressions),
            Change::Set(path, operand) => {
                let text = self.next(SET);
                path.render(text, expressions)?;
                text.push_str(" = ");
                let rendered = operand.render_in_update(text, expressions);
                return rendered.map_err(|error| at(&path, error));
            }
            Change::Remove(path) => return path.render(self.next(REMOVE), expressions),
            Change::Add(path, value) => (ADD, path, value),
            Change::DeleteFromSet(path, value) => (DELETE, path, value),
        };
        let text = self.next(clause);
        path.render(text, expressions)?;
        text.push(' ');
        expressions.value(value.map_err(|error| at(&path, error))?, text);
        Ok(())
    }

    /// Divides a text into its clauses; names and values are placeholders by then, so that a keyword is
    /// one.
    fn push_raw(&mut self, raw: RawExpression, expressions: &mut Expressions) -> Result<()> {
        let mut text = String::new();
        raw.render(&mut text, expressions)?;
        let mut parts: Vec<(usize, &str)> = Vec::new();
        let mut begin = 0;
        for (from, word) in words(&text) {
            let keyword = KEYWORDS.iter().position(|k| k.eq_ignore_ascii_case(word));
            let Some(clause) = keyword else { continue };
            close(&mut parts, &text[begin..from])?;
            begin = from + word.len();
            parts.push((clause, ""));
        }
        close(&mut parts, &text[begin..])?;
        for (clause, part) in parts {
            self.next(clause).push_str(part);
        }
        Ok(())
    }

    fn into_text(self) -> Option<String> {
        let clauses = KEYWORDS
            .iter()
            .zip(self.0)
            .filter(|(_, text)| !text.is_empty());
        let clauses: Vec<_> = clauses
            .map(|(keyword, text)| format!("{keyword} {text}"))
            .collect();
        (!clauses.is_empty()).then(|| clauses.join(" "))
    }
}

/// What follows a keyword is its clause; before the first one there is nothing.
fn close<'a>(parts: &mut [(usize, &'a str)], text: &'a str) -> Result<()> {
    let text = text.trim();
    match parts.last_mut() {
        Some((_, part)) if !text.is_empty() => *part = text,
        None if text.is_empty() => {}
        _ => {
            let expected = "expected SET, REMOVE, ADD or DELETE first, and something after each";
            return Err(Error::usage("update expression", expected));
        }
    }
    Ok(())
}

/// The words of an expression and where they are; a path is one.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let separates = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '#' | ':' | '.'));
    let mut at = 0;
    text.split(separates).map(move |word| {
        let from = at;
        // every separator of an expression that was rendered is one character
        at += word.len()
            + text[at + word.len()..]
                .chars()
                .next()
                .map_or(0, char::len_utf8);
        (from, word)
    })
}

/// A value's error with the attribute that it was for.
fn at(path: &Path, error: Error) -> Error {
    error.naming(format!("attribute {path}"))
}

fn as_set(value: AttributeValue, expected: &'static str) -> Result<AttributeValue> {
    let kind = type_of(&value);
    let set = match value {
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => Some(value),
        AttributeValue::L(members) => set_of(members),
        _ => None,
    };
    set.ok_or_else(|| Error::usage("value", format!("expected {expected}, not {kind}")))
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add(path, value) => write!(f, "add({path}) {:?}", kind_of(value)),
            Change::DeleteFromSet(path, value) => {
                write!(f, "delete_from_set({path}) {:?}", kind_of(value))
            }
            Change::Raw(raw) => write!(f, "{raw:?}"),
            Change::Remove(path) => write!(f, "remove({path})"),
            Change::Set(path, operand) => write!(f, "set({path}) {operand:?}"),
        }
    }
}
