//! An external identity instead of AWS credentials: its token, and the call that brings it to STS.

use super::failure::Call;
use super::rules::Parts;
use crate::arn::RoleArn;
use crate::error::{BoxError, CredentialFault, Error, ErrorKind, Operation, Result};
use crate::source::env::Env;
use crate::source::token::{TokenFault, WebIdentityToken};
use aws_credential_types::Credentials;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// The call behind Option B for an external identity.
pub(super) const ASSUME_ROLE_WITH_WEB_IDENTITY: Operation =
    Operation::new("assume role with web identity");

/// The role to assume, as EKS and others set it for a process.
pub(crate) const ROLE_VARIABLE: &str = "AWS_ROLE_ARN";
/// The file of the token.
pub(crate) const TOKEN_FILE_VARIABLE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The name of the session.
pub(crate) const SESSION_NAME_VARIABLE: &str = "AWS_ROLE_SESSION_NAME";

const NOT_INJECTED: &str = "on EKS: annotate the pod's service account with \
     eks.amazonaws.com/role-arn and start the pod again; elsewhere name role and file in the builder";

type TokenFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// Where the token comes from, each time anew.
#[derive(Clone)]
pub(super) struct WebIdentity {
    /// For errors: how the caller proves who it is.
    name: String,
    origin: TokenOrigin,
}

#[derive(Clone)]
enum TokenOrigin {
    File(PathBuf),
    Function(Arc<dyn Fn() -> TokenFuture + Send + Sync>),
}

impl WebIdentity {
    pub(super) fn file(path: PathBuf) -> Self {
        WebIdentity {
            name: format!("the web identity token in {}", path.display()),
            origin: TokenOrigin::File(path),
        }
    }

    pub(super) fn function<A, F>(ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        WebIdentity {
            name: "a web identity token".to_owned(),
            origin: TokenOrigin::Function(Arc::new(move || Box::pin(ask()))),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, TokenOrigin::File(_))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn token(&self) -> Result<WebIdentityToken> {
        let token = match &self.origin {
            TokenOrigin::File(path) => WebIdentityToken::read(path).await,
            TokenOrigin::Function(ask) => match ask().await {
                Ok(token) => WebIdentityToken::check(token),
                Err(cause) => {
                    return Err(Error::new(
                        ErrorKind::Credential(CredentialFault::Unavailable),
                        ASSUME_ROLE_WITH_WEB_IDENTITY,
                        "there is no web identity token, so STS was not asked",
                    )
                    .via(self.name.clone())
                    .caused_by(cause));
                }
            },
        };
        token.map_err(|fault: TokenFault| {
            fault.into_error(ASSUME_ROLE_WITH_WEB_IDENTITY, self.name.clone())
        })
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebIdentity({})", self.name)
    }
}

/// How a builder was told to prove who the caller is, instead of a base.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Identity(WebIdentity),
    /// The variables that are read in `build`.
    Environment(Env),
}

/// What the environment gave and the builder was not told: its variables are what an error is about.
#[derive(Default)]
pub(super) struct Named {
    role_arn: bool,
    session_name: bool,
}

impl Named {
    /// The error with the name of what was set.
    pub(super) fn as_set(&self, error: Error) -> Error {
        match error.field() {
            Some("role_arn") if self.role_arn => error.naming(ROLE_VARIABLE),
            Some("session_name") if self.session_name => error.naming(SESSION_NAME_VARIABLE),
            _ => error,
        }
    }
}

