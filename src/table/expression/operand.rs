//! What stands beside an operator: attributes and values in conditions, and what an update computes.

use super::expressions::Expressions;
use super::path::Path;
use crate::error::{Error, Result};
use crate::table::value::{IntoValue, kind_of};
use aws_sdk_dynamodb::types::AttributeValue;
use std::fmt;
use std::ops::{Add, Sub};

/// Begins a condition on an attribute, or on a part of one: `attr("age").gt(21)`; and stands for it in an
/// update: `.set("was", attr("is"))`.
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

/// The elements of one list after those of another, in an update: `list_append(["first"], attr("log"))`.
pub fn list_append(first: impl IntoOperand, then: impl IntoOperand) -> Operand {
    Operand(Side::Append(
        Box::new(first.into_operand()),
        Box::new(then.into_operand()),
    ))
}

/// An attribute; made by [`attr`].
#[derive(Clone, Debug)]
pub struct Attr(pub(crate) Path);

/// The size of an attribute in a condition; made by [`size`].
#[derive(Clone, Debug)]
pub struct Size(Path);

/// One side of a comparison: an attribute, its size, or a value; in an update also what is computed from
/// them: `attr("hits").or(0) + 1`.
///
/// ```
/// use aws_credential_strategies::table::{Operand, attr, list_append};
///
/// let one_more: Operand = attr("hits").or(0) + 1;
/// let both: Operand = list_append(attr("log"), ["last"]);
/// ```
///
/// Its `Debug` shows the type of a value, not the value.
#[derive(Clone)]
#[must_use = "an operand does nothing until an expression has it"]
pub struct Operand(Side);

#[derive(Clone)]
enum Side {
    Append(Box<Operand>, Box<Operand>),
    Or(Path, Box<Operand>),
    Path(Path),
    Size(Path),
    Sum(Box<Operand>, &'static str, Box<Operand>),
    Value(Result<AttributeValue>),
}

/// What an attribute can be compared with or set to: a value, another attribute, an [`Operand`].
pub trait IntoOperand {
    /// That side of the comparison.
    fn into_operand(self) -> Operand;
}

impl Attr {
    /// This attribute, or `otherwise` where there is none; for updates.
    pub fn or(self, otherwise: impl IntoOperand) -> Operand {
        Operand(Side::Or(self.0, Box::new(otherwise.into_operand())))
    }
}

impl Operand {
    /// A value, where the attribute comes after the operator: `Operand::value(10) - attr("used")`.
    pub fn value(value: impl IntoValue) -> Self {
        Operand::converted(value.into_value())
    }

    pub(crate) fn converted(value: Result<AttributeValue>) -> Self {
        Operand(Side::Value(value))
    }

    /// In a condition or a filter, where DynamoDB computes nothing but sizes.
    pub(crate) fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        match &self.0 {
            Side::Append(..) | Side::Or(..) | Side::Sum(..) => Err(Error::usage(
                "condition",
                "expected an attribute, its size or a value: only an update computes",
            )),
            _ => self.write(out, expressions),
        }
    }

    /// In an update, which computes from attributes and values, and knows no sizes.
    pub(crate) fn render_in_update(
        self,
        out: &mut String,
        expressions: &mut Expressions,
    ) -> Result<()> {
        let allowed = match &self.0 {
            Side::Sum(left, _, right) => left.is_term() && right.is_term(),
            _ => self.is_term(),
        };
        if allowed {
            return self.write(out, expressions);
        }
        Err(Error::usage(
            "update",
            "expected attributes, values, or(..) and list_append(..), with one + or - at most, and no size",
        ))
    }

    /// What may stand beside `+` and `-`.
    fn is_term(&self) -> bool {
        match &self.0 {
            Side::Append(first, then) => first.is_term() && then.is_term(),
            Side::Or(_, otherwise) => otherwise.is_term(),
            Side::Path(_) | Side::Value(_) => true,
            Side::Size(_) | Side::Sum(..) => false,
        }
    }

    fn write(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        match self.0 {
            Side::Append(first, then) => {
                out.push_str("list_append(");
                first.write(out, expressions)?;
                out.push_str(", ");
                then.write(out, expressions)?;
                out.push(')');
            }
            Side::Or(path, otherwise) => {
                out.push_str("if_not_exists(");
                path.render(out, expressions)?;
                out.push_str(", ");
                otherwise.write(out, expressions)?;
                out.push(')');
            }
            Side::Path(path) => path.render(out, expressions)?,
            Side::Size(path) => {
                out.push_str("size(");
                path.render(out, expressions)?;
                out.push(')');
            }
            Side::Sum(left, operator, right) => {
                left.write(out, expressions)?;
                out.push_str(operator);
                right.write(out, expressions)?;
            }
            Side::Value(value) => expressions.value(value?, out),
        }
        Ok(())
    }
}

impl<V: IntoValue> IntoOperand for V {
    fn into_operand(self) -> Operand {
        Operand::value(self)
    }
}

impl IntoOperand for Attr {
    fn into_operand(self) -> Operand {
        Operand(Side::Path(self.0))
    }
}

impl IntoOperand for Operand {
    fn into_operand(self) -> Operand {
        self
    }
}

impl IntoOperand for Size {
    fn into_operand(self) -> Operand {
        Operand(Side::Size(self.0))
    }
}

macro_rules! arithmetic {
    ($($left:ident: $trait:ident $method:ident $operator:literal),+ $(,)?) => {
        $(impl<R: IntoOperand> $trait<R> for $left {
            type Output = Operand;

            fn $method(self, right: R) -> Operand {
                let (left, right) = (self.into_operand(), right.into_operand());
                Operand(Side::Sum(Box::new(left), $operator, Box::new(right)))
            }
        })+
    };
}

arithmetic! {
    Attr: Add add " + ",
    Attr: Sub sub " - ",
    Operand: Add add " + ",
    Operand: Sub sub " - ",
}

impl fmt::Debug for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Append(first, then) => write!(f, "list_append({first:?}, {then:?})"),
            Side::Or(path, otherwise) => write!(f, "if_not_exists({path}, {otherwise:?})"),
            Side::Path(path) => write!(f, "{path}"),
            Side::Size(path) => write!(f, "size({path})"),
            Side::Sum(left, operator, right) => write!(f, "{left:?}{operator}{right:?}"),
            Side::Value(value) => write!(f, "{:?}", kind_of(value)),
        }
    }
}
