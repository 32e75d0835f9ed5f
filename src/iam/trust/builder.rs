//! Trust policies, built.

use super::oidc_provider::OidcProvider;
use super::policy::{ASSUME_ROLE, TrustPolicy, TrustStatement, open_to_anyone, open_to_customers};
use crate::arn::{self, Arn, Partition};
use crate::error::{Error, Result};
use crate::iam::principal::Principals;
use crate::iam::statement::{Conditions, Effect, Patterns, Version};
use std::time::Duration;

/// Builds a [`TrustPolicy`] of one statement; [`TrustPolicy::and`] joins several.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct TrustPolicyBuilder {
    partition: Option<Partition>,
    principals: Principals,
    anyone_unconditionally: bool,
    any_subject: bool,
    /// `sts:TagSession`, `sts:SetSourceIdentity`: a caller may only pass what the policy lets it pass.
    passes: Vec<&'static str>,
    conditions: Conditions,
    /// Of the OpenID Connect provider.
    issuer: Option<String>,
    /// The action that an identity provider needs.
    federation: Option<&'static str>,
    /// The first thing that was wrong, told by `build`.
    wrong: Option<Error>,
}

impl TrustPolicy {
    /// Starts a policy of one statement: principals, then conditions that all must hold.
    pub fn builder() -> TrustPolicyBuilder {
        TrustPolicyBuilder::default()
    }
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

    /// The partition in the ARNs that are written for accounts and providers; `aws` by default. Before
    /// them: `Partition::of_region("cn-north-1")`.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Trusts every principal of an account whose own policy allows `sts:AssumeRole` on the role; 12
    /// digits.
    pub fn account(self, id: &str) -> Self {
        let partition = self.partition_or_default();
        self.trust(|principals| {
            if arn::is_account(id) {
                return principals.add_aws("account", &format!("arn:{partition}:iam::{id}:root"));
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
        self = self.condition("StringEquals", &format!("{issuer}:aud"), [audience]);
        self.issuer = Some(issuer);
        self.federate("oidc", provider, ASSUME_ROLE_WITH_WEB_IDENTITY)
    }

    /// Trusts the tokens of an OpenID Connect provider, as an account knows it; 12 digits.
    ///
    /// Restrict it by [`subject`](TrustPolicyBuilder::subject). A provider that many share, as that of
    /// GitHub, has to be: its tokens are of one audience for all of them.
    pub fn web_identity(mut self, provider: &OidcProvider, account: &str) -> Self {
        match provider.arn(self.partition_or_default(), account) {
            Ok(arn) => self.oidc(&arn, provider.audience()),
            Err(wrong) => {
                self.note(wrong);
                self
            }
        }
    }

    /// Trusts the pods of EKS clusters whose service account is associated with the role (EKS Pod
    /// Identity), and lets their sessions be tagged. Restrict it to a namespace or service account by
    /// [`session_tag`](TrustPolicyBuilder::session_tag) `kubernetes-namespace` and
    /// `kubernetes-service-account`.
    pub fn eks_pods(mut self) -> Self {
        self.passes.push(TAG_SESSION);
        self.service("pods.eks.amazonaws.com")
    }

    /// Trusts the sign-ins of a SAML provider, by the ARN of `aws iam create-saml-provider`, made for
    /// AWS.
    pub fn saml(mut self, provider: &str) -> Self {
        let partition = Arn::split(provider).map_or("", |arn| arn.partition);
        match SAML_AUDIENCES.iter().find(|(known, _)| *known == partition) {
            Some((_, audience)) => self = self.condition("StringEquals", "SAML:aud", [*audience]),
            // what is no ARN is told below
            None if partition.is_empty() => {}
            None => self.note(Error::usage(
                "saml",
                format!(
                    "where sign-ins to the partition {partition} are addressed is not known here: write the \
                     document with the condition SAML:aud"
                ),
            )),
        }
        self.federate("saml", provider, ASSUME_ROLE_WITH_SAML)
    }

    /// Restricts [`oidc`](TrustPolicyBuilder::oidc) to subjects of a form, for example
    /// `repo:example/app:ref:refs/heads/main`; may hold `*` and `?`.
    pub fn subject(mut self, pattern: &str) -> Self {
        match self.issuer.clone() {
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

    /// Trusts every subject of the provider, also where many share it.
    pub fn any_subject(mut self) -> Self {
        self.any_subject = true;
        self
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
        if !arn::is_account(id) {
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
            partition: _,
            principals,
            anyone_unconditionally,
            any_subject,
            passes,
            conditions,
            issuer: _,
            federation,
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
        if principals.is_anyone_and_others() {
            return Err(Error::usage(
                "principal",
                "anyone includes the others: name either",
            ));
        }
        if federation.is_some() && !principals.is_only_federated() {
            return Err(federated_alone());
        }
        let mut actions = vec![federation.unwrap_or(ASSUME_ROLE)];
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
        if let (false, Some(issuer)) = (any_subject, statement.open_issuer()) {
            return Err(open_to_customers("subject".to_owned(), issuer));
        }
        Ok(TrustPolicy {
            version: Version::default(),
            id: None,
            statements: vec![statement],
        })
    }

    fn partition_or_default(&self) -> Partition {
        self.partition
            .unwrap_or_else(|| Partition::of_region(AWS_REGION))
    }

    fn federate(mut self, field: &'static str, provider: &str, action: &'static str) -> Self {
        if self.federation.replace(action).is_some() {
            self.note(federated_alone());
        }
        self.trust(|principals| principals.add_federated(field, provider))
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

/// A region of the partition that is meant where none is named.
const AWS_REGION: &str = "us-east-1";

const ASSUME_ROLE_WITH_SAML: &str = "sts:AssumeRoleWithSAML";
const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";
const TAG_SESSION: &str = "sts:TagSession";

/// Where SAML sign-ins to AWS are addressed, by partition (IAM User Guide, "SAML 2.0 federation").
const SAML_AUDIENCES: [(&str, &str); 3] = [
    ("aws", "https://signin.aws.amazon.com/saml"),
    ("aws-cn", "https://signin.amazonaws.cn/saml"),
    ("aws-us-gov", "https://signin.amazonaws-us-gov.com/saml"),
];
/// Shortest and longest external id (STS API reference, `AssumeRole`).
const EXTERNAL_ID_LENGTHS: std::ops::RangeInclusive<usize> = 2..=1224;

fn federated_alone() -> Error {
    Error::usage(
        "principal",
        "an identity provider needs an action and conditions of its own: build a policy for each, then join \
         them by `and`",
    )
}

/// Whether an ARN is of the kind that the setter is for, or of a kind that explains itself.
fn only(arn: &str, kind: &str, field: &'static str) -> Result<()> {
    let other = [":root", ":role/", ":user/", ":federated-user/"]
        .iter()
        .any(|other| *other != kind && arn.contains(other));
    let session = arn.contains(":assumed-role/");
    if arn == "*" || arn::is_account(arn) || other || session {
        return Err(Error::usage(
            field,
            format!("expected the ARN of a {field}, not `{arn}`; `principal` takes the others"),
        ));
    }
    Ok(())
}
