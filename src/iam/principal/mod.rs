//! The `Principal` element: whom a trust policy names, and whether that is the caller.

mod who;

pub use who::Admission;

use super::decode::Element;
use super::statement::OneOrMany;
use crate::arn;
use crate::error::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use who::{ANYONE, Who};

/// Who calls `AssumeRole` or one of its siblings.
///
/// ```
/// use aws_credential_strategies::iam::{Caller, TrustPolicy};
///
/// let policy = TrustPolicy::ec2();
/// let instance = Caller::service("ec2.amazonaws.com")?;
/// assert_eq!(policy.admitting(&instance).count(), 1);
/// let user = Caller::from_arn("arn:aws:iam::123456789012:user/ada")?;
/// assert_eq!(policy.admitting(&user).count(), 0);
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// For [`TrustPolicy::admitting`](super::TrustPolicy::admitting).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller(Who);

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
        if !arn::is_session_name(session) {
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
    /// The EC2 service.
    pub(super) fn ec2() -> Self {
        Principals::of_service("ec2.amazonaws.com".to_owned())
    }

    pub(super) fn of_service(name: String) -> Self {
        Principals {
            service: vec![name],
            ..Principals::default()
        }
    }

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

    /// `"*"` stands by itself, so the others would be lost.
    pub(super) fn is_anyone_and_others(&self) -> bool {
        let others = [&self.aws, &self.federated, &self.service];
        self.anyone && others.iter().any(|principals| !principals.is_empty())
    }

    pub(super) fn is_only_federated(&self) -> bool {
        !self.federated.is_empty() && !self.anyone && self.aws.is_empty() && self.service.is_empty()
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

    pub(super) fn federated(&self) -> &[String] {
        &self.federated
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
