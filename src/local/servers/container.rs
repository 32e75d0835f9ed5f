//! Where a container gets its credentials: the ECS agent for the role of a task, the EKS Pod Identity
//! agent for the role of a pod.
//!
//! To the letter of the two agents' sources (amazon-ecs-agent `tmds/handlers`, eks-pod-identity-agent
//! `pkg/handlers`). They listen on 169.254.170.2 and 169.254.170.23; here both are on one loopback
//! port, which AWS's SDKs take for a full URI as well.

use super::jwt::{claimed, proven};
use super::oidc::OidcIssuer;
use super::server::{Respond, Server, Service};
use crate::local::account::{
    AccessKey, Account, ClaimFault, Handout, Identity, InstalledRole, NewSession, OidcProvider,
    RoleSession, ServiceCall, WebIdentity, random_text, request_id, service_may_assume, timestamp,
};
use crate::local::fault::{Answer, Fault, plain};
use crate::local::lock::lock;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// How long the credentials of a container last unless the cloud is set to less: about what ECS and
/// EKS hand out.
pub const CONTAINER_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);

/// Whom the token of a pod's service account has to be for.
pub const POD_TOKEN_AUDIENCE: &str = "pods.eks.amazonaws.com";

/// What trust policies call the two services.
const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";
const EKS_PODS: &str = "pods.eks.amazonaws.com";

/// The one cluster that tasks and pods of this cloud run in.
const CLUSTER: &str = "local";

const TASK_PATH: &str = "/v2/credentials";
const POD_PATH: &str = "/v1/credentials";

/// How long before `now` expired credentials ended, when [`Fault::DocumentExpired`] asks for them.
const EXPIRED_SINCE: Duration = Duration::from_secs(60 * 60);

/// The container credential endpoint of a [`LocalCloud`](crate::local::LocalCloud); its handle is
/// [`Server<Container>`](Server).
#[derive(Debug)]
pub struct Container {
    account: Arc<Account>,
    issuer: Arc<Server<OidcIssuer>>,
    rotate_after: Option<Duration>,
    task_id: String,
    task: Mutex<Handout>,
    /// By namespace and name of the service account.
    pods: Mutex<BTreeMap<(String, String), Handout>>,
}

/// A kind of call to the container credential endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContainerCall {
    /// Anything else.
    Other,
    /// Credentials of a pod.
    Pod,
    /// Credentials of a task.
    Task,
}

/// How many calls of each kind the container credential endpoint had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerCalls {
    /// Anything else.
    pub other: u64,
    /// Credentials of a pod.
    pub pod: u64,
    /// Credentials of a task.
    pub task: u64,
}

impl ContainerCalls {
    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        let ContainerCalls { other, pod, task } = *self;
        other + pod + task
    }
}

impl Server<Container> {
    /// What ECS puts into `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`: `/v2/credentials/<id>`. SDKs ask
    /// 169.254.170.2 for it, so that only a client whose base address can be set gets here by it.
    #[must_use]
    pub fn task_path(&self) -> String {
        format!("{TASK_PATH}/{}", self.service.task_id)
    }

    /// The same as a whole URI, for `AWS_CONTAINER_CREDENTIALS_FULL_URI`; SDKs take loopback.
    #[must_use]
    pub fn task_uri(&self) -> String {
        format!("{}{}", self.endpoint(), self.task_path())
    }

    /// What EKS puts into `AWS_CONTAINER_CREDENTIALS_FULL_URI` of a pod. Beside it,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` names a file with a [`pod_token`](Server::pod_token).
    #[must_use]
    pub fn pod_uri(&self) -> String {
        format!("{}{POD_PATH}", self.endpoint())
    }

    /// The token of a pod's service account, as Kubernetes projects it into a file: of the cloud's
    /// [issuer](crate::local::LocalCloud::oidc_issuer), for [`POD_TOKEN_AUDIENCE`], for an hour.
    ///
    /// # Errors
    ///
    /// As [`Server<OidcIssuer>::token`](Server::token).
    pub fn pod_token(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> crate::error::Result<String> {
        self.service.issuer.token(&json!({
            "aud": [POD_TOKEN_AUDIENCE],
            "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
        }))
    }

    /// Rotates now: who asks next gets a new key; the old keys still hold.
    pub fn rotate(&self) {
        lock(&self.service.task).forget();
        lock(&self.service.pods).clear();
    }

    /// Makes the next credentials new ones, where the current ones are with this key, or in any case.
    pub(in crate::local) fn renew(&self, key_id: Option<&str>) {
        lock(&self.service.task).renew(key_id);
        for pod in lock(&self.service.pods).values_mut() {
            pod.renew(key_id);
        }
    }
}

/// Why there are no credentials.
enum Refusal {
    /// What the ECS agent says.
    Task(StatusCode, &'static str, String),
    /// What the Pod Identity agent says.
    Pod(StatusCode, String),
}

impl Refusal {
    fn no_task(code: &'static str, message: &str) -> Self {
        let message = format!("CredentialsV2Request: {message}");
        Refusal::Task(StatusCode::BAD_REQUEST, code, message)
    }

