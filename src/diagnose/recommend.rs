//! Which option fits, from what was seen and nothing else.

use super::surroundings::Host;
use aws_credential_types::Credentials;
use serde::Serialize;
use std::fmt;

/// One of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Choice {
    /// Option B: [`AssumeRole`](crate::AssumeRole).
    AssumeRole,
    /// Option A: [`InstanceProfile`](crate::InstanceProfile).
    InstanceProfile,
    /// A step has to pass first.
    Open,
    /// The identity that the host gives, by one of the AWS SDK's providers.
    Provided,
}

/// Which option fits, and why. `Display` is a few lines.
///
/// An option is named only where the steps passed that it takes; what could not be seen is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    choice: Choice,
    reason: String,
    code: Option<String>,
    objection: Option<String>,
    unseen: Vec<String>,
}

impl Recommendation {
    /// Which option.
    #[must_use]
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The line of Rust to write; for [`Choice::Open`] the one that will do when the steps pass.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What speaks against the option that was examined, if anything does.
    #[must_use]
    pub fn objection(&self) -> Option<&str> {
        self.objection.as_deref()
    }

    /// What could not be seen, and why.
    #[must_use]
    pub fn unseen(&self) -> &[String] {
        &self.unseen
    }
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = match self.choice {
            Choice::AssumeRole => "Option B, AssumeRole",
            Choice::InstanceProfile => "Option A, InstanceProfile",
            Choice::Open => "no recommendation yet",
            Choice::Provided => "this host's own identity, Provided",
        };
        write!(f, "{option}: {}", self.reason)?;
        if let Some(code) = &self.code {
            for line in code.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        if let Some(objection) = &self.objection {
            write!(f, "\n{objection}")?;
        }
        for unseen in &self.unseen {
            write!(f, "\nnot seen: {unseen}")?;
        }
        Ok(())
    }
}

/// Whose credentials were had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Container,
    /// From a provider that the caller of the doctor gave.
    Elsewhere,
    Instance,
    Keys,
    Profile(String),
    /// A session of this role.
    WebIdentity(String),
}

impl Found {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Found::Container => "the container's role",
            Found::Elsewhere => "an identity from elsewhere",
            Found::Instance => "the instance's role",
            Found::Keys => "the keys in the environment",
            Found::Profile(_) => "the profile",
            Found::WebIdentity(_) => "the role that the token is for",
        }
    }
}

/// How credentials end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a session, at a time that is known: whoever gives them renews them.
    Dated,
    /// They are of a user.
    Never,
    /// With a session, and nothing says when.
    Untold,
}

impl End {
    pub(super) fn of(credentials: &Credentials) -> Self {
        match (credentials.session_token(), credentials.expiry()) {
            (None, _) => End::Never,
            (Some(_), Some(_)) => End::Dated,
            (Some(_), None) => End::Untold,
        }
    }
}

/// What is known of the metadata address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    /// It gives out session tokens.
    Ec2,
    NotAsked,
    /// Somebody answers, and not as EC2's does.
    Other,
    /// The answer to the request for a token does not arrive, or is a refusal.
    Refusing,
    Silent,
}

/// What STS said to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// There were no credentials to ask with after all.
    NoCredentials,
    /// The credentials are not accepted.
    Refused,
    /// The call is not, for another reason.
    CallRefused,
    /// STS did not answer, or failed.
    Unanswered,
    /// For this reason.
    NotAsked(&'static str),
}

/// What the recommendation rests on.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub(super) host: Option<Host>,
    /// The one whose metadata service answers in place of EC2's, where that is known.
    pub(super) cloud: Option<Host>,
    pub(super) metadata: Metadata,
    pub(super) found: Option<Found>,
    /// Of what was found; `Never` where nothing was.
    pub(super) end: End,
    /// Where credentials were looked for, in words for the code of [`Choice::Open`].
    pub(super) expected: Option<Found>,
    pub(super) caller: Verdict,
    pub(super) own_account: Option<&'a str>,
    pub(super) role: Option<RoleFacts<'a>>,
    pub(super) region: Option<&'a str>,
    /// In words, what was asked in place of AWS.
    pub(super) stand_ins: &'a [String],
}

/// The role that would be assumed.
#[derive(Clone, Debug)]
pub(super) struct RoleFacts<'a> {
    pub(super) arn: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) assumed: Verdict,
}

const CHAINING: &str = "Option B on EC2 within one account is chaining for nothing: it costs a second \
     role, an STS call per refresh and a one-hour cap; give its permissions to the instance's role";
const CHAINING_ELSEWHERE: &str = "assuming a role of the same account from here is chaining for \
     nothing: it costs a second role, an STS call per refresh and a one-hour cap; give its permissions \
     to the role that is here already";
