//! Trust policies: who may assume a role.

use super::decode::{self, Element};
use super::permission::{PermissionPolicy, unique, write_json};
use super::principal::{Admission, Caller, Principals};
use super::statement::{Conditions, Effect, Patterns, Statement, Version};
use crate::error::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A role's trust policy: who may assume it, and under which conditions.
///
/// `Display` is the pretty JSON that `aws iam create-role --assume-role-policy-document` takes, the
/// same bytes for the same policy. What IAM would refuse is refused here, with what to write instead:
/// above all the ARN of an EC2 instance, which is no principal.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    version: Version,
    id: Option<String>,
    statements: Vec<TrustStatement>,
}

/// One statement of a [`TrustPolicy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStatement {
    sid: Option<String>,
    effect: Effect,
    principals: Principals,
    action: Patterns,
    conditions: Conditions,
}

impl TrustPolicy {
    /// Trusts the EC2 service: what the role of an instance profile needs.
    #[must_use]
    pub fn ec2() -> Self {
        let mut principals = Principals::default();
        // a constant that the check takes; a test builds the same by the checked way
        let _ = principals.add_service("service", EC2);
        TrustPolicy {
            version: Version::default(),
            id: None,
            statements: vec![TrustStatement {
                sid: None,
                effect: Effect::Allow,
                principals,
                action: Patterns::of([ASSUME_ROLE]),
                conditions: Conditions::default(),
            }],
        }
    }

    /// Starts a policy of one statement: principals, then conditions that all must hold.
    pub fn builder() -> TrustPolicyBuilder {
        TrustPolicyBuilder::default()
    }

    /// Reads a document as `aws iam get-role` or the console shows it.
    ///
    /// Strings and arrays are taken where IAM takes both, and one statement without an array. Nothing
    /// is dropped: what is not understood is refused by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the element and what to write instead. A
    /// statement that lets anyone in without a condition is refused too, although IAM takes it:
    /// [`from_json_allowing_anyone`](TrustPolicy::from_json_allowing_anyone).
    pub fn from_json(json: &str) -> Result<Self> {
        let policy = TrustPolicy::from_json_allowing_anyone(json)?;
        for (i, statement) in policy.statements.iter().enumerate() {
            if statement.is_open() {
                return Err(open_to_anyone(format!(
                    "trust policy.Statement[{i}].Principal"
                )));
            }
        }
        Ok(policy)
    }