    /// What the agent itself has against a request.
    fn of_agent(message: impl Into<String>) -> Self {
        Refusal::Pod(StatusCode::BAD_REQUEST, message.into())
    }

    /// What the agent hands on of the service behind it.
    fn of_eks(status: StatusCode, code: &str, message: &str) -> Self {
        let text = format!("[{}]: ({code}): {message}, fault: client", request_id());
        Refusal::Pod(status, text)
    }
}

impl Container {
    pub(in crate::local) fn new(
        account: Arc<Account>,
        issuer: Arc<Server<OidcIssuer>>,
        rotate_after: Option<Duration>,
    ) -> Self {
        Container {
            account,
            issuer,
            rotate_after,
            task_id: request_id(),
            task: Mutex::default(),
            pods: Mutex::default(),
        }
    }

    fn of_task(&self, id: &str, fault: Option<&Fault>) -> Result<Value, Refusal> {
        if id.is_empty() {
            let code = "NoIdInRequest";
            return Err(Refusal::no_task(code, "No Credential ID in the request"));
        }
        let unknown = || Refusal::no_task("InvalidIdInRequest", "Credentials not found");
        if id != self.task_id {
            return Err(unknown());
        }
        let role = self.account.container_role().ok_or_else(unknown)?;
        let resource = format!("task/{CLUSTER}/{}", self.task_id.replace('-', ""));
        let call = ServiceCall {
            service: ECS_TASKS,
            source_arn: self.account.arn("ecs", &resource),
            session: NewSession::named(&self.task_id),
        };
        if !service_may_assume(&self.account, &role, &call) {
            return Err(unknown());
        }
        let session = role.session(&self.task_id.replace('-', ""));
        let key = self.hand_out(&mut lock(&self.task), &role, session, fault);
        let mut document = document(&key);
        document.insert("RoleArn".to_owned(), role.arn.clone().into());
        Ok(document.into())
    }

    fn of_pod(&self, request: &Request<Bytes>, fault: Option<&Fault>) -> Result<Value, Refusal> {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        // the agent answers to its address alone, so that no name can be made to lead there
        let host = header(HOST).unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        if host != "127.0.0.1" {
            return Err(Refusal::Pod(
                StatusCode::FORBIDDEN,
                format!(
                    "Access Denied. Called agent through invalid address, please use either [127.0.0.1] address not {host}"
                ),
            ));
        }
        let token = header(AUTHORIZATION).unwrap_or_default();
        let pod = self.pod(token)?;
        let role = self.account.container_role().ok_or_else(|| {
            Refusal::of_eks(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                &format!(
                    "No pod identity association found for service account {} in namespace {}",
                    pod.1, pod.0
                ),
            )
        })?;
        let (namespace, name) = &pod;
        let cluster = self.account.arn("eks", &format!("cluster/{CLUSTER}"));
        // all of them are transitive
        let tags = [
            ("eks-cluster-arn", cluster.as_str()),
            ("eks-cluster-name", CLUSTER),
            ("kubernetes-namespace", namespace),
            ("kubernetes-service-account", name),
        ];
        let keys: Vec<String> = tags.iter().map(|(key, _)| (*key).to_owned()).collect();
        let session_name = format!("eks-{CLUSTER}-{}", random_text(16));
        let call = ServiceCall {
            service: EKS_PODS,
            source_arn: cluster.clone(),
            session: NewSession {
                tags: tags.to_vec(),
                transitive: &keys,
                ..NewSession::named(&session_name)
            },
        };
        if !service_may_assume(&self.account, &role, &call) {
            return Err(Refusal::of_eks(
                StatusCode::BAD_REQUEST,
                "AccessDeniedException",
                "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
            ));
        }
        let session = RoleSession {
            tags: tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            transitive: keys.clone(),
            ..role.session(&session_name)
        };
        let mut pods = lock(&self.pods);
        let handout = pods.entry(pod.clone()).or_default();
        let key = self.hand_out(handout, &role, session, fault);
        let mut document = document(&key);
        document.insert("AccountId".to_owned(), role.account.clone().into());
        Ok(document.into())
    }