const SHARED_NODE: &str = "every pod on the node has that role; one of its own, by EKS Pod Identity or a \
     role for its service account (IRSA), may do less";
const LASTING_KEYS: &str = "these keys are of a user, and last until somebody deletes them: off EC2 an \
     identity provider's token and a role (AssumeRole, web_identity_..) do without";
const KEYS_OF_A_SESSION: &str = "these keys are of a session: they end with it, and nobody renews them where \
     they are; what runs for longer takes a role by itself (AssumeRole), or a profile that signs in";

pub(super) fn recommend(facts: &Facts<'_>) -> Recommendation {
    let mut unseen = Vec::new();
    if facts.found.is_some() {
        match &facts.caller {
            Verdict::NotAsked(why) => {
                unseen.push(format!("whether AWS accepts these credentials: {why}"));
            }
            Verdict::Unanswered => {
                unseen.push("whether AWS accepts these credentials: STS gave no answer".to_owned())
            }
            Verdict::CallRefused | Verdict::NoCredentials | Verdict::Passed | Verdict::Refused => {}
        }
    }
    for stand_in in facts.stand_ins {
        unseen.push(format!("this machine as it is on AWS: {stand_in}"));
    }
    let (choice, reason, code, objection) = match &facts.found {
        None => open_without_credentials(facts),
        Some(found) if facts.caller == Verdict::Refused => (
            Choice::Open,
            format!("AWS does not accept the credentials of {}", found.name()),
            None,
            None,
        ),
        Some(found) if facts.caller == Verdict::CallRefused => (
            Choice::Open,
            format!(
                "STS refuses the call of {}; when the steps above pass, this will do",
                found.name()
            ),
            Some(line_for(found, facts.region)),
            None,
        ),
        Some(found) if facts.caller == Verdict::NoCredentials => (
            Choice::Open,
            format!("{} could not be had", found.name()),
            None,
            None,
        ),
        Some(found) => with_credentials(facts, found, &mut unseen),
    };
    Recommendation {
        choice,
        reason,
        code,
        objection: objection.map(str::to_owned),
        unseen,
    }
}

