//! Reads what a denial says; its text is no contract, so whatever is not there stays unknown.

use crate::error::Denied;

/// `User: <arn> is not authorized to perform: <action> on resource: <arn> because <why>`
pub(crate) fn parse(message: &str) -> Denied {
    let reason = message.split_once(" because ").map(|(_, why)| why.trim());
    Denied {
        principal: word_after(message, "User: "),
        action: word_after(message, "perform: "),
        resource: word_after(message, "on resource: "),
        reason: reason.filter(|why| !why.is_empty()).map(str::to_owned),
    }
}

fn word_after(message: &str, marker: &str) -> Option<String> {
    let (_, rest) = message.split_once(marker)?;
    let word = rest.split_whitespace().next()?;
    let word = word.trim_end_matches([',', ';', '"', '\'']);
    (!word.is_empty()).then(|| word.to_owned())
}
