//! Promise: a thousand rejections in a row cost a bounded number of fetches and of requests, in whatever form
//! the service puts them and whatever the body of the request is.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::refresh::MAX_ATTEMPTS_IN_PERIOD;
use aws_credential_strategies::sdk::{self, Recovery};
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{
    Intercept, SharedInterceptor, dyn_dispatch_hint,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use recovery_support::{Answer, Issuer, Recorded, UNKNOWN};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{pass, seconds};

const REQUESTS: usize = 100;
/// More than there may be attempts in ten minutes.
const MANY: usize = 3 * MAX_ATTEMPTS_IN_PERIOD;

/// How a rejection comes, and in answer to what.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// As DynamoDB and SQS spell it.
    Json,
    /// The code in a header alone, as an answer to `HEAD` has it.
    Header,
    /// As S3 does.
    S3Xml,
    /// As STS, and SQS of old.
    QueryXml,
    Cbor,
    /// JSON, to a request whose body is a stream and can be sent once.
    Stream,
    /// XML, to a request that bears its signature in the query.
    Presigned,
}

use Form::{Cbor, Header, Json, Presigned, QueryXml, S3Xml, Stream};

const FORMS: [Form; 7] = [Json, Header, S3Xml, QueryXml, Cbor, Stream, Presigned];

impl Form {
    fn rejection(self) -> Answer {
        match self {
            Json | Stream => Answer::error(UNKNOWN),
            Header => Answer::new(403, "").header("x-amzn-errortype", "InvalidClientTokenId"),
            S3Xml | Presigned => Answer::new(
                403,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidAccessKeyId</Code><Message>no</Message><AWSAccessKeyId>KEY</AWSAccessKeyId><RequestId>1</RequestId></Error>",
            ),
            QueryXml => Answer::new(
                403,
                "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>",
            ),
            Cbor => {
                // {"__type": "com.amazonaws.sqs#ExpiredTokenException"}
                let code = b"com.amazonaws.sqs#ExpiredTokenException";
                let length = u8::try_from(code.len()).unwrap();
                let body = [b"\xa1\x66__type\x78".as_slice(), &[length], code].concat();
                Answer::new(400, body).header("smithy-protocol", "rpc-v2-cbor")
            }
        }
    }

    /// Whether the request can be sent a second time.
    fn can_be_repeated(self) -> bool {
        !matches!(self, Stream)
    }

    fn client(self, service: &Recorded, cache: &CredentialCache<Issuer>) -> aws_sdk_sqs::Client {
        self.client_with(Recovery::new(cache.clone()), service, cache)
    }

    fn client_with(
        self,
        recovery: Recovery,
        service: &Recorded,
        cache: &CredentialCache<Issuer>,
    ) -> aws_sdk_sqs::Client {
        let settings = sdk::config(&service.settings(), cache.clone());
        let mut builder = aws_sdk_sqs::config::Builder::from(&settings);
        // Before recovery looks at the request.
        match self {
            Stream => builder.push_interceptor(SharedInterceptor::permanent(WithStream)),
            Presigned => builder.push_interceptor(SharedInterceptor::permanent(SignedInQuery)),
            _ => &mut builder,
        };
        let builder = builder
            .interceptor(recovery.clone())
            .retry_classifier(recovery);
        aws_sdk_sqs::Client::from_conf(builder.build())
    }
}

/// Puts a stream in place of the body.
#[derive(Debug)]
struct WithStream;

#[dyn_dispatch_hint]
impl Intercept for WithStream {
    fn name(&self) -> &'static str {
        "WithStream"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let once = Full::from("{}").map_err(|never| match never {});
        *context.request_mut().body_mut() =
            SdkBody::from_body_1_x(BoxBody::<_, BoxError>::new(once));
        Ok(())
    }
}

/// Moves the signature from the header into the query.
#[derive(Debug)]
struct SignedInQuery;

#[dyn_dispatch_hint]
impl Intercept for SignedInQuery {
    fn name(&self) -> &'static str {
        "SignedInQuery"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let header = request.headers_mut().remove("authorization");
        let header = header.ok_or("it is signed")?;
        let (_, credential) = header.split_once("Credential=").ok_or("by a key")?;
        let (credential, _) = credential.split_once(',').ok_or("and what is signed")?;
        let credential = credential.replace('/', "%2F");
        let uri = format!(
            "{}?X-Amz-Credential={credential}&X-Amz-Expires=900",
            request.uri()
        );
        request.set_uri(uri)?;
        Ok(())
    }
}

