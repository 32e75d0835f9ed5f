//! The Security Token Service: the query protocol, version 2011-06-15.

use super::account::{Account, timestamp};
use super::assume_role::AssumeRoleRequest;
use super::auth::Signed;
use super::authorize::{self, Assumption};
use super::fault::{Answer, Fault, plain};
use super::identity::{AccessKey, Identity, KeyFault, RoleSession, request_id};
use super::server::{Respond, Service, lock};
use super::xml::Xml;
use bytes::Bytes;
use hyper::header::{DATE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest session that a role session may assume: AWS's cap on role chaining.
pub const MAX_CHAINED_SESSION: Duration = Duration::from_secs(60 * 60);

/// What `AssumeRole` grants when it is not told how long; AWS's default.
const DEFAULT_SESSION: Duration = Duration::from_secs(60 * 60);

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const API_VERSION: &str = "2011-06-15";

/// The Security Token Service of a [`LocalCloud`](super::LocalCloud); its handle is
/// [`Server<Sts>`](super::Server).
#[derive(Debug)]
pub struct Sts {
    account: Arc<Account>,
    /// The code that each multi-factor device shows, by serial number.
    pub(super) mfa_codes: Mutex<HashMap<String, String>>,
}

/// A kind of call to the Security Token Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StsCall {
    /// `AssumeRole`.
    AssumeRole,
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
            caller_identity,
            other,
        } = *self;
        assume_role + caller_identity + other
    }
}

/// A call that is not granted: what goes into the XML error.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status: StatusCode::FORBIDDEN,
            code,
            message: message.into(),
        }
    }

    /// AWS does not say which condition failed, nor whether the role is there at all.
    fn not_authorized(action: &str, caller: &Identity, role_arn: &str) -> Self {
        Refusal::forbidden(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {role_arn}",
                caller.arn()
            ),
        )
    }
}

impl Sts {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Sts {
            account,
            mfa_codes: Mutex::default(),
        }
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let caller = self.caller(request)?;
        let parameters = Parameters::read(request);
        match (parameters.one("Action"), parameters.one("Version")) {
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
        let Some(signed) = Signed::read(request) else {
            return Err(Refusal::forbidden(
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ));
        };
        self.account
            .admit(&signed.key_id, signed.token.as_deref())
            .map_err(|fault| match fault {
                KeyFault::Expired => Refusal::forbidden(
                    "ExpiredToken",
                    "The security token included in the request is expired",
                ),
                KeyFault::Unknown => Refusal::forbidden(
                    "InvalidClientTokenId",
                    "The security token included in the request is invalid.",
                ),
            })
    }

    fn assume_role(&self, caller: &AccessKey, parameters: &Parameters) -> Result<Answer, Refusal> {
        let request = AssumeRoleRequest::read(parameters)?;
        let caller = &caller.identity;
        let denied = || Refusal::not_authorized("sts:AssumeRole", caller, &request.role_arn);
        let role = self.account.role(&request.role_arn).ok_or_else(denied)?;
        let with_mfa = self.check_mfa(request.mfa.as_ref())?;
        let assumption = Assumption {
            caller,
            external_id: request.external_id.as_deref(),
            with_mfa,
        };
        if !authorize::may_assume(&role, &assumption) {
            return Err(denied());
        }
        let chained = match caller {
            Identity::Role(session) => Some(session),
            Identity::User { .. } => None,
        };
        let duration = request.duration.unwrap_or(DEFAULT_SESSION);
        if duration > role.max_session {
            return Err(Refusal::bad_request(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        if chained.is_some() && duration > MAX_CHAINED_SESSION {
            return Err(Refusal::bad_request(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ));
        }
        let inherited = chained.and_then(|session| session.source_identity.clone());
        // once set, a source identity stays for the whole chain
        if let (Some(inherited), Some(asked)) = (&inherited, &request.source_identity)
            && inherited != asked
        {
            return Err(Refusal::not_authorized(
                "sts:SetSourceIdentity",
                caller,
                &request.role_arn,
            ));
        }
        let (tags, transitive) = request.session_tags(chained)?;
        let session = RoleSession {
            account: role.account.clone(),
            role_arn: role.arn.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            session_name: request.session_name.clone(),
            tags,
            transitive,
            source_identity: inherited.or_else(|| request.source_identity.clone()),
        };
        let key = self
            .account
            .issue_session(Identity::Role(session), duration);
        Ok(assumed(&key, &request))
    }

    /// Whether a valid code was given; a wrong one is refused, none is not.
    fn check_mfa(&self, mfa: Option<&(String, String)>) -> Result<bool, Refusal> {
        let Some((serial, code)) = mfa else {
            return Ok(false);
        };
        if lock(&self.mfa_codes).get(serial) == Some(code) {
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
            caller_identity: of(StsCall::CallerIdentity),
            other: of(StsCall::Other),
        }
    }
}

impl Respond for Sts {
    fn classify(&self, request: &Request<Bytes>) -> StsCall {
        match Parameters::read(request).one("Action") {
            Some("AssumeRole") => StsCall::AssumeRole,
            Some("GetCallerIdentity") => StsCall::CallerIdentity,
            _ => StsCall::Other,
        }
    }

    async fn respond(&self, request: Request<Bytes>, _fault: Option<&Fault>) -> Answer {
        let mut answer = self
            .answer(&request)
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
        let message = message.unwrap_or_else(|| usual_message(code));
        let mut answer = self.error(status, code, message);
        self.date(&mut answer);
        answer
    }
}

impl Sts {
    fn date(&self, answer: &mut Answer) {
        if let Ok(date) = HeaderValue::from_str(&self.account.http_date()) {
            answer.headers_mut().insert(DATE, date);
        }
    }
}

/// The parameters of a query request, from the body or, with GET, the URL.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(request: &Request<Bytes>) -> Self {
        let encoded = if request.method() == Method::GET {
            request.uri().query().unwrap_or_default().as_bytes()
        } else {
            request.body()
        };
        Parameters(
            form_urlencoded::parse(encoded)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The members of a list, in order: `<name>.member.1<part>`, and so on.
    pub(super) fn members(&self, name: &str, part: &str) -> Vec<&str> {
        (1..)
            .map_while(|n: usize| self.one(&format!("{name}.member.{n}{part}")))
            .collect()
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

fn assumed(key: &AccessKey, request: &AssumeRoleRequest) -> Answer {
    let id = request_id();
    let mut xml = Xml::root("AssumeRoleResponse", NAMESPACE);
    xml.element("AssumeRoleResult", |result| {
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
        if let Some(percent) = request.packed_size {
            result.text("PackedPolicySize", &percent.to_string());
        }
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

/// What STS says with a code, where nothing else was asked for.
fn usual_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access denied",
        "ExpiredToken" => "The security token included in the request is expired",
        "InternalFailure" => {
            "The request processing has failed because of an unknown error, exception or failure."
        }
        "InvalidClientTokenId" => "The security token included in the request is invalid.",
        "MalformedPolicyDocument" => "Syntax errors in policy.",
        "PackedPolicyTooLarge" => {
            "Packed policy consumes 105% of allotted space, please use smaller policy."
        }
        "RegionDisabledException" => {
            "STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console."
        }
        "ServiceUnavailable" => "The request has failed due to a temporary failure of the server.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        }
        "Throttling" | "ThrottlingException" => "Rate exceeded",
        _ => "The request was refused.",
    }
}
