//! A trust policy as a document: written, read, compared.

use super::oidc_provider;
use crate::arn::Partition;
use crate::error::{Error, Result};
use crate::iam::decode::{self, Element};
use crate::iam::permission::{PermissionPolicy, size_of, unique, write_json};
use crate::iam::principal::{Admission, Caller, Principals};
use crate::iam::statement::{Conditions, Effect, Patterns, Statement, Version};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::str::FromStr;

/// A role's trust policy: who may assume it, and under which conditions.
///
/// ```
/// use aws_credential_strategies::iam::TrustPolicy;
///
/// let policy = TrustPolicy::builder()
///     .role("arn:aws:iam::123456789012:role/EC2DynamoDBRole")
///     .external_id("partner-7f3a")
///     .build()?;
/// assert_eq!(policy.to_string(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws:iam::123456789012:role/EC2DynamoDBRole"
///       },
///       "Action": "sts:AssumeRole",
///       "Condition": {
///         "StringEquals": {
///           "sts:ExternalId": "partner-7f3a"
///         }
///       }
///     }
///   ]
/// }"#);
///
/// let wrong = TrustPolicy::builder()
///     .principal("arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0")
///     .build();
/// assert!(wrong.is_err_and(|e| e.to_string().contains("an EC2 instance is not a principal")));
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// `Display` is the pretty JSON that `aws iam create-role --assume-role-policy-document` takes, the
/// same bytes for the same policy. What IAM would refuse is refused here, with what to write instead:
/// above all the ARN of an EC2 instance, which is no principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    pub(super) version: Version,
    pub(super) id: Option<String>,
    pub(super) statements: Vec<TrustStatement>,
}

/// One statement of a [`TrustPolicy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStatement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    pub(super) action: Patterns,
    pub(super) conditions: Conditions,
}

impl TrustPolicy {
    /// Characters of a role's trust policy, unless the account has asked for more: up to 8,192 (IAM and
    /// STS quotas).
    pub const SIZE_MAX: usize = 2_048;

    /// Trusts the EC2 service: what the role of an instance profile needs.
    #[must_use]
    pub fn ec2() -> Self {
        TrustPolicy {
            version: Version::default(),
            id: None,
            statements: vec![TrustStatement {
                sid: None,
                effect: Effect::Allow,
                principals: Principals::ec2(),
                action: Patterns::of([ASSUME_ROLE]),
                conditions: Conditions::default(),
            }],
        }
    }

    /// The same by the name that the service has in a partition: `ec2.amazonaws.com.cn` in China.
    #[must_use]
    pub fn ec2_in(partition: Partition) -> Self {
        let mut policy = TrustPolicy::ec2();
        for statement in &mut policy.statements {
            statement.principals = Principals::of_service(partition.service_principal("ec2"));
        }
        policy
    }

    /// Reads a document as `aws iam get-role` or the console shows it.
    ///
    /// Strings and arrays are taken where IAM takes both, and one statement without an array. Nothing
    /// is dropped: what is not understood is refused by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the element and what to write instead. A
    /// statement that lets anyone in without a condition is refused too, although IAM may take it, and one
    /// that trusts an issuer that many share, as that of GitHub, without asking for the subject:
    /// [`from_json_allowing_anyone`](TrustPolicy::from_json_allowing_anyone).
    pub fn from_json(json: &str) -> Result<Self> {
        let policy = TrustPolicy::from_json_allowing_anyone(json)?;
        for (i, statement) in policy.statements.iter().enumerate() {
            let path = format!("trust policy.Statement[{i}]");
            if statement.is_open() {
                return Err(open_to_anyone(format!("{path}.Principal")));
            }
            if let Some(issuer) = statement.open_issuer() {
                return Err(open_to_customers(format!("{path}.Condition"), issuer));
            }
        }
        Ok(policy)
    }