    /// As [`from_json`](TrustPolicy::from_json), and takes `"Principal": "*"` without a condition: anyone
    /// with an AWS account may then assume the role.
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
    /// Action and conditions are another matter: [`evaluable_for`](TrustPolicy::evaluable_for).
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
            .with_sid(self.sid.clone())
            .with_conditions(self.conditions.clone())
    }

    fn is_open(&self) -> bool {
        self.effect == Effect::Allow
            && self.principals.admits_anyone()
            && self.conditions.is_empty()
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

    fn validate(&self, path: &str) -> Result<()> {
        self.without_principal().validate(path)?;
        for action in self.action.values() {
            if action != "*" && !action.to_ascii_lowercase().starts_with("sts:") {
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

/// Builds a [`TrustPolicy`] of one statement; [`TrustPolicy::and`] joins several.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct TrustPolicyBuilder {
    principals: Principals,
    anyone_unconditionally: bool,
    /// `sts:TagSession`, `sts:SetSourceIdentity`: a caller may only pass what the policy lets it pass.
    passes: Vec<&'static str>,
    conditions: Conditions,
    audience_key: Option<String>,
    /// The first thing that was wrong, told by `build`.
    wrong: Option<Error>,
}

impl TrustPolicyBuilder {
    /// Trusts an AWS service, for example `lambda.amazonaws.com`.
    ///
    /// Where the service acts for many customers, restrict it by
    /// [`source_account`](TrustPolicyBuilder::source_account) or
    /// [`source_arn`](TrustPolicyBuilder::source_arn).
    pub fn service(self, name: &str) -> Self {
        self.trust(|principals| principals.add_service("service", name))
    }

    /// Trusts every principal of an account whose own policy allows `sts:AssumeRole` on the role; 12
    /// digits. Outside the partition `aws`, give the ARN of the account's root to
    /// [`principal`](TrustPolicyBuilder::principal).
    pub fn account(self, id: &str) -> Self {
        self.trust(|principals| {
            if super::arn::is_account(id) {
                return principals.add_aws("account", &format!("arn:aws:iam::{id}:root"));
            }
            Err(Error::usage(
                "account",
                format!("expected the 12 digits of an account, not `{id}`"),
            ))
        })
    }

    /// Trusts the sessions of a role, by its ARN.
    pub fn role(self, arn: &str) -> Self {
        self.trust(|principals| {
            only(arn, ":role/", "role").and_then(|()| principals.add_aws("role", arn))
        })
    }

    /// Trusts an IAM user, by its ARN.
    pub fn user(self, arn: &str) -> Self {
        self.trust(|principals| {
            only(arn, ":user/", "user").and_then(|()| principals.add_aws("user", arn))
        })
    }

    /// Trusts whatever may stand under `AWS`: an account, its root, a role, a user, one session of a role.
    pub fn principal(self, principal: &str) -> Self {
        self.trust(|principals| principals.add_aws("principal", principal))
    }

    /// Trusts the tokens that an OpenID Connect provider issues for an audience.
    ///
    /// The provider is the ARN of `aws iam create-open-id-connect-provider`, or a built-in one such as
    /// `accounts.google.com`. Restrict it further by
    /// [`subject`](TrustPolicyBuilder::subject): a provider that many share, as that of GitHub, issues
    /// tokens of one audience for all of them.
    pub fn oidc(mut self, provider: &str, audience: &str) -> Self {
        let issuer = provider
            .split_once(":oidc-provider/")
            .map_or(provider, |(_, issuer)| issuer)
            .to_owned();
        self.conditions.add(
            "StringEquals".to_owned(),
            format!("{issuer}:aud"),
            [audience],
        );
        self.audience_key = Some(issuer);
        self.trust(|principals| principals.add_federated("oidc", provider))
    }

    /// Restricts [`oidc`](TrustPolicyBuilder::oidc) to subjects of a form, for example
    /// `repo:example/app:ref:refs/heads/main`; may hold `*` and `?`.
    pub fn subject(mut self, pattern: &str) -> Self {
        match self.audience_key.clone() {
            Some(issuer) => self.condition("StringLike", &format!("{issuer}:sub"), [pattern]),
            None => {
                self.note(Error::usage(
                    "subject",
                    "expected `oidc` before it, which names the provider",
                ));
                self
            }
        }
    }

    /// Trusts anyone who meets the conditions; there must be at least one.
    pub fn anyone(self) -> Self {
        self.trust(|principals| {
            principals.add_anyone();
            Ok(())
        })
    }

    /// Trusts anyone at all, without a condition.
    pub fn anyone_unconditionally(mut self) -> Self {
        self.anyone_unconditionally = true;
        self.anyone()
    }

    /// Asks for an external id, which keeps a third party that serves many customers from being talked
    /// into using this role for another of them; 2 to 1,224 of `[\w+=,.@:/-]`.
    pub fn external_id(mut self, id: &str) -> Self {
        let valid = EXTERNAL_ID_LENGTHS.contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
        if !valid {
            self.note(Error::usage(
                "external_id",
                "expected 2 to 1224 letters, digits and `_+=,.@:/-`",
            ));
        }
        self.condition("StringEquals", "sts:ExternalId", [id])
    }

    /// Restricts a service to acting for resources of an account; 12 digits.
    pub fn source_account(mut self, id: &str) -> Self {
        if !super::arn::is_account(id) {
            self.note(Error::usage(
                "source_account",
                format!("expected the 12 digits of an account, not `{id}`"),
            ));
        }
        self.condition("StringEquals", "aws:SourceAccount", [id])
    }

    /// Restricts a service to acting for a resource, by its ARN; may hold `*` and `?`.
    pub fn source_arn(mut self, arn: &str) -> Self {
        if !arn.starts_with("arn:") {
            self.note(Error::usage(
                "source_arn",
                format!("expected an ARN, not `{arn}`"),
            ));
        }
        self.condition("ArnLike", "aws:SourceArn", [arn])
    }

    /// Asks for multi-factor authentication.
    pub fn mfa(self) -> Self {
        self.condition("Bool", "aws:MultiFactorAuthPresent", ["true"])
    }

    /// Asks for multi-factor authentication at most this long ago; whole seconds.
    pub fn mfa_within(self, age: Duration) -> Self {
        let seconds = age.as_secs().to_string();
        self.mfa()
            .condition("NumericLessThan", "aws:MultiFactorAuthAge", [seconds])
    }

    /// Asks for one of these source identities, and lets the caller set it.
    pub fn source_identity<V>(mut self, names: V) -> Self
    where
        V: IntoIterator<Item: Into<String>>,
    {
        self.passes.push(SET_SOURCE_IDENTITY);
        self.condition("StringEquals", "sts:SourceIdentity", names)
    }

    /// Asks for a session tag with one of these values, and lets the caller pass session tags.
    pub fn session_tag<V>(mut self, key: &str, values: V) -> Self
    where
        V: IntoIterator<Item: Into<String>>,
    {
        self.passes.push(TAG_SESSION);
        self.condition("StringEquals", &format!("aws:RequestTag/{key}"), values)
    }

    /// Any other condition, for example `("StringEquals", "aws:PrincipalOrgID", ["o-a1b2c3d4e5"])`.
    pub fn condition<V>(mut self, operator: &str, key: &str, values: V) -> Self
    where
        V: IntoIterator<Item: Into<String>>,
    {
        self.conditions
            .add(operator.to_owned(), key.to_owned(), values);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming what was given and what to write instead.
    pub fn build(self) -> Result<TrustPolicy> {
        let TrustPolicyBuilder {
            principals,
            anyone_unconditionally,
            passes,
            conditions,
            audience_key: _,
            wrong,
        } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if principals.is_empty() {
            return Err(Error::usage(
                "principal",
                "expected at least one: whom does the role trust?",
            ));
        }
        if principals.is_federated() && !principals.is_only_federated() {
            return Err(Error::usage(
                "oidc",
                "an identity provider needs an action of its own: build it alone, then join the two \
                 policies by `and`",
            ));
        }
        let assume = if principals.is_federated() {
            ASSUME_ROLE_WITH_WEB_IDENTITY
        } else {
            ASSUME_ROLE
        };
        let mut actions = vec![assume];
        for action in [SET_SOURCE_IDENTITY, TAG_SESSION] {
            if passes.contains(&action) {
                actions.push(action);
            }
        }
        let statement = TrustStatement {
            sid: None,
            effect: Effect::Allow,
            principals,
            action: Patterns::of(actions),
            conditions,
        };
        statement.validate("trust policy")?;
        if statement.is_open() && !anyone_unconditionally {
            return Err(open_to_anyone("principal".to_owned()));
        }
        Ok(TrustPolicy {
            version: Version::default(),
            id: None,
            statements: vec![statement],
        })
    }

    fn trust(mut self, add: impl FnOnce(&mut Principals) -> Result<()>) -> Self {
        if let Err(wrong) = add(&mut self.principals) {
            self.note(wrong);
        }
        self
    }

    fn note(&mut self, wrong: Error) {
        self.wrong.get_or_insert(wrong);
    }
}

const EC2: &str = "ec2.amazonaws.com";
const ASSUME_ROLE: &str = "sts:AssumeRole";
const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";
const TAG_SESSION: &str = "sts:TagSession";

/// Shortest and longest external id (STS API reference, `AssumeRole`).
const EXTERNAL_ID_LENGTHS: std::ops::RangeInclusive<usize> = 2..=1224;

fn open_to_anyone(field: String) -> Error {
    Error::usage(
        field,
        "`*` without a condition lets every AWS account assume the role; name the account or role, or add a \
         condition such as aws:PrincipalOrgID (if it is meant: `anyone_unconditionally`, \
         `from_json_allowing_anyone`)",
    )
}

/// Whether an ARN is of the kind that the setter is for, or of a kind that explains itself.
fn only(arn: &str, kind: &str, field: &'static str) -> Result<()> {
    let other = [":root", ":role/", ":user/", ":federated-user/"]
        .iter()
        .any(|other| *other != kind && arn.contains(other));
    let session = arn.contains(":assumed-role/");
    if arn == "*" || super::arn::is_account(arn) || other || session {
        return Err(Error::usage(
            field,
            format!("expected the ARN of a {field}, not `{arn}`; `principal` takes the others"),
        ));
    }
    Ok(())
}
