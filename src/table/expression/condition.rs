//! Conditions: what must hold for a write, what a filter lets through, which sort keys are read.

use super::expressions::Expressions;
use super::path::Path;
use super::raw_condition::RawCondition;
use crate::error::{Error, Result};
use crate::table::value::{IntoValue, kind_of};
use aws_sdk_dynamodb::types::AttributeValue;
use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// Begins a condition on an attribute, or on a part of one: `attr("age").gt(21)`.
#[must_use]
pub fn attr(path: impl Into<Path>) -> Attr {
    Attr(path.into())
}

/// Begins a condition on the size of an attribute: characters of a string, bytes of binary, members of
/// a set, a list or a map.
#[must_use]
pub fn size(path: impl Into<Path>) -> Size {
    Size(path.into())
}

/// A condition, made with [`attr`] and [`size`] and joined with `&`, `|` and `!`.
///
/// ```
/// use aws_credential_strategies::table::{attr, size};
///
/// let grown_up = attr("age").ge(18) & !attr("banned").exists();
/// let quiet = size("tags").le(10) | attr("status").is_in(["new", "idle"]);
/// let both = grown_up & quiet;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until an operation has it"]
pub struct Cond(Node);

#[derive(Clone, Debug)]
enum Node {
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Between(Operand, Operand, Operand),
    Call(&'static str, Path, Option<Operand>),
    Compare(Operand, &'static str, Operand),
    In(Operand, Vec<Operand>),
    Not(Box<Cond>),
    Raw(RawCondition),
}

/// One side of a comparison: an attribute, its size, or a value.
///
/// Its `Debug` shows the type of a value, not the value.
#[derive(Clone)]
pub struct Operand(Side);

#[derive(Clone)]
enum Side {
    Path(Path),
    Size(Path),
    Value(Result<AttributeValue>),
}

impl Cond {
    /// A condition in DynamoDB's own words, for what the rest has no method for.
    ///
    /// Its placeholders are renamed, so they cannot collide with those of other conditions.
    ///
    /// ```
    /// use aws_credential_strategies::table::Cond;
    ///
    /// let same = Cond::raw("#a = :b", [("#a", "status")], [(":b", "open")]);
    /// ```
    pub fn raw<N, M, K, V>(
        expression: impl Into<String>,
        names: impl IntoIterator<Item = (N, M)>,
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Self
    where
        N: Into<String>,
        M: Into<String>,
        K: Into<String>,
        V: IntoValue,
    {
        let names = names.into_iter().map(|(n, m)| (n.into(), m.into()));
        let values = values.into_iter().map(|(k, v)| (k.into(), v.into_value()));
        Cond(Node::Raw(RawCondition {
            text: expression.into(),
            names: names.collect(),
            values: values.collect(),
        }))
    }

    /// This one and, if there is one already, that one.
    pub(crate) fn and_also(self, earlier: Option<Cond>) -> Cond {
        match earlier {
            Some(earlier) => earlier & self,
            None => self,
        }
    }

    pub(crate) fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        match self.0 {
            Node::All(all) => join(all, " AND ", Binding::All, out, expressions),
            Node::Any(any) => join(any, " OR ", Binding::Any, out, expressions),
            Node::Between(what, low, high) => {
                what.render(out, expressions)?;
                out.push_str(" BETWEEN ");
                low.render(out, expressions)?;
                out.push_str(" AND ");
                high.render(out, expressions)
            }
            Node::Call(function, path, argument) => {
                out.push_str(function);
                out.push('(');
                path.render(out, expressions)?;
                if let Some(argument) = argument {
                    out.push_str(", ");
                    argument.render(out, expressions)?;
                }
                out.push(')');
                Ok(())
            }
            Node::Compare(left, operator, right) => {
                left.render(out, expressions)?;
                out.push_str(operator);
                right.render(out, expressions)
            }
            Node::In(what, list) => {
                if list.is_empty() {
                    return Err(Error::usage("is_in", "expected at least one value"));
                }
                what.render(out, expressions)?;
                out.push_str(" IN (");
                for (position, value) in list.into_iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    value.render(out, expressions)?;
                }
                out.push(')');
                Ok(())
            }
            Node::Not(inner) => {
                out.push_str("NOT ");
                inner.render_under(Binding::Not, out, expressions)
            }
            Node::Raw(raw) => raw.render(out, expressions),
        }
    }

    /// Parentheses only where the outer operator binds tighter: DynamoDB refuses redundant ones.
    fn render_under(
        self,
        outer: Binding,
        out: &mut String,
        expressions: &mut Expressions,
    ) -> Result<()> {
        let enclose = match &self.0 {
            Node::All(_) => outer > Binding::All,
            Node::Any(_) => outer > Binding::Any,
            Node::Raw(raw) => !raw.is_enclosed(),
            _ => false,
        };
        if enclose {
            out.push('(');
        }
        self.render(out, expressions)?;
        if enclose {
            out.push(')');
        }
        Ok(())
    }
}

impl BitAnd for Cond {
    type Output = Cond;

    fn bitand(self, other: Cond) -> Cond {
        let mut all = match self.0 {
            Node::All(all) => all,
            node => vec![Cond(node)],
        };
        match other.0 {
            Node::All(more) => all.extend(more),
            node => all.push(Cond(node)),
        }
        Cond(Node::All(all))
    }
}

impl BitOr for Cond {
    type Output = Cond;