    /// Namespace and name of the service account that a token is of.
    fn pod(&self, token: &str) -> Result<(String, String), Refusal> {
        if token.is_empty() {
            return Err(Refusal::of_agent("Service account token cannot be empty"));
        }
        let Some(claims) = claimed(token) else {
            return Err(Refusal::of_agent(
                "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments",
            ));
        };
        let provider = OidcProvider {
            arn: String::new(),
            url: self.issuer.endpoint().to_owned(),
            client_ids: vec![POD_TOKEN_AUDIENCE.to_owned()],
        };
        let now = self.account.now();
        if let Err(fault @ (ClaimFault::Expired { .. } | ClaimFault::NotYetValid)) =
            WebIdentity::from_claims(&provider, claims, now)
        {
            let why = match fault {
                ClaimFault::Expired { .. } => "token is expired",
                _ => "token is not valid yet",
            };
            return Err(Refusal::of_agent(format!(
                "Service account token failed basic claim validations: token has invalid claims: {why}"
            )));
        }
        let invalid = |message: &str| {
            Refusal::of_eks(StatusCode::BAD_REQUEST, "InvalidTokenException", message)
        };
        let keys = self.issuer.service.keys();
        let Some(claims) = keys.and_then(|keys| proven(token, &keys).ok()) else {
            return Err(invalid(
                "The token is not signed by the issuer of the cluster",
            ));
        };
        let identity = WebIdentity::from_claims(&provider, claims, now).map_err(|fault| {
            invalid(&match fault {
                ClaimFault::Audience => {
                    format!("Invalid audience in the token, expected {POD_TOKEN_AUDIENCE}")
                }
                ClaimFault::Missing(claim) => format!("Missing claim in the token: {claim}"),
                _ => "The token is not valid now".to_owned(),
            })
        })?;
        identity
            .subject
            .strip_prefix("system:serviceaccount:")
            .and_then(|account| account.split_once(':'))
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
            .ok_or_else(|| invalid("The token is not of a service account"))
    }

    /// The session handed out already, or this one at the point of rotation.
    fn hand_out(
        &self,
        handout: &mut Handout,
        role: &InstalledRole,
        session: RoleSession,
        fault: Option<&Fault>,
    ) -> AccessKey {
        let account = &self.account;
        let now = account.now();
        if matches!(fault, Some(Fault::DocumentExpired)) {
            let ended = now
                .checked_sub(EXPIRED_SINCE)
                .unwrap_or(SystemTime::UNIX_EPOCH);
            return account.keys.issue_expired(Identity::Role(session), ended);
        }
        let keep = matches!(fault, Some(Fault::DocumentSame));
        handout.key(&role.arn, now, keep, || {
            let key = account.issue_session(Identity::Role(session), None, CONTAINER_LIFETIME);
            (key, account.rotation(self.rotate_after, CONTAINER_LIFETIME))
        })
    }
}

/// The members that both agents answer with.
fn document(key: &AccessKey) -> Map<String, Value> {
    let members = [
        ("AccessKeyId", key.id.clone()),
        ("SecretAccessKey", key.secret.clone()),
        ("Token", key.token.clone().unwrap_or_default()),
        (
            "Expiration",
            key.expires_at.map(timestamp).unwrap_or_default(),
        ),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

impl Service for Container {
    type Call = ContainerCall;
    type Calls = ContainerCalls;

    fn calls(counts: &BTreeMap<ContainerCall, u64>) -> ContainerCalls {
        let of = |call| counts.get(&call).copied().unwrap_or_default();
        ContainerCalls {
            other: of(ContainerCall::Other),
            pod: of(ContainerCall::Pod),
            task: of(ContainerCall::Task),
        }
    }
}

impl Respond for Container {
    fn classify(&self, request: &Request<Bytes>) -> ContainerCall {
        match request.uri().path() {
            POD_PATH => ContainerCall::Pod,
            path if path.starts_with(TASK_PATH) => ContainerCall::Task,
            _ => ContainerCall::Other,
        }
    }

    async fn respond(&self, request: Request<Bytes>, fault: Option<&Fault>) -> Answer {
        let path = request.uri().path();
        let answer = if path == POD_PATH {
            self.of_pod(&request, fault)
        } else if let Some(id) = path.strip_prefix(TASK_PATH) {
            match fault {
                Some(Fault::DocumentCode(code)) => {
                    return self.refuse(StatusCode::BAD_REQUEST, Some(code), None);
                }
                _ => self.of_task(id.trim_start_matches('/'), fault),
            }
        } else {
            return plain(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n");
        };
        match answer {
            Ok(mut document) => {
                if let (Some(Fault::DocumentWithout(member)), Some(members)) =
                    (fault, document.as_object_mut())
                {
                    members.remove(member.as_ref());
                }
                plain(StatusCode::OK, "application/json", document.to_string())
            }
            Err(Refusal::Task(status, code, message)) => {
                self.refuse(status, Some(code), Some(&message))
            }
            Err(Refusal::Pod(status, message)) => {
                plain(status, "text/plain; charset=utf-8", format!("{message}\n"))
            }
        }
    }

    fn refuse(&self, status: StatusCode, code: Option<&str>, message: Option<&str>) -> Answer {
        let code = code.unwrap_or(match status.as_u16() {
            400 => "InvalidIdInRequest",
            503 => "CredentialsUninitialized",
            _ => "InternalServerError",
        });
        let body = json!({
            "code": code,
            "message": message.unwrap_or(match code {
                "CredentialsUninitialized" => {
                    "CredentialsV2Request: Credentials uninitialized for ID"
                }
                "InvalidIdInRequest" => "CredentialsV2Request: Credentials not found",
                _ => "Internal server error",
            }),
            "HTTPErrorCode": status.as_u16(),
        });
        plain(status, "application/json", body.to_string())
    }
}