type Parts = (Choice, String, Option<String>, Option<&'static str>);

fn with_credentials(facts: &Facts<'_>, found: &Found, unseen: &mut Vec<String>) -> Parts {
    let Some(role) = &facts.role else {
        return as_it_is(facts, found);
    };
    let same = match (facts.own_account, role.account) {
        (Some(own), Some(other)) => Some(own == other),
        _ => None,
    };
    let own = matches!(
        found,
        Found::Instance | Found::Container | Found::WebIdentity(_)
    );
    if own && same == Some(true) {
        let (choice, _, code, _) = as_it_is(facts, found);
        let objection = match found {
            Found::Instance => CHAINING,
            _ => CHAINING_ELSEWHERE,
        };
        let reason = format!("the role is in the same account as {}", found.name());
        return (choice, reason, code, Some(objection));
    }
    let code = Some(assume_role(facts, found, role));
    if role.assumed != Verdict::Passed {
        if let Verdict::NotAsked(why) = role.assumed {
            unseen.push(format!("whether the role can be assumed: {why}"));
        }
        let reason = match (own, same) {
            (true, None) => format!(
                "whether the role is in the account of {} shows when the steps above pass: if so, that \
                 will do; if not, Option B",
                found.name()
            ),
            (true, Some(_)) => format!(
                "the role is in another account than {}, so Option B will do, once it can be assumed",
                found.name()
            ),
            (false, _) => format!(
                "Option B will do, once {} can assume the role",
                found.name()
            ),
        };
        return (Choice::Open, reason, code, None);
    }
    let reason = match (own, same) {
        (true, Some(_)) => format!("the role is in another account than {}", found.name()),
        (true, None) => format!("{} can assume the role", found.name()),
        (false, _) => "the caller is an identity from outside, which the role admits".to_owned(),
    };
    (Choice::AssumeRole, reason, code, None)
}

/// Without another role.
fn as_it_is(facts: &Facts<'_>, found: &Found) -> Parts {
    let code = Some(line_for(found, facts.region));
    match found {
        Found::Instance if facts.host == Some(Host::Kubernetes) => (
            Choice::InstanceProfile,
            "the metadata service gives this pod the role of its node".to_owned(),
            code,
            Some(SHARED_NODE),
        ),
        Found::Instance => (
            Choice::InstanceProfile,
            "code on EC2 that uses its own account's services has all it needs from the instance's \
             role"
                .to_owned(),
            code,
            None,
        ),
        Found::WebIdentity(_) => (
            Choice::AssumeRole,
            "the role admits the token that is here".to_owned(),
            code,
            None,
        ),
        Found::Container | Found::Elsewhere => (
            Choice::Provided,
            format!("{} is all that it takes", found.name()),
            code,
            None,
        ),
        Found::Keys if facts.host == Some(Host::Lambda) => (
            Choice::Provided,
            "Lambda keeps the keys of the function's role in the environment".to_owned(),
            code,
            None,
        ),
        Found::Keys | Found::Profile(_) => (
            Choice::Provided,
            format!("{} will do here", found.name()),
            code,
            match facts.end {
                End::Dated => None,
                End::Never => Some(LASTING_KEYS),
                End::Untold => Some(KEYS_OF_A_SESSION),
            },
        ),
    }
}

fn open_without_credentials(facts: &Facts<'_>) -> Parts {
    let expected = facts.expected.as_ref();
    let code = match (facts.cloud.or(facts.host), expected) {
        (Some(host), _) if line_for_host(host).is_some() => line_for_host(host).map(str::to_owned),
        (_, Some(expected)) => Some(line_for(expected, facts.region)),
        _ => None,
    };
    let reason = match (facts.metadata, facts.cloud) {
        (Metadata::Other, Some(cloud)) => format!(
            "this is {cloud}, not EC2, so there is no instance profile for Option A; Option B takes a \
             token of {cloud}'s, and whether a role admits that could not be seen"
        ),
        (Metadata::Other, None) => {
            "what answers at the metadata address is not EC2's metadata service, and no other AWS \
             identity could be seen"
                .to_owned()
        }
        (Metadata::Silent, ..) => {
            "there is no metadata service to be seen, so this is not EC2 or it is switched off or out of \
             reach, and no other AWS identity could be seen either"
                .to_owned()
        }
        (Metadata::Refusing, ..) => {
            "the metadata service gives no session token: if this is EC2, Option A will do once the \
             steps above pass"
                .to_owned()
        }
        (Metadata::Ec2, ..) => {
            "the metadata service gives no credentials: Option A will do once the steps above pass"
                .to_owned()
        }
        (Metadata::NotAsked, _) => match (facts.host, expected) {
            (Some(host), None) => {
                format!("nothing that could be seen on {host} gives AWS credentials")
            }
            _ if code.is_none() => "no credentials could be had".to_owned(),
            _ => "no credentials could be had; when the steps above pass, this will do".to_owned(),
        },
    };
    let code = match facts.metadata {
        Metadata::Silent => None,
        _ => code,
    };
    (Choice::Open, reason, code, None)
}

/// What an application writes to use these credentials as they are.
fn line_for(found: &Found, region: Option<&str>) -> String {
    match found {
        Found::Container => "Provided::container()".to_owned(),
        Found::Elsewhere => "Provided::new(\"elsewhere\", provider)".to_owned(),
        Found::Instance => "InstanceProfile::new()?".to_owned(),
        Found::Keys => "Provided::environment()".to_owned(),
        Found::Profile(name) => format!("Provided::profile({name:?})"),
        Found::WebIdentity(role) => format!(
            "AssumeRole::builder({role:?})\n    .region({:?})\n    .web_identity_from_env()\n    \
             .build()?",
            region.unwrap_or(REGION)
        ),
    }
}

/// Stands for what was not given.
const REGION: &str = "REGION";

fn assume_role(facts: &Facts<'_>, found: &Found, role: &RoleFacts<'_>) -> String {
    let region = facts.region.unwrap_or(REGION);
    let mut line = format!(
        "AssumeRole::builder({:?})\n    .region({region:?})",
        role.arn
    );
    if *found != Found::Instance {
        let base = line_for(found, facts.region).replace('\n', "\n    ");
        line.push_str(&format!("\n    .base({base})"));
    }
    if let Some(id) = role.external_id {
        line.push_str(&format!("\n    .external_id({id:?})"));
    }
    line.push_str("\n    .build()?");
    line
}

/// For hosts whose identity is a token that AWS takes for a role.
fn line_for_host(host: Host) -> Option<&'static str> {
    Some(match host {
        Host::AzureWorkload => {
            "AssumeRole::builder(\"ROLE_ARN\")\n    .region(\"REGION\")\n    \
             .web_identity_token_file(std::env::var(\"AZURE_FEDERATED_TOKEN_FILE\")?)\n    .build()?"
        }
        Host::AppService
        | Host::Azure
        | Host::AzurePipelines
        | Host::BitbucketPipelines
        | Host::Buildkite
        | Host::CircleCi
        | Host::CloudRun
        | Host::GitHubActions
        | Host::GitLabCi
        | Host::Gitpod
        | Host::GoogleCloud
        | Host::OpenStack
        | Host::OracleCloud => {
            "AssumeRole::builder(\"ROLE_ARN\")\n    .region(\"REGION\")\n    \
             .web_identity(fetch_token) // an async fn of yours\n    .build()?"
        }
        _ => return None,
    })
}
