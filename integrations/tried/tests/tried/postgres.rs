//! The recipe for deadpool-postgres against a real PostgreSQL, behind a proxy that looks at the token as RDS does:
//! connections are opened over an hour, and none presents a dead token. The hour is one of the test's clock.

use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::token::RdsToken;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool};
use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tried::checked;
use tried::recipes::deadpool_postgres::WithToken;

const HOST: &str = "db.abc123.us-east-1.rds.amazonaws.com";
const SECRET: &str = "do-not-show-secret";
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest that STS gives.
const LIFE: Duration = Duration::from_secs(900);

/// A clock that the test puts forward.
#[derive(Clone, Debug)]
struct Wall(Arc<Mutex<SystemTime>>);

impl Wall {
    /// Together with tokio's clock, which runs on between the steps: sockets are real here.
    async fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    }
}

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// Sessions, each with its end.
#[derive(Clone, Debug)]
struct Issuer {
    wall: Wall,
    ends: Arc<Mutex<HashMap<String, SystemTime>>>,
}

impl CredentialSource for Issuer {
    fn name(&self) -> &'static str {
        "issuer"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let end = self.wall.now() + LIFE;
        let mut ends = self.ends.lock().unwrap();
        let key_id = format!("ASIA{}", ends.len());
        ends.insert(key_id.clone(), end);
        let token = format!("token of {key_id}");
        Ok(Credentials::new(
            key_id,
            SECRET,
            Some(token),
            Some(end),
            "issuer",
        ))
    }
}

/// What RDS does before it lets a connection through.
#[derive(Debug)]
struct Gate {
    issuer: Issuer,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    admitted: usize,
    refused: Vec<String>,
    keys: BTreeSet<String>,
}

impl Gate {
    fn looked_at(&self, token: &str) -> std::result::Result<String, String> {
        let ends = self.issuer.ends.lock().unwrap();
        let secret = |key_id: &str| ends.contains_key(key_id).then(|| SECRET.to_owned());
        let presented = checked::token(token, "rds-db", secret)?;
        if !token.starts_with(&format!("{HOST}:5432/?Action=connect&DBUser=app&")) {
            return Err("for another database or user".to_owned());
        }
        let now = self.issuer.wall.now();
        if presented.signed_at > now || presented.signed_at + presented.life <= now {
            return Err("the token has ended".to_owned());
        }
        if ends.get(&presented.key_id).is_none_or(|end| *end <= now) {
            return Err("the session has ended".to_owned());
        }
        Ok(presented.key_id)
    }

