//! The steps, one after the other.

use super::providers::Providers;
use super::recommend::{End, Facts, Found, Metadata, RoleFacts, Verdict, recommend};
use super::remedy;
use super::report::{Diagnosis, Outcome, Progress, Step, StepKind};
use super::stand_in::{is_aws_endpoint, is_metadata_address};
use super::surroundings::{
    Host, KEY_ID, Origin, ROLE_ARN, SECRET_KEY, SESSION_TOKEN, Surroundings, TOKEN_FILE,
    WebIdentity,
};
use crate::arn::account_in;
use crate::error::{CredentialFault, Error, ErrorKind, Operation, Result};
use crate::source::{
    CallerIdentity, CredentialSource, Env, ImdsSource, ImdsSourceBuilder, Platform, ProviderSource,
    StsSettings, StsSource, StsSourceBuilder, TokenCheck, TokenClaims, WebIdentityToken,
};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far this host's clock may be from the metadata service's. AWS refuses requests that are signed
/// more than five minutes off.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// How long credentials may take, whoever gives them: as long as a fetch of a strategy may.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// What is to be examined.
pub(super) struct Asked {
    pub(super) imds: ImdsSourceBuilder,
    pub(super) sts: StsSettings,
    pub(super) env: Env,
    pub(super) base: Option<SharedCredentialsProvider>,
    pub(super) providers: Providers,
    pub(super) role_arn: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) now: SystemTime,
}

impl Asked {
    /// What Option B does.
    fn assuming(&self, arn: &str, base: SharedCredentialsProvider) -> StsSourceBuilder {
        let builder = StsSource::builder(arn)
            .settings(self.sts.clone())
            .base(base);
        match &self.external_id {
            Some(id) => builder.external_id(id),
            None => builder,
        }
    }
}

/// Credentials, and whose.
struct Identity {
    found: Found,
    provider: SharedCredentialsProvider,
    account: Option<String>,
    end: End,
}

impl Identity {
    fn new(found: Found, credentials: Credentials) -> Self {
        Identity {
            found,
            account: credentials.account_id().map(|id| id.as_str().to_owned()),
            end: End::of(&credentials),
            provider: SharedCredentialsProvider::new(credentials),
        }
    }
}

/// What came of a way to credentials.
struct Way {
    metadata: Metadata,
    identity: Option<Identity>,
    expected: Option<Found>,
}

/// The steps so far.
pub(super) struct Visit<T> {
    /// As the environment says, else as the metadata service does.
    host: Option<Host>,
    /// Whose metadata service answers, where that is known and it is not EC2's.
    cloud: Option<Host>,
    notes: Vec<String>,
    steps: Vec<Step>,
    tell: T,
}

