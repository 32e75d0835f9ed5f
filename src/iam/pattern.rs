//! IAM's wildcards: `*` is any run of characters, `?` any single one.

/// Whether `text` matches `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = Cursor::new(pattern);
    let mut text = Cursor::new(text);
    // where to resume when a literal does not fit: after the last `*`, one character further on
    let mut resume: Option<(Cursor<'_>, Cursor<'_>)> = None;
    loop {
        let (wanted, found) = (pattern.peek(), text.peek());
        match (wanted, found) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern.skip();
                resume = Some((pattern, text));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern.skip();
                text.skip();
            }
            _ => {
                let Some((after_star, mut from)) = resume else {
                    return false;
                };
                if from.peek().is_none() {
                    return false;
                }
                from.skip();
                resume = Some((after_star, from));
                pattern = after_star;
                text = from;
            }
        }
    }
}

/// Whether some text matches both patterns.
pub(super) fn overlap(left: &str, right: &str) -> bool {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    // `row[j]`: whether the first `i` characters of `left` and the first `j` of `right` overlap
    let mut row = vec![false; right.len() + 1];
    if let Some(start) = row.first_mut() {
        *start = true;
    }
    fill_by_stars(&mut row, &right);
    for wanted in left {
        let mut next = vec![false; right.len() + 1];
        if let (Some(first), Some(above)) = (next.first_mut(), row.first()) {
            *first = wanted == '*' && *above;
        }
        for (j, other) in right.iter().enumerate() {
            let both = row.get(j).copied().unwrap_or(false);
            let only_left = row.get(j + 1).copied().unwrap_or(false);
            let only_right = next.get(j).copied().unwrap_or(false);
            let fits = match (wanted, *other) {
                ('*', '*') => only_left || only_right || both,
                ('*', _) => only_left || only_right,
                (_, '*') => only_left || only_right,
                ('?', _) | (_, '?') => both,
                (wanted, other) => both && wanted == other,
            };
            if let Some(cell) = next.get_mut(j + 1) {
                *cell = fits;
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

/// An empty left side overlaps whatever prefix of the right consists of stars.
fn fill_by_stars(row: &mut [bool], right: &[char]) {
    for (cell, wanted) in row.iter_mut().skip(1).zip(right) {
        if *wanted != '*' {
            break;
        }
        *cell = true;
    }
}

/// A position in a text that can be kept and returned to.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Cursor(text)
    }

    fn peek(self) -> Option<char> {
        self.0.chars().next()
    }

    fn skip(&mut self) {
        let mut rest = self.0.chars();
        rest.next();
        self.0 = rest.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook recursion, slow and evidently right.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| slowly(rest, &text[skip..])),
            Some((wanted, rest)) => text.split_first().is_some_and(|(found, more)| {
                (*wanted == '?' || wanted == found) && slowly(rest, more)
            }),
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    /// Every text of `a`, `b` and `:` up to the length.
    fn texts(longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last = last
                .iter()
                .flat_map(|text| ["a", "b", ":"].map(|c| format!("{text}{c}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook(pattern in "[ab:*?é]{0,8}", text in "[ab:é]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), slowly(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn overlaps_exactly_where_a_common_text_exists(
            left in "[ab*?]{0,4}", right in "[ab*?]{0,4}",
        ) {
            // a shortest common text is no longer than both patterns together
            let common = texts(6).iter().any(|text| matches(&left, text) && matches(&right, text));
            let expected = common || {
                let longer = texts(8);
                longer.iter().any(|text| matches(&left, text) && matches(&right, text))
            };
            prop_assert_eq!(overlap(&left, &right), expected);
        }
    }
}
