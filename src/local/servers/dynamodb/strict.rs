//! What DynamoDB refuses and the engine below lets pass: refused in front of it.
//!
//! From the documentation of [expressions] and their [limits], and from what DynamoDB answers. Nothing
//! here recurses, whatever is sent.
//!
//! [expressions]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
//! [limits]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters

use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::fmt;

/// Operators and functions in one expression.
const MOST_OPERATORS: usize = 300;
/// Parentheses and `NOT`s within each other: the engine's parser recurses, and a test's thread has a stack
/// of 2 MB. DynamoDB follows further.
const MOST_NESTED: usize = 32;
/// Operands of one `IN`.
const MOST_IN_OPERANDS: usize = 100;
/// The names of the types, as `attribute_type` takes them.
const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];
/// The types that have an order.
const ORDERED: [&str; 3] = ["B", "N", "S"];

/// Why a request is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// As not valid, with this message.
    Invalid(String),
    /// A transaction, with these reasons.
    Canceled(Value),
}

/// What DynamoDB has against a request, of what the engine would let pass.
pub(super) fn refusal(operation: &str, body: &[u8]) -> Option<Refusal> {
    // expressions are rare in tests that do many requests
    if !body.windows(10).any(|window| window == b"Expression") {
        return None;
    }
    // what is no JSON the engine refuses
    let request: Value = serde_json::from_slice(body).ok()?;
    if operation != "TransactWriteItems" {
        return part(request.as_object()?).err().map(Refusal::Invalid);
    }
    let actions = request.get("TransactItems")?.as_array()?;
    let parts = actions.iter().map(|action| {
        let (verb, part) = action.as_object()?.iter().next()?;
        Some((verb.as_str(), part.as_object()?))
    });
    let parts: Vec<_> = parts.collect();
    for (_, action) in parts.iter().flatten() {
        if let Err(message) = part(action) {
            return Some(Refusal::Invalid(message));
        }
    }
    let reasons = parts.iter().map(|part| {
        let problem = part.and_then(|(verb, part)| (verb == "Update").then(|| key_of_update(part)));
        match problem.flatten() {
            Some(message) => json!({ "Code": "ValidationError", "Message": message }),
            None => json!({ "Code": "None" }),
        }
    });
    let reasons: Vec<Value> = reasons.collect();
    let any = reasons.iter().any(|reason| reason["Code"] != "None");
    any.then(|| Refusal::Canceled(reasons.into()))
}

/// Checks the expressions of one request, or of one action of a transaction.
fn part(request: &Map<String, Value>) -> Result<(), String> {
    for name in [
        "ConditionExpression",
        "FilterExpression",
        "KeyConditionExpression",
        "ProjectionExpression",
        "UpdateExpression",
    ] {
        let Some(text) = request.get(name).and_then(Value::as_str) else {
            continue;
        };
        let expression = Expression {
            tokens: tokens(text),
            names: request.get("ExpressionAttributeNames"),
            values: request.get("ExpressionAttributeValues"),
        };
        let is_condition = !matches!(name, "ProjectionExpression" | "UpdateExpression");
        expression
            .check_size()
            .and_then(|()| {
                if is_condition {
                    expression.check()
                } else {
                    Ok(())
                }
            })
            .map_err(|problem| format!("Invalid {name}: {problem}"))?;
    }
    Ok(())
}

