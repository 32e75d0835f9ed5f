//! What one call needs from IAM.

use crate::arn::{self, Arn};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// One permission that a call needs: an IAM action on a resource.
///
/// A table known by name has no account and no region yet; [`arn`](Grant::arn) puts them in.
///
/// ```
/// use aws_credential_strategies::iam::Grant;
///
/// let grant = Grant::on_index("dynamodb:Query", "Orders", "byDate");
/// assert_eq!(grant.to_string(), "dynamodb:Query on table/Orders/index/byDate");
/// assert_eq!(
///     grant.arn("aws", "eu-central-1", "123456789012")?,
///     "arn:aws:dynamodb:eu-central-1:123456789012:table/Orders/index/byDate",
/// );
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    resource: Resource,
    action: Cow<'static, str>,
}

/// What the action is asked on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Resource {
    /// The action knows no resource, or the call names none.
    Any,
    Arn(String),
    /// A table by name, and one of its indexes.
    Table(String, Option<String>),
}

/// Which permissions an operation needs, known without sending anything.
///
/// ```
/// use aws_credential_strategies::iam::{Grant, Requires};
///
/// struct ReadUser;
///
/// impl Requires for ReadUser {
///     fn grants(&self) -> Vec<Grant> {
///         vec![Grant::on_table("dynamodb:GetItem", "Users")]
///     }
/// }
/// assert_eq!(ReadUser.grants()[0].action(), "dynamodb:GetItem");
/// ```
pub trait Requires {
    /// The permissions, each once.
    fn grants(&self) -> Vec<Grant>;
}

impl Grant {
    /// The action on a table, given by name or by ARN.
    #[must_use]
    pub fn on_table(action: impl Into<Cow<'static, str>>, table: impl Into<String>) -> Self {
        let table = table.into();
        let resource = if table.starts_with("arn:") {
            Resource::Arn(table)
        } else {
            Resource::Table(table, None)
        };
        Grant {
            resource,
            action: action.into(),
        }
    }

    /// The action on an index of a table, which is given by name or by ARN.
    ///
    /// A policy that allows `Query` on the table does not allow it on the table's indexes: they are
    /// resources of their own.
    #[must_use]
    pub fn on_index(
        action: impl Into<Cow<'static, str>>,
        table: impl Into<String>,
        index: impl Into<String>,
    ) -> Self {
        let (table, index) = (table.into(), index.into());
        let resource = if table.starts_with("arn:") {
            Resource::Arn(format!("{table}/index/{index}"))
        } else {
            Resource::Table(table, Some(index))
        };
        Grant {
            resource,
            action: action.into(),
        }
    }

    /// The action on a resource given by its full ARN.
    #[must_use]
    pub fn on_arn(action: impl Into<Cow<'static, str>>, arn: impl Into<String>) -> Self {
        Grant {
            resource: Resource::Arn(arn.into()),
            action: action.into(),
        }
    }

    /// An action that names no resource, such as `dynamodb:ListTables`: policies say `*`.
    #[must_use]
    pub fn on_any(action: impl Into<Cow<'static, str>>) -> Self {
        Grant {
            resource: Resource::Any,
            action: action.into(),
        }
    }

    /// The IAM action, for example `dynamodb:GetItem`.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The ARN of the resource, or `*`.
    ///
    /// Partition (`aws`), region and account complete the name of a table; a full ARN has them already.
    /// Region and account may be `*`, for a policy that holds in all of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when a part is not of its form, which also catches
    /// parts in the wrong order, or when the table or index has a name that DynamoDB refuses, which a
    /// policy could read as a wildcard.
    pub fn arn(&self, partition: &str, region: &str, account: &str) -> Result<String> {
        if !arn::is_partition(partition) {
            return Err(Error::usage(
                "partition",
                format!("expected `aws`, `aws-cn` or another partition, not `{partition}`"),
            ));
        }
        if region != "*" && !arn::is_region(region) {
            return Err(Error::usage(
                "region",
                format!("expected a region such as `us-east-1`, or `*`, not `{region}`"),
            ));
        }
        if account != "*" && !arn::is_account(account) {
            return Err(Error::usage(
                "account",
                format!("expected the 12 digits of an account, or `*`, not `{account}`"),
            ));
        }
        match &self.resource {
            Resource::Any => Ok("*".to_owned()),
            Resource::Arn(arn) if arn.contains(['*', '?', '$']) => Err(Error::usage(
                "resource",
                format!("expected the ARN of one resource, not `{arn}`"),
            )),
            Resource::Arn(arn) => Ok(arn.clone()),
            Resource::Table(table, index) => {
                for name in std::iter::once(table).chain(index) {
                    if !arn::is_table_name(name) {
                        return Err(Error::usage(
                            "table",
                            format!(
                                "expected 3 to 255 of letters, digits, `_`, `.` and `-`, not `{name}`"
                            ),
                        ));
                    }
                }
                let path = self.path().unwrap_or_default();
                Ok(format!(
                    "arn:{partition}:dynamodb:{region}:{account}:{path}"
                ))
            }
        }
    }

    /// What the resource is compared with in a policy: an ARN whose unknown parts are `None`.
    pub(super) fn target(&self) -> Target<'_> {
        match &self.resource {
            Resource::Any => Target::Any,
            Resource::Arn(arn) => match Arn::split(arn) {
                Some(arn) => Target::Arn {
                    place: Some([arn.partition, arn.region, arn.account]),
                    service: arn.service,
                    resource: Cow::Borrowed(arn.resource),
                },
                None => Target::Unknown,
            },
            Resource::Table(..) => Target::Arn {
                place: None,
                service: "dynamodb",
                resource: Cow::Owned(self.path().unwrap_or_default()),
            },
        }
    }

    /// `table/T` or `table/T/index/I`.
    fn path(&self) -> Option<String> {
        match &self.resource {
            Resource::Any | Resource::Arn(_) => None,
            Resource::Table(table, None) => Some(format!("table/{table}")),
            Resource::Table(table, Some(index)) => Some(format!("table/{table}/index/{index}")),
        }
    }
}

impl Requires for Grant {
    /// The grant itself, so that grants can be checked like operations.
    fn grants(&self) -> Vec<Grant> {
        vec![self.clone()]
    }
}

impl<R: Requires> Requires for [R] {
    /// What all of them need.
    fn grants(&self) -> Vec<Grant> {
        let all: BTreeSet<Grant> = self.iter().flat_map(Requires::grants).collect();
        all.into_iter().collect()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.action)?;
        match &self.resource {
            Resource::Any => f.write_str("*"),
            Resource::Arn(arn) => f.write_str(arn),
            Resource::Table(..) => f.write_str(&self.path().unwrap_or_default()),
        }
    }
}

/// A grant's resource, ready to be compared with the patterns of a policy.
#[derive(Clone, Debug)]
pub(super) enum Target<'a> {
    /// No resource: only `*` covers it.
    Any,
    Arn {
        /// Partition, region and account; `None` where they are not known yet.
        place: Option<[&'a str; 3]>,
        service: &'a str,
        resource: Cow<'a, str>,
    },
    /// Not of the form of an ARN: nothing but `*` covers it.
    Unknown,
}