    /// As [`from_json`](TrustPolicy::from_json), and takes `"Principal": "*"` without a condition: anyone
    /// with an AWS account may then assume the role. And a shared issuer without its subject: anyone
    /// with an account there may.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the element and what to write instead.
    pub fn from_json_allowing_anyone(json: &str) -> Result<Self> {
        let document = decode::document("trust policy", json)?;
        let mut version = Version::V2008;
        let mut id = None;
        let mut statements = None;
        for (name, member) in Element::new("trust policy", &document).members()? {
            match name {
                "Version" => version = Version::decode(&member)?,
                "Id" => id = Some(member.text()?.to_owned()),
                "Statement" => {
                    let elements = member.one_or_many();
                    let decoded = elements.iter().map(TrustStatement::decode);
                    statements = Some(decoded.collect::<Result<Vec<_>>>()?);
                }
                _ => return Err(member.refuse("no such element in a policy")),
            }
        }
        let Some(statements) = statements else {
            return Err(Error::usage(
                "trust policy.Statement",
                "missing from the policy",
            ));
        };
        if statements.is_empty() {
            return Err(Error::usage(
                "trust policy.Statement",
                "expected at least one",
            ));
        }
        Ok(TrustPolicy {
            version,
            id,
            statements,
        })
    }

    /// This policy and another in one document: either may let a caller in.
    #[must_use]
    pub fn and(mut self, other: TrustPolicy) -> Self {
        self.statements.extend(other.statements);
        self
    }

    /// How much of IAM's quota it takes: characters, white space not counted. The quota is
    /// [`SIZE_MAX`](TrustPolicy::SIZE_MAX).
    #[must_use]
    pub fn size(&self) -> usize {
        size_of(&self.to_compact_json())
    }

    /// The policy as one line without spaces.
    #[must_use]
    pub fn to_compact_json(&self) -> String {
        format!("{self:#}")
    }

    /// The statements, in order.
    pub fn statements(&self) -> impl ExactSizeIterator<Item = &TrustStatement> {
        self.statements.iter()
    }

    /// The statements, allowing and denying, whose principal is the caller.
    ///
    /// `:root` and a bare account id admit every principal of the account, the ARN of a role its
    /// sessions, that of a session just that one, `*` everybody, services and federated identities
    /// included. Action and conditions are another matter: [`evaluable_for`](TrustPolicy::evaluable_for).
    pub fn admitting<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = (&'a TrustStatement, Admission)> {
        self.statements
            .iter()
            .filter_map(|statement| Some((statement, statement.admits(caller)?)))
    }

    /// What is left to evaluate once the principal is matched: the statements that speak about this
    /// caller, without principal and with the resource `*`; `None` if there are none.
    ///
    /// Policy engines judge action and conditions of such a document as AWS does, while their idea of
    /// principals differs.
    #[must_use]
    pub fn evaluable_for(&self, caller: &Caller) -> Option<PermissionPolicy> {
        let statements = self
            .admitting(caller)
            .map(|(statement, _)| statement.without_principal());
        PermissionPolicy::evaluable(self.version, statements.collect())
    }

    /// The policy variables in condition values, without `${` and `}`, each once.
    ///
    /// For an evaluator that does not substitute them: it should refuse such a policy, not judge it
    /// wrongly. In a document of version 2008-10-17 they are plain text to AWS, and named all the same.
    #[must_use]
    pub fn condition_variables(&self) -> Vec<&str> {
        unique(
            self.statements
                .iter()
                .flat_map(|s| s.conditions.variables()),
        )
    }
}

impl fmt::Display for TrustPolicy {
    /// Pretty JSON; `{:#}` is one line without spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(self, f)
    }
}

impl FromStr for TrustPolicy {
    type Err = Error;

    fn from_str(json: &str) -> Result<Self> {
        TrustPolicy::from_json(json)
    }
}

impl Serialize for TrustPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TrustPolicy {
            version,
            id,
            statements,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Version", version)?;
        if let Some(id) = id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", statements)?;
        map.end()
    }
}

impl TrustStatement {
    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How, if at all, its principal admits the caller.
    #[must_use]
    pub fn admits(&self, caller: &Caller) -> Option<Admission> {
        self.principals.admit(caller)
    }

    /// The same statement without principal and with the resource `*`, for a policy engine.
    #[must_use]
    pub fn without_principal(&self) -> Statement {
        Statement::new(self.effect, self.action.clone(), Patterns::of(["*"]))
            .with_sid(self.sid.clone().filter(|sid| !sid.is_empty()))
            .with_conditions(self.conditions.clone())
    }

