//! DynamoDB: dynoxide, behind a gate that knows the cloud's sessions.
//!
//! Dynoxide speaks DynamoDB's wire protocol, error texts and all, but its router is private, so it
//! listens on a loopback port of its own, one for each account, and this server stands in front.

mod strict;
mod table;
mod table_arn;

pub use table::{KeyType, NewIndex, NewTable};

pub(in crate::local) use table::item;

use super::server::{Respond, Service};
use super::signature::{AuthFault, authenticate};
use crate::local::account::{
    Access, AccessKey, Account, may_access, names_members, needed, request_id,
};
use crate::local::fault::{Answer, Fault, plain};
use crate::local::lock::lock;
use bytes::Bytes;
use dynoxide::Database;
use dynoxide::auth_material::{self, AuthMaterial};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderValue, SERVER, TRANSFER_ENCODING,
};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use strict::{Refusal, refusal};
use table_arn::{ByName, by_name};
use tokio::sync::oneshot;

const JSON: &str = "application/x-amz-json-1.0";

/// What dynoxide's ARNs begin with; answers carry the cloud's own region and account in its place.
const ENGINE_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:";

/// The operations that speak of resources; in any other, such a text would be somebody's data.
const OPERATIONS_WITH_ARNS: [&str; 13] = [
    "CreateTable",
    "DeleteTable",
    "DescribeStream",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetRecords",
    "GetShardIterator",
    "ListStreams",
    "ListTagsOfResource",
    "TagResource",
    "UntagResource",
    "UpdateTable",
    "UpdateTimeToLive",
];

/// The DynamoDB of a [`LocalCloud`](crate::local::LocalCloud); its handle is
/// [`Server<DynamoDb>`](crate::local::Server).
pub struct DynamoDb {
    account: Arc<Account>,
    client: Client<HttpConnector, Full<Bytes>>,
    /// One for each account that was heard of.
    engines: Mutex<HashMap<String, Arc<Engine>>>,
}

/// How a request may be carried out.
enum Authorized {
    AsAsked,
    /// Where there are no tables: its statement is not understood, and the engine says what is wrong
    /// with it.
    OnNothing,
}

/// In place of an account's number, for an engine that never has a table.
const NO_ACCOUNT: &str = "";

/// A database and the loopback port it listens on; ends with its last user.
struct Engine {
    database: Database,
    endpoint: String,
    /// Dropping it shuts the engine down.
    _running: oneshot::Sender<()>,
}

/// A kind of call to DynamoDB: the operation's name, for example `GetItem`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DynamoDbCall(String);

impl From<&str> for DynamoDbCall {
    fn from(operation: &str) -> Self {
        DynamoDbCall(operation.to_owned())
    }
}

/// How many calls of each operation DynamoDB had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamoDbCalls(BTreeMap<String, u64>);

