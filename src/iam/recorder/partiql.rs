//! Which table a PartiQL statement is about; nothing else of it is read.

use super::Action;

/// What a statement asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) action: Action,
    pub(super) table: String,
    pub(super) index: Option<String>,
}

/// Reads the verb and the name after it; `None` if it is not of DynamoDB's forms: `SELECT … FROM t`,
/// `SELECT … FROM t.i`, `INSERT INTO t`, `UPDATE t`, `DELETE FROM t`, and `EXISTS(SELECT …)`.
pub(super) fn read(statement: &str) -> Option<Statement> {
    let mut words = Words(statement);
    let mut verb = words.next()?;
    if verb.is("EXISTS") {
        if words.next()? != Word::Sign('(') {
            return None;
        }
        verb = words.next()?;
    }
    let action = if verb.is("SELECT") {
        words.skip_past("FROM")?;
        Action::PartiQlSelect
    } else if verb.is("INSERT") {
        words.expect("INTO")?;
        Action::PartiQlInsert
    } else if verb.is("UPDATE") {
        Action::PartiQlUpdate
    } else if verb.is("DELETE") {
        words.expect("FROM")?;
        Action::PartiQlDelete
    } else {
        return None;
    };
    let table = words.name()?;
    let index = if action == Action::PartiQlSelect && words.next() == Some(Word::Sign('.')) {
        Some(words.name()?)
    } else {
        None
    };
    Some(Statement {
        action,
        table,
        index,
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Word<'a> {
    /// Letters, digits and what else stands in names without quotes.
    Plain(&'a str),
    /// `"name"`, quotes within it doubled.
    Quoted(String),
    Sign(char),
    /// `'value'`
    Text,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Plain(word) if word.eq_ignore_ascii_case(keyword))
    }
}

struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn expect(&mut self, keyword: &str) -> Option<()> {
        self.next()?.is(keyword).then_some(())
    }

    fn skip_past(&mut self, keyword: &str) -> Option<()> {
        while !self.next()?.is(keyword) {}
        Some(())
    }

    fn name(&mut self) -> Option<String> {
        match self.next()? {
            Word::Plain(name) => Some(name.to_owned()),
            Word::Quoted(name) => Some(name),
            Word::Sign(_) | Word::Text => None,
        }
    }

    /// Up to the closing quote, which is not part of it; two in a row stand for one.
    fn until_quote(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            let (before, after) = self.0.split_once(quote)?;
            text.push_str(before);
            self.0 = after;
            let Some(after) = after.strip_prefix(quote) else {
                return Some(text);
            };
            text.push(quote);
            self.0 = after;
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.0 = self.0.trim_start();
        let first = self.0.chars().next()?;
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if plain(first) {
            let end = self.0.find(|c| !plain(c)).unwrap_or(self.0.len());
            let (word, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(Word::Plain(word));
        }
        self.0 = self.0.get(first.len_utf8()..)?;
        match first {
            '"' => self.until_quote('"').map(Word::Quoted),
            '\'' => self.until_quote('\'').map(|_| Word::Text),
            sign => Some(Word::Sign(sign)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(statement: &str) -> Option<(Action, String, Option<String>)> {
        read(statement).map(|s| (s.action, s.table, s.index))
    }

    #[test]
    fn names_the_table_of_each_verb() {
        let table = |action, table: &str| Some((action, table.to_owned(), None));
        assert_eq!(
            read_as(r#"SELECT id, "from" FROM "My.Table" WHERE id = 'from "x"'"#),
            table(Action::PartiQlSelect, "My.Table"),
        );
        assert_eq!(
            read_as("select * from Orders.byDate where d = 'it''s'"),
            Some((
                Action::PartiQlSelect,
                "Orders".to_owned(),
                Some("byDate".to_owned())
            )),
        );
        assert_eq!(
            read_as("INSERT INTO Users VALUE {'id': '1'}"),
            table(Action::PartiQlInsert, "Users"),
        );
        assert_eq!(
            read_as("\n update \"Users\" SET a=1 WHERE id='1'"),
            table(Action::PartiQlUpdate, "Users"),
        );
        assert_eq!(
            read_as("DELETE FROM Users WHERE id='1'"),
            table(Action::PartiQlDelete, "Users"),
        );
        assert_eq!(
            read_as("EXISTS(SELECT * FROM Users WHERE id='1')"),
            table(Action::PartiQlSelect, "Users"),
        );
        assert_eq!(
            read_as("SELECT 'from x' FROM Users"),
            table(Action::PartiQlSelect, "Users"),
        );
    }

    #[test]
    fn says_so_when_it_does_not_understand() {
        for statement in [
            "",
            "DROP TABLE Users",
            "SELECT",
            "SELECT 1",
            "INSERT Users",
            "SELECT * FROM \"Users",
        ] {
            assert_eq!(read_as(statement), None, "{statement}");
        }
    }
}
