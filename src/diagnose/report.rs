//! What the doctor says.

use super::recommend::Recommendation;
use super::surroundings::Host;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use std::fmt;

/// The version of the JSON that a [`Diagnosis`] serialises to: a member may be added under the same
/// number, none is renamed or dropped.
pub const JSON_VERSION: u32 = 1;

/// One step on the way to credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// Assuming the role of Option B.
    Assume,
    /// Who AWS takes the caller for.
    Caller,
    /// Whether this host's clock agrees with the metadata service's.
    Clock,
    /// The credentials endpoint of a container: ECS, EKS Pod Identity, CloudShell, CodeBuild.
    Container,
    /// The credential document of the role.
    Document,
    /// Where the code runs, by its environment.
    Environment,
    /// Whether answers to the request for a session token come this far.
    HopLimit,
    /// The token of an identity provider, as far as it can be judged without asking anybody.
    IdentityToken,
    /// Keys in the environment.
    Keys,
    /// Credentials of a profile in the files of the AWS CLI.
    Profile,
    /// Whether anybody can be reached at the metadata address.
    Reachable,
    /// Whether a role is attached to the instance.
    Role,
    /// The session token of IMDSv2.
    Token,
    /// Assuming a role with the token of an identity provider.
    WebIdentity,
}

impl StepKind {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StepKind::Assume => "assume role",
            StepKind::Caller => "caller identity",
            StepKind::Clock => "clock agreement",
            StepKind::Container => "container credentials",
            StepKind::Document => "credential document",
            StepKind::Environment => "where this runs",
            StepKind::HopLimit => "hop limit",
            StepKind::IdentityToken => "web identity token",
            StepKind::Keys => "keys in the environment",
            StepKind::Profile => "profile",
            StepKind::Reachable => "metadata address reachable",
            StepKind::Role => "role attached",
            StepKind::Token => "session token",
            StepKind::WebIdentity => "assume role with web identity",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It did not pass.
    #[non_exhaustive]
    Failed {
        /// Why, in one line.
        cause: String,
        /// The command or the policy document that mends it; may have several lines.
        remedy: String,
    },
    /// It passed, with what was seen.
    Passed(String),
    /// It was left out, for this reason.
    Skipped(String),
}

/// A step and what became of it. `Display` has a tick, a cross or a dash, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    kind: StepKind,
    outcome: Outcome,
}

impl Step {
    pub(super) fn new(kind: StepKind, outcome: Outcome) -> Self {
        Step { kind, outcome }
    }

    /// Which step.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        self.kind
    }

    /// What became of it.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether it failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.as_str();
        match &self.outcome {
            Outcome::Passed(what) => write!(f, "✓ {name}: {what}"),
            Outcome::Skipped(why) => write!(f, "- {name}: left out, {why}"),
            Outcome::Failed { cause, remedy } => {
                write!(f, "✗ {name}: {cause}")?;
                for line in remedy.lines() {
                    write!(f, "\n    {line}")?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.kind)?;
        match &self.outcome {
            Outcome::Passed(what) => {
                map.serialize_entry("outcome", "passed")?;
                map.serialize_entry("detail", what)?;
            }
            Outcome::Skipped(why) => {
                map.serialize_entry("outcome", "skipped")?;
                map.serialize_entry("reason", why)?;
            }
            Outcome::Failed { cause, remedy } => {
                map.serialize_entry("outcome", "failed")?;
                map.serialize_entry("cause", cause)?;
                map.serialize_entry("remedy", &remedy.lines().collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

/// What [`examine_with`](super::Doctor::examine_with) tells on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A step begins that asks somebody, so that it may take time.
    Begun(StepKind),
    /// A step is done.
    Done(&'a Step),
    /// Something to know about all that follows, in one line.
    Noted(&'a str),
}

/// All steps in order, and the recommendation.
///
/// `Display` is the whole report. It serialises to an object of a stable shape, [`JSON_VERSION`]:
/// `version`, `healthy`, `host` (or null), `notes`, `steps` (each with `step`, `outcome` and, by outcome,
/// `detail`, `reason`, or `cause` and the lines of `remedy`), and `recommendation` (`choice`, `reason`,
/// `code`, `objection`, `unseen`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub(super) host: Option<Host>,
    pub(super) notes: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) recommendation: Recommendation,
}

impl Diagnosis {
    /// Where this runs, as far as the environment or the metadata service gave it away.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        self.host
    }

    /// What to know about all steps: that a stand-in was asked in place of AWS, for example.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The steps, in the order they were taken.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether no step failed.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.steps.iter().any(Step::is_failed)
    }

    /// Which option fits.
    #[must_use]
    pub fn recommendation(&self) -> &Recommendation {
        &self.recommendation
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "! {note}")?;
        }
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        write!(f, "\n{}", self.recommendation)
    }
}

impl Serialize for Diagnosis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Diagnosis", 6)?;
        object.serialize_field("version", &JSON_VERSION)?;
        object.serialize_field("healthy", &self.is_healthy())?;
        object.serialize_field("host", &self.host)?;
        object.serialize_field("notes", &self.notes)?;
        object.serialize_field("steps", &self.steps)?;
        object.serialize_field("recommendation", &self.recommendation)?;
        object.end()
    }
}
