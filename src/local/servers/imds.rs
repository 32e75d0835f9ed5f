//! The instance metadata service, version 2 only.
//!
//! To the letter of the EC2 user guide, "Use the Instance Metadata Service to access instance
//! metadata": a session token first, by PUT, then GETs that carry it.

use super::server::{Respond, Server, Service};
use crate::arn::Partition;
use crate::local::account::{
    AccessKey, Account, Handout, Identity, InstalledRole, NewSession, ServiceCall, random_text,
    service_may_assume, timestamp,
};
use crate::local::fault::{Answer, Fault, plain};
use crate::local::lock::lock;
use bytes::Bytes;
use http::header::{DATE, HeaderValue, SERVER};
use http::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// How long the credentials in a document last unless the cloud is set to less: about what EC2 hands
/// out.
pub const DOCUMENT_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);

/// The longest life of a metadata session token, in seconds; the service's own limit.
const MAX_TOKEN_TTL: u64 = 21_600;

const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";
const EXTENDED: &str = "/latest/meta-data/iam/security-credentials-extended";

/// How long before `now` an expired document ended, when [`Fault::DocumentExpired`] asks for one.
const EXPIRED_SINCE: Duration = Duration::from_secs(60 * 60);

/// The instance metadata service of a [`LocalCloud`](crate::local::LocalCloud); its handle is
/// [`Server<Imds>`](Server).
#[derive(Debug)]
pub struct Imds {
    account: Arc<Account>,
    rotate_after: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: HashMap<String, SystemTime>,
    document: Handout,
    extended: bool,
}

/// A kind of call to the metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ImdsCall {
    /// Credentials of a role.
    Document,
    /// Credentials of a role, on the path that adds the account id.
    ExtendedDocument,
    /// The role that is attached, on the path that adds the account id.
    ExtendedList,
    /// The role that is attached.
    List,
    /// Anything else.
    Other,
    /// A session token.
    Token,
}

/// How many calls of each kind the metadata service had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImdsCalls {
    /// Credentials of a role, on the plain path.
    pub document: u64,
    /// Credentials of a role, on the extended path.
    pub extended_document: u64,
    /// The attached role, on the extended path.
    pub extended_list: u64,
    /// The attached role, on the plain path.
    pub list: u64,
    /// Anything else.
    pub other: u64,
    /// Session tokens.
    pub token: u64,
}

impl ImdsCalls {
    /// Credentials asked for, on either path.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.document + self.extended_document
    }

    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        let ImdsCalls {
            document,
            extended_document,
            extended_list,
            list,
            other,
            token,
        } = *self;
        document + extended_document + extended_list + list + other + token
    }
}

impl Server<Imds> {
    /// Forgets every session token handed out, although their time is not up: what a stop and start
    /// of the instance does, or a restart of the service.
    pub fn revoke_tokens(&self) {
        lock(&self.service.state).tokens.clear();
    }

    /// Whether `/latest/meta-data/iam/security-credentials-extended/` is there, as it is by default;
    /// where it is not, it answers 404.
    pub fn extended_path(&self, present: bool) {
        lock(&self.service.state).extended = present;
    }

    /// Rotates now: the next document asked for is new, with a new key; the old key still holds.
    pub fn rotate(&self) {
        lock(&self.service.state).document.forget();
    }

    /// Makes the next document a new one, if the current one is with this key, or in any case; while
    /// [`Fault::DocumentSame`] is in force it stays.
    pub(in crate::local) fn renew_document(&self, key_id: Option<&str>) {
        lock(&self.service.state).document.renew(key_id);
    }
}

impl Imds {
    pub(in crate::local) fn new(account: Arc<Account>, rotate_after: Option<Duration>) -> Self {
        Imds {
            account,
            rotate_after,
            state: Mutex::new(State {
                tokens: HashMap::new(),
                document: Handout::default(),
                extended: true,
            }),
        }
    }

    fn token(&self, request: &Request<Bytes>) -> Answer {
        if request.method() != Method::PUT {
            return error_page(StatusCode::METHOD_NOT_ALLOWED);
        }
        // a request that came through a proxy must not learn the token
        if request.headers().contains_key("x-forwarded-for") {
            return error_page(StatusCode::FORBIDDEN);
        }
        let ttl = request
            .headers()
            .get(TTL_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok())
            .filter(|ttl| (1..=MAX_TOKEN_TTL).contains(ttl));
        let Some(ttl) = ttl else {
            return error_page(StatusCode::BAD_REQUEST);
        };
        let token = format!("{}==", random_text(54));
        let now = self.account.now();
        let mut state = lock(&self.state);
        state.tokens.retain(|_, end| *end > now);
        state
            .tokens
            .insert(token.clone(), now + Duration::from_secs(ttl));
        let mut answer = text(token);
        answer.headers_mut().insert(TTL_HEADER, ttl.into());
        answer
    }

