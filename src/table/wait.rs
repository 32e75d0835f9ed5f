//! Waiting for a table that was just created.

use super::error::Call;
use super::operations::DESCRIBE;
use super::target::{Target, send};
use crate::error::{Error, ErrorKind, Result};
use aws_sdk_dynamodb::types::TableStatus;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The first pause between two looks: an on-demand table takes a few seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks until the table is active.
pub(crate) async fn until_active(target: &Target, max: Duration) -> Result<()> {
    let call = Call::on(target, DESCRIBE);
    target.name.check().map_err(|error| call.explain(error))?;
    // a time that is beyond the clock's reach never comes
    let deadline = Instant::now().checked_add(max);
    let mut pause = FIRST_PAUSE;
    let mut seen = "not answered about".to_owned();
    let mut last = None;
    loop {
        let request = target.client().describe_table().table_name(target.table());
        let asked = async { send!(target.shared, request) };
        let described = match deadline {
            Some(deadline) => timeout_at(deadline, asked).await,
            None => Ok(asked.await),
        };
        let Ok(described) = described else { break };
        match described.map_err(|error| call.failed(error)) {
            Ok(output) => match output.table.and_then(|table| table.table_status) {
                Some(TableStatus::Active) => return Ok(()),
                Some(status) => status.as_str().clone_into(&mut seen),
                None => "without a status".clone_into(&mut seen),
            },
            // a table that is being created is unknown for a moment
            Err(error) if *error.kind() == ErrorKind::NoSuchTable => {
                "not there".clone_into(&mut seen);
            }
            // throttled, no connection, no answer: what passes is waited for like the rest
            Err(error) if error.is_retryable() => {
                "not answered about".clone_into(&mut seen);
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        let mut next = now + pause;
        if let Some(deadline) = deadline.filter(|deadline| next >= *deadline) {
            // One more look, as late as can be answered in time.
            match deadline.checked_sub(FIRST_PAUSE) {
                Some(last) if last > now => next = last,
                _ => break,
            }
        }
        sleep_until(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let message = format!("the table is {seen} after {} s", max.as_secs_f32());
    let error = Error::new(ErrorKind::Timeout, DESCRIBE, message);
    Err(call.explain(match last {
        Some(last) => error.caused_by(last),
        None => error,
    }))
}
