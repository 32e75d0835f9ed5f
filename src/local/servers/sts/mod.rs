//! The Security Token Service: the query protocol, version 2011-06-15.

mod assume_role;
mod issuer_keys;
mod query;
mod session;
mod tags;
mod web_identity;
mod xml;

use super::server::{Respond, Service};
use super::signature::{AuthFault, authenticate};
use crate::local::account::{
    AccessKey, Account, Assumption, Identity, InstalledRole, NewSession, PolicySet, RoleSession,
    WebIdentity, may_assume, may_federate, request_id, timestamp,
};
use crate::local::fault::{Answer, Fault, plain};
use assume_role::AssumeRoleRequest;
use bytes::Bytes;
use http::header::{DATE, HeaderValue};
use http::{Request, StatusCode};
use issuer_keys::IssuerKeys;
use query::{Parameters, Refusal, usual_message};
use session::SessionRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tags::SessionTags;
use web_identity::WebIdentityRequest;
use xml::Xml;

/// The longest session that a role session may assume: AWS's cap on role chaining.
pub const MAX_CHAINED_SESSION: Duration = Duration::from_secs(60 * 60);

/// What `AssumeRole` grants when it is not told how long; AWS's default.
const DEFAULT_SESSION: Duration = Duration::from_secs(60 * 60);

/// The largest session token, in bytes; what its utilization is a percentage of.
const MAX_TOKEN_BYTES: usize = 4096;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const API_VERSION: &str = "2011-06-15";

/// The Security Token Service of a [`LocalCloud`](crate::local::LocalCloud); its handle is
/// [`Server<Sts>`](crate::local::Server).
#[derive(Debug)]
pub struct Sts {
    account: Arc<Account>,
    keys: IssuerKeys,
}

/// A kind of call to the Security Token Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StsCall {
    /// `AssumeRole`.
    AssumeRole,
    /// `AssumeRoleWithWebIdentity`.
    AssumeRoleWithWebIdentity,
    /// `GetCallerIdentity`.
    CallerIdentity,
    /// Anything else.
    Other,
}

/// How many calls of each kind the Security Token Service had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StsCalls {
    /// `AssumeRole`.
    pub assume_role: u64,
    /// `AssumeRoleWithWebIdentity`.
    pub assume_role_with_web_identity: u64,
    /// `GetCallerIdentity`.
    pub caller_identity: u64,
    /// Anything else.
    pub other: u64,
}

impl StsCalls {
    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        let StsCalls {
            assume_role,
            assume_role_with_web_identity,
            caller_identity,
            other,
        } = *self;
        assume_role + assume_role_with_web_identity + caller_identity + other
    }
}

impl Sts {
    /// `issuer` is where the cloud's own OpenID Connect issuer listens.
    pub(in crate::local) fn new(account: Arc<Account>, issuer: String) -> Self {
        Sts {
            account,
            keys: IssuerKeys::new(issuer),
        }
    }

    async fn answer(&self, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let parameters = Parameters::read(request);
        let call = (parameters.one("Action"), parameters.one("Version"));
        // the one call that nobody signs
        if let (Some("AssumeRoleWithWebIdentity"), Some(API_VERSION)) = call {
            return self.assume_role_with_web_identity(&parameters).await;
        }
        let caller = self.caller(request)?;
        match call {
            (Some("AssumeRole"), Some(API_VERSION)) => self.assume_role(&caller, &parameters),
            (Some("GetCallerIdentity"), Some(API_VERSION)) => Ok(caller_identity(&caller.identity)),
            (None, _) => Err(Refusal::bad_request(
                "MissingAction",
                "Missing Action parameter",
            )),
            (Some(action), version) => Err(Refusal::bad_request(
                "InvalidAction",
                format!(
                    "Could not find operation {action} for version {}",
                    version.unwrap_or("NO_VERSION_SPECIFIED")
                ),
            )),
        }
    }

    fn caller(&self, request: &Request<Bytes>) -> Result<AccessKey, Refusal> {
        authenticate(&self.account, request, "sts").map_err(|fault| {
            let (code, message) = match fault {
                AuthFault::Expired => ("ExpiredToken", usual_message("ExpiredToken").into()),
                AuthFault::Signature(message) => ("SignatureDoesNotMatch", message),
                AuthFault::Unsigned => (
                    "MissingAuthenticationToken",
                    usual_message("MissingAuthenticationToken").into(),
                ),
                AuthFault::UnknownKey => (
                    "InvalidClientTokenId",
                    usual_message("InvalidClientTokenId").into(),
                ),
            };
            Refusal::forbidden(code, message)
        })
    }

