//! Conditions: what must hold for a write, what a filter lets through, which sort keys are read.

use super::expressions::{Expressions, checked_length};
use super::operand::{Attr, IntoOperand, Operand, Size};
use super::path::Path;
use super::raw_expression::{RawExpression, RawNames, RawValues};
use crate::error::{Error, Result};
use std::ops::{BitAnd, BitOr, Not};

/// The most values of an `IN`;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html>.
pub const MOST_IN: usize = 100;

/// A condition, made with [`attr`](crate::table::attr) and [`size`](crate::table::size) and joined with `&`, `|` and `!`.
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
    Raw(RawExpression),
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
    ///
    /// With nothing to stand for, write `[]`: `Cond::raw("attribute_exists(id)", [], [])`.
    pub fn raw(
        expression: impl Into<String>,
        names: impl RawNames,
        values: impl RawValues,
    ) -> Self {
        let raw = RawExpression::new("raw condition", expression, names, values);
        Cond(Node::Raw(raw))
    }

    /// All of these hold; at least one must be given.
    pub fn all(conditions: impl IntoIterator<Item = Cond>) -> Self {
        Cond::several(conditions, Node::All)
    }

    /// One of these holds; at least one must be given.
    pub fn any(conditions: impl IntoIterator<Item = Cond>) -> Self {
        Cond::several(conditions, Node::Any)
    }

    /// One alone stands as it is: DynamoDB refuses redundant parentheses.
    fn several(
        conditions: impl IntoIterator<Item = Cond>,
        node: impl FnOnce(Vec<Cond>) -> Node,
    ) -> Self {
        let mut conditions: Vec<_> = conditions.into_iter().collect();
        match conditions.pop() {
            Some(only) if conditions.is_empty() => only,
            last => {
                conditions.extend(last);
                Cond(node(conditions))
            }
        }
    }

    /// This one and, if there is one already, that one.
    pub(crate) fn and_also(self, earlier: Option<Cond>) -> Cond {
        match earlier {
            Some(earlier) => earlier & self,
            None => self,
        }
    }

    /// The whole of an expression of a request.
    pub(crate) fn into_text(
        self,
        field: &'static str,
        expressions: &mut Expressions,
    ) -> Result<String> {
        let mut text = String::new();
        self.render(&mut text, expressions)?;
        checked_length(field, text)
    }

    fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
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
                if list.is_empty() || list.len() > MOST_IN {
                    let expected = format!("expected 1 to {MOST_IN} values, not {}", list.len());
                    return Err(Error::usage("is_in", expected));
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
    if conditions.is_empty() {
        let expected = "expected at least one in Cond::all and Cond::any";
        return Err(Error::usage("condition", expected));
    }
    for (position, condition) in conditions.into_iter().enumerate() {
        if position > 0 {
            out.push_str(operator);
        }
        condition.render_under(binding, out, expressions)?;
    }
    Ok(())
}

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

            /// Equal to one of these; up to [`MOST_IN`](crate::table::MOST_IN) of them.
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