impl DynamoDbCalls {
    /// Calls of one operation, for example `GetItem`.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.0.get(operation).copied().unwrap_or_default()
    }

    /// Each operation that was called, and how often, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl DynamoDb {
    /// Starts with the database of the cloud's own account; must run inside a tokio runtime.
    pub(in crate::local) fn start(account: Arc<Account>) -> io::Result<Self> {
        let own = Arc::new(Engine::start()?);
        Ok(DynamoDb {
            client: Client::builder(TokioExecutor::new()).build_http(),
            engines: Mutex::new(HashMap::from([(account.id.clone(), own)])),
            account,
        })
    }

    /// The database of an account, to be used without credentials and without being counted.
    pub(in crate::local) fn database(&self, account: &str) -> io::Result<Database> {
        self.engine(account).map(|engine| engine.database.clone())
    }

    fn engine(&self, account: &str) -> io::Result<Arc<Engine>> {
        let mut engines = lock(&self.engines);
        if let Some(engine) = engines.get(account) {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Engine::start()?);
        engines.insert(account.to_owned(), Arc::clone(&engine));
        Ok(engine)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        // a health check, or what DynamoDB answers 404 to
        if request.method() != Method::POST {
            return self.forward(&self.account.id, request).await;
        }
        let key = match self.caller(&request) {
            Ok(key) => key,
            Err(refusal) => return *refusal,
        };
        let account = key.identity.account();
        let operation = operation(&request).to_owned();
        let (head, body) = request.into_parts();
        let (body, repeated) = match by_name(body, &self.arn_prefix(account)) {
            Ok(named) => named.into_parts(),
            Err(foreign) => return not_shared(&key, &operation, &foreign.0),
        };
        let account = match self.authorize(&key, &operation, &body) {
            Ok(Authorized::AsAsked) => account,
            Ok(Authorized::OnNothing) => NO_ACCOUNT,
            Err(refusal) => return *refusal,
        };
        match refusal(&operation, &body) {
            Some(Refusal::Invalid(message)) => {
                return error(StatusCode::BAD_REQUEST, "ValidationException", &message);
            }
            Some(Refusal::Canceled(reasons)) => return canceled(reasons),
            None => {}
        }
        let mut answer = self.forward(account, Request::from_parts(head, body)).await;
        if !repeated.is_empty() {
            answer = answer.map(|body| ByName::restore(&repeated, body));
            sum_up(&mut answer);
        }
        answer
    }

    /// Whether the holder of the key may do all that the request asks for.
    fn authorize(
        &self,
        key: &AccessKey,
        operation: &str,
        body: &Bytes,
    ) -> Result<Authorized, Box<Answer>> {
        if key.session_policies.is_none() && self.account.policies_of(&key.identity).is_none() {
            return Ok(Authorized::AsAsked);
        }
        // what cannot be read here, dynoxide must not get to see
        let request = serde_json::from_slice::<Value>(body);
        let Some(request) = request.ok().filter(names_members) else {
            let code = "SerializationException";
            return Err(Box::new(error(
                StatusCode::BAD_REQUEST,
                code,
                usual_message(code),
            )));
        };
        let account = key.identity.account();
        let partition_key =
            |table: &str, index: Option<&str>| self.partition_key(account, table, index);
        let needed = needed(
            operation,
            &request,
            &self.arn_prefix(account),
            &partition_key,
        );
        needed
            .iter()
            .try_for_each(|access| may_access(&self.account, key, access))
            .map_err(|denial| Box::new(access_denied(&denial.message)))?;
        Ok(if needed.iter().all(Access::is_understood) {
            Authorized::AsAsked
        } else {
            Authorized::OnNothing
        })
    }

    /// The name of the partition key of a table, or of one of its indexes.
    fn partition_key(&self, account: &str, table: &str, index: Option<&str>) -> Option<String> {
        let database = self.database(account).ok()?;
        let request = serde_json::from_value(json!({ "TableName": table })).ok()?;
        let description = database.describe_table(request).ok()?;
        let description = serde_json::to_value(description).ok()?;
        let table = description.get("Table")?;
        let of = match index {
            None => table,
            Some(index) => ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"]
                .iter()
                .filter_map(|kind| table.get(*kind)?.as_array())
                .flatten()
                .find(|of| of.get("IndexName").and_then(Value::as_str) == Some(index))?,
        };
        let mut schema = of.get("KeySchema")?.as_array()?.iter();
        let hash = schema.find(|key| key.get("KeyType").is_some_and(|kind| kind == "HASH"))?;
        hash.get("AttributeName")?.as_str().map(str::to_owned)
    }

    /// What the ARNs of an account's resources begin with.
    fn arn_prefix(&self, account: &str) -> String {
        let Account { region, .. } = &*self.account;
        format!(
            "arn:{}:dynamodb:{region}:{account}:",
            self.account.partition()
        )
    }

    fn caller(&self, request: &Request<Bytes>) -> Result<AccessKey, Box<Answer>> {
        let headers = request.headers();
        let material = AuthMaterial {
            authorization: headers
                .get(AUTHORIZATION)
                .and_then(|value| value.to_str().ok()),
            query: request.uri().query().unwrap_or_default(),
            has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(DATE),
        };
        if let Some(body) = auth_material::validate(material) {
            return Err(Box::new(answer(StatusCode::BAD_REQUEST, body.into())));
        }
        authenticate(&self.account, request, "dynamodb").map_err(|fault| {
            let (code, message) = match fault {
                AuthFault::Expired => (
                    "ExpiredTokenException",
                    usual_message("ExpiredTokenException").into(),
                ),
                AuthFault::Signature(message) => ("InvalidSignatureException", message),
                // dynoxide found all parts there; one of them is not well-formed
                AuthFault::Unsigned => (
                    "IncompleteSignatureException",
                    usual_message("IncompleteSignatureException").into(),
                ),
                AuthFault::UnknownKey => (
                    "UnrecognizedClientException",
                    usual_message("UnrecognizedClientException").into(),
                ),
            };
            Box::new(error(StatusCode::BAD_REQUEST, code, &message))
        })
    }

    async fn forward(&self, account: &str, request: Request<Bytes>) -> Answer {
        let operation = operation(&request).to_owned();
        match self.exchange(account, request, &operation).await {
            Ok(answer) => answer,
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                usual_message("InternalServerError"),
            ),
        }
    }

    async fn exchange(
        &self,
        account: &str,
        request: Request<Bytes>,
        operation: &str,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        // held until the answer is in, so that a cloud that ends does not cut it off
        let engine = self.engine(account)?;
        let speaks_of_arns = OPERATIONS_WITH_ARNS.contains(&operation);
        let arn = self.arn_prefix(account);
        let (mut head, mut body) = request.into_parts();
        if speaks_of_arns {
            body = replace(&body, &arn, ENGINE_ARN);
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("{}{path}", engine.endpoint))?;
        for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        let response = self
            .client
            .request(Request::from_parts(head, Full::new(body)))
            .await?;
        let (mut head, body) = response.into_parts();
        let mut body = body.collect().await?.to_bytes();
        if speaks_of_arns {
            body = replace(&body, ENGINE_ARN, &arn);
        }
        for name in ["connection", "x-dynoxide-version", "transfer-encoding"] {
            head.headers.remove(name);
        }
        head.headers.remove(DATE);
        head.headers.remove(CONTENT_LENGTH);
        let mut answer = Answer::from_parts(head, body);
        sum_up(&mut answer);
        Ok(answer)
    }

    fn date(&self, answer: &mut Answer) {
        if let Ok(date) = HeaderValue::from_str(&self.account.http_date()) {
            answer.headers_mut().insert(DATE, date);
        }
    }
}

