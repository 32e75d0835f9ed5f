//! What a caller does to the SDK's request just before it is sent.

use super::item::Attributes;
use crate::error::{Error, Result};
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use std::collections::HashMap;
use std::sync::Arc;

type Change<F> = Box<dyn FnOnce(F) -> F + Send>;

/// Changes to the SDK's fluent builder, in the order given; none as a rule.
pub(crate) struct Raw<F>(Option<Change<F>>);

/// A request whose expressions are in sight.
pub(crate) trait Expressive {
    fn names(&self) -> Option<&HashMap<String, String>>;
    fn values(&self) -> Option<&Attributes>;
    /// The texts of all its expressions.
    fn expressions(&self) -> Vec<&str>;
}

impl<F: Expressive + 'static> Raw<F> {
    /// The request after the change, if what the placeholders in it stand for is what it was: else a write
    /// could hit another attribute.
    pub(crate) fn apply_beside_placeholders(self, fluent: F) -> Result<F> {
        if self.0.is_none() {
            return Ok(fluent);
        }
        let (names, values) = (fluent.names().cloned(), fluent.values().cloned());
        let fluent = self.apply(fluent);
        for (placeholder, name) in names.into_iter().flatten() {
            let held = fluent.names().and_then(|names| names.get(&placeholder));
            refuse_change(
                &fluent,
                &placeholder,
                &format!(" ({name:?})"),
                held == Some(&name),
            )?;
        }
        for (placeholder, value) in values.into_iter().flatten() {
            let held = fluent.values().and_then(|values| values.get(&placeholder));
            refuse_change(&fluent, &placeholder, "", held == Some(&value))?;
        }
        Ok(fluent)
    }
}

fn refuse_change(
    fluent: &impl Expressive,
    placeholder: &str,
    meaning: &str,
    is_kept: bool,
) -> Result<()> {
    let problem = if !is_kept {
        "expected what {} stands for to be left alone: it is a placeholder of this request's own; call yours otherwise"
    } else if !fluent
        .expressions()
        .iter()
        .any(|text| mentions(text, placeholder))
    {
        "expected the expression that {} is in to be left alone: without it the placeholder is unused, which DynamoDB refuses"
    } else {
        return Ok(());
    };
    let problem = problem.replace("{}", &format!("{placeholder}{meaning}"));
    Err(Error::usage("raw", problem))
}

/// Whether the placeholder is in the text, not as the beginning of another.
fn mentions(text: &str, placeholder: &str) -> bool {
    text.match_indices(placeholder).any(|(at, _)| {
        let after = text.as_bytes().get(at + placeholder.len());
        !after.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    })
}

macro_rules! expressive {
    ($($fluent:ty: $($text:ident),+;)+) => {
        $(impl Expressive for $fluent {
            fn names(&self) -> Option<&HashMap<String, String>> {
                self.get_expression_attribute_names().as_ref()
            }

            fn values(&self) -> Option<&Attributes> {
                self.get_expression_attribute_values().as_ref()
            }

            fn expressions(&self) -> Vec<&str> {
                [$(self.$text().as_deref()),+].into_iter().flatten().collect()
            }
        })+
    };
}

expressive! {
    DeleteItemFluentBuilder: get_condition_expression;
    PutItemFluentBuilder: get_condition_expression;
    QueryFluentBuilder: get_key_condition_expression, get_filter_expression, get_projection_expression;
    ScanFluentBuilder: get_filter_expression, get_projection_expression;
    UpdateItemFluentBuilder: get_update_expression, get_condition_expression;
}

impl Expressive for GetItemFluentBuilder {
    fn names(&self) -> Option<&HashMap<String, String>> {
        self.get_expression_attribute_names().as_ref()
    }

    fn values(&self) -> Option<&Attributes> {
        None
    }

    fn expressions(&self) -> Vec<&str> {
        self.get_projection_expression()
            .as_deref()
            .into_iter()
            .collect()
    }
}

impl<F: 'static> Raw<F> {
    pub(crate) fn none() -> Self {
        Raw(None)
    }

    pub(crate) fn then(self, change: impl FnOnce(F) -> F + Send + 'static) -> Self {
        Raw(Some(match self.0 {
            Some(first) => Box::new(move |fluent| change(first(fluent))),
            None => Box::new(change),
        }))
    }

    pub(crate) fn apply(self, fluent: F) -> F {
        match self.0 {
            Some(change) => change(fluent),
            None => fluent,
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// A change to one request cannot be made to a part of another.
    pub(crate) fn refuse_in(&self, whole: &'static str) -> Result<()> {
        if self.is_some() {
            return Err(Error::usage(
                "raw",
                format!(
                    "expected an operation without raw(..) in a {whole}: it has no request of its own"
                ),
            ));
        }
        Ok(())
    }
}

/// Changes to each of the requests that a batch makes.
pub(crate) struct RawEach<F>(Option<Arc<dyn Fn(F) -> F + Send + Sync>>);

impl<F: 'static> RawEach<F> {
    pub(crate) fn none() -> Self {
        RawEach(None)
    }

    pub(crate) fn then(self, change: impl Fn(F) -> F + Send + Sync + 'static) -> Self {
        RawEach(Some(match self.0 {
            Some(first) => Arc::new(move |fluent| change(first(fluent))),
            None => Arc::new(change),
        }))
    }

    pub(crate) fn apply(&self, fluent: F) -> F {
        match &self.0 {
            Some(change) => change(fluent),
            None => fluent,
        }
    }
}

impl<F> Clone for RawEach<F> {
    fn clone(&self) -> Self {
        RawEach(self.0.clone())
    }
}
