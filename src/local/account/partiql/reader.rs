//! Reads paths and values from the words of a statement.

use super::words::Word;
use crate::local::account::expression::{number, plain};
use serde_json::Value;
use std::collections::BTreeSet;

/// Goes through the words of a statement. What it does not know for certain is `None`: then the
/// statement is not understood.
pub(super) struct Reader<'a> {
    rest: &'a [Word],
    /// The values of `?`, in the order in which they are read.
    parameters: std::slice::Iter<'a, Value>,
    nested: usize,
    /// The top-level attributes that were named.
    pub(super) attributes: BTreeSet<String>,
    /// The partition key of the table or index, once that is read.
    pub(super) key: Option<String>,
}

/// An attribute, or something within it.
pub(super) struct Path {
    pub(super) root: String,
    pub(super) within: bool,
}

/// What stands for a value.
pub(super) enum Term {
    /// As a policy writes it.
    Known(String),
    /// A name without quotes: to the engine an attribute, or a text.
    Name,
    /// No text, number or bytes.
    Other,
}

/// How deep parentheses and documents nest; the engine follows as far.
const MOST_NESTED: usize = 64;

const LITERALS: [&str; 3] = ["FALSE", "NULL", "TRUE"];

/// Words that are no value where one is expected.
const NO_VALUE: [&str; 29] = [
    "AND",
    "AS",
    "ASC",
    "AT",
    "BETWEEN",
    "BY",
    "DELETE",
    "DESC",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "LIKE",
    "LIMIT",
    "ON",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURNING",
    "SELECT",
    "SET",
    "UNION",
    "UPDATE",
    "VALUE",
    "VALUES",
    "WHERE",
];

impl<'a> Reader<'a> {
    pub(super) fn new(words: &'a [Word], parameters: &'a [Value]) -> Self {
        Reader {
            rest: words,
            parameters: parameters.iter(),
            nested: 0,
            attributes: BTreeSet::new(),
            key: None,
        }
    }

    pub(super) fn peek(&self) -> Option<&'a Word> {
        self.rest.first()
    }

    pub(super) fn peek_second(&self) -> Option<&'a Word> {
        self.rest.get(1)
    }

    pub(super) fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let taken = self.peek().is_some_and(|word| word.is(keyword));
        if taken {
            self.next();
        }
        taken
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let taken = self.is_sign(sign);
        if taken {
            self.next();
        }
        taken
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Word::Sign(known)) if *known == sign)
    }

    pub(super) fn expect(&mut self, keyword: &str) -> Option<()> {
        self.take(keyword).then_some(())
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Option<()> {
        self.take_sign(sign).then_some(())
    }

    /// Whether the next word is a call of one of these functions.
    pub(super) fn calls(&self, functions: &[&str]) -> bool {
        let named = self.peek().is_some_and(|word| word.is_among(functions));
        named && self.peek_second() == Some(&Word::Sign("("))
    }

    /// One level deeper, as far as that is followed.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.nested >= MOST_NESTED {
            return None;
        }
        self.nested += 1;
        let read = read(self);
        self.nested -= 1;
        read
    }

    /// Whether a name is next, and neither a literal nor a word that only a statement has.
    pub(super) fn is_name(&self) -> bool {
        match self.peek() {
            Some(Word::Quoted(_)) => true,
            Some(word @ Word::Bare(_)) => !word.is_among(&NO_VALUE) && !word.is_among(&LITERALS),
            _ => false,
        }
    }

    /// `a`, `"a"`, `a.b[0]`; its attribute is noted.
    pub(super) fn path(&mut self) -> Option<Path> {
        let root = self.name()?;
        let mut within = false;
        loop {
            if self.take_sign(".") {
                if matches!(self.peek(), Some(Word::Number(_))) {
                    self.next();
                } else {
                    self.name()?;
                }
            } else if self.take_sign("[") {
                let Some(Word::Number(index)) = self.next() else {
                    return None;
                };
                index.parse::<usize>().ok()?;
                self.expect_sign("]")?;
            } else {
                break;
            }
            within = true;
        }
        self.attributes.insert(root.clone());
        Some(Path { root, within })
    }

    /// A name that is not empty. One in single quotes the engine takes too, and reads anew.
    fn name(&mut self) -> Option<String> {
        match self.next() {
            Some(Word::Bare(name) | Word::Quoted(name)) if !name.is_empty() => Some(name.clone()),
            _ => None,
        }
    }

    /// A literal, a document or a parameter.
    pub(super) fn value(&mut self) -> Option<Term> {
        match self.peek()? {
            word @ Word::Bare(_) => {
                if word.is_among(&LITERALS) {
                    self.next();
                    return Some(Term::Other);
                }
                if !self.is_name() {
                    return None;
                }
                self.path().map(|_| Term::Name)
            }
            Word::Text(text) => {
                self.next();
                Some(Term::Known(text.clone()))
            }
            Word::Number(_) => self.signed(""),
            Word::Sign(sign @ ("+" | "-")) => {
                self.next();
                self.signed(sign)
            }
            Word::Sign("?") => {
                self.next();
                // one that is not given the engine refuses
                Some(Term::Known(plain(self.parameters.next())))
            }
            Word::Sign("{") => {
                self.nested(|reader| reader.members(|_, _| ()))?;
                Some(Term::Other)
            }
            Word::Sign("[") => {
                self.next();
                self.nested(|reader| reader.elements("]"))?;
                Some(Term::Other)
            }
            Word::Sign("<") => {
                self.next();
                self.expect_sign("<")?;
                self.nested(|reader| reader.elements(">"))?;
                // the engine takes one for two
                self.take_sign(">");
                Some(Term::Other)
            }
            Word::Quoted(_) | Word::Sign(_) => None,
        }
    }

    fn signed(&mut self, sign: &str) -> Option<Term> {
        match self.next()? {
            Word::Number(digits) => Some(Term::Known(number(&format!("{sign}{digits}")))),
            _ => None,
        }
    }

    /// `{'name': value, …}`, each member told; commas may be any number, but not none.
    pub(super) fn members(&mut self, mut told: impl FnMut(&str, Term)) -> Option<()> {
        self.expect_sign("{")?;
        while !self.take_sign("}") {
            if self.take_sign(",") {
                continue;
            }
            let (Word::Bare(name) | Word::Quoted(name) | Word::Text(name) | Word::Number(name)) =
                self.next()?
            else {
                return None;
            };
            if name.is_empty() {
                return None;
            }
            self.expect_sign(":")?;
            told(name, self.value()?);
            self.separated("}")?;
        }
        Some(())
    }

    fn elements(&mut self, close: &str) -> Option<()> {
        while !self.take_sign(close) {
            if self.take_sign(",") {
                continue;
            }
            self.value()?;
            self.separated(close)?;
        }
        Some(())
    }

    fn separated(&self, close: &str) -> Option<()> {
        (self.is_sign(",") || self.is_sign(close)).then_some(())
    }

    /// Whether all was read; one semicolon may end a statement.
    pub(super) fn ends(&mut self) -> bool {
        self.take_sign(";");
        self.rest.is_empty()
    }
}