async fn list(client: &aws_sdk_sqs::Client) -> bool {
    client.list_queues().send().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn of_a_service_that_refuses_every_key() {
    for form in FORMS {
        let issuer = Issuer::new();
        let cache = issuer.cache(RefreshPolicy::default());
        cache.credentials().await.unwrap();
        pass(seconds(2)).await;
        let service = Recorded::answering(move |_| form.rejection());
        let client = form.client(&service, &cache);
        for _ in 0..REQUESTS {
            assert!(!list(&client).await, "{form:?}");
        }
        // The first was repeated with the key that replaced the first; nothing was from then on.
        let repeats = usize::from(form.can_be_repeated());
        assert_eq!(service.keys().len(), REQUESTS + repeats, "{form:?}");
        assert_eq!(issuer.fetches(), 2, "{form:?}");
        assert_eq!(cache.status().waits, 2, "{form:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_in_all_forms_in_turn() {
    const ROUNDS: usize = 143;
    let issuer = Issuer::new();
    let cache = issuer.cache(RefreshPolicy::default());
    cache.credentials().await.unwrap();
    pass(seconds(2)).await;
    let recovery = Recovery::new(cache.clone());
    let turn = Arc::new(AtomicU64::new(0));
    let at_turn = Arc::clone(&turn);
    let service = Recorded::answering(move |_| {
        let form = usize::try_from(at_turn.load(Ordering::SeqCst)).unwrap();
        FORMS[form].rejection()
    });
    let clients = FORMS.map(|form| form.client_with(recovery.clone(), &service, &cache));
    for _ in 0..ROUNDS {
        for (form, client) in (0..).zip(&clients) {
            turn.store(form, Ordering::SeqCst);
            assert!(!list(client).await);
        }
    }
    assert_eq!(service.keys().len(), ROUNDS * FORMS.len() + 1, "one repeat");
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(cache.status().rejections_in_a_row, 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_service_that_accepts_each_key_once_and_refuses_it_then() {
    for form in FORMS {
        let issuer = Issuer::new();
        let cache = issuer.cache(RefreshPolicy::default());
        cache.credentials().await.unwrap();
        pass(seconds(2)).await;
        let accepted = Arc::new(AtomicU64::new(0));
        let service = Recorded::answering(move |seen| {
            let key: u64 = seen.key.trim_start_matches("KEY-").parse().unwrap();
            if accepted.fetch_max(key, Ordering::SeqCst) < key {
                Answer::ok()
            } else {
                form.rejection()
            }
        });
        let client = form.client(&service, &cache);
        let mut succeeded = 0;
        for _ in 0..MANY {
            succeeded += usize::from(list(&client).await);
        }
        let fetches = usize::try_from(issuer.fetches()).unwrap();
        assert!(fetches <= MAX_ATTEMPTS_IN_PERIOD, "{form:?}: {fetches}");
        assert_eq!(succeeded, fetches, "{form:?}: each key served once");
        let sent = service.keys().len();
        assert!(sent <= MANY + fetches, "{form:?}: {sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_one_key_that_is_dead_each_request_is_answered() {
    for form in FORMS {
        let issuer = Issuer::new();
        let cache = issuer.cache(RefreshPolicy::default());
        cache.credentials().await.unwrap();
        pass(seconds(2)).await;
        let service = Recorded::answering(move |seen| match seen.key.as_str() {
            "KEY-1" => form.rejection(),
            _ => Answer::ok(),
        });
        let client = form.client(&service, &cache);
        let first = list(&client).await;
        assert_eq!(first, form.can_be_repeated(), "{form:?}");
        for _ in 0..10 {
            assert!(list(&client).await, "{form:?}");
        }
        let keys = service.keys();
        let old = keys.iter().filter(|key| *key == "KEY-1").count();
        assert_eq!(old, 1, "{form:?}");
        assert_eq!(issuer.fetches(), 2, "{form:?}");
    }
}