/// The key attribute that an update in a transaction sets, in DynamoDB's sentence.
fn key_of_update(update: &Map<String, Value>) -> Option<String> {
    let key = update.get("Key")?.as_object()?;
    let expression = Expression {
        tokens: tokens(update.get("UpdateExpression")?.as_str()?),
        names: update.get("ExpressionAttributeNames"),
        values: None,
    };
    let set = expression.targets().find(|name| key.contains_key(name))?;
    Some(format!(
        "One or more parameter values were invalid: Cannot update attribute {set}. This attribute is part of the key"
    ))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Close,
    Comma,
    /// `=`, `<>`, `<`, `<=`, `>`, `>=`, and the arithmetic of updates.
    Operator(&'a str),
    Open,
    /// A `:value`.
    Value(&'a str),
    /// A path, a keyword or a function.
    Word(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || "_-#.[]:".contains(c);
        let length = match first {
            '(' | ')' | ',' | '+' => 1,
            '<' | '>' | '=' => rest.find(|c| !"<>=".contains(c)).unwrap_or(rest.len()),
            c if is_part(c) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        found.push(match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            ':' => Token::Value(token),
            '<' | '>' | '=' | '+' => Token::Operator(token),
            _ => Token::Word(token),
        });
        rest = after.trim_start();
    }
    found
}

struct Expression<'a> {
    tokens: Vec<Token<'a>>,
    names: Option<&'a Value>,
    values: Option<&'a Value>,
}

/// One side of a comparison.
#[derive(Debug, PartialEq)]
enum Operand<'a> {
    Path(String),
    Size(String),
    Value(&'a str),
}

impl<'a> Expression<'a> {
    fn at(&self, position: usize) -> Option<Token<'a>> {
        self.tokens.get(position).copied()
    }

    fn is_word(&self, position: usize, word: &str) -> bool {
        matches!(self.at(position), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word))
    }

    fn check_size(&self) -> Result<(), String> {
        let mut operators = 0;
        // for each open parenthesis, how deep it nests: with the NOTs in front of it
        let (mut open, mut depth, mut nots) = (Vec::new(), 0, 0);
        for (position, token) in self.tokens.iter().enumerate() {
            let is_not = self.is_word(position, "NOT");
            match token {
                Token::Operator(_) => operators += 1,
                Token::Open => {
                    let before = position.checked_sub(1).and_then(|before| self.at(before));
                    let function = matches!(before, Some(Token::Word(word)) if !is_keyword(word));
                    operators += usize::from(function);
                    open.push(nots + 1);
                    depth += nots + 1;
                }
                Token::Close => depth -= open.pop().unwrap_or_default(),
                Token::Word(word) => operators += usize::from(is_keyword(word)),
                Token::Comma | Token::Value(_) => {}
            }
            nots = if is_not { nots + 1 } else { 0 };
            if operators > MOST_OPERATORS {
                return Err(format!(
                    "The expression contains more operators and functions than the maximum allowed; maximum: {MOST_OPERATORS}"
                ));
            }
            if depth + nots > MOST_NESTED {
                return Err(format!(
                    "The expression nests deeper than the embedded DynamoDB follows; maximum: {MOST_NESTED}"
                ));
            }
        }
        Ok(())
    }

    /// Checks what a condition or a filter compares.
    fn check(&self) -> Result<(), String> {
        let mut position = 0;
        while position < self.tokens.len() {
            if self.is_word(position, "attribute_type") {
                self.check_type(position)?;
                position += 2;
                continue;
            }
            let Some((first, next)) = self.operand(position) else {
                position += 1;
                continue;
            };
            match self.at(next) {
                Some(Token::Operator(operator)) => {
                    if let Some((second, _)) = self.operand(next + 1) {
                        distinct(&first, [&second], operator)?;
                        if !["=", "<>"].contains(&operator) {
                            self.ordered(&first, operator)?;
                            self.ordered(&second, operator)?;
                        }
                    }
                    position = next + 1;
                }
                Some(Token::Word(_)) if self.is_word(next, "BETWEEN") => {
                    self.check_between(&first, next)?;
                    position = next + 1;
                }
                Some(Token::Word(_)) if self.is_word(next, "IN") => {
                    self.check_in(&first, next)?;
                    position = next + 1;
                }
                _ => position += 1,
            }
        }
        Ok(())
    }

    fn check_type(&self, position: usize) -> Result<(), String> {
        // attribute_type ( path , :type )
        let Some((Operand::Value(name), _)) = self.operand(position + 4) else {
            return Ok(());
        };
        match self.value(name) {
            Some(("S", Value::String(wanted))) if !TYPES.contains(&wanted.as_str()) => {
                Err(format!(
                    "Invalid attribute type name found; type: {wanted}, valid types: {{{}}}",
                    TYPES.join(",")
                ))
            }
            Some(("S", _)) | None => Ok(()),
            Some((kind, _)) => Err(wrong_type("attribute_type", kind)),
        }
    }

    fn check_between(&self, first: &Operand<'_>, position: usize) -> Result<(), String> {
        let Some((low, and)) = self.operand(position + 1) else {
            return Ok(());
        };
        let Some((high, _)) = self.operand(and + 1) else {
            return Ok(());
        };
        distinct(first, [&low, &high], "BETWEEN")?;
        for bound in [first, &low, &high] {
            self.ordered(bound, "BETWEEN")?;
        }
        let (Operand::Value(low), Operand::Value(high)) = (&low, &high) else {
            return Ok(());
        };
        let (Some(low), Some(high)) = (self.value(low), self.value(high)) else {
            return Ok(());
        };
        let bounds = format!(
            "lower bound operand: AttributeValue: {{{}}}, upper bound operand: AttributeValue: {{{}}}",
            Shown(low),
            Shown(high)
        );
        if low.0 != high.0 {
            return Err(format!(
                "The BETWEEN operator requires same data type for lower and upper bounds; {bounds}"
            ));
        }
        if compare(low, high) == Some(Ordering::Greater) {
            return Err(format!(
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}"
            ));
        }
        Ok(())
    }

    fn check_in(&self, first: &Operand<'_>, position: usize) -> Result<(), String> {
        let mut operands = 0;
        let mut at = position + 2;
        while let Some((operand, next)) = self.operand(at) {
            operands += 1;
            distinct(first, [&operand], "IN")?;
            if self.at(next) != Some(Token::Comma) {
                break;
            }
            at = next + 1;
        }
        if operands > MOST_IN_OPERANDS {
            return Err(format!(
                "The IN operator is provided with too many operands; number of operands: {operands}"
            ));
        }
        Ok(())
    }

    /// The operand that begins here, and where it ends.
    fn operand(&self, position: usize) -> Option<(Operand<'a>, usize)> {
        match self.at(position)? {
            Token::Value(name) => Some((Operand::Value(name), position + 1)),
            Token::Word(word) if self.at(position + 1) == Some(Token::Open) => {
                let Some(Token::Word(path)) = self.at(position + 2) else {
                    return None;
                };
                let is_size = word.eq_ignore_ascii_case("size");
                is_size.then(|| (Operand::Size(self.resolve(path)), position + 4))
            }
            Token::Word(word) if !is_keyword(word) => {
                Some((Operand::Path(self.resolve(word)), position + 1))
            }
            _ => None,
        }
    }

    /// Refuses a value that has no order beside an operator that asks for one.
    fn ordered(&self, operand: &Operand<'_>, operator: &str) -> Result<(), String> {
        let Operand::Value(name) = operand else {
            return Ok(());
        };
        match self.value(name) {
            Some((kind, _)) if !ORDERED.contains(&kind) => Err(wrong_type(operator, kind)),
            _ => Ok(()),
        }
    }

    /// The type and the content of a `:value`.
    fn value(&self, name: &str) -> Option<(&'a str, &'a Value)> {
        let (kind, content) = self.values?.get(name)?.as_object()?.iter().next()?;
        Some((kind.as_str(), content))
    }

    /// A path with its placeholders replaced.
    fn resolve(&self, path: &str) -> String {
        let steps = path.split('.').map(|step| {
            let (name, index) = step.split_at(step.find('[').unwrap_or(step.len()));
            let known = self.names.and_then(|names| names.get(name)?.as_str());
            format!("{}{index}", known.unwrap_or(name))
        });
        steps.collect::<Vec<_>>().join(".")
    }

    /// The top-level attributes that an update sets or removes.
    fn targets(&self) -> impl Iterator<Item = String> + '_ {
        let mut clause = "";
        let mut depth = 0_usize;
        let mut begins = false;
        self.tokens
            .iter()
            .enumerate()
            .filter_map(move |(position, token)| {
                match token {
                    Token::Open => depth += 1,
                    Token::Close => depth = depth.saturating_sub(1),
                    Token::Comma => begins = depth == 0,
                    Token::Word(word)
                        if ["SET", "REMOVE", "ADD", "DELETE"]
                            .iter()
                            .any(|c| word.eq_ignore_ascii_case(c))
                            && self.at(position + 1) != Some(Token::Operator("=")) =>
                    {
                        clause = word;
                        begins = true;
                    }
                    Token::Word(word) if begins && !clause.is_empty() => {
                        begins = false;
                        return Some(self.resolve(word));
                    }
                    _ => {}
                }
                None
            })
    }
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