impl Engine {
    fn start() -> io::Result<Self> {
        let database = Database::memory().map_err(io::Error::other)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (running, ended) = oneshot::channel::<()>();
        let served = database.clone();
        tokio::spawn(async move {
            let end = async move {
                let _ = ended.await;
            };
            // an engine that failed refuses connections, which its callers see as a 500
            let _ = dynoxide::server::serve_with_shutdown(listener, served, end).await;
        });
        Ok(Engine {
            database,
            endpoint,
            _running: running,
        })
    }
}

impl Service for DynamoDb {
    type Call = DynamoDbCall;
    type Calls = DynamoDbCalls;

    fn calls(counts: &BTreeMap<DynamoDbCall, u64>) -> DynamoDbCalls {
        DynamoDbCalls(
            counts
                .iter()
                .map(|(DynamoDbCall(operation), count)| (operation.clone(), *count))
                .collect(),
        )
    }
}

impl Respond for DynamoDb {
    fn classify(&self, request: &Request<Bytes>) -> DynamoDbCall {
        DynamoDbCall(operation(request).to_owned())
    }

    async fn respond(&self, request: Request<Bytes>, _fault: Option<&Fault>) -> Answer {
        let mut answer = self.answer(request).await;
        self.date(&mut answer);
        answer
    }