    fn has_token(&self, request: &Request<Bytes>) -> bool {
        let now = self.account.now();
        request
            .headers()
            .get(TOKEN_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|token| lock(&self.state).tokens.get(token).copied())
            .is_some_and(|end| end > now)
    }

    fn metadata(&self, path: &str, fault: Option<&Fault>) -> Answer {
        let account = &self.account;
        match path.trim_end_matches('/') {
            CREDENTIALS => self.list(),
            EXTENDED if lock(&self.state).extended => self.list(),
            "/latest/meta-data" => text("iam/\ninstance-id\nplacement/\nservices/"),
            "/latest/meta-data/iam/info" => self.profile_info(),
            "/latest/meta-data/instance-id" => text(account.instance_id.clone()),
            "/latest/meta-data/placement/availability-zone" => text(format!("{}a", account.region)),
            "/latest/meta-data/placement/region" => text(account.region.clone()),
            "/latest/meta-data/services" => text("domain\npartition"),
            "/latest/meta-data/services/domain" => text(self.partition().dns_suffix()),
            "/latest/meta-data/services/partition" => text(self.partition().name()),
            "/latest/dynamic/instance-identity/document" => self.instance_identity(),
            other => self
                .document(other, fault)
                .unwrap_or_else(|| error_page(StatusCode::NOT_FOUND)),
        }
    }

    fn list(&self) -> Answer {
        match self.account.attached() {
            Some((_, role)) => text(role.name.clone()),
            None => error_page(StatusCode::NOT_FOUND),
        }
    }

    fn partition(&self) -> Partition {
        Partition::of_region(&self.account.region)
    }

    /// The names by which a role may trust EC2: in China it has two.
    fn principals(&self) -> &'static [&'static str] {
        match self.partition().name() {
            "aws-cn" => &["ec2.amazonaws.com.cn", "ec2.amazonaws.com"],
            _ => &["ec2.amazonaws.com"],
        }
    }

    fn document(&self, path: &str, fault: Option<&Fault>) -> Option<Answer> {
        let extended = path.strip_prefix(EXTENDED);
        if extended.is_some() && !lock(&self.state).extended {
            return None;
        }
        let name = extended
            .or_else(|| path.strip_prefix(CREDENTIALS))?
            .strip_prefix('/')?;
        let (_, role) = self.account.attached()?;
        if role.name != name {
            return None;
        }
        if let Some(Fault::DocumentCode(code)) = fault {
            return Some(self.failure_document(code, &role));
        }
        let instance = format!("instance/{}", self.account.instance_id);
        let admitted = self.principals().iter().any(|service| {
            let call = ServiceCall {
                service,
                source_arn: self.account.arn("ec2", &instance),
                session: NewSession::named(&self.account.instance_id),
            };
            service_may_assume(&self.account, &role, &call)
        });
        if !admitted {
            return Some(self.failure_document("AssumeRoleUnauthorizedAccess", &role));
        }
        let key = match fault {
            Some(Fault::DocumentExpired) => self.account.keys.issue_expired(
                self.session(&role),
                self.account
                    .now()
                    .checked_sub(EXPIRED_SINCE)
                    .unwrap_or(SystemTime::UNIX_EPOCH),
            ),
            fault => self.current(&role, matches!(fault, Some(Fault::DocumentSame))),
        };
        let mut document = Map::new();
        let mut add = |name: &str, value: &str| document.insert(name.to_owned(), value.into());
        add("Code", "Success");
        add("LastUpdated", &timestamp(key.issued_at));
        add("Type", "AWS-HMAC");
        add("AccessKeyId", &key.id);
        add("SecretAccessKey", &key.secret);
        add("Token", key.token.as_deref().unwrap_or_default());
        add(
            "Expiration",
            &key.expires_at.map(timestamp).unwrap_or_default(),
        );
        if extended.is_some() {
            add("AccountId", &role.account);
        }
        if let Some(Fault::DocumentWithout(member)) = fault {
            document.remove(member.as_ref());
        }
        Some(pretty(&Value::Object(document)))
    }

    /// The document's key: the one handed out already, or a new one at the point of rotation.
    fn current(&self, role: &InstalledRole, keep: bool) -> AccessKey {
        let account = &self.account;
        let issue = || {
            let key = account.issue_session(self.session(role), None, DOCUMENT_LIFETIME);
            (key, account.rotation(self.rotate_after, DOCUMENT_LIFETIME))
        };
        let mut state = lock(&self.state);
        state.document.key(&role.arn, account.now(), keep, issue)
    }

    /// The metadata service names sessions after the instance.
    fn session(&self, role: &InstalledRole) -> Identity {
        Identity::Role(role.session(&self.account.instance_id))
    }

    fn failure_document(&self, code: &str, role: &InstalledRole) -> Answer {
        let message = match code {
            "AssumeRoleUnauthorizedAccess" => format!(
                "EC2 cannot assume the role {}. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.",
                role.name
            ),
            other => format!("The metadata service could not get credentials: {other}."),
        };
        pretty(&json!({
            "Code": code,
            "Message": message,
            "LastUpdated": timestamp(self.account.now()),
        }))
    }

    fn profile_info(&self) -> Answer {
        let Some((profile, role)) = self.account.attached() else {
            return error_page(StatusCode::NOT_FOUND);
        };
        pretty(&json!({
            "Code": "Success",
            "LastUpdated": timestamp(self.account.now()),
            "InstanceProfileArn":
                self.account.iam_arn(&role.account, &format!("instance-profile/{}", profile.name)),
            "InstanceProfileId": profile.id,
        }))
    }

    fn instance_identity(&self) -> Answer {
        let Account {
            id,
            region,
            instance_id,
            ..
        } = &*self.account;
        pretty(&json!({
            "accountId": id,
            "architecture": "x86_64",
            "availabilityZone": format!("{region}a"),
            "billingProducts": null,
            "devpayProductCodes": null,
            "imageId": "ami-0abcdef1234567890",
            "instanceId": instance_id,
            "instanceType": "t3.micro",
            "kernelId": null,
            "marketplaceProductCodes": null,
            "pendingTime": timestamp(self.account.now()),
            "privateIp": "127.0.0.1",
            "ramdiskId": null,
            "region": region,
            "version": "2017-09-30",
        }))
    }
}