fn distinct<'a, 'b: 'a>(
    first: &Operand<'_>,
    others: impl IntoIterator<Item = &'a Operand<'b>>,
    operator: &str,
) -> Result<(), String> {
    if others.into_iter().all(|other| other != first) {
        return Ok(());
    }
    let shown = match first {
        Operand::Path(path) | Operand::Size(path) => path,
        Operand::Value(name) => *name,
    };
    Err(format!(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: [{shown}]"
    ))
}

fn wrong_type(operator: &str, kind: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
    )
}

/// The order of two values of one type that has one, as far as it can be told without doubt.
fn compare(low: (&str, &Value), high: (&str, &Value)) -> Option<Ordering> {
    let (one, other) = (low.1.as_str()?, high.1.as_str()?);
    match low.0 {
        "N" => {
            let order = one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?)?;
            (order != Ordering::Equal).then_some(order)
        }
        "S" => Some(one.cmp(other)),
        "B" => {
            let bytes = |text| aws_smithy_types::base64::decode(text).ok();
            Some(bytes(one)?.cmp(&bytes(other)?))
        }
        _ => None,
    }
}

/// A value as DynamoDB's sentences show it.
struct Shown<'a>((&'a str, &'a Value));

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, content) = self.0;
        match content.as_str() {
            Some(text) => write!(f, "{kind}:{text}"),
            None => write!(f, "{kind}:{content}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Option<Refusal> {
        let request = json!({
            "TableName": "T",
            "Key": { "id": { "S": "1" } },
            "ConditionExpression": text,
            "ExpressionAttributeNames": { "#a": "a", "#b": "b" },
            "ExpressionAttributeValues": {
                ":n1": { "N": "1" }, ":n2": { "N": "20" }, ":s": { "S": "x" }, ":t": { "S": "SS" },
                ":bool": { "BOOL": true }, ":null": { "NULL": true }, ":list": { "L": [] },
            },
        });
        refusal("PutItem", request.to_string().as_bytes())
    }

    #[test]
    fn what_dynamodb_takes_passes() {
        for text in [
            "#a = :n1 AND (b < :n2 OR NOT c.#b[0] >= :s)",
            "attribute_type(#a, :t) AND attribute_exists(b) AND begins_with(a, :s)",
            "a BETWEEN :n1 AND :n2 AND size(a) > :n1 AND size(a) < a",
            "a IN (:n1, :n2, b) AND a = :bool AND a <> :null AND contains(a, :list)",
            "a.b = a.#a",
        ] {
            assert_eq!(condition(text), None, "{text}");
        }
    }

    #[test]
    fn what_it_refuses_does_not() {
        for (text, words) in [
            (
                "attribute_type(a, :s)",
                "Invalid attribute type name found; type: x",
            ),
            ("attribute_type(a, :n1)", "attribute_type, operand type: N"),
            ("#a = a", "operator: =, first operand: [a]"),
            (
                "b = :s OR NOT (a.b[1] <> a.#b[1])",
                "first operand: [a.b[1]]",
            ),
            ("size(a) <= size(#a)", "first operand: [a]"),
            (
                "a BETWEEN :n2 AND :n1",
                "lower bound operand: AttributeValue: {N:20}",
            ),
            ("a BETWEEN :n1 AND :s", "same data type"),
            ("a < :bool", "operator or function: <, operand type: BOOL"),
            (":null >= a", "operand type: NULL"),
            ("a BETWEEN :list AND :list", "operand type: L"),
            ("a IN (:s, a)", "operator: IN"),
        ] {
            let Some(Refusal::Invalid(message)) = condition(text) else {
                panic!("{text} passed");
            };
            assert!(
                message.starts_with("Invalid ConditionExpression: "),
                "{message}"
            );
            assert!(message.contains(words), "{text}: {message}");
        }
        let many = vec![":s"; 101].join(", ");
        assert!(condition(&format!("a IN ({many})")).is_some());
        for deep in ["NOT ".repeat(400) + "a = :s", "(".repeat(4_000)] {
            assert!(condition(&deep).is_some());
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "",
            "(",
            ")",
            "a =",
            "= a",
            "a BETWEEN",
            "a IN",
            "a IN (",
            "size(",
            "attribute_type(",
            "é = ü",
            ": : #",
            "a BETWEEN :n1 AND",
            "\u{0}",
        ] {
            let _ = condition(text);
        }
    }

    #[test]
    fn an_update_in_a_transaction_leaves_the_key_alone() {
        let update = |text: &str| {
            let update = json!({ "Update": {
                "TableName": "T",
                "Key": { "id": { "S": "1" }, "sk": { "N": "1" } },
                "UpdateExpression": text,
                "ExpressionAttributeNames": { "#k": "id" },
            } });
            let put = json!({ "Put": { "TableName": "T", "Item": {} } });
            let request = json!({ "TransactItems": [put, update] });
            refusal("TransactWriteItems", request.to_string().as_bytes())
        };
        for text in [
            "SET #k = :v",
            "SET a = if_not_exists(b, :v), sk = :v",
            "REMOVE id",
            "set a = :a add sk :v",
        ] {
            let Some(Refusal::Canceled(reasons)) = update(text) else {
                panic!("{text} passed");
            };
            assert_eq!(reasons[0]["Code"], "None");
            assert_eq!(reasons[1]["Code"], "ValidationError", "{text}");
        }
        for text in [
            "SET a = #k",
            "SET a = if_not_exists(id, :v) REMOVE b",
            "SET m.id = :v",
        ] {
            assert_eq!(update(text), None, "{text}");
        }
    }
}
