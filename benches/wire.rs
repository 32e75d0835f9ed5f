//! A wire to a server on loopback: it takes time, and it counts what goes over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// Answers arrive this much later than the server gives them.
#[derive(Debug)]
pub(crate) struct Wire {
    endpoint: String,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    bytes: AtomicU64,
}

impl Wire {
    pub(crate) async fn to(server: &str, latency: Duration) -> Result<Self, crate::Failure> {
        let server = server.trim_start_matches("http://").parse()?;
        Wire::to_address(server, latency).await
    }

    pub(crate) async fn to_address(
        server: SocketAddr,
        latency: Duration,
    ) -> Result<Self, crate::Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(accept(listener, server, latency, Arc::clone(&counts)));
        Ok(Wire {
            endpoint,
            counts,
            task,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Both ways, heads included.
    pub(crate) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, latency: Duration, counts: Arc<Counts>) {
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let Ok(server) = TcpStream::connect(server).await else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let (there, back) = (Arc::clone(&counts), Arc::clone(&counts));
        tokio::spawn(carry(from_client, to_server, Duration::ZERO, there));
        tokio::spawn(carry(from_server, to_client, latency, back));
    }
}

/// Each part arrives so much later than it was sent, whatever was sent before it.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    latency: Duration,
    counts: Arc<Counts>,
) {
    let (sent, mut under_way) = mpsc::unbounded_channel();
    let sending = async move {
        let mut buffer = vec![0; BUFFER];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            counts.bytes.fetch_add(read as u64, Ordering::Relaxed);
            let part = buffer.get(..read).map(<[u8]>::to_vec);
            if sent.send((Instant::now() + latency, part)).is_err() {
                break;
            }
        }
    };
    let arriving = async move {
        while let Some((arrives, Some(part))) = under_way.recv().await {
            if !latency.is_zero() {
                sleep_until(arrives).await;
            }
            if to.write_all(&part).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(sending, arriving);
}
