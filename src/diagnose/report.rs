//! What the doctor says.

use std::fmt;

/// One step on the way to credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepKind {
    /// Assuming the role of Option B.
    Assume,
    /// Who AWS takes the caller for.
    Caller,
    /// Whether this host's clock agrees with the metadata service's.
    Clock,
    /// The credential document of the role.
    Document,
    /// Whether answers to the request for a session token come this far.
    HopLimit,
    /// Whether the metadata service can be reached.
    Reachable,
    /// Whether a role is attached to the instance.
    Role,
    /// The session token of IMDSv2.
    Token,
}

impl StepKind {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StepKind::Assume => "assume role",
            StepKind::Caller => "caller identity",
            StepKind::Clock => "clock agreement",
            StepKind::Document => "credential document",
            StepKind::HopLimit => "hop limit",
            StepKind::Reachable => "metadata service reachable",
            StepKind::Role => "role attached",
            StepKind::Token => "session token",
        }
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

/// One of the two options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Choice {
    /// Option B: [`AssumeRole`](crate::AssumeRole).
    AssumeRole,
    /// Option A: [`InstanceProfile`](crate::InstanceProfile).
    InstanceProfile,
    /// A step has to pass first.
    Open,
}

/// Which option fits, and why. `Display` is one or two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    choice: Choice,
    reason: &'static str,
    objection: Option<&'static str>,
}

/// What the recommendation rests on.
pub(super) struct Facts<'a> {
    pub(super) on_ec2: bool,
    /// The caller is an identity from elsewhere.
    pub(super) external: bool,
    pub(super) instance_account: Option<&'a str>,
    /// Of the role that would be assumed.
    pub(super) role_account: Option<&'a str>,
}

impl Recommendation {
    pub(super) fn for_facts(facts: &Facts<'_>) -> Self {
        let Facts {
            on_ec2,
            external,
            instance_account,
            role_account,
        } = *facts;
        let (choice, reason) = match (on_ec2, external, instance_account, role_account) {
            (_, true, _, _) => (
                Choice::AssumeRole,
                "the caller is an identity from outside of this instance, which a role has to admit",
            ),
            (false, ..) => (
                Choice::AssumeRole,
                "this is not EC2, or its metadata service cannot be reached, so there is no instance \
                 profile: assume a role with an identity from elsewhere",
            ),
            (true, false, _, None) => (
                Choice::InstanceProfile,
                "code on EC2 that uses its own account's services has all it needs from the instance's \
                 role",
            ),
            (true, false, Some(own), Some(role)) if own == role => (
                Choice::InstanceProfile,
                "the role is in the same account as the instance profile",
            ),
            (true, false, Some(_), Some(_)) => (
                Choice::AssumeRole,
                "the role is in another account than the instance profile",
            ),
            (true, false, None, Some(_)) => (
                Choice::Open,
                "whether the role is in the instance's own account shows when the steps above pass: A \
                 if so, B if not",
            ),
        };
        let objection = match (choice, role_account) {
            (Choice::InstanceProfile, Some(_)) => Some(
                "Option B on EC2 within one account is chaining for nothing: it costs a second role, an \
                 STS call per refresh and a one-hour cap; give its permissions to the instance's role",
            ),
            (Choice::AssumeRole, None) => {
                Some("Option A cannot give this caller credentials; name the role to assume")
            }
            _ => None,
        };
        Recommendation {
            choice,
            reason,
            objection,
        }
    }

    /// Which option.
    #[must_use]
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason
    }

    /// What speaks against the option that was examined, if anything does.
    #[must_use]
    pub fn objection(&self) -> Option<&str> {
        self.objection
    }
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = match self.choice {
            Choice::AssumeRole => "Option B, AssumeRole",
            Choice::InstanceProfile => "Option A, InstanceProfile",
            Choice::Open => "Option A or B",
        };
        write!(f, "{option}: {}", self.reason)?;
        match self.objection {
            Some(objection) => write!(f, "\n{objection}"),
            None => Ok(()),
        }
    }
}

/// All steps in order, and the recommendation. `Display` is the whole report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    steps: Vec<Step>,
    recommendation: Recommendation,
}

impl Diagnosis {
    pub(super) fn new(steps: Vec<Step>, recommendation: Recommendation) -> Self {
        Diagnosis {
            steps,
            recommendation,
        }
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
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        write!(f, "\n{}", self.recommendation)
    }
}