    fn assume_role(&self, caller: &AccessKey, parameters: &Parameters) -> Result<Answer, Refusal> {
        let request = AssumeRoleRequest::read(parameters, self.account.partition())?;
        let key = caller;
        let caller = &key.identity;
        let asked = &request.session;
        let denied = |action| Refusal::not_authorized(action, caller, &asked.role_arn);
        let role = self.account.role(&asked.role_arn);
        let role = role.ok_or_else(|| denied("sts:AssumeRole"))?;
        let with_mfa = self.check_mfa(request.mfa.as_ref())?;
        let chained_to = match caller {
            Identity::Role(session) => Some(session),
            Identity::User { .. } => None,
        };
        let inherited = chained_to.and_then(|session| session.source_identity.as_deref());
        let assumption = Assumption {
            caller: key,
            external_id: request.external_id.as_deref(),
            with_mfa,
            session: NewSession {
                name: &asked.session_name,
                tags: request.tags.iter().collect(),
                transitive: request.tags.transitive(),
                source_identity: inherited.or(request.source_identity.as_deref()),
            },
        };
        may_assume(&self.account, &role, &assumption).map_err(denied)?;
        let duration = granted(asked, &role)?;
        if chained_to.is_some() && duration > MAX_CHAINED_SESSION {
            return Err(Refusal::bad_request(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ));
        }
        // once set, a source identity stays for the whole chain
        if let (Some(inherited), Some(asked)) = (inherited, request.source_identity.as_deref())
            && inherited != asked
        {
            return Err(denied("sts:SetSourceIdentity"));
        }
        let policies = self.session_policies(asked)?;
        let (tags, transitive) = request.tags.with_inherited(chained_to)?;
        let session = RoleSession {
            tags,
            transitive,
            source_identity: assumption.session.source_identity.map(str::to_owned),
            ..role.session(&asked.session_name)
        };
        let key = self
            .account
            .issue_session(Identity::Role(session), policies, duration);
        Ok(assumed("AssumeRole", &key, request.packed_size, None))
    }

    async fn assume_role_with_web_identity(
        &self,
        parameters: &Parameters,
    ) -> Result<Answer, Refusal> {
        let request = WebIdentityRequest::read(parameters, self.account.partition())?;
        let asked = &request.session;
        let identity = request.identity(&self.account, &self.keys).await?;
        let tags = SessionTags::from_claims(identity.claims())?;
        let packed_size = asked.packed_size(&tags)?;
        let denied = |action| {
            Refusal::forbidden(
                "AccessDenied",
                format!("Not authorized to perform {action}"),
            )
        };
        let role = self.account.role(&asked.role_arn);
        let role = role.ok_or_else(|| denied("sts:AssumeRoleWithWebIdentity"))?;
        let session = NewSession {
            name: &asked.session_name,
            tags: tags.iter().collect(),
            transitive: tags.transitive(),
            source_identity: identity.source_identity.as_deref(),
        };
        may_federate(&self.account, &role, &identity, &session).map_err(denied)?;
        let duration = granted(asked, &role)?;
        let policies = self.session_policies(asked)?;
        let (tags, transitive) = tags.with_inherited(None)?;
        let session = RoleSession {
            tags,
            transitive,
            source_identity: identity.source_identity.clone(),
            federated_provider: Some(identity.provider_arn.clone()),
            ..role.session(&asked.session_name)
        };
        let key = self
            .account
            .issue_session(Identity::Role(session), policies, duration);
        Ok(assumed(
            "AssumeRoleWithWebIdentity",
            &key,
            packed_size,
            Some(&identity),
        ))
    }

    /// What the session is cut down to, if anything.
    fn session_policies(
        &self,
        request: &SessionRequest,
    ) -> Result<Option<Arc<PolicySet>>, Refusal> {
        if request.policy.is_none() && request.policy_arns.is_empty() {
            return Ok(None);
        }
        let mut policies = PolicySet::empty();
        if let Some(policy) = &request.policy {
            policies.add(policy.clone());
        }
        for arn in &request.policy_arns {
            let Some(policy) = self.account.managed_policy(arn) else {
                return Err(Refusal::bad_request(
                    "ValidationError",
                    format!("Policy {arn} does not exist or is not attachable."),
                ));
            };
            policies.add(policy);
        }
        Ok(Some(Arc::new(policies)))
    }

    /// Whether a valid code was given; a wrong one is refused, none is not.
    fn check_mfa(&self, mfa: Option<&(String, String)>) -> Result<bool, Refusal> {
        let Some((serial, code)) = mfa else {
            return Ok(false);
        };
        if self.account.shows_code(serial, code) {
            return Ok(true);
        }
        Err(Refusal::forbidden(
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
        ))
    }

    fn refusal(&self, refusal: &Refusal) -> Answer {
        let Refusal {
            status,
            code,
            message,
        } = refusal;
        self.error(*status, code, message)
    }

    fn error(&self, status: StatusCode, code: &str, message: &str) -> Answer {
        let at_fault = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let id = request_id();
        let mut xml = Xml::root("ErrorResponse", NAMESPACE);
        xml.element("Error", |error| {
            error.text("Type", at_fault);
            error.text("Code", code);
            error.text("Message", message);
        });
        xml.text("RequestId", &id);
        response(status, xml, &id)
    }
}

impl Service for Sts {
    type Call = StsCall;
    type Calls = StsCalls;

