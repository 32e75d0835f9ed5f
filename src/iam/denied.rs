//! What a denial says, and what would end it.

use super::statement::Statement;
use crate::error::Denied;

impl Denied {
    /// Reads the message of an `AccessDenied` or `AccessDeniedException`:
    /// `User: <arn> is not authorized to perform: <action> on resource: <arn> because <why>`.
    ///
    /// The text is no contract, so every part that is not found stays `None`; the message itself
    /// belongs in the error as it came.
    ///
    /// ```
    /// use aws_credential_strategies::Denied;
    ///
    /// let denied = Denied::parse(
    ///     "User: arn:aws:sts::123456789012:assumed-role/App/i-0abc is not authorized to perform: \
    ///      dynamodb:Scan on resource: arn:aws:dynamodb:us-east-1:123456789012:table/MyTable because no \
    ///      identity-based policy allows the dynamodb:Scan action",
    /// );
    /// assert_eq!(denied.action.as_deref(), Some("dynamodb:Scan"));
    /// assert_eq!(
    ///     denied.statement_to_add().map(|statement| statement.to_string()).as_deref(),
    ///     Some(r#"{"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#),
    /// );
    /// ```
    #[must_use]
    pub fn parse(message: &str) -> Self {
        Denied {
            principal: after(message, &["User: ", "Principal: "]).and_then(word),
            action: after(
                message,
                &["not authorized to perform: ", "not authorized to perform "],
            )
            .and_then(word)
            .filter(|action| action.contains(':')),
            resource: after(message, &["on resource: ", "on resource "]).and_then(word),
            reason: reason(message).map(str::to_owned),
        }
    }

    /// The one statement that would allow the call, as far as a statement can.
    ///
    /// `None` when action or resource is not known, or when a policy denies: no statement outweighs a
    /// denial. Where it belongs is said by [`remedy`](Denied::remedy).
    #[must_use]
    pub fn statement_to_add(&self) -> Option<Statement> {
        if self.is_explicit() {
            return None;
        }
        let (action, resource) = (self.action.as_ref()?, self.resource.as_ref()?);
        let statement = Statement::allow([action], [resource]);
        statement.validate("statement").ok()?;
        Some(statement)
    }

    /// What to do about it, in one line: the statement to add and where, or that a policy denies.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        if self.is_explicit() {
            return Some(
                "a policy denies it, which no other can outweigh: change the statement that denies"
                    .to_owned(),
            );
        }
        let statement = self.statement_to_add()?;
        let place = self.place();
        Some(format!("add to {place}: {statement}"))
    }

    /// Whether a policy denies, rather than none allowing.
    fn is_explicit(&self) -> bool {
        self.reason
            .as_ref()
            .is_some_and(|reason| reason.to_ascii_lowercase().contains("explicit deny"))
    }

    /// The policy that lacks the statement; by the reason where it names one.
    fn place(&self) -> &'static str {
        let reason = self
            .reason
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if reason.contains("session policy") {
            "the session policy that the role was assumed with"
        } else if reason.contains("permissions boundary") {
            "the permissions boundary of the caller"
        } else if reason.contains("service control policy") {
            "the service control policy of the organization"
        } else if reason.contains("resource control policy") {
            "the resource control policy of the organization"
        } else if reason.contains("vpc endpoint policy") {
            "the policy of the VPC endpoint"
        } else if self
            .action
            .as_deref()
            .is_some_and(|action| action.starts_with("sts:AssumeRole"))
        {
            "the caller's permission policy, and see that the role's trust policy admits the caller"
        } else {
            "the caller's permission policy"
        }
    }
}

/// What follows the first of the markers that is found.
fn after<'a>(message: &'a str, markers: &[&str]) -> Option<&'a str> {
    markers
        .iter()
        .find_map(|marker| message.split_once(marker))
        .map(|(_, after)| after)
}

/// The first word, without the full stop or comma after it.
fn word(text: &str) -> Option<String> {
    let word = text
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',', ';']);
    (!word.is_empty()).then(|| word.to_owned())
}

fn reason(message: &str) -> Option<&str> {
    let start = message
        .find("because ")
        .map(|at| at + "because ".len())
        .or_else(|| message.find("with an explicit deny"))?;
    let reason = message.get(start..)?;
    // EC2 adds a text for DecodeAuthorizationMessage, which no one reads
    let reason = reason
        .split_once(". Encoded authorization failure message")
        .map_or(reason, |(reason, _)| reason);
    let reason = reason.trim().trim_end_matches('.');
    (!reason.is_empty()).then_some(reason)
}