impl Service for Imds {
    type Call = ImdsCall;
    type Calls = ImdsCalls;

    fn calls(counts: &BTreeMap<ImdsCall, u64>) -> ImdsCalls {
        let of = |call| counts.get(&call).copied().unwrap_or_default();
        ImdsCalls {
            document: of(ImdsCall::Document),
            extended_document: of(ImdsCall::ExtendedDocument),
            extended_list: of(ImdsCall::ExtendedList),
            list: of(ImdsCall::List),
            other: of(ImdsCall::Other),
            token: of(ImdsCall::Token),
        }
    }
}

impl Respond for Imds {
    fn classify(&self, request: &Request<Bytes>) -> ImdsCall {
        let path = request.uri().path().trim_end_matches('/');
        let below = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        match path {
            "/latest/api/token" => ImdsCall::Token,
            CREDENTIALS => ImdsCall::List,
            EXTENDED => ImdsCall::ExtendedList,
            _ if below(CREDENTIALS) => ImdsCall::Document,
            _ if below(EXTENDED) => ImdsCall::ExtendedDocument,
            _ => ImdsCall::Other,
        }
    }

    async fn respond(&self, request: Request<Bytes>, fault: Option<&Fault>) -> Answer {
        let path = request.uri().path();
        let mut answer = if path == "/latest/api/token" {
            self.token(&request)
        } else if !self.has_token(&request) {
            error_page(StatusCode::UNAUTHORIZED)
        } else if request.method() != Method::GET {
            error_page(StatusCode::METHOD_NOT_ALLOWED)
        } else {
            self.metadata(path, fault)
        };
        self.sign_off(&mut answer);
        answer
    }

    fn refuse(&self, status: StatusCode, _code: Option<&str>, _message: Option<&str>) -> Answer {
        let mut answer = error_page(status);
        self.sign_off(&mut answer);
        answer
    }
}

impl Imds {
    /// Headers of every answer: the clock, and who is speaking.
    fn sign_off(&self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("EC2ws"));
        if let Ok(date) = HeaderValue::from_str(&self.account.http_date()) {
            headers.insert(DATE, date);
        }
    }
}

fn text(body: impl Into<Bytes>) -> Answer {
    plain(StatusCode::OK, "text/plain", body)
}

/// The documents are indented JSON, and still `text/plain`.
fn pretty(document: &Value) -> Answer {
    text(format!("{document:#}"))
}

/// The service's own error page.
fn error_page(status: StatusCode) -> Answer {
    let title = format!(
        "{} - {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error")
    );
    let page = format!(
        r#"<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>{title}</title>
 </head>
 <body>
  <h1>{title}</h1>
 </body>
</html>
"#
    );
    plain(status, "text/html", page)
}
