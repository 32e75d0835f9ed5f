//! One principal, or one caller: what it is, and whether the one is the other.

use crate::arn::{self, Arn};
use crate::error::{Error, Result};

/// How a principal admits a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// The account is named: the caller's own policy has to allow the call as well.
    Delegated,
    /// The caller is named, or anyone is: within the account of the role that is enough.
    Direct,
}

/// A caller, or the one that a principal names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// An account: every principal of it as a principal, its root user as a caller.
    Account {
        /// A bare account id names the account in whatever partition.
        partition: Option<String>,
        account: String,
    },
    /// Anyone at all.
    Anyone,
    /// A session of `GetFederationToken`.
    FederatedUser {
        partition: String,
        account: String,
        name: String,
    },
    /// An identity that a provider vouches for.
    Federated {
        provider: String,
    },
    /// A role: any session of it.
    Role {
        partition: String,
        account: String,
        path: String,
    },
    Service {
        name: String,
    },
    /// One session of a role: a caller's with the role's path, a principal's without, since the ARN of a
    /// session does not show it.
    Session {
        partition: String,
        account: String,
        role: String,
        session: String,
    },
    User {
        partition: String,
        account: String,
        path: String,
    },
}

impl Who {
    /// What may stand under `AWS`.
    pub(super) fn from_principal(field: &str, text: &str) -> Result<Self> {
        if text == ANYONE {
            return Ok(Who::Anyone);
        }
        if arn::is_account(text) {
            return Ok(Who::Account {
                partition: None,
                account: text.to_owned(),
            });
        }
        if UNIQUE_ID_PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            return refuse(
                field,
                text,
                "it is the unique id of a role or user that has been deleted, which IAM shows in place of \
                 its ARN: name the ARN again if one of that name exists, or take it out",
            );
        }
        Who::from_arn(field, text)
    }

    pub(super) fn from_arn(field: &str, text: &str) -> Result<Self> {
        let Some(arn) = Arn::split(text) else {
            return refuse(
                field,
                text,
                "it is neither an ARN nor the 12 digits of an account: write for example \
                 arn:aws:iam::123456789012:role/App",
            );
        };
        if let Some(explanation) = not_a_principal(&arn) {
            return refuse(field, text, explanation);
        }
        if !arn::is_partition(arn.partition) || !arn::is_account(arn.account) {
            return refuse(field, text, "the ARN has no valid partition or account");
        }
        let partition = arn.partition.to_owned();
        let account = arn.account.to_owned();
        let (kind, rest) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
        match (arn.service, kind) {
            ("iam", "root") if rest.is_empty() => Ok(Who::Account {
                partition: Some(partition),
                account,
            }),
            ("iam", "role") if arn::is_path_and_name(rest) => Ok(Who::Role {
                partition,
                account,
                path: rest.to_owned(),
            }),
            ("iam", "user") if arn::is_path_and_name(rest) => Ok(Who::User {
                partition,
                account,
                path: rest.to_owned(),
            }),
            ("sts", "federated-user") if arn::is_iam_name(rest) => Ok(Who::FederatedUser {
                partition,
                account,
                name: rest.to_owned(),
            }),
            ("sts", "assumed-role") => match rest.split_once('/') {
                Some((role, session))
                    if arn::is_iam_name(role) && arn::is_session_name(session) =>
                {
                    Ok(Who::Session {
                        partition,
                        account,
                        role: role.to_owned(),
                        session: session.to_owned(),
                    })
                }
                _ => {
                    let role = rest.split('/').next().unwrap_or_default();
                    refuse(
                        field,
                        text,
                        format!(
                            "the ARN of a session is assumed-role/ROLE/SESSION, whole; to admit every \
                             session name the role, {}",
                            role_form(&arn, role)
                        ),
                    )
                }
            },
            _ => refuse(
                field,
                text,
                "expected an account, a role, a user, or one session of a role",
            ),
        }
    }

    pub(super) fn federated(field: &str, text: &str) -> Result<Self> {
        let of_account = Arn::split(text).is_some_and(|arn| {
            arn::is_partition(arn.partition)
                && arn.service == "iam"
                && arn::is_account(arn.account)
                && ["oidc-provider/", "saml-provider/"].iter().any(|kind| {
                    arn.resource
                        .strip_prefix(kind)
                        .is_some_and(|name| !name.is_empty() && !name.contains(['*', '?', '$']))
                })
        });
        if of_account || BUILT_IN_PROVIDERS.contains(&text) {
            return Ok(Who::Federated {
                provider: text.to_owned(),
            });
        }
        refuse(
            field,
            text,
            "expected the ARN of an identity provider, for example \
             arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com or \
             arn:aws:iam::123456789012:saml-provider/Example",
        )
    }

    pub(super) fn service(field: &str, text: &str) -> Result<Self> {
        let host = text.contains('.')
            && text.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            });
        if host && !arn::is_account(text) {
            return Ok(Who::Service {
                name: text.to_owned(),
            });
        }
        let expected = if text.starts_with("arn:") {
            "an ARN stands under `AWS` or `Federated`; a service is named like ec2.amazonaws.com"
        } else if text.contains(['*', '?']) {
            "services cannot be named by wildcard: name each, like ec2.amazonaws.com"
        } else {
            "expected the name of a service, like ec2.amazonaws.com"
        };
        refuse(field, text, expected)
    }

    /// Whether this principal admits the caller.
    pub(super) fn admits(&self, caller: &Who) -> Option<Admission> {
        let admission = match (self, caller) {
            (Who::Anyone, _) => Admission::Direct,
            (Who::Account { partition, account }, caller) => {
                let (from, of) = caller.home()?;
                let same_partition = match (partition, from) {
                    (Some(named), Some(from)) => named == from,
                    _ => true,
                };
                if !same_partition || account != of {
                    return None;
                }
                Admission::Delegated
            }
            (
                Who::Role {
                    partition,
                    account,
                    path,
                },
                Who::Session {
                    partition: from,
                    account: of,
                    role,
                    ..
                },
            ) if (partition, account, path) == (from, of, role) => Admission::Direct,
            (
                Who::Session {
                    partition,
                    account,
                    role,
                    session,
                },
                Who::Session {
                    partition: from,
                    account: of,
                    role: path,
                    session: own,
                },
            ) if (partition, account, session) == (from, of, own)
                && role == arn::without_path(path) =>
            {
                Admission::Direct
            }
            (
                Who::User { .. }
                | Who::FederatedUser { .. }
                | Who::Service { .. }
                | Who::Federated { .. },
                _,
            ) if self == caller => Admission::Direct,
            _ => return None,
        };
        Some(admission)
    }

    /// Partition and account that the caller belongs to.
    fn home(&self) -> Option<(Option<&str>, &str)> {
        match self {
            Who::Account { partition, account } => Some((partition.as_deref(), account)),
            Who::FederatedUser {
                partition, account, ..
            }
            | Who::Role {
                partition, account, ..
            }
            | Who::Session {
                partition, account, ..
            }
            | Who::User {
                partition, account, ..
            } => Some((Some(partition), account)),
            Who::Anyone | Who::Federated { .. } | Who::Service { .. } => None,
        }
    }
}

