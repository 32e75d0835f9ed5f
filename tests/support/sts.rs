//! What the tests of a pool share: an STS that is played behind the SDK's transport, in paused time.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::strategy::{PooledRole, RolePool, RolePoolBuilder};
use aws_credential_strategies::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

pub const ROLE: &str = "arn:aws:iam::123456789012:role/App";
pub const ANSWERS_AFTER: Duration = Duration::from_millis(50);
pub const SESSION: Duration = Duration::from_secs(3600);

/// The wall clock goes as the paused one does.
#[derive(Clone, Debug)]
pub struct Wall {
    start: SystemTime,
    born: Instant,
}

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        self.start + self.born.elapsed()
    }
}

/// STS: admits so many calls a second, knows roles that it denies and such for which it never answers.
#[derive(Clone, Debug)]
pub struct Sts(pub Arc<Mutex<Play>>, pub Wall);

#[derive(Debug)]
pub struct Play {
    pub admits: f64,
    pub tokens: f64,
    filled: Instant,
    under_way: usize,
    pub most_under_way: usize,
    pub throttled: usize,
    calls: HashMap<String, usize>,
    /// The same in their order.
    pub asked: Vec<String>,
    /// What was asked, likewise.
    pub forms: Vec<String>,
    /// When all sessions end, where they end together.
    pub ends: Option<SystemTime>,
}

impl Sts {
    pub fn admitting(admits: f64) -> Self {
        let wall = Wall {
            start: SystemTime::now(),
            born: Instant::now(),
        };
        let play = Play {
            admits,
            tokens: admits / 10.0,
            filled: Instant::now(),
            under_way: 0,
            most_under_way: 0,
            throttled: 0,
            calls: HashMap::new(),
            asked: Vec::new(),
            forms: Vec::new(),
            ends: None,
        };
        Sts(Arc::new(Mutex::new(play)), wall)
    }

    pub fn generous() -> Self {
        Sts::admitting(1e9)
    }

    pub fn pool(&self) -> RolePoolBuilder {
        let base = Credentials::new("AKIABASE", "base-secret", None, None, "test");
        RolePool::builder()
            .base(SharedCredentialsProvider::new(base))
            .region("us-east-1")
            .session_name("of-the-pool")
            .clock(Clock::with_wall(self.1.clone()))
            .http_client(self.clone())
    }

    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls.values().sum()
    }

    pub fn calls_of(&self, name: &str) -> usize {
        let play = self.0.lock().unwrap();
        play.calls.get(name).copied().unwrap_or_default()
    }
}

impl HttpClient for Sts {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Sts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let name = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("RoleSessionName="))
            .unwrap_or_default()
            .to_owned();
        let (sts, number) = (self.clone(), self.calls());
        let admitted = {
            let mut play = self.0.lock().unwrap();
            *play.calls.entry(name.clone()).or_default() += 1;
            play.asked.push(name.clone());
            play.forms.push(form);
            play.under_way += 1;
            play.most_under_way = play.most_under_way.max(play.under_way);
            let passed = play.filled.elapsed().as_secs_f64();
            play.filled = Instant::now();
            play.tokens = (play.tokens + passed * play.admits).min(play.admits);
            let admitted = play.tokens >= 1.0 && !name.starts_with("always-throttled");
            if admitted {
                play.tokens -= 1.0;
            } else {
                play.throttled += 1;
            }
            admitted
        };
        HttpConnectorFuture::new(async move {
            let _ends = Ends(&sts);
            if name == "hangs" {
                pending::<()>().await;
            }
            if name == "slow-at-first" && sts.calls_of(&name) == 1 {
                // longer than an attempt of the SDK's may take
                sleep(ANSWERS_AFTER * 60).await;
            }
            sleep(ANSWERS_AFTER).await;
            let (status, body) = if !admitted {
                (400, refusal("Throttling", "Rate exceeded"))
            } else if name == "denied" {
                (403, refusal("AccessDenied", "not authorized"))
            } else {
                let ends = sts.0.lock().unwrap().ends;
                (
                    200,
                    session(number, ends.unwrap_or_else(|| sts.1.now() + SESSION)),
                )
            };
            let status = StatusCode::try_from(status).unwrap();
            let mut answer = HttpResponse::new(status, SdkBody::from(body));
            if name == "always-throttled-for-long" {
                answer.headers_mut().insert("retry-after", "60");
            }
            Ok(answer)
        })
    }
}

struct Ends<'a>(&'a Sts);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().under_way -= 1;
    }
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

fn session(number: usize, ends: SystemTime) -> String {
    let ends = DateTime::from(ends).fmt(Format::DateTime).unwrap();
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <Credentials><AccessKeyId>ASIA{number:012}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>{ends}</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/App/s</Arn></AssumedRoleUser></AssumeRoleResult>\
         </AssumeRoleResponse>"
    )
}

pub fn named(pool: &RolePool, name: &str) -> PooledRole {
    pool.role(ROLE)
        .session_name(name.to_owned())
        .build()
        .unwrap()
}
