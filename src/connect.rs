//! What a connection of an SDK client can be spared before there is anything to send over it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_types::endpoint_config::EndpointUrl;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

/// What the HTTP clients of the SDK say that they are.
const OF_SDK: &str = "hyper";

/// Begins what the first TLS handshake of a process would else stand still for: AWS-LC gathers its first entropy from
/// the jitter of the processor, tens of milliseconds of computing. It goes on beside whatever the credentials are waited
/// for; a handshake that comes sooner waits for the rest of it.
///
/// Where this client of the SDK's is to speak TLS, as far as is known: another client may bring random numbers of its own,
/// and to an endpoint that is not named it speaks TLS.
pub(crate) fn prepare_handshake(client: Option<&SharedHttpClient>, endpoint: Option<&str>) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    // Relaxed: nothing is handed over but who begins.
    if !cfg!(feature = "https")
        || BEGUN.load(Ordering::Relaxed)
        || !speaks_tls(client, endpoint)
        || BEGUN.swap(true, Ordering::Relaxed)
    {
        return;
    }
    // Of its own and not of the runtime's: that one ends when it has to, a clock that is paused knows nothing of it, and
    // where there is no thread to be had the handshake gathers for itself.
    let thread = thread::Builder::new().name("tls-entropy".to_owned());
    let _ = thread.spawn(gather_entropy);
}

fn speaks_tls(client: Option<&SharedHttpClient>, endpoint: Option<&str>) -> bool {
    let is_of_sdk = client
        .and_then(HttpClient::connector_metadata)
        .is_some_and(|client| client.name() == OF_SDK);
    let scheme = endpoint.and_then(|endpoint| endpoint.split_once(':'));
    is_of_sdk && !scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
}

fn gather_entropy() {
    #[cfg(feature = "https")]
    let _ = aws_lc_rs::rand::fill(&mut [0]);
}

/// The same for a request that is under way.
pub(crate) fn prepare_handshake_of_request(components: &RuntimeComponents, config_bag: &ConfigBag) {
    let endpoint = config_bag.load::<EndpointUrl>();
    prepare_handshake(
        components.http_client().as_ref(),
        endpoint.map(|url| &*url.0),
    );
}

/// On one unsigned call: `GET /` goes out in its place, which asks a service for nothing, and which it answers all the
/// same. The client's pool keeps the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpensConnection;

/// In the configuration of such a call, for who would take it for one of the program's.
impl Storable for OpensConnection {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for OpensConnection {
    fn name(&self) -> &'static str {
        "OpensConnection"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(OpensConnection);
        Ok(())
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        prepare_handshake_of_request(runtime_components, cfg);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.set_method("GET")?;
        for of_a_call in ["content-type", "content-length", "x-amz-target"] {
            request.headers_mut().remove(of_a_call);
        }
        *request.body_mut() = SdkBody::empty();
        Ok(())
    }
}

/// Until both have ended, or at once where `needed` fails.
pub(crate) async fn both<E>(
    needed: impl Future<Output = Result<(), E>>,
    beside: impl Future<Output = ()>,
) -> Result<(), E> {
    let (mut needed, mut beside) = (pin!(needed), pin!(beside));
    let (mut has_needed, mut has_beside) = (false, false);
    poll_fn(move |cx| {
        if !has_needed {
            match needed.as_mut().poll(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                polled => has_needed = polled.is_ready(),
            }
        }
        has_beside = has_beside || beside.as_mut().poll(cx).is_ready();
        if has_needed && has_beside {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// What `needed` comes to, with `beside` going on as long as that takes and no longer.
pub(crate) async fn with_beside<T>(
    needed: impl Future<Output = T>,
    beside: impl Future<Output = ()>,
) -> T {
    let (mut needed, mut beside) = (pin!(needed), pin!(beside));
    let mut is_done = false;
    poll_fn(move |cx| {
        let polled = needed.as_mut().poll(cx);
        if polled.is_pending() && !is_done {
            is_done = beside.as_mut().poll(cx).is_ready();
        }
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
    use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    #[derive(Debug)]
    struct Client(Option<&'static str>);

    impl HttpClient for Client {
        fn http_connector(
            &self,
            _settings: &HttpConnectorSettings,
            _components: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(Nowhere)
        }

        fn connector_metadata(&self) -> Option<ConnectorMetadata> {
            Some(ConnectorMetadata::new(self.0?, None))
        }
    }

    #[derive(Debug)]
    struct Nowhere;

    impl HttpConnector for Nowhere {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::new(std::future::pending())
        }
    }

    #[test]
    fn entropy_is_gathered_for_the_clients_of_the_sdk_where_they_may_speak_tls() {
        let of_sdk = SharedHttpClient::new(Client(Some("hyper")));
        let replay = SharedHttpClient::new(Client(Some("static-replay-client")));
        let own = SharedHttpClient::new(Client(None));
        for endpoint in [None, Some("https://localhost:1"), Some("HTTPS://localhost")] {
            assert!(speaks_tls(Some(&of_sdk), endpoint), "{endpoint:?}");
            for other in [Some(&replay), Some(&own), None] {
                assert!(!speaks_tls(other, endpoint), "{other:?} {endpoint:?}");
            }
        }
        for endpoint in ["http://localhost:1", "HTTP://localhost"] {
            assert!(!speaks_tls(Some(&of_sdk), Some(endpoint)), "{endpoint}");
        }
    }
}
