//! Waiting for a table that was just created.

use super::error::Call;
use super::operations::DESCRIBE;
use super::target::Target;
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
    let deadline = Instant::now() + max;
    let mut pause = FIRST_PAUSE;
    let mut seen = "not answered about".to_owned();
    loop {
        let request = target.client().describe_table().table_name(target.table());
        let Ok(described) = timeout_at(deadline, request.send()).await else {
            break;
        };
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
            Err(error) => return Err(error),
        }
        let next = Instant::now() + pause;
        if next >= deadline {
            break;
        }
        sleep_until(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let message = format!("the table is {seen} after {} s", max.as_secs_f32());
    Err(call.explain(Error::new(ErrorKind::Timeout, DESCRIBE, message)))
}