impl<T: FnMut(Progress<'_>) + Send> Visit<T> {
    pub(super) fn new(tell: T) -> Self {
        Visit {
            host: None,
            cloud: None,
            notes: Vec::new(),
            steps: Vec::new(),
            tell,
        }
    }

    pub(super) async fn examine(mut self, asked: Asked) -> Result<Diagnosis> {
        if asked.sts.has_region() {
            // a setting that is wrong is said before anything is asked
            asked.sts.clone().build()?;
            if let Some(arn) = &asked.role_arn {
                let nobody = Credentials::new("", "", None, None, "nobody");
                asked
                    .assuming(arn, SharedCredentialsProvider::new(nobody))
                    .build()?;
            }
        }
        let surroundings = Surroundings::read(&asked.env)?;
        self.host = surroundings.host.map(|(host, _)| host);
        let mut stand_ins = Vec::new();
        let way = self
            .first_credentials(&asked, &surroundings, &mut stand_ins)
            .await?;
        let Way {
            metadata,
            identity,
            expected,
        } = way;

        if let Some(endpoint) = asked.sts.endpoint_url()
            && identity.is_some()
            && !is_aws_endpoint(&endpoint)
        {
            self.note_stand_in(
                &mut stand_ins,
                format!("STS at {endpoint} is a stand-in for AWS's"),
            );
        }
        let (caller, verdict) = self.caller(&asked.sts, identity.as_ref()).await?;
        let role_arn = asked.role_arn.as_deref();
        let assumed = match role_arn {
            Some(arn) => {
                let base = identity.as_ref().map(|identity| identity.provider.clone());
                self.assumption(&asked, arn, base, caller.as_ref()).await?
            }
            None => Verdict::NotAsked("no role was given"),
        };

        let own_account = identity
            .as_ref()
            .and_then(|identity| identity.account.clone())
            .or_else(|| Some(caller.as_ref()?.account.clone()))
            .filter(|account| !account.is_empty());
        let region = asked.sts.region();
        let recommendation = recommend(&Facts {
            host: self.host,
            cloud: self.cloud,
            metadata,
            end: identity
                .as_ref()
                .map_or(End::Never, |identity| identity.end),
            found: identity.map(|identity| identity.found),
            expected,
            caller: verdict,
            own_account: own_account.as_deref(),
            role: role_arn.map(|arn| RoleFacts {
                arn,
                account: account_in(arn),
                external_id: asked.external_id.as_deref(),
                assumed,
            }),
            region: region.as_deref(),
            stand_ins: &stand_ins,
        });
        Ok(Diagnosis {
            host: self.host,
            notes: self.notes,
            steps: self.steps,
            recommendation,
        })
    }

    fn note_stand_in(&mut self, stand_ins: &mut Vec<String>, what: String) {
        let note = format!("{what}: what follows says nothing about AWS itself");
        (self.tell)(Progress::Noted(&note));
        self.notes.push(note);
        stand_ins.push(what);
    }

    /// Keys of the environment are not what the doctor looks at here, nor a strategy; all else does.
    fn note_keys_first(&mut self, role: &Found) {
        let note = format!(
            "{KEY_ID} is set: the default chain of the AWS SDKs takes the keys in the environment before {}; \
             unset it and {SECRET_KEY} unless that is meant",
            role.name()
        );
        (self.tell)(Progress::Noted(&note));
        self.notes.push(note);
    }

    fn begin(&mut self, kind: StepKind) {
        (self.tell)(Progress::Begun(kind));
    }

    fn note(&mut self, kind: StepKind, outcome: Outcome) {
        let step = Step::new(kind, outcome);
        (self.tell)(Progress::Done(&step));
        self.steps.push(step);
    }

    fn passed(&mut self, kind: StepKind, what: impl Into<String>) {
        self.note(kind, Outcome::Passed(what.into()));
    }

    fn failed(&mut self, kind: StepKind, error: &Error, remedy: String) {
        let cause = remedy::in_one_line(error);
        self.note(kind, Outcome::Failed { cause, remedy });
    }

    fn skip(&mut self, kinds: &[StepKind], why: &str) {
        for kind in kinds {
            self.note(*kind, Outcome::Skipped(why.to_owned()));
        }
    }

    /// The first credentials that there are here, from where the environment says.
    async fn first_credentials(
        &mut self,
        asked: &Asked,
        surroundings: &Surroundings,
        stand_ins: &mut Vec<String>,
    ) -> Result<Way> {
        let place = surroundings
            .host
            .map(|(host, variable)| format!("{host} ({variable} is set)"));
        if let Origin::Nowhere(advice) = surroundings.origin
            && asked.base.is_none()
        {
            let place = place.unwrap_or_default();
            let identity = self.profile_or_nothing(asked, &place, advice).await;
            return Ok(Way {
                metadata: Metadata::NotAsked,
                identity,
                expected: None,
            });
        }
        if surroundings.keys && asked.base.is_none() {
            match &surroundings.origin {
                Origin::Container => self.note_keys_first(&Found::Container),
                Origin::WebIdentity(WebIdentity {
                    role_arn: Some(role),
                    ..
                }) => self.note_keys_first(&Found::WebIdentity(role.clone())),
                _ => {}
            }
        }
        if let Some(place) = place {
            self.passed(StepKind::Environment, place);
        }
        let now = asked.now;
        let (identity, expected) = match &surroundings.origin {
            Origin::Instance => {
                return self
                    .instance_or_another(asked, surroundings.keys, stand_ins)
                    .await;
            }
            _ if asked.base.is_some() => (elsewhere(asked), None),
            Origin::Container => {
                let source = asked.providers.container();
                let identity = self
                    .provided(StepKind::Container, source, Found::Container, now)
                    .await;
                (identity, Some(Found::Container))
            }
            Origin::Environment => {
                let keys = Some(ProviderSource::fixed(keys_of(&asked.env)?));
                let identity = self.provided(StepKind::Keys, keys, Found::Keys, now).await;
                (identity, Some(Found::Keys))
            }
            Origin::WebIdentity(token) => self.web_identity(asked, token).await?,
            Origin::Nowhere(_) => (None, None),
        };
        Ok(Way {
            metadata: Metadata::NotAsked,
            identity,
            expected,
        })
    }

    /// The role of the instance; where no metadata service of EC2's answers, whoever else there is.
    async fn instance_or_another(
        &mut self,
        asked: &Asked,
        keys: bool,
        stand_ins: &mut Vec<String>,
    ) -> Result<Way> {
        let source = asked.imds.clone().build()?;
        if !is_metadata_address(&source.endpoint()) {
            let what = format!(
                "the metadata service at {} is a stand-in for EC2's",
                source.endpoint()
            );
            self.note_stand_in(stand_ins, what);
        }
        let stop = match self
            .instance(&source, asked.sts.region().as_deref(), asked.now)
            .await
        {
            Ok(credentials) => {
                let identity = match elsewhere(asked) {
                    Some(other) => other,
                    None => {
                        if keys {
                            self.note_keys_first(&Found::Instance);
                        }
                        Identity::new(Found::Instance, credentials)
                    }
                };
                return Ok(Way {
                    metadata: Metadata::Ec2,
                    identity: Some(identity),
                    expected: None,
                });
            }
            Err(stop) => *stop,
        };
        let is_ec2 = matches!(stop.metadata, Metadata::Ec2 | Metadata::Refusing);
        if is_ec2 && keys && asked.base.is_none() {
            self.note_keys_first(&Found::Instance);
        }
        let mut another = match elsewhere(asked) {
            Some(identity) => Some((identity, None)),
            None if is_ec2 => None,
            None => self.keys_or_profile(asked, keys).await?,
        };
        // what the caller does without is no fault
        let outcome = match &another {
            Some((identity, _)) if !is_ec2 => {
                let caller = identity.found.name();
                let steps = std::iter::once(stop.step).chain(stop.rest.iter().copied());
                let cause = stop.cause.clone();
                for step in steps {
                    let why = format!("{cause}; the caller is {caller}");
                    self.note(step, Outcome::Skipped(why));
                }
                None
            }
            _ => Some(Outcome::Failed {
                cause: stop.cause,
                remedy: stop.remedy,
            }),
        };
        if let Some(outcome) = outcome {
            self.note(stop.step, outcome);
            self.skip(&stop.rest, stop.why);
        }
        if let Some((_, Some((kind, seen)))) = &mut another {
            let (kind, seen) = (*kind, std::mem::take(seen));
            self.passed(kind, seen);
        }
        Ok(Way {
            metadata: stop.metadata,
            identity: another.map(|(identity, _)| identity),
            expected: is_ec2.then_some(Found::Instance),
        })
    }

    /// A profile, where the environment names no credentials and there is no metadata service to ask.
    async fn profile_or_nothing(
        &mut self,
        asked: &Asked,
        place: &str,
        advice: &str,
    ) -> Option<Identity> {
        self.begin(StepKind::Environment);
        let profile = match asked.providers.profile() {
            Some(source) => Some(in_time(&source).await),
            None => None,
        };
        let name = asked.providers.profile_name();
        match profile {
            Some(Ok(credentials)) => {
                self.passed(StepKind::Environment, place);
                let seen = format!("{name}: {}", describe(&credentials, asked.now));
                self.passed(StepKind::Profile, seen);
                Some(Identity::new(Found::Profile(name.to_owned()), credentials))
            }
            Some(Err(error)) if asked.providers.names_profile() => {
                self.passed(StepKind::Environment, place);
                self.failed(StepKind::Profile, &error, remedy::provider(&error));
                None
            }
            Some(Err(_)) | None => {
                let profile = match profile {
                    Some(_) => ", nor does a profile",
                    None => "",
                };
                let cause = format!("{place}, and no variable gives AWS credentials{profile}");
                let remedy = advice.to_owned();
                self.note(StepKind::Environment, Outcome::Failed { cause, remedy });
                None
            }
        }
    }

    /// Keys of the environment, or else of a profile, with the step that says so.
    async fn keys_or_profile(
        &mut self,
        asked: &Asked,
        keys: bool,
    ) -> Result<Option<(Identity, Option<(StepKind, String)>)>> {
        if keys {
            let credentials = keys_of(&asked.env)?;
            let seen = describe(&credentials, asked.now);
            let identity = Identity::new(Found::Keys, credentials);
            return Ok(Some((identity, Some((StepKind::Keys, seen)))));
        }
        let Some(source) = asked.providers.profile() else {
            return Ok(None);
        };
        self.begin(StepKind::Profile);
        match in_time(&source).await {
            Ok(credentials) => {
                let name = asked.providers.profile_name();
                let seen = format!("{name}: {}", describe(&credentials, asked.now));
                let identity = Identity::new(Found::Profile(name.to_owned()), credentials);
                Ok(Some((identity, Some((StepKind::Profile, seen)))))
            }
            Err(error) if asked.providers.names_profile() => {
                self.failed(StepKind::Profile, &error, remedy::provider(&error));
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Credentials of one of the AWS SDK's providers.
    async fn provided(
        &mut self,
        kind: StepKind,
        source: Option<ProviderSource>,
        found: Found,
        now: SystemTime,
    ) -> Option<Identity> {
        let Some(source) = source else {
            self.skip(
                &[kind],
                "the environment that was given is not the process's",
            );
            return None;
        };
        self.begin(kind);
        match in_time(&source).await {
            Ok(credentials) => {
                self.passed(kind, describe(&credentials, now));
                Some(Identity::new(found, credentials))
            }
            Err(error) => {
                self.failed(kind, &error, remedy::provider(&error));
                None
            }
        }
    }

    /// The token of an identity provider: what can be seen of it here, then what STS says.
    async fn web_identity(
        &mut self,
        asked: &Asked,
        identity: &WebIdentity,
    ) -> Result<(Option<Identity>, Option<Found>)> {
        let Some(role) = &identity.role_arn else {
            let cause = format!("{TOKEN_FILE} is set, and {ROLE_ARN} is not");
            let remedy = format!("set {ROLE_ARN} to the role that admits the token");
            self.note(StepKind::IdentityToken, Outcome::Failed { cause, remedy });
            return Ok((None, None));
        };
        let found = Found::WebIdentity(role.clone());
        let file = Path::new(&identity.token_file);
        let claims = match WebIdentityToken::read(file).await {
            Ok(token) => token.claims(),
            Err(fault) => {
                let place = format!("{TOKEN_FILE} {}", file.display());
                let error = fault.into_error(Operation::FETCH, place);
                self.failed(StepKind::IdentityToken, &error, remedy::provider(&error));
                self.skip(&[StepKind::WebIdentity], "there is no token to send");
                return Ok((None, Some(found)));
            }
        };
        self.look_at(claims.as_ref(), asked.now);
        if !asked.sts.has_region() {
            self.skip(&[StepKind::WebIdentity], NO_REGION);
            return Ok((None, Some(found)));
        }
        let mut builder = StsSource::builder(role)
            .settings(asked.sts.clone())
            .web_identity_token_file(file);
        if let Some(name) = &identity.session_name {
            builder = builder.session_name(name);
        }
        let source = builder.build()?;
        self.begin(StepKind::WebIdentity);
        match in_time(&source).await {
            Ok(credentials) => {
                let seen = format!("{role}: {}", describe(&credentials, asked.now));
                self.passed(StepKind::WebIdentity, seen);
                let identity = Identity::new(found.clone(), credentials);
                Ok((Some(identity), Some(found)))
            }
            Err(error) => {
                let remedy = remedy::web_identity(&error, role, claims.as_ref());
                self.failed(StepKind::WebIdentity, &error, remedy);
                Ok((None, Some(found)))
            }
        }
    }

    fn look_at(&mut self, claims: Option<&TokenClaims>, now: SystemTime) {
        let Some(claims) = claims else {
            self.note(
                StepKind::IdentityToken,
                Outcome::Failed {
                    cause: "what is in the file is no JSON web token".to_owned(),
                    remedy: "a token of an OpenID Connect provider is expected: three parts of letters, \
                             digits, - and _, with points between"
                        .to_owned(),
                },
            );
            return;
        };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let ended = claims
            .expires_at
            .map(|end| u64::try_from(end).unwrap_or_default())
            .filter(|end| *end <= now)
            .map(|end| (now - end).div_ceil(60));
        let Some(minutes) = ended else {
            self.passed(StepKind::IdentityToken, claims.to_string());
            return;
        };
        self.note(
            StepKind::IdentityToken,
            Outcome::Failed {
                cause: format!("by this host's clock the token ended {minutes} min ago: {claims}"),
                remedy: "whoever writes the file has to renew it in time: is it the file that is kept up to \
                         date, or a copy of it; and is the clock right?"
                    .to_owned(),
            },
        );
    }

    /// The metadata service, from the connection to the document.
    async fn instance(
        &mut self,
        source: &ImdsSource,
        region: Option<&str>,
        now: SystemTime,
    ) -> std::result::Result<Credentials, Box<Stop>> {
        use StepKind::{Clock, Document, HopLimit, Reachable, Role, Token};
        self.begin(Reachable);
        if let Err(error) = source.check_connection().await {
            return Err(Box::new(Stop {
                step: Reachable,
                cause: remedy::in_one_line(&error),
                remedy: remedy::unreachable(&error),
                rest: vec![Token, HopLimit, Role, Document, Clock],
                why: "there is no metadata service to ask",
                metadata: Metadata::Silent,
            }));
        }
        self.passed(Reachable, source.endpoint());
        self.begin(Token);
        let token = match source.check_token().await {
            Ok(token) => token,
            Err(error) => {
                let lost = *error.kind() == ErrorKind::Timeout;
                let platform = match lost {
                    true => None,
                    false => source.platform().await,
                };
                let (step, rest) = match lost {
                    true => {
                        self.passed(Token, "the request goes out");
                        (HopLimit, vec![Role, Document, Clock])
                    }
                    false => (Token, vec![HopLimit, Role, Document, Clock]),
                };
                let metadata = self.not_ec2(&error, platform);
                let mut remedy = remedy::no_token(&error, platform);
                if self.host == Some(Host::Kubernetes) {
                    match metadata {
                        _ if lost => remedy.push_str(remedy::POD_ROLE),
                        Metadata::Other if platform.is_none() => {
                            remedy.push_str(remedy::POD_AGENT);
                        }
                        _ => {}
                    }
                }
                return Err(Box::new(Stop {
                    step,
                    cause: remedy::not_ec2(&error, platform),
                    remedy,
                    rest,
                    why: "there is no session token to ask with",
                    metadata,
                }));
            }
        };
        self.passed(
            Token,
            match token.ttl {
                Some(ttl) => format!("for {} s", ttl.as_secs()),
                None => "without a stated life".to_owned(),
            },
        );
        self.passed(HopLimit, "the answer to the request for a token arrives");
        self.begin(Role);
        let roles = match source.attached_roles().await {
            Ok(roles) => roles,
            Err(error) => {
                let platform = match error.kind() {
                    ErrorKind::Malformed => source.platform().await,
                    _ => None,
                };
                let metadata = match error.kind() {
                    ErrorKind::Malformed => self.not_ec2(&error, platform),
                    _ => Metadata::Ec2,
                };
                return Err(Box::new(Stop {
                    step: Role,
                    cause: remedy::not_ec2(&error, platform),
                    remedy: remedy::no_role(&error),
                    rest: vec![Document, Clock],
                    why: "there is no role whose document to read",
                    metadata,
                }));
            }
        };
        self.passed(Role, roles.join(", "));
        self.begin(Document);
        let fetched = source.fetch().await;
        let stop = |metadata, cause, remedy| {
            Box::new(Stop {
                step: Document,
                cause,
                remedy,
                rest: vec![Clock],
                why: "there are no credentials to use",
                metadata,
            })
        };
        let credentials = fetched.map_err(|error| {
            let cause = remedy::in_one_line(&error);
            // EC2's states how long a token lives; who does not, and has no document either, answers anything
            if token.ttl.is_none() && *error.kind() == ErrorKind::Malformed {
                return stop(Metadata::Other, cause, remedy::no_role(&error));
            }
            let remedy = remedy::no_document(&error, source.subject().as_deref(), region);
            stop(Metadata::Ec2, cause, remedy)
        })?;
        let left = credentials
            .expiry()
            .map(|expiry| expiry.duration_since(now));
        if left.is_some_and(|left| left.is_err()) {
            let cause = format!(
                "the credentials {} have expired",
                credentials.access_key_id()
            );
            return Err(stop(Metadata::Ec2, cause, remedy::EXPIRED.to_owned()));
        }
        self.passed(Document, describe(&credentials, now));
        self.clock(token, now);
        Ok(credentials)
    }

    /// What an answer that is not as expected says about the metadata service.
    fn not_ec2(&mut self, error: &Error, platform: Option<Platform>) -> Metadata {
        if let Some(platform) = platform {
            self.cloud = Some(match platform {
                Platform::Azure => Host::Azure,
                Platform::GoogleCloud => Host::GoogleCloud,
                Platform::OpenStack => Host::OpenStack,
                Platform::OracleCloud => Host::OracleCloud,
            });
            self.host = self.host.or(self.cloud);
            return Metadata::Other;
        }
        match error.kind() {
            ErrorKind::Malformed | ErrorKind::Invalid | ErrorKind::Other => Metadata::Other,
            _ => Metadata::Refusing,
        }
    }

    fn clock(&mut self, token: TokenCheck, now: SystemTime) {
        let Some(theirs) = token.date else {
            self.skip(
                &[StepKind::Clock],
                "the metadata service does not tell the time",
            );
            return;
        };
        let (apart, behind) = match theirs.duration_since(now) {
            Ok(apart) => (apart, true),
            Err(error) => (error.duration(), false),
        };
        if apart <= CLOCK_TOLERANCE {
            let seconds = apart.as_secs();
            self.passed(StepKind::Clock, format!("{seconds} s apart"));
            return;
        }
        self.note(
            StepKind::Clock,
            Outcome::Failed {
                cause: format!(
                    "this host's clock is {} s {} the metadata service's, and AWS refuses requests \
                     signed more than {} s off",
                    apart.as_secs(),
                    if behind { "behind" } else { "ahead of" },
                    CLOCK_TOLERANCE.as_secs()
                ),
                remedy: remedy::CLOCK.to_owned(),
            },
        );
    }

    /// Who AWS takes the caller for.
    async fn caller(
        &mut self,
        sts: &StsSettings,
        identity: Option<&Identity>,
    ) -> Result<(Option<CallerIdentity>, Verdict)> {
        let Some(identity) = identity else {
            return Ok((
                None,
                self.left_out(StepKind::Caller, "there are no credentials to ask with"),
            ));
        };
        if !sts.has_region() {
            return Ok((None, self.left_out(StepKind::Caller, NO_REGION)));
        }
        let client = sts.clone().build()?;
        self.begin(StepKind::Caller);
        let asking = identity.provider.provide_credentials();
        let signer = match tokio::time::timeout(FETCH_TIMEOUT, asking).await {
            Ok(Ok(signer)) => signer,
            outcome => {
                let error = match outcome {
                    Ok(Err(error)) => {
                        Error::recoverable("the credentials provider gave none").caused_by(error)
                    }
                    _ => hangs(),
                };
                self.failed(StepKind::Caller, &error, remedy::CALLER.to_owned());
                return Ok((None, Verdict::NoCredentials));
            }
        };
        match client.caller_identity(&signer).await {
            Ok(identity) => {
                self.passed(StepKind::Caller, identity.arn.clone());
                Ok((Some(identity), Verdict::Passed))
            }
            Err(error) => {
                self.failed(StepKind::Caller, &error, remedy::caller(&error, sts));
                Ok((None, verdict(&error)))
            }
        }
    }

    /// What Option B does.
    async fn assumption(
        &mut self,
        asked: &Asked,
        arn: &str,
        base: Option<SharedCredentialsProvider>,
        caller: Option<&CallerIdentity>,
    ) -> Result<Verdict> {
        let Some(base) = base else {
            return Ok(self.left_out(
                StepKind::Assume,
                "there are no credentials to assume it with",
            ));
        };
        if !asked.sts.has_region() {
            return Ok(self.left_out(StepKind::Assume, NO_REGION));
        }
        let source = asked.assuming(arn, base).build()?;
        self.begin(StepKind::Assume);
        match in_time(&source).await {
            Ok(credentials) => {
                let account = credentials.account_id().map_or("", |id| id.as_str());
                self.passed(StepKind::Assume, format!("{arn} in account {account}"));
                Ok(Verdict::Passed)
            }
            Err(error) => {
                let remedy = remedy::assumption(&error, arn, asked.external_id.as_deref(), caller);
                self.failed(StepKind::Assume, &error, remedy);
                Ok(verdict(&error))
            }
        }
    }

    fn left_out(&mut self, kind: StepKind, why: &'static str) -> Verdict {
        self.skip(&[kind], why);
        Verdict::NotAsked(why)
    }
}

const NO_REGION: &str = "no region was given, so STS was not asked";

/// Where the steps of the metadata service ended.
struct Stop {
    step: StepKind,
    cause: String,
    remedy: String,
    /// The steps that are left out for it, and why.
    rest: Vec<StepKind>,
    why: &'static str,
    metadata: Metadata,
}

/// Only an answer with a code of AWS is one of STS: others may stand in between, and pages of theirs say
/// nothing about credentials.
fn verdict(error: &Error) -> Verdict {
    match error.kind() {
        ErrorKind::Throttled | ErrorKind::Service => Verdict::Unanswered,
        ErrorKind::Credential(CredentialFault::Expired | CredentialFault::Unrecognized) => {
            Verdict::Refused
        }
        // a clock, a policy, a region that is not enabled
        _ if error.code().is_some() => Verdict::CallRefused,
        _ => Verdict::Unanswered,
    }
}

/// The identity that the caller of the doctor gave.
fn elsewhere(asked: &Asked) -> Option<Identity> {
    asked.base.as_ref().map(|provider| Identity {
        found: Found::Elsewhere,
        provider: provider.clone(),
        account: None,
        // nobody has asked it yet, and nothing is said about what it gives
        end: End::Dated,
    })
}

/// The keys that stand in the environment.
fn keys_of(env: &Env) -> Result<Credentials> {
    let text = |name| Ok::<_, Error>(env.var(name)?.unwrap_or_default());
    let credentials = Credentials::new(
        text(KEY_ID)?,
        text(SECRET_KEY)?,
        env.var(SESSION_TOKEN)?,
        None,
        "environment",
    );
    Ok(credentials)
}

/// What a source gives, or that it gives nothing in time.
async fn in_time(source: &impl CredentialSource) -> Result<Credentials> {
    let fetched = tokio::time::timeout(FETCH_TIMEOUT, source.fetch()).await;
    fetched.unwrap_or_else(|_| Err(hangs().via(source.name())))
}

fn hangs() -> Error {
    Error::new(
        ErrorKind::Timeout,
        Operation::FETCH,
        format!(
            "the credentials provider has not answered within {} s",
            FETCH_TIMEOUT.as_secs()
        ),
    )
}

/// Key id, account and remaining life.
fn describe(credentials: &Credentials, now: SystemTime) -> String {
    let mut text = credentials.access_key_id().to_owned();
    if let Some(account) = credentials.account_id() {
        text.push_str(&format!(" of account {}", account.as_str()));
    }
    if let Some(expiry) = credentials.expiry() {
        let left = expiry.duration_since(now).unwrap_or_default();
        text.push_str(&format!(", {} min left", left.as_secs() / 60));
    }
    text
}