    /// Asks for a password in clear text, and hands a connection that has the right one to the server.
    async fn pass(&self, mut client: TcpStream, server: &Path) -> std::io::Result<()> {
        let startup = message(&mut client).await?;
        // AuthenticationCleartextPassword
        client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
        assert_eq!(client.read_u8().await?, b'p');
        let password = message(&mut client).await?;
        let password = String::from_utf8_lossy(&password[4..password.len() - 1]).into_owned();
        let looked = self.looked_at(&password);
        let mut refusal = {
            let mut seen = self.seen.lock().unwrap();
            match looked {
                Ok(key_id) => {
                    seen.admitted += 1;
                    seen.keys.insert(key_id);
                    None
                }
                Err(why) => {
                    seen.refused.push(why);
                    Some(b"SFATAL\0C28P01\0MPAM authentication failed\0\0".to_vec())
                }
            }
        };
        if let Some(fields) = refusal.take() {
            let length = u32::try_from(fields.len() + 4).unwrap();
            client.write_u8(b'E').await?;
            client.write_u32(length).await?;
            return client.write_all(&fields).await;
        }
        let mut server = UnixStream::connect(server).await?;
        server.write_all(&startup).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

/// A message without its type: length, and what follows.
async fn message(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = socket.read_u32().await?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(usize::try_from(length).unwrap(), 0);
    socket.read_exact(&mut bytes[4..]).await?;
    Ok(bytes)
}

/// A PostgreSQL that listens on a socket in its directory, and trusts whoever gets there.
struct Postgres {
    directory: TempDir,
    bin: PathBuf,
}

impl Postgres {
    fn start() -> Self {
        let postgres = Postgres {
            directory: tempfile::tempdir().unwrap(),
            bin: binaries(),
        };
        // PostgreSQL refuses to be run by root
        if is_root() {
            run(Command::new("chown")
                .arg("postgres")
                .arg(postgres.directory.path()));
        }
        let data = postgres.data();
        postgres.run(
            "initdb",
            &["-D", &data, "-U", "app", "-A", "trust", "--no-sync"],
        );
        let socket = postgres.directory.path().display();
        let options = format!("-c listen_addresses= -k {socket} -c fsync=off");
        postgres.run(
            "pg_ctl",
            &[
                "-D",
                &data,
                "-w",
                "-l",
                &format!("{data}.log"),
                "-o",
                &options,
                "start",
            ],
        );
        postgres
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        run(command.args(arguments).current_dir(self.directory.path()));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    let output = command.stdout(std::process::Stdio::null()).status();
    assert!(output.unwrap().success(), "{command:?}");
}

/// Where the newest installed version has `initdb`.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let bins = versions.flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut bins: Vec<_> = bins.chain(std::env::split_paths(&path)).collect();
    bins.retain(|bin| bin.join("initdb").exists());
    bins.into_iter()
        .next()
        .unwrap_or_else(|| panic!("PostgreSQL is not installed"))
}

fn tokens(issuer: &Issuer) -> RdsToken<CredentialCache<Issuer>> {
    let clock = Clock::with_wall(issuer.wall.clone());
    let strategy = CredentialCache::new(issuer.clone(), RefreshPolicy::default());
    RdsToken::builder(strategy.with_clock(clock.clone()))
        .host(HOST)
        .port(5432)
        .user("app")
        .region("us-east-1")
        .clock(clock)
        .build()
        .unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn connections_of_an_hour_present_no_dead_token() {
    let wall = Wall(Arc::new(Mutex::new(
        UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    )));
    let issuer = Issuer {
        wall: wall.clone(),
        ends: Arc::default(),
    };
    let gate = Arc::new(Gate {
        issuer: issuer.clone(),
        seen: Mutex::default(),
    });
    let postgres = Postgres::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn({
        let (gate, socket) = (Arc::clone(&gate), postgres.socket());
        async move {
            while let Ok((client, _)) = listener.accept().await {
                let (gate, socket) = (Arc::clone(&gate), socket.clone());
                tokio::spawn(async move { gate.pass(client, &socket).await });
            }
        }
    });
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("app")
        .dbname("postgres");
    config.ssl_mode(SslMode::Disable);
    let tokens = tokens(&issuer);
    let connect = WithToken::new(tokens.clone(), NoTls);
    let manager = Manager::from_connect(config.clone(), connect, ManagerConfig::default());
    let pool = Pool::builder(manager).max_size(4).build().unwrap();
    let kept = tokens.token().await.unwrap();
    for minute in 0..60 {
        // what was opened stays open, and what follows is new
        let (one, other) = tokio::join!(pool.get(), pool.get());
        for connection in [one, other] {
            let connection = connection.unwrap_or_else(|error| {
                panic!("minute {minute}: {error}, {:?}", gate.seen.lock().unwrap())
            });
            let row = connection.query_one("select current_user::text", &[]).await;
            assert_eq!(row.unwrap().get::<_, String>(0), "app");
            drop(Object::take(connection));
        }
        wall.forward(MINUTE).await;
    }
    {
        let seen = gate.seen.lock().unwrap();
        assert_eq!(seen.admitted, 120, "{seen:?}");
        assert_eq!(seen.refused, [""; 0]);
        let fetched = issuer.ends.lock().unwrap().len();
        // an hour of sessions of 15 minutes; the last may not have been used yet
        assert!(seen.keys.len() >= 4, "{seen:?}");
        assert!(
            fetched <= seen.keys.len() + 1,
            "{fetched} fetched, {seen:?}"
        );
    }
    // the gate would have seen it: a token that is kept is dead
    config.password(kept.as_str());
    let error = config.connect(NoTls).await.err().unwrap();
    assert_eq!(error.code().unwrap().code(), "28P01");
    assert_eq!(gate.seen.lock().unwrap().refused, ["the token has ended"]);
}

/// An error that needs a person.
#[derive(Debug)]
struct Gone;

impl CredentialSource for Gone {
    fn name(&self) -> &'static str {
        "gone"
    }

    async fn fetch(&self) -> Result<Credentials> {
        Err(Error::terminal("the role is gone"))
    }
}

#[tokio::test]
async fn the_strategys_error_is_in_the_chain_of_the_pools() {
    let strategy = CredentialCache::new(Gone, RefreshPolicy::default());
    let tokens = RdsToken::builder(strategy)
        .host(HOST)
        .port(5432)
        .user("app");
    let tokens = tokens.region("us-east-1").build().unwrap();
    let mut config = Config::new();
    config.host("127.0.0.1").user("app");
    let connect = WithToken::new(tokens, NoTls);
    let manager = Manager::from_connect(config, connect, ManagerConfig::default());
    let error = Pool::builder(manager)
        .build()
        .unwrap()
        .get()
        .await
        .err()
        .unwrap();
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    let mut lines = String::new();
    while let Some(error) = next {
        lines += &format!("{error}\n");
        next = error.source();
    }
    assert!(lines.contains("the role is gone"), "{lines}");
}