    pub(super) fn is_open(&self) -> bool {
        self.effect == Effect::Allow
            && self.principals.admits_anyone()
            && self.conditions.is_empty()
    }

    /// An issuer whose customers are all let in, with what a subject of it looks like.
    pub(super) fn open_issuer(&self) -> Option<(&'static str, &'static str)> {
        if self.effect != Effect::Allow {
            return None;
        }
        let providers = self.principals.federated().iter();
        providers
            .filter_map(|provider| oidc_provider::shared(provider))
            .find(|(issuer, _)| {
                let key = format!("{issuer}:sub");
                let named = |values: &[String]| {
                    let mut values = values.iter();
                    values.all(|value| oidc_provider::names_a_customer(issuer, value))
                };
                let narrowed = self.conditions.demanding(&key).any(named);
                !narrowed
            })
    }

    fn decode(element: &Element<'_>) -> Result<Self> {
        let mut sid = None;
        let mut effect = None;
        let mut principals = None;
        let mut action = None;
        let mut conditions = Conditions::default();
        for (name, member) in element.members()? {
            match name {
                "Sid" => sid = Some(member.text()?.to_owned()),
                "Effect" => effect = Some(Effect::decode(&member)?),
                "Principal" => principals = Some(Principals::decode(&member)?),
                "NotPrincipal" => {
                    return Err(member.refuse(
                        "a trust policy says whom it trusts: name them in Principal, and exceptions in a \
                         statement that denies",
                    ));
                }
                "Action" | "NotAction" => {
                    Patterns::decode_once(&mut action, name == "NotAction", &member)?;
                }
                "Condition" => conditions = Conditions::decode(&member)?,
                "Resource" | "NotResource" => {
                    return Err(member.refuse(
                        "a trust policy has no resource, IAM refuses it (Has prohibited field Resource): it \
                         stands on the role that it is about",
                    ));
                }
                _ => return Err(member.refuse("no such element in a statement")),
            }
        }
        let missing = |name: &str| {
            Error::usage(
                format!("{}.{name}", element.path()),
                "missing from the statement",
            )
        };
        let statement = TrustStatement {
            sid,
            effect: effect.ok_or_else(|| missing("Effect"))?,
            principals: principals.ok_or_else(|| missing("Principal"))?,
            action: action.ok_or_else(|| missing("Action"))?,
            conditions,
        };
        statement.validate(element.path())?;
        Ok(statement)
    }

    pub(super) fn validate(&self, path: &str) -> Result<()> {
        self.without_principal().validate(path)?;
        for action in self.action.values() {
            if !action.starts_with('*') && !action.to_ascii_lowercase().starts_with("sts:") {
                let element = self.action.element("Action", "NotAction");
                return Err(Error::usage(
                    format!("{path}.{element}"),
                    format!(
                        "a trust policy is about sts actions such as sts:AssumeRole, not `{action}`"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Serialize for TrustStatement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TrustStatement {
            sid,
            effect,
            principals,
            action,
            conditions,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", effect)?;
        map.serialize_entry("Principal", principals)?;
        map.serialize_entry(action.element("Action", "NotAction"), action)?;
        if !conditions.is_empty() {
            map.serialize_entry("Condition", conditions)?;
        }
        map.end()
    }
}

pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";

pub(super) fn open_to_customers(field: String, (issuer, subject): (&str, &str)) -> Error {
    Error::usage(
        field,
        format!(
            "every customer of {issuer} gets tokens of this audience, so the role is open to all of them; ask \
             whose they are: {{\"StringLike\": {{\"{issuer}:sub\": \"{subject}\"}}}} (if it is meant: \
             `any_subject`, `from_json_allowing_anyone`)"
        ),
    )
}

pub(super) fn open_to_anyone(field: String) -> Error {
    Error::usage(
        field,
        "`*` without a condition lets every AWS account assume the role; name the account or role, or add a \
         condition such as aws:PrincipalOrgID (if it is meant: `anyone_unconditionally`, \
         `from_json_allowing_anyone`)",
    )
}
