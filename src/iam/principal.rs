//! The `Principal` element: whom a trust policy names, and whether that is the caller.

use super::arn::{self, Arn};
use super::decode::Element;
use super::statement::OneOrMany;
use crate::error::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Who calls `AssumeRole` or one of its siblings.
///
/// For [`TrustPolicy::admitting`](super::TrustPolicy::admitting).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller(Who);

/// A caller, or the one that a principal names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
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
    /// One session of a role, whose path its ARN does not show.
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

/// How a principal admits a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// The account is named: the caller's own policy has to allow the call as well.
    Delegated,
    /// The caller is named, or anyone is: within the account of the role that is enough.
    Direct,
}

impl Caller {
    /// An AWS service, for example `ec2.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it is not the name of a service.
    pub fn service(name: &str) -> Result<Self> {
        Who::service("caller", name).map(Caller)
    }

    /// The root user of an account, or an IAM user, by ARN.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it is neither: the session of a role is made
    /// by [`session`](Caller::session), since its ARN does not show the path of the role.
    pub fn from_arn(arn: &str) -> Result<Self> {
        match Who::from_arn("caller", arn)? {
            who @ (Who::Account { .. } | Who::User { .. } | Who::FederatedUser { .. }) => {
                Ok(Caller(who))
            }
            _ => Err(Error::usage(
                "caller",
                format!("expected the ARN of a user or of an account's root, not `{arn}`"),
            )),
        }
    }

    /// A session of a role, by the ARN of the role and the name of the session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when the first is not the ARN of a role or the
    /// second not the name of a session.
    pub fn session(role_arn: &str, session: &str) -> Result<Self> {
        let Who::Role {
            partition,
            account,
            path,
        } = Who::from_arn("caller", role_arn)?
        else {
            return Err(Error::usage(
                "caller",
                format!("expected the ARN of a role, not `{role_arn}`"),
            ));
        };
        if !arn::is_iam_name(session) {
            return Err(Error::usage(
                "caller",
                format!("expected a session name of 2 to 64 of `[\\w+=,.@-]`, not `{session}`"),
            ));
        }
        Ok(Caller(Who::Session {
            partition,
            account,
            role: path,
            session: session.to_owned(),
        }))
    }

    /// An identity of a web identity or SAML provider: its ARN, or the name of a built-in one such as
    /// `accounts.google.com`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it is neither.
    pub fn federated(provider: &str) -> Result<Self> {
        Who::federated("caller", provider).map(Caller)
    }
}

/// The `Principal` element of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Principals {
    /// `"Principal": "*"`.
    anyone: bool,
    aws: Vec<String>,
    federated: Vec<String>,
    service: Vec<String>,
}

impl Principals {
    pub(super) fn add_anyone(&mut self) {
        self.anyone = true;
    }

    pub(super) fn add_aws(&mut self, field: &str, principal: &str) -> Result<()> {
        Who::from_principal(field, principal)?;
        self.aws.push(principal.to_owned());
        Ok(())
    }

    pub(super) fn add_federated(&mut self, field: &str, provider: &str) -> Result<()> {
        Who::federated(field, provider)?;
        self.federated.push(provider.to_owned());
        Ok(())
    }

    pub(super) fn add_service(&mut self, field: &str, service: &str) -> Result<()> {
        Who::service(field, service)?;
        self.service.push(service.to_owned());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.anyone && self.aws.is_empty() && self.federated.is_empty() && self.service.is_empty()
    }

    pub(super) fn admits_anyone(&self) -> bool {
        self.anyone || self.aws.iter().any(|principal| principal == ANYONE)
    }

    pub(super) fn is_federated(&self) -> bool {
        !self.federated.is_empty()
    }

    pub(super) fn is_only_federated(&self) -> bool {
        self.is_federated() && !self.anyone && self.aws.is_empty() && self.service.is_empty()
    }

    pub(super) fn decode(element: &Element<'_>) -> Result<Self> {
        let mut principals = Principals::default();
        if element.is_text() {
            let text = element.text()?;
            if text != ANYONE {
                return Err(element.refuse(format_args!(
                    "expected an object such as {{\"AWS\": \"{text}\"}}; only `*` stands by itself"
                )));
            }
            principals.anyone = true;
            return Ok(principals);
        }
        for (kind, members) in element.members()? {
            for (member, text) in members.texts()? {
                match kind {
                    "AWS" => principals.add_aws(member.path(), &text)?,
                    "Federated" => principals.add_federated(member.path(), &text)?,
                    "Service" => principals.add_service(member.path(), &text)?,
                    "CanonicalUser" => {
                        return Err(member.refuse(
                            "a canonical user id belongs in an S3 bucket policy: name the account under \
                             `AWS`",
                        ));
                    }
                    _ => {
                        return Err(members.refuse(
                            "no such kind of principal: expected AWS, Federated or Service",
                        ));
                    }
                }
            }
        }
        if principals.is_empty() {
            return Err(element.refuse("expected at least one principal"));
        }
        Ok(principals)
    }

    /// How, if at all, one of the principals admits the caller.
    pub(super) fn admit(&self, Caller(caller): &Caller) -> Option<Admission> {
        if self.anyone {
            return Some(Admission::Direct);
        }
        let aws = self.aws.iter().map(|p| Who::from_principal("AWS", p));
        let federated = self
            .federated
            .iter()
            .map(|p| Who::federated("Federated", p));
        let service = self.service.iter().map(|p| Who::service("Service", p));
        aws.chain(federated)
            .chain(service)
            .filter_map(|named| named.ok()?.admits(caller))
            .max()
    }
}

impl Serialize for Principals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Principals {
            anyone,
            aws,
            federated,
            service,
        } = self;
        if *anyone {
            return serializer.serialize_str(ANYONE);
        }
        let mut map = serializer.serialize_map(None)?;
        for (kind, principals) in [("AWS", aws), ("Federated", federated), ("Service", service)] {
            if !principals.is_empty() {
                map.serialize_entry(kind, &OneOrMany(principals))?;
            }
        }
        map.end()
    }
}

const ANYONE: &str = "*";

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

impl Who {
    /// What may stand under `AWS`.
    fn from_principal(field: &str, text: &str) -> Result<Self> {
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

    fn from_arn(field: &str, text: &str) -> Result<Self> {
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
                Some((role, session)) if arn::is_iam_name(role) && arn::is_iam_name(session) => {
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

    fn federated(field: &str, text: &str) -> Result<Self> {
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

    fn service(field: &str, text: &str) -> Result<Self> {
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
    fn admits(&self, caller: &Who) -> Option<Admission> {
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
        _ if arn.resource.contains(['*', '?']) || account.contains(['*', '?']) => format!(
            "a principal holds no wildcard; name each role, or name the account and add the condition \
             {{\"ArnLike\": {{\"aws:PrincipalArn\": \"arn:{}:{}::{account}:{}\"}}}}",
            arn.partition, arn.service, arn.resource,
        ),
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