    fn bitor(self, other: Cond) -> Cond {
        let mut any = match self.0 {
            Node::Any(any) => any,
            node => vec![Cond(node)],
        };
        match other.0 {
            Node::Any(more) => any.extend(more),
            node => any.push(Cond(node)),
        }
        Cond(Node::Any(any))
    }
}

impl Not for Cond {
    type Output = Cond;

    fn not(self) -> Cond {
        match self.0 {
            Node::Not(inner) => *inner,
            node => Cond(Node::Not(Box::new(Cond(node)))),
        }
    }
}

/// How tightly an operator binds, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Any,
    All,
    Not,
}

fn join(
    conditions: Vec<Cond>,
    operator: &str,
    binding: Binding,
    out: &mut String,
    expressions: &mut Expressions,
) -> Result<()> {
    for (position, condition) in conditions.into_iter().enumerate() {
        if position > 0 {
            out.push_str(operator);
        }
        condition.render_under(binding, out, expressions)?;
    }
    Ok(())
}

impl Operand {
    fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        match self.0 {
            Side::Path(path) => path.render(out, expressions),
            Side::Size(path) => {
                out.push_str("size(");
                path.render(out, expressions)?;
                out.push(')');
                Ok(())
            }
            Side::Value(value) => {
                expressions.value(value?, out);
                Ok(())
            }
        }
    }
}

/// What an attribute can be compared with: a value, or another attribute.
pub trait IntoOperand {
    /// That side of the comparison.
    fn into_operand(self) -> Operand;
}

impl<V: IntoValue> IntoOperand for V {
    fn into_operand(self) -> Operand {
        Operand(Side::Value(self.into_value()))
    }
}

impl IntoOperand for Attr {
    fn into_operand(self) -> Operand {
        Operand(Side::Path(self.0))
    }
}

impl IntoOperand for Size {
    fn into_operand(self) -> Operand {
        Operand(Side::Size(self.0))
    }
}

/// An attribute in a condition; made by [`attr`].
#[derive(Clone, Debug)]
pub struct Attr(pub(crate) Path);

/// The size of an attribute in a condition; made by [`size`].
#[derive(Clone, Debug)]
pub struct Size(Path);

macro_rules! comparisons {
    ($operand:ident) => {
        impl $operand {
            /// Equal.
            pub fn eq(self, other: impl IntoOperand) -> Cond {
                self.compare(" = ", other)
            }

            /// Not equal.
            pub fn ne(self, other: impl IntoOperand) -> Cond {
                self.compare(" <> ", other)
            }

            /// Less.
            pub fn lt(self, other: impl IntoOperand) -> Cond {
                self.compare(" < ", other)
            }

            /// Less or equal.
            pub fn le(self, other: impl IntoOperand) -> Cond {
                self.compare(" <= ", other)
            }

            /// Greater.
            pub fn gt(self, other: impl IntoOperand) -> Cond {
                self.compare(" > ", other)
            }

            /// Greater or equal.
            pub fn ge(self, other: impl IntoOperand) -> Cond {
                self.compare(" >= ", other)
            }

            /// From `low` to `high`, both included.
            pub fn between(self, low: impl IntoOperand, high: impl IntoOperand) -> Cond {
                let (low, high) = (low.into_operand(), high.into_operand());
                Cond(Node::Between(self.into_operand(), low, high))
            }

            /// Equal to one of these; DynamoDB takes up to 100.
            pub fn is_in<T: IntoOperand>(self, list: impl IntoIterator<Item = T>) -> Cond {
                let list = list.into_iter().map(|value| value.into_operand());
                Cond(Node::In(self.into_operand(), list.collect()))
            }

            fn compare(self, operator: &'static str, other: impl IntoOperand) -> Cond {
                Cond(Node::Compare(
                    self.into_operand(),
                    operator,
                    other.into_operand(),
                ))
            }
        }
    };
}

comparisons!(Attr);
comparisons!(Size);

impl Attr {
    /// The attribute is there, whatever its value, NULL included.
    pub fn exists(self) -> Cond {
        Cond(Node::Call("attribute_exists", self.0, None))
    }

    /// The attribute is not there.
    pub fn not_exists(self) -> Cond {
        Cond(Node::Call("attribute_not_exists", self.0, None))
    }

    /// The attribute is a string that begins with this one, or binary that begins with these bytes.
    pub fn begins_with(self, prefix: impl IntoOperand) -> Cond {
        let prefix = Some(prefix.into_operand());
        Cond(Node::Call("begins_with", self.0, prefix))
    }

    /// The attribute is a string with this one in it, or a set or a list with this member.
    pub fn contains(self, part: impl IntoOperand) -> Cond {
        let part = Some(part.into_operand());
        Cond(Node::Call("contains", self.0, part))
    }

    /// The attribute has this type: `S`, `N`, `B`, `BOOL`, `NULL`, `M`, `L`, `SS`, `NS` or `BS`.
    pub fn is_type(self, dynamodb_type: &str) -> Cond {
        let dynamodb_type = Some(dynamodb_type.into_operand());
        Cond(Node::Call("attribute_type", self.0, dynamodb_type))
    }
}

impl fmt::Debug for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Path(path) => write!(f, "{path}"),
            Side::Size(path) => write!(f, "size({path})"),
            Side::Value(value) => write!(f, "{:?}", kind_of(value)),
        }
    }
}
