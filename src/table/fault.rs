//! What serde finds on the way between Rust values and attributes, with the place where it is.

use serde::de::{Expected, Unexpected};
use std::cell::Cell;
use std::fmt;

/// What does not fit, and which attribute it is; the place is put together on the way out, so that it
/// costs nothing where all is well.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    place: Option<String>,
    /// Binary or a newtype was in the way, which is what the decoder makes of sets that serde keeps.
    is_of_what_was_kept: bool,
    /// The text is a type's own, which may quote what it was to be made of.
    may_quote: bool,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Fault {
            message: message.into(),
            place: None,
            is_of_what_was_kept: false,
            may_quote: false,
        }
    }

    fn in_the_words_of_a_type(message: &impl fmt::Display) -> Self {
        Fault {
            may_quote: true,
            ..Fault::new(message.to_string())
        }
    }

    /// Without these values, each where it is quoted whole.
    pub(crate) fn without<'a>(mut self, values: impl FnOnce() -> Vec<&'a str>) -> Self {
        if self.may_quote {
            let mut values = values();
            // what is a part of another would leave the rest of that
            values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
            for value in values {
                strike(&mut self.message, value);
                let escaped = format!("{value:?}");
                strike(&mut self.message, escaped.trim_matches('"'));
            }
        }
        self
    }

    /// The attribute, as a path such as `list[1].x`; `None` for the whole.
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Whether it may be about a set or binary that serde kept, and then has lost its place.
    pub(crate) fn is_of_what_was_kept(&self) -> bool {
        self.is_of_what_was_kept
    }

    pub(crate) fn in_member(self, name: &str) -> Self {
        self.within(name.to_owned())
    }

    pub(crate) fn in_element(self, index: usize) -> Self {
        self.within(format!("[{index}]"))
    }

    fn within(mut self, step: String) -> Self {
        self.place = Some(match self.place {
            None => step,
            Some(rest) if rest.starts_with('[') => step + &rest,
            Some(rest) => format!("{step}.{rest}"),
        });
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::new(message.to_string())
    }
}

/// How types begin to say what they expect that take any value: `serde_json::Value` and others.
const ANYTHING: &str = "any ";

/// What became of the sets and the binary that serde keeps until it knows what for.
#[derive(Clone, Copy, Default)]
struct Kept {
    has_sets: bool,
    /// Something refused one of them, which serde may have taken for an answer: an `Option` behind
    /// `flatten` is then `None`, and whatever else was in it is gone.
    is_refused: bool,
}

thread_local! {
    // errors are made by serde, which hands nothing on to them
    static KEPT: Cell<Kept> = const { Cell::new(Kept { has_sets: false, is_refused: false }) };
}

fn note(change: impl FnOnce(&mut Kept)) {
    // without it, at the end of a thread, the refusal is serde's to tell
    let _ = KEPT.try_with(|cell| {
        let mut kept = cell.get();
        change(&mut kept);
        cell.set(kept);
    });
}

/// A set is kept by serde from here on.
pub(crate) fn set_is_kept() {
    note(|kept| kept.has_sets = true);
}

/// Reads an item so that no set in it is refused in silence.
pub(crate) fn told<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut outer = Kept::default();
    note(|kept| outer = std::mem::take(kept));
    let read = read();
    let mut inner = Kept::default();
    note(|kept| inner = std::mem::replace(kept, outer));
    if read.is_ok() && inner.is_refused {
        return Err(Fault {
            is_of_what_was_kept: true,
            ..Fault::new(
                "a set or binary that serde kept, and then passed over because its type does not take it: read the item into an Item",
            )
        });
    }
    read
}

/// serde's own texts show the value that does not fit; these tell what it is.
impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::in_the_words_of_a_type(&message)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let (what, mend) = match found {
            Unexpected::Bytes(_) => (
                "binary, or a set of strings that serde kept",
                "the item into an Item",
            ),
            Unexpected::NewtypeStruct => (
                "a set of numbers that serde kept",
                "it with number_set, or the item into an Item",
            ),
            other => return Fault::new(format!("expected {expected}, not {}", kind(other))),
        };
        note(|kept| kept.is_refused |= kept.has_sets || expected.starts_with(ANYTHING));
        Fault {
            is_of_what_was_kept: true,
            ..Fault::new(format!(
                "expected {expected}, not {what} (behind flatten, or in a tagged or untagged enum): read {mend}"
            ))
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = kind(found);
        Fault::new(format!("expected {expected}, not {found} of this value"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Fault::new(format!("expected {expected}, not {length} elements"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Fault::new(format!("expected a variant, {}", one_of(expected)))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Fault::new(format!("expected a field, {}", one_of(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Fault::new(format!("missing field `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Fault::new(format!("duplicate field `{field}`"))
    }
}

/// Whether errors of this type are those of reading an item: then so is what serde kept of one, which has
/// no other mark.
pub(crate) fn is_of_an_item<E>() -> bool {
    std::any::type_name::<E>() == std::any::type_name::<Fault>()
}

/// What a value is, without it.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) => "a character",
        Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "binary",
        Unexpected::Unit => "NULL",
        Unexpected::Option => "an option",
        Unexpected::NewtypeStruct => "a newtype",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "a variant",
        // a text of whoever made it
        Unexpected::Other(_) => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "of which there is none".to_owned(),
        [only] => format!("`{only}`"),
        names => format!("one of `{}`", names.join("`, `")),
    }
}

/// Strikes a value out of a text, where it is not a part of a longer word.
fn strike(text: &mut String, value: &str) {
    if value.is_empty() || !text.contains(value) {
        return;
    }
    let (mut struck, mut rest) = (String::with_capacity(text.len()), text.as_str());
    while let Some(at) = rest.find(value) {
        let (before, from) = rest.split_at(at);
        let (value, after) = from.split_at(value.len());
        struck.push_str(before);
        let touches = |a: Option<char>, b: Option<char>| {
            a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
        };
        let is_part = touches(struck.chars().next_back(), value.chars().next())
            || touches(value.chars().next_back(), after.chars().next());
        struck.push_str(if is_part { value } else { "…" });
        rest = after;
    }
    struck.push_str(rest);
    *text = struck;
}
