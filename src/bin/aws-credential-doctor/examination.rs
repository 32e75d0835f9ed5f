//! One examination on the screen, as lines or as JSON.

use super::arguments::Given;
use super::screen::{WIDTH, Waiting, fold, say, warn};
use aws_credential_strategies::diagnose::{Doctor, Outcome, Progress, StepKind};
use aws_credential_strategies::{ErrorKind, Result};
use std::process::ExitCode;

/// How it is shown.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Json,
    Lines,
}

/// A fault was found.
pub(crate) const FAULT: u8 = 1;
/// The doctor could not be set up with what it was given.
const USAGE: u8 = super::arguments::USAGE;

/// Runs `work` while the screen shows what takes long.
async fn beside<T>(waiting: &Waiting, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => {
            waiting.end();
            done
        }
        never = waiting.tell() => match never {},
    }
}

/// A doctor for this machine, as its environment says, with what was given in place of that.
pub(crate) async fn of_this_machine(given: &Given, waiting: &Waiting) -> Doctor {
    waiting.begin("reading region, endpoints and profile");
    let mut doctor = beside(waiting, async {
        match given.value("profile") {
            Some(name) => Doctor::from_profile(name).await,
            None => Doctor::from_env().await,
        }
    })
    .await;
    if let Some(region) = given.value("region") {
        doctor = doctor.region(region);
    }
    if let Some(arn) = given.value("role-arn") {
        doctor = doctor.role_arn(arn);
    }
    if let Some(id) = given.value("external-id") {
        doctor = doctor.external_id(id);
    }
    doctor
}

/// Examines, shows it, and says what to end with: 0 healthy, 1 a fault, 2 a wrong setting.
pub(crate) async fn show(doctor: Doctor, form: Form, waiting: &Waiting) -> ExitCode {
    match examine(doctor, form, waiting).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAULT),
        Err(error) => {
            warn(&fold(&format!("error: {error}"), WIDTH));
            ExitCode::from(match error.kind() {
                ErrorKind::Usage => USAGE,
                _ => FAULT,
            })
        }
    }
}

/// Steps that were left out for the same reason, to be said in one line.
#[derive(Default)]
struct LeftOut {
    steps: Vec<&'static str>,
    why: String,
}

impl LeftOut {
    fn add(&mut self, step: StepKind, why: &str) {
        if self.why != why {
            self.flush();
            self.why = why.to_owned();
        }
        self.steps.push(step.as_str());
    }

    fn flush(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        if !steps.is_empty() {
            let line = format!("- {}: left out, {}", steps.join(", "), self.why);
            say(&fold(&line, WIDTH));
        }
    }
}

async fn examine(doctor: Doctor, form: Form, waiting: &Waiting) -> Result<bool> {
    let mut left_out = LeftOut::default();
    let tell = |progress: Progress<'_>| match progress {
        Progress::Begun(step) => waiting.begin(doing(step)),
        Progress::Done(step) => {
            waiting.end();
            if let Form::Lines = form {
                if let Outcome::Skipped(why) = step.outcome() {
                    left_out.add(step.kind(), why);
                } else {
                    left_out.flush();
                    say(&fold(&step.to_string(), WIDTH));
                }
            }
        }
        Progress::Noted(note) => {
            if let Form::Lines = form {
                say(&fold(&format!("! {note}"), WIDTH));
            }
        }
        _ => {}
    };
    let diagnosis = beside(waiting, doctor.examine_telling(tell)).await?;
    match form {
        Form::Lines => {
            left_out.flush();
            let recommendation = diagnosis.recommendation().to_string();
            say(&format!("\n{}", fold(&recommendation, WIDTH)));
        }
        Form::Json => say(&serde_json::to_string_pretty(&diagnosis).unwrap_or_default()),
    }
    Ok(diagnosis.is_healthy())
}

fn doing(step: StepKind) -> &'static str {
    match step {
        StepKind::Assume => "assuming the role",
        StepKind::Caller => "asking STS who this is",
        StepKind::Container => "asking the container's endpoint for credentials",
        StepKind::Document => "reading the credential document",
        StepKind::Profile => "asking the profile for credentials",
        StepKind::Reachable => "connecting to the metadata address",
        StepKind::Role => "asking which role is attached",
        StepKind::Token => "asking for a session token",
        StepKind::WebIdentity => "assuming the role of the token",
        _ => "working",
    }
}