    fn calls(counts: &BTreeMap<StsCall, u64>) -> StsCalls {
        let of = |call| counts.get(&call).copied().unwrap_or_default();
        StsCalls {
            assume_role: of(StsCall::AssumeRole),
            assume_role_with_web_identity: of(StsCall::AssumeRoleWithWebIdentity),
            caller_identity: of(StsCall::CallerIdentity),
            other: of(StsCall::Other),
        }
    }
}

impl Respond for Sts {
    fn classify(&self, request: &Request<Bytes>) -> StsCall {
        match Parameters::read(request).one("Action") {
            Some("AssumeRole") => StsCall::AssumeRole,
            Some("AssumeRoleWithWebIdentity") => StsCall::AssumeRoleWithWebIdentity,
            Some("GetCallerIdentity") => StsCall::CallerIdentity,
            _ => StsCall::Other,
        }
    }

    async fn respond(&self, request: Request<Bytes>, _fault: Option<&Fault>) -> Answer {
        let mut answer = self
            .answer(&request)
            .await
            .unwrap_or_else(|refusal| self.refusal(&refusal));
        self.date(&mut answer);
        answer
    }

    fn refuse(&self, status: StatusCode, code: Option<&str>, message: Option<&str>) -> Answer {
        let code = code.unwrap_or(match status.as_u16() {
            400 => "ValidationError",
            403 => "AccessDenied",
            429 => "Throttling",
            503 => "ServiceUnavailable",
            _ => "InternalFailure",
        });
        let of_account = message_of_account(code, &self.account.id);
        let message = message
            .or(of_account.as_deref())
            .unwrap_or_else(|| usual_message(code));
        let mut answer = self.error(status, code, message);
        self.date(&mut answer);
        answer
    }

    fn throttle(&self) -> Answer {
        self.refuse(StatusCode::BAD_REQUEST, Some("Throttling"), None)
    }
}

impl Sts {
    fn date(&self, answer: &mut Answer) {
        if let Ok(date) = HeaderValue::from_str(&self.account.http_date()) {
            answer.headers_mut().insert(DATE, date);
        }
    }
}

fn caller_identity(identity: &Identity) -> Answer {
    let id = request_id();
    let mut xml = Xml::root("GetCallerIdentityResponse", NAMESPACE);
    xml.element("GetCallerIdentityResult", |result| {
        result.text("Arn", &identity.arn());
        result.text("UserId", &identity.user_id());
        result.text("Account", identity.account());
    });
    xml.element("ResponseMetadata", |metadata| {
        metadata.text("RequestId", &id);
    });
    response(StatusCode::OK, xml, &id)
}

/// How long the session may last.
fn granted(request: &SessionRequest, role: &InstalledRole) -> Result<Duration, Refusal> {
    let duration = request.duration.unwrap_or(DEFAULT_SESSION);
    if duration > role.max_session {
        return Err(Refusal::bad_request(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(duration)
}

fn assumed(
    action: &str,
    key: &AccessKey,
    packed_size: Option<usize>,
    web_identity: Option<&WebIdentity>,
) -> Answer {
    let id = request_id();
    let mut xml = Xml::root(format!("{action}Response"), NAMESPACE);
    xml.element(&format!("{action}Result"), |result| {
        if let Some(identity) = web_identity {
            result.text("SubjectFromWebIdentityToken", &identity.subject);
            result.text("Audience", &identity.audience);
            result.text("Provider", &identity.provider_arn);
        }
        result.element("AssumedRoleUser", |user| {
            user.text("AssumedRoleId", &key.identity.user_id());
            user.text("Arn", &key.identity.arn());
        });
        result.element("Credentials", |credentials| {
            credentials.text("AccessKeyId", &key.id);
            credentials.text("SecretAccessKey", &key.secret);
            credentials.text("SessionToken", key.token.as_deref().unwrap_or_default());
            credentials.text(
                "Expiration",
                &key.expires_at.map(timestamp).unwrap_or_default(),
            );
        });
        if let Identity::Role(RoleSession {
            source_identity: Some(source),
            ..
        }) = &key.identity
        {
            result.text("SourceIdentity", source);
        }
        if let Some(percent) = packed_size {
            result.text("PackedPolicySize", &percent.to_string());
        }
        let size = key.token.as_deref().unwrap_or_default().len();
        let percent = (size * 100).div_ceil(MAX_TOKEN_BYTES);
        result.text("SessionTokenUtilization", &percent.to_string());
        result.text("SessionTokenSize", &size.to_string());
    });
    xml.element("ResponseMetadata", |metadata| {
        metadata.text("RequestId", &id);
    });
    response(StatusCode::OK, xml, &id)
}

fn response(status: StatusCode, xml: Xml, request_id: &str) -> Answer {
    let mut answer = plain(status, "text/xml", xml.finish());
    if let Ok(id) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    answer
}

/// What STS says with a code that speaks of the account.
fn message_of_account(code: &str, account: &str) -> Option<String> {
    code.starts_with("RegionDisabled").then(|| {
        format!(
            "STS is not activated in this region for account:{account}. Your account administrator can activate STS in this region using the IAM Console."
        )
    })
}
