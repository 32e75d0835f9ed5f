//! OpenID Connect providers: what an account has to know before one of its roles can trust their tokens.

use crate::arn::{self, Partition};
use crate::error::{Error, Result};

/// An OpenID Connect provider and the audience that its tokens are for.
///
/// An account has to know it ([`create_command`](OidcProvider::create_command)), then a role can trust
/// it ([`TrustPolicyBuilder::web_identity`](super::TrustPolicyBuilder::web_identity)).
///
/// ```
/// use aws_credential_strategies::iam::{OidcProvider, TrustPolicy};
///
/// let github = OidcProvider::github();
/// assert_eq!(
///     github.create_command(),
///     "aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com \
///      --client-id-list sts.amazonaws.com",
/// );
/// let policy = TrustPolicy::builder()
///     .web_identity(&github, "123456789012")
///     .subject("repo:example/app:ref:refs/heads/main")
///     .build()?;
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OidcProvider {
    /// Without `https://`.
    issuer: String,
    audience: String,
}

/// The audience of tokens that are made for STS.
const STS: &str = "sts.amazonaws.com";

impl OidcProvider {
    /// The longest URL that IAM takes (IAM API reference, `CreateOpenIDConnectProvider`).
    pub const URL_MAX: usize = 255;

    /// A provider by its URL, as tokens name it in `iss`, and an audience, as they name it in `aud`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a URL that IAM takes for no provider: it begins
    /// with `https://` and has no query, no fragment and no port.
    pub fn new(url: &str, audience: &str) -> Result<Self> {
        let wrong = |expected: String| Err(Error::usage("url", expected));
        let Some(issuer) = url.strip_prefix("https://") else {
            return wrong(format!(
                "expected the URL that tokens name in iss, beginning with https://, not `{url}`"
            ));
        };
        let host = issuer.split('/').next().unwrap_or_default();
        if host.is_empty() || url.len() > Self::URL_MAX {
            return wrong(format!(
                "expected a host, and no more than {} characters in all, not `{url}`",
                Self::URL_MAX
            ));
        }
        if host.contains(':') || issuer.contains(['?', '#', '*', '$', ' ', '\'', '"']) {
            return wrong(format!(
                "IAM takes no port, query, fragment or wildcard in the URL of a provider, not `{url}`"
            ));
        }
        if audience.is_empty() {
            return Err(Error::usage(
                "audience",
                "expected what tokens name in aud, for example sts.amazonaws.com",
            ));
        }
        Ok(OidcProvider {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// GitHub Actions. Subjects look like `repo:ORG/REPO:ref:refs/heads/BRANCH`, or
    /// `repo:ORG/REPO:environment:NAME`
    /// ([GitHub Docs](https://docs.github.com/en/actions/reference/security/oidc)).
    #[must_use]
    pub fn github() -> Self {
        OidcProvider {
            issuer: GITHUB.to_owned(),
            audience: STS.to_owned(),
        }
    }

    /// The service accounts of an EKS cluster (IRSA), by the URL of its issuer:
    /// `aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer`. Subjects look like
    /// `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// # Errors
    ///
    /// As [`new`](OidcProvider::new).
    pub fn eks(issuer: &str) -> Result<Self> {
        OidcProvider::new(issuer, STS)
    }

    /// The identities of a tenant of Microsoft Entra ID (Azure AD), with tokens of version 1.0: the
    /// tenant's id, and the application's id URI such as `api://AWS`. Subjects are the object ids of
    /// the identities.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when the tenant's id is no UUID, or the audience
    /// is missing.
    pub fn entra(tenant: &str, audience: &str) -> Result<Self> {
        let is_uuid = tenant.len() == 36
            && tenant.char_indices().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == '-',
                _ => c.is_ascii_hexdigit(),
            });
        if !is_uuid {
            return Err(Error::usage(
                "tenant",
                format!("expected the id of a tenant, a UUID, not `{tenant}`"),
            ));
        }
        // with the slash, as tokens have it
        OidcProvider::new(&format!("https://sts.windows.net/{tenant}/"), audience)
    }

    /// What tokens name in `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.issuer)
    }

    /// How condition keys name it: the URL without `https://`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What tokens name in `aud`.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The ARN that it has in an account, 12 digits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when the account is none.
    pub fn arn(&self, partition: Partition, account: &str) -> Result<String> {
        if !arn::is_account(account) {
            return Err(Error::usage(
                "account",
                format!("expected the 12 digits of an account, not `{account}`"),
            ));
        }
        let issuer = &self.issuer;
        Ok(format!(
            "arn:{partition}:iam::{account}:oidc-provider/{issuer}"
        ))
    }

    /// The line for a shell that makes it known to an account. IAM finds the issuer's certificate by
    /// itself; a provider that is there already is refused as `EntityAlreadyExists`.
    #[must_use]
    pub fn create_command(&self) -> String {
        format!(
            "aws iam create-open-id-connect-provider --url {} --client-id-list {}",
            quoted(&self.url()),
            quoted(&self.audience)
        )
    }
}

/// The issuer of GitHub Actions' tokens.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// Issuers whose tokens are of one audience for all their customers, with what a subject of each looks
/// like: a trust policy that does not ask for the subject lets in all of them (IAM User Guide,
/// "Identity-provider controls for shared OIDC providers").
const SHARED: [(&str, &str); 4] = [
    (GITHUB, "repo:ORG/REPO:*"),
    ("gitlab.com", "project_path:GROUP/PROJECT:*"),
    ("app.terraform.io", "organization:ORG:project:PROJECT:*"),
    (
        "agent.buildkite.com",
        "organization:ORG:pipeline:PIPELINE:*",
    ),
];

/// The issuer that a provider's ARN names, if many share it, and what a subject looks like.
pub(super) fn shared(provider: &str) -> Option<(&'static str, &'static str)> {
    let (_, issuer) = provider.split_once(":oidc-provider/")?;
    let known = SHARED.iter().find(|(known, _)| *known == issuer)?;
    Some(*known)
}

/// What GitHub's subjects can begin with, as a repository may tell it, that belongs to one customer
/// (<https://docs.github.com/actions/reference/security/oidc>). An environment, a branch or an event of the same name
/// anybody has, and `job_workflow_ref` names the workflow, which anybody's repository may call where it is public.
const GITHUB_OWNED: [&str; 7] = [
    "repo",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "enterprise",
    "enterprise_id",
];

/// Whether a pattern for subjects of this shared issuer says whose: it begins with what belongs to one customer, and
/// who that is, which stands after the first colon, is written out.
pub(super) fn names_a_customer(issuer: &str, pattern: &str) -> bool {
    pattern.split_once(':').is_some_and(|(kind, rest)| {
        let whose = rest.split(['/', ':']).next().unwrap_or_default();
        let is_owned = issuer != GITHUB || GITHUB_OWNED.contains(&kind);
        is_owned
            && !whose.is_empty()
            && !kind.contains(['*', '?'])
            && !whose.contains(['*', '?', '$'])
    })
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@%+=,".contains(&b);
    if text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
