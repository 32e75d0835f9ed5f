//! TLS in front of a server on loopback, by a root of the benchmarks' own.

use crate::Failure;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// What servers show, and clients trust.
pub(crate) struct Certificate {
    acceptor: TlsAcceptor,
    pub(crate) pem: String,
}

impl Certificate {
    pub(crate) fn of_loopback() -> Result<Self, Failure> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([HOST.to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        Ok(Certificate {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pem: cert.pem(),
        })
    }

    /// Where `server` is had through TLS from now on.
    pub(crate) async fn before(&self, server: &str) -> Result<SocketAddr, Failure> {
        let server: SocketAddr = server.trim_start_matches("http://").parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let _ = client.set_nodelay(true);
                tokio::spawn(terminate(acceptor.clone(), client, server));
            }
        });
        Ok(address)
    }
}

async fn terminate(
    acceptor: TlsAcceptor,
    client: TcpStream,
    server: SocketAddr,
) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The name of the servers.
pub(crate) const HOST: &str = "localhost";

/// The round trip of connecting, where every client takes it: before the handshake begins. On loopback a connection is
/// open at once, and what the client computes meanwhile would be had for nothing.
#[derive(Clone, Copy, Debug)]
struct Connecting {
    round_trip: Duration,
}

impl ResolveDns for Connecting {
    fn resolve_dns<'a>(&'a self, _name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async {
            sleep(self.round_trip).await;
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        })
    }
}

/// The SDK's HTTP client as it is by default, with one root more than the system's, over a network.
pub(crate) fn http_client(pem: &Path, round_trip: Duration) -> Result<SharedHttpClient, Failure> {
    let trusted = TrustStore::default().with_pem_certificate(std::fs::read(pem)?);
    let context = TlsContext::builder().with_trust_store(trusted).build()?;
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context);
    Ok(client.build_with_resolver(Connecting { round_trip }))
}
