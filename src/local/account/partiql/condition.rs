//! Reads a condition for what it says about the partition key.

use super::reader::{Path, Reader, Term};
use super::words::Word;
use std::collections::BTreeSet;

/// The values that the key has in every item that fits; `None` where it may have any. Of a condition
/// that asks for two of them at once, both.
pub(super) type Confined = Option<BTreeSet<String>>;

/// A side of a comparison.
enum Operand {
    Path(Path),
    Value(Term),
    /// `size(…)`.
    Size,
    /// A function that is a condition by itself.
    Function,
}

const COMPARISONS: [&str; 7] = ["=", "<>", "!=", "<", "<=", ">", ">="];

/// Functions that are conditions, and can be compared as well.
const FUNCTIONS: [&str; 3] = ["attribute_exists", "attribute_not_exists", "attribute_type"];

/// Words that the engine takes for an attribute in front of a comparison, for a text behind it.
const TEXTS: [&str; 8] = [
    "CASE", "ELSE", "END", "EXISTS", "MISSING", "NOT", "THEN", "WHEN",
];

/// What `IS` tests for.
const TYPES: [&str; 10] = [
    "BLOB", "BOOL", "BOOLEAN", "LIST", "MISSING", "NULL", "NUMERIC", "STRING", "STRUCT", "TUPLE",
];

impl Reader<'_> {
    /// Conditions joined by `OR`; `None` where one is not understood.
    pub(super) fn condition(&mut self) -> Option<Confined> {
        let mut all = self.both()?;
        while self.take("OR") {
            let other = self.both()?;
            all = all.zip(other).map(|(one, other)| &one | &other);
        }
        Some(all)
    }

    fn both(&mut self) -> Option<Confined> {
        let mut confined = self.one()?;
        while self.take("AND") {
            let other = self.one()?;
            confined = match (confined, other) {
                (Some(one), Some(other)) => Some(&one | &other),
                (one, other) => one.or(other),
            };
        }
        Some(confined)
    }

    fn one(&mut self) -> Option<Confined> {
        let mut negated = false;
        while self.take("NOT") {
            negated = true;
        }
        let confined = if self.take_sign("(") {
            let inner = self.nested(Self::condition)?;
            self.expect_sign(")")?;
            inner
        } else {
            self.predicate()?
        };
        Some(confined.filter(|_| !negated))
    }

    fn predicate(&mut self) -> Option<Confined> {
        if self.calls(&["begins_with", "contains"]) {
            self.next();
            self.expect_sign("(")?;
            self.path()?;
            self.expect_sign(",")?;
            self.value()?;
            self.expect_sign(")")?;
            return Some(None);
        }
        let left = self.first()?;
        if let Some(Word::Sign(sign)) = self.peek()
            && COMPARISONS.contains(sign)
        {
            self.next();
            let right = self.operand()?;
            let equal = *sign == "=";
            return Some(equal.then(|| self.equal(left, right)).flatten());
        }
        if self.take("IS") {
            self.take("NOT");
            let known = self.next()?.is_among(&TYPES);
            return known.then_some(None);
        }
        let negated = self.take("NOT");
        if self.take("BETWEEN") {
            self.operand()?;
            self.expect("AND")?;
            self.operand()?;
            return Some(None);
        }
        if self.take("IN") {
            let among = self.among()?;
            let of_key = !negated && self.is_key(&left);
            return Some(among.filter(|_| of_key));
        }
        (matches!(left, Operand::Function) && !negated).then_some(None)
    }

    /// What `left = right` says of the key.
    fn equal(&self, left: Operand, right: Operand) -> Confined {
        match (left, right) {
            (path, Operand::Value(Term::Known(value)))
            | (Operand::Value(Term::Known(value)), path)
                if self.is_key(&path) =>
            {
                Some(BTreeSet::from([value]))
            }
            _ => None,
        }
    }

    fn is_key(&self, operand: &Operand) -> bool {
        matches!(operand, Operand::Path(path) if !path.within && Some(&path.root) == self.key.as_ref())
    }

    /// The values in the brackets behind `IN`; none where one of them is no value, or there are none.
    fn among(&mut self) -> Option<Confined> {
        let close = match self.next()? {
            Word::Sign("(") => ")",
            Word::Sign("[") => "]",
            _ => return None,
        };
        let mut values = Some(BTreeSet::new());
        // the engine takes any number of commas for one, or none
        while !self.take_sign(close) {
            if self.take_sign(",") {
                continue;
            }
            match self.operand()? {
                Operand::Value(Term::Known(value)) => {
                    if let Some(values) = &mut values {
                        values.insert(value);
                    }
                }
                _ => values = None,
            }
        }
        Some(values.filter(|values| !values.is_empty()))
    }

    /// The first side of a comparison, or a function alone.
    fn first(&mut self) -> Option<Operand> {
        if self.is_name() && !self.calls(&FUNCTIONS) && !self.calls(&["size"]) {
            return self.path().map(Operand::Path);
        }
        self.operand()
    }

    fn operand(&mut self) -> Option<Operand> {
        if self.calls(&["size"]) {
            self.arguments()?;
            return Some(Operand::Size);
        }
        if self.calls(&FUNCTIONS) {
            self.arguments()?;
            return Some(Operand::Function);
        }
        let text = self.peek().is_some_and(|word| word.is_among(&TEXTS));
        if self.is_name() && !text {
            return self.path().map(Operand::Path);
        }
        self.value().map(Operand::Value)
    }

    /// `(a, b)` behind the name of a function.
    fn arguments(&mut self) -> Option<()> {
        self.next();
        self.expect_sign("(")?;
        self.nested(|reader| {
            loop {
                reader.operand()?;
                if !reader.take_sign(",") {
                    return reader.expect_sign(")");
                }
            }
        })
    }
}
