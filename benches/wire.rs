//! A wire to a server on loopback: it takes time, and it counts what goes over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Larger than any answer of the metadata service or STS, so that an answer is one read.
const BUFFER: usize = 64 * 1024;

/// Answers arrive this much later than the server gives them; of a network, a connection is open that much later too.
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

/// What takes time on a wire.
#[derive(Clone, Copy, Debug)]
struct Delays {
    opening: Duration,
    answer: Duration,
}

impl Wire {
    pub(crate) async fn to(server: &str, latency: Duration) -> Result<Self, crate::Failure> {
        let server = server.trim_start_matches("http://").parse()?;
        let delays = Delays {
            opening: Duration::ZERO,
            answer: latency,
        };
        Wire::open(server, delays).await
    }

    /// As over a network: whatever the client waits for takes a round trip, opening the connection included.
    pub(crate) async fn over_network(
        server: SocketAddr,
        round_trip: Duration,
    ) -> Result<Self, crate::Failure> {
        let delays = Delays {
            opening: round_trip,
            answer: round_trip,
        };
        Wire::open(server, delays).await
    }

    async fn open(server: SocketAddr, delays: Delays) -> Result<Self, crate::Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(accept(listener, server, delays, Arc::clone(&counts)));
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

async fn accept(listener: TcpListener, server: SocketAddr, delays: Delays, counts: Arc<Counts>) {
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let Ok(server) = TcpStream::connect(server).await else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let (there, back) = (Arc::clone(&counts), Arc::clone(&counts));
        tokio::spawn(async move {
            pause(delays.opening).await;
            carry(from_client, to_server, Duration::ZERO, there).await;
        });
        tokio::spawn(carry(from_server, to_client, delays.answer, back));
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    latency: Duration,
    counts: Arc<Counts>,
) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        counts.bytes.fetch_add(read as u64, Ordering::Relaxed);
        pause(latency).await;
        let Some(part) = buffer.get(..read) else {
            break;
        };
        if to.write_all(part).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
