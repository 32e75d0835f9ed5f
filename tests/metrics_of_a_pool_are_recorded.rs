//! Promise: what a pool asks of STS and lets go is recorded with the meter provider of the AWS SDK, and all of its
//! roles share one meter.
#![allow(clippy::unwrap_used)]

#[path = "support/meter.rs"]
mod meter;
#[path = "support/sts.rs"]
mod sts;

use aws_credential_strategies::CredentialStrategy;
use meter::Recorder;
use std::time::Duration;
use sts::{Sts, named};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn calls_by_whether_they_were_throttled_and_roles_let_go() {
    let recorder = Recorder::of_the_process();
    let sts = Sts::generous();
    let pool = sts.pool().max_roles(2).build().unwrap();
    for tenant in ["one", "two", "three"] {
        named(&pool, tenant).credentials().await.unwrap();
    }
    assert_eq!(
        (sts.calls(), recorder.meters()),
        (3, 2),
        "one meter for the pool, one for all of its roles"
    );

    sts.0.lock().unwrap().admits = 0.0;
    sts.0.lock().unwrap().tokens = 0.0;
    let four = named(&pool, "four");
    let throttled = tokio::spawn(async move { four.credentials().await.map(drop) });
    while sts.0.lock().unwrap().throttled == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    sts.0.lock().unwrap().admits = 1e9;
    throttled.await.unwrap().unwrap();

    let records = recorder.records();
    let sums = [
        "calls [{call}] throttled=false",
        "calls [{call}] throttled=true",
        "evicted [{role}]",
    ];
    let sums = sums.map(|name| {
        let name = format!("aws.credentials.pool.{name}");
        records.get(&name).map_or(0.0, |values| values.iter().sum())
    });
    let throttled = sts.0.lock().unwrap().throttled as f64;
    assert_eq!(sums, [4.0, throttled, 2.0], "{records:?}");
    let attempts = records["aws.credentials.attempts [{attempt}] AssumeRole replaced"].len();
    assert_eq!(attempts, 4);
    assert_eq!(recorder.meters(), 2);
}
