//! The words of a statement, split exactly as the engine splits them.

/// A word of a statement. What stands in quotes is never a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A keyword, or a name without quotes.
    Bare(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number without a sign.
    Number(String),
    Sign(&'static str),
}

impl Word {
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Bare(name) if name.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_among(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// Longer ones first, as `<=` is one sign.
const SIGNS: [&str; 21] = [
    "<>", "<=", ">=", "!=", "{", "}", "[", "]", "(", ")", ",", ":", "*", "?", "+", "-", ".", ";",
    "=", "<", ">",
];

/// The words of a statement; `None` for one that the engine cannot split either.
pub(super) fn words(statement: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = Rest {
        text: statement,
        before: None,
    };
    while let Some(first) = rest.text.chars().next() {
        if first.is_ascii_whitespace() {
            rest.skip(1);
        } else if rest.text.starts_with("--") {
            // the line break itself is white space
            rest.skip(rest.text.find('\n').unwrap_or(rest.text.len()));
        } else if let Some(comment) = rest.text.strip_prefix("/*") {
            rest.skip("/*".len() + comment.find("*/")? + "*/".len());
        } else if first.is_ascii_digit() || rest.starts_with_point() {
            words.push(Word::Number(rest.number()?));
        } else if first.is_ascii_alphabetic() || first == '_' {
            words.push(Word::Bare(rest.take_while(continues_name).to_owned()));
        } else if first == '"' {
            words.push(Word::Quoted(rest.quoted(first)?));
        } else if first == '\'' {
            words.push(Word::Text(rest.quoted(first)?));
        } else {
            let sign = SIGNS.iter().find(|sign| rest.text.starts_with(**sign))?;
            rest.skip(sign.len());
            words.push(Word::Sign(sign));
        }
    }
    Some(words)
}

/// What of a statement is still to be split.
struct Rest<'a> {
    text: &'a str,
    /// The character before it.
    before: Option<char>,
}

impl<'a> Rest<'a> {
    fn skip(&mut self, length: usize) -> &'a str {
        let (skipped, rest) = self.text.split_at(length);
        self.before = skipped.chars().next_back().or(self.before);
        self.text = rest;
        skipped
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.text.find(|c| !belongs(c));
        self.skip(end.unwrap_or(self.text.len()))
    }

    /// Whether a number starts here at its point; right behind a name or a bracket it is a path's.
    fn starts_with_point(&self) -> bool {
        let digits = self.text.strip_prefix('.');
        let continues_path = self
            .before
            .is_some_and(|c| continues_name(c) || matches!(c, '"' | ']' | ')'));
        digits.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
            && !continues_path
    }

    /// Digits with one point at most, and an exponent if it has digits.
    fn number(&mut self) -> Option<String> {
        let mut number = self.take_while(|c| c.is_ascii_digit()).to_owned();
        if self.text.starts_with('.') {
            number.push_str(self.skip(1));
            number.push_str(self.take_while(|c| c.is_ascii_digit()));
        }
        let Some(exponent) = self.text.strip_prefix(['e', 'E']) else {
            return Some(number);
        };
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !unsigned.starts_with(continues_name) {
            return None;
        }
        if unsigned.starts_with(|c: char| c.is_ascii_digit()) {
            let signed = 1 + exponent.len() - unsigned.len();
            number.push_str(self.skip(signed));
            number.push_str(self.take_while(|c| c.is_ascii_digit()));
        }
        Some(number)
    }

    /// Up to the closing quote, two of which stand for one.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            self.skip(quote.len_utf8());
            text.push_str(self.take_while(|c| c != quote));
            let closed = self.text.strip_prefix(quote)?;
            self.skip(quote.len_utf8());
            if !closed.starts_with(quote) {
                return Some(text);
            }
            text.push(quote);
        }
    }
}

fn continues_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{Word, words};

    /// Each word with what it is, as one text.
    fn split(statement: &str) -> Option<String> {
        let shown = words(statement)?.into_iter().map(|word| match word {
            Word::Bare(name) => name,
            Word::Quoted(name) => format!("\"{name}\""),
            Word::Text(text) => format!("'{text}'"),
            Word::Number(number) => format!("#{number}"),
            Word::Sign(sign) => sign.to_owned(),
        });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn each_word_ends_where_the_engine_ends_it() {
        for (statement, expected) in [
            ("a--b\nc/*d*/e/**/f", "a c e f"),
            ("a - -1 /***/ --", "a - - #1"),
            ("'/* -- '/*'*/\"--\"", "'/* -- ' \"--\""),
            ("'it''s' \"a\"\"b\" '''' \"\"", "'it's' \"a\"b\" ''' \"\""),
            (
                "1OR 1e5 1E-5x 1.5e+3 1ex 1.2.3",
                "#1 OR #1e5 #1E-5 x #1.5e+3 #1 ex #1.2 . #3",
            ),
            (
                ".5 a.5 \"a\".5 l[0].5 =.5 a .5 5.",
                "#.5 a . #5 \"a\" . #5 l [ #0 ] . #5 = #.5 a #.5 #5.",
            ),
            ("a<>b<=c>=d!=e=f<g>h", "a <> b <= c >= d != e = f < g > h"),
            ("<<>> <<1>> {a:[?]};", "< <> > < < #1 > > { a : [ ? ] } ;"),
            ("a\t\r\n\u{c}b_1*(+)", "a b_1 * ( + )"),
            ("", ""),
        ] {
            assert_eq!(split(statement).as_deref(), Some(expected), "{statement}");
        }
        for statement in [
            "'a", "\"a", "'a''", "/*", "/*/", "`a`", "#", "!", "/", "é", "a\u{a0}b", "\u{b}", "1e",
            "1e+", "1e )", "$", "|", "\\",
        ] {
            assert_eq!(split(statement), None, "{statement}");
        }
    }
}