pub(super) const ANYONE: &str = "*";

/// Prefixes of the unique ids of users and roles (IAM User Guide, "IAM identifiers").
const UNIQUE_ID_PREFIXES: [&str; 2] = ["AIDA", "AROA"];

/// Providers that need no provider resource in the account
/// (IAM JSON policy elements: Principal, "OIDC federated principals").
const BUILT_IN_PROVIDERS: [&str; 4] = [
    "accounts.google.com",
    "cognito-identity.amazonaws.com",
    "graph.facebook.com",
    "www.amazon.com",
];

/// What people name as a principal although IAM takes no such thing, and what to write instead.
fn not_a_principal(arn: &Arn<'_>) -> Option<String> {
    let (kind, name) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
    let account = arn.account;
    Some(match (arn.service, kind) {
        ("ec2", "instance") => format!(
            "an EC2 instance is not a principal, IAM refuses it (MalformedPolicyDocument: Invalid principal \
             in policy); name the role of its instance profile, {role}, or its account, {account}; to admit \
             this instance alone name its session of that role, arn:{}:sts::{account}:assumed-role/ROLE/{name}",
            arn.partition,
            role = role_form(arn, "ROLE"),
        ),
        ("iam", "instance-profile") => format!(
            "an instance profile is a container for a role and not a principal; name the role in it, {}",
            role_form(arn, "ROLE"),
        ),
        ("iam", "group") => format!(
            "a group is not a principal; name its users, or the account {account} and let the group's \
             policy allow sts:AssumeRole",
        ),
        ("iam", "assumed-role") => format!(
            "sessions belong to sts, not to iam: arn:{}:sts::{account}:{}; to admit every session name the \
             role, {}",
            arn.partition,
            arn.resource,
            role_form(arn, name.split('/').next().unwrap_or_default()),
        ),
        ("iam", "oidc-provider" | "saml-provider") => {
            "an identity provider stands under `Federated`, not under `AWS`".to_owned()
        }
        ("sts", "assumed-role") if name.contains(['*', '?']) => format!(
            "a principal holds no wildcard; to admit every session of a role name the role, {}",
            role_form(arn, name.split('/').next().unwrap_or_default()),
        ),
        ("iam", "role" | "user") if name.contains(['*', '?']) && arn::is_account(account) => {
            format!(
                "a principal holds no wildcard; name each {kind}, or name the account {account} and add the \
             condition {{\"ArnLike\": {{\"aws:PrincipalArn\": \"arn:{}:iam::{account}:{}\"}}}}",
                arn.partition, arn.resource,
            )
        }
        _ if arn.resource.contains(['*', '?']) || account.contains(['*', '?']) => {
            "a principal holds no wildcard; name each account, role or user".to_owned()
        }
        _ => return None,
    })
}

fn role_form(arn: &Arn<'_>, role: &str) -> String {
    let role = if role.is_empty() || role.contains(['*', '?']) {
        "ROLE"
    } else {
        role
    };
    format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account)
}

fn refuse<T>(field: &str, text: &str, why: impl AsRef<str>) -> Result<T> {
    Err(Error::usage(
        field.to_owned(),
        format!("`{text}` cannot be trusted: {}", why.as_ref()),
    ))
}