    fn refuse(&self, status: StatusCode, code: Option<&str>, message: Option<&str>) -> Answer {
        let code = code.unwrap_or(match status.as_u16() {
            400 => "ValidationException",
            403 => "AccessDeniedException",
            429 => "ThrottlingException",
            503 => "ServiceUnavailable",
            _ => "InternalServerError",
        });
        let mut answer = error(status, code, message.unwrap_or_else(|| usual_message(code)));
        self.date(&mut answer);
        answer
    }

    fn throttle(&self) -> Answer {
        self.refuse(StatusCode::BAD_REQUEST, Some("ThrottlingException"), None)
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

/// The operation that `X-Amz-Target` names; empty when there is none.
fn operation(request: &Request<Bytes>) -> &str {
    request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .and_then(|target| target.split_once('.'))
        .map_or("", |(_, operation)| operation)
}

/// Tables of other accounts are out of reach, as none has a resource-based policy.
fn not_shared(key: &AccessKey, operation: &str, table: &str) -> Answer {
    let message = format!(
        "User: {} is not authorized to perform: dynamodb:{operation} on resource: {table} because no resource-based policy allows the dynamodb:{operation} action",
        key.identity.arn()
    );
    access_denied(&message)
}

/// This one error has its message with a capital letter.
fn access_denied(message: &str) -> Answer {
    let body = json!({
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "Message": message,
    });
    answer(StatusCode::BAD_REQUEST, body.to_string().into())
}

/// A transaction that is not carried out, with a reason for each of its items.
fn canceled(reasons: Value) -> Answer {
    let codes = reasons.as_array().into_iter().flatten();
    let codes: Vec<&str> = codes.filter_map(|reason| reason["Code"].as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": message,
        "CancellationReasons": reasons,
    });
    answer(StatusCode::BAD_REQUEST, body.to_string().into())
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let namespace = if GENERIC_CODES.contains(&code) {
        "com.amazon.coral.service"
    } else if code == "ValidationException" {
        "com.amazon.coral.validate"
    } else {
        "com.amazonaws.dynamodb.v20120810"
    };
    let body = json!({ "__type": format!("{namespace}#{code}"), "message": message });
    answer(status, body.to_string().into())
}

/// Codes of the framework that all of AWS's JSON services share; the rest are DynamoDB's own.
const GENERIC_CODES: [&str; 10] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ServiceUnavailable",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
];

fn answer(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = plain(status, JSON, body);
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    sum_up(&mut answer);
    answer
}

/// The headers that depend on the body or on who is speaking.
fn sum_up(answer: &mut Answer) {
    let checksum = crc32fast::hash(answer.body());
    let headers = answer.headers_mut();
    headers.insert("x-amz-crc32", checksum.into());
    headers.insert(SERVER, HeaderValue::from_static("Server"));
    headers
        .entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(JSON));
}

fn replace(body: &Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(from) => text.replace(from, to).into(),
        _ => body.clone(),
    }
}

/// What DynamoDB says with a code, where nothing else was asked for.
fn usual_message(code: &str) -> &'static str {
    match code {
        "AccessDeniedException" => "User is not authorized to perform this operation",
        "ConditionalCheckFailedException" => "The conditional request failed",
        "ExpiredTokenException" => "The security token included in the request is expired",
        "IncompleteSignatureException" => {
            "Request must contain a complete and well-formed signature: credential scope, signed headers, signature and date."
        }
        "InternalServerError" => "Internal server error",
        "InvalidSignatureException" => {
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        }
        "MissingAuthenticationTokenException" => "Request is missing Authentication Token",
        "ProvisionedThroughputExceededException" => {
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
        }
        "RequestLimitExceeded" => {
            "Throughput exceeds the current throughput limit for your account. Please contact AWS Support to request a limit increase."
        }
        "ResourceNotFoundException" => "Requested resource not found",
        "SerializationException" => "The request is not valid JSON.",
        "ServiceUnavailable" => "Service is unavailable. Please try again later.",
        "ThrottlingException" => "Rate of requests exceeds the allowed throughput.",
        "UnrecognizedClientException" => "The security token included in the request is invalid.",
        _ => "The request was refused.",
    }
}