impl Told {
    /// The identity, with role and session name from the environment where they are wanted and not given.
    pub(super) fn resolve(
        self,
        role_arn: String,
        parts: Parts,
        named: &mut Named,
    ) -> Result<(WebIdentity, String, Parts)> {
        refuse_what_the_call_has_not(&parts)?;
        let env = match self {
            Told::Identity(identity) => return Ok((identity, role_arn, parts)),
            Told::Environment(env) => env,
        };
        let file = env.var(TOKEN_FILE_VARIABLE)?.ok_or_else(|| {
            Error::usage(
                TOKEN_FILE_VARIABLE,
                "expected the path of the token's file in this environment variable, and it is not set",
            )
            .hint(NOT_INJECTED)
        })?;
        let role_arn = if role_arn.is_empty() {
            named.role_arn = true;
            env.var(ROLE_VARIABLE)?.ok_or_else(|| {
                Error::usage(
                    ROLE_VARIABLE,
                    "expected the ARN of the role in this environment variable, and it is not set",
                )
                .hint(NOT_INJECTED)
            })?
        } else {
            role_arn
        };
        let session_name = match parts.session_name {
            Some(name) => Some(name),
            None => {
                named.session_name = true;
                env.var(SESSION_NAME_VARIABLE)?
            }
        };
        let parts = Parts {
            session_name,
            ..parts
        };
        let identity = WebIdentity::file(PathBuf::from(file));
        Ok((identity, role_arn, parts))
    }
}

fn refuse_what_the_call_has_not(parts: &Parts) -> Result<()> {
    let given = [
        ("external_id", parts.external_id.is_some()),
        ("tags", !parts.tags.is_empty()),
        ("transitive_tags", !parts.transitive_tags.is_empty()),
        ("source_identity", parts.source_identity.is_some()),
        ("mfa", parts.mfa.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => Err(Error::usage(
            option,
            "expected nothing here: sts:AssumeRoleWithWebIdentity has no such option",
        )
        .hint("what the token claims stands in its place: conditions of the role's trust policy name it")),
    }
}

/// The call failed: what STS says of the token, with what the token says of itself.
pub(super) fn failed(
    call: &Call<'_>,
    role: &RoleArn,
    error: &SdkError<AssumeRoleWithWebIdentityError, HttpResponse>,
    token: &WebIdentityToken,
) -> Error {
    // Nobody signs this call.
    let nobody = Credentials::new("", "", None, None, "WebIdentity");
    let mapped = call.failed(error, &nobody);
    let claims = token.claims();
    let looks = match &claims {
        Some(claims) => format!("the token says: {claims}"),
        None => "what was sent is no JSON web token".to_owned(),
    };
    let advice = match Verdict::of(&mapped) {
        Verdict::Other => return mapped,
        Verdict::Expired => {
            "whoever issues the token has not renewed it, or this host's clock is off".to_owned()
        }
        Verdict::Audience => "add the token's audience to the client ids of the identity provider in IAM (aws \
             iam add-client-id-to-open-id-connect-provider), or have the token issued for another audience"
            .to_owned(),
        Verdict::Issuer => "the role's account has no identity provider with the token's issuer: aws iam \
             create-open-id-connect-provider --url <iss> --client-id-list <aud>"
            .to_owned(),
        Verdict::Invalid => {
            "the issuer did not sign this token, or STS cannot get the issuer's keys".to_owned()
        }
        Verdict::Claim => {
            "the identity provider rejects the token: a claim is wrong, or the session behind it is over"
                .to_owned()
        }
        Verdict::NotTrusted => {
            let denied = "the role is not there, or its trust policy does not admit this identity";
            let statement = claims
                .as_ref()
                .and_then(|claims| claims.trust_statement(role.partition(), role.account()));
            match statement {
                Some(statement) => format!("{denied}; the statement that would: {statement}"),
                None => denied.to_owned(),
            }
        }
    };
    mapped.hint(format!("{advice}; {looks}"))
}

/// What STS has against a token.
#[derive(Clone, Copy)]
enum Verdict {
    Audience,
    Claim,
    Expired,
    Invalid,
    Issuer,
    NotTrusted,
    Other,
}

impl Verdict {
    fn of(error: &Error) -> Self {
        let code = error.code().unwrap_or_default();
        match code.strip_suffix("Exception").unwrap_or(code) {
            "AccessDenied" => Verdict::NotTrusted,
            "ExpiredToken" => Verdict::Expired,
            "IDPRejectedClaim" => Verdict::Claim,
            // STS has one code for these; its words tell them apart.
            "InvalidIdentityToken" => {
                let line = error.to_string();
                if line.contains("token audience") {
                    Verdict::Audience
                } else if line.contains("No OpenIDConnect provider found") {
                    Verdict::Issuer
                } else {
                    Verdict::Invalid
                }
            }
            _ => Verdict::Other,
        }
    }
}
