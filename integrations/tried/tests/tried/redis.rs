//! The recipe for redis, against a server that looks at what it is given.

use super::started;
use crate::{CredentialCache, Source};
use aws_credential_strategies::token::ElastiCacheToken;
use integrations_s3::{REGION, Sessions};
use redis::{AsyncCommands, AsyncConnectionConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tried::checked;
use tried::recipes::redis::WithToken;

fn tokens(strategy: CredentialCache<Source>) -> ElastiCacheToken<CredentialCache<Source>> {
    let builder = ElastiCacheToken::builder(strategy).serverless_cache("things");
    builder.user("app").region(REGION).build().unwrap()
}

#[tokio::test]
async fn each_connection_presents_a_token_of_its_own() {
    let (s3, strategy) = started().await;
    let (address, authenticated) = cache(s3.sessions().clone()).await;
    let client = redis::Client::open(format!("redis://{address}")).unwrap();
    let provider = WithToken::new(tokens(strategy), "app");
    let settings = AsyncConnectionConfig::new().set_credentials_provider(provider);
    for number in 1..=3 {
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        let mut connection = connection.await.unwrap();
        let answer: String = connection.get("key").await.unwrap();
        assert_eq!(answer, "here");
        assert!(authenticated.load(Ordering::Relaxed) >= number);
    }
    assert_eq!(s3.sessions().fetches(), 1);
}

/// A cache that answers each command, once somebody has authenticated.
async fn cache(sessions: Sessions) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authenticated = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&authenticated);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, sessions.clone(), Arc::clone(&count)));
        }
    });
    (address, authenticated)
}

async fn serve(socket: TcpStream, sessions: Sessions, authenticated: Arc<AtomicUsize>) {
    let mut socket = BufReader::new(socket);
    let mut known = false;
    while let Some(command) = command(&mut socket).await {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["AUTH", "app", password] => {
                let secret = |key_id: &str| sessions.secret(key_id);
                let presented = checked::token(password, "elasticache", secret);
                known =
                    presented.is_ok() && password.starts_with("things/?Action=connect&User=app");
                authenticated.fetch_add(usize::from(known), Ordering::Relaxed);
                if known { "+OK\r\n" } else { "-WRONGPASS\r\n" }
            }
            _ if !known => "-NOAUTH\r\n",
            ["GET", _] => "$4\r\nhere\r\n",
            _ => "+OK\r\n",
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// An array of strings, as redis writes its commands.
async fn command(socket: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..length(socket, '*').await? {
        let length = length(socket, '$').await?;
        let mut word = vec![0; length + 2];
        socket.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        words.push(String::from_utf8(word).ok()?);
    }
    Some(words)
}

async fn length(socket: &mut BufReader<TcpStream>, of: char) -> Option<usize> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(of)?.parse().ok()
}
