//! Replaces a key that a service rejected, and has the request repeated.

use super::rejection::{code_in, fault};
use super::service::{Service, Services};
use super::signature::{ShownKey, sign_again, signing_key};
use crate::error::chain::Discreet;
use crate::error::{Error, ErrorKind, Operation};
use crate::refresh::{Rejection, Remembered, Status};
use crate::source::key_mark::KeyMark;
use crate::source::restraint::{HELD_BACK_FOR, Refusal};
use crate::strategy::{CredentialStrategy, WeakStrategy};
use aws_credential_types::Credentials;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// The call of an [`Error`] that stands for a repeat which was not sent.
pub(crate) const REPEAT: Operation = Operation::new("repeat with new credentials");

const NAME: &str = "RecoverFromRejectedCredentials";

/// Before a repeat by a client that does not wait for the refresh, since it has a cache of its own: 500 ms.
///
/// Longer than most refreshes; two of them, as many as the SDK's three attempts leave, within a second.
const PAUSE_OF_MISWIRED: Duration = Duration::from_millis(500);

/// What mends a client that signs with something else than what the strategy holds.
const WIRE_IT: &str =
    "let the client sign with the strategy: build it from sdk::config(&settings, strategy)";

/// Replaces credentials that a service rejected, and lets the SDK repeat the request once.
///
/// One value, given to a client's configuration twice: as interceptor and as retry classifier. It works for
/// every operation of every AWS SDK client, paginators included, as long as the answer bears a code; that to
/// a `HEAD` request of S3 does not. Clients of several services may share one:
///
/// ```
/// use aws_credential_strategies::{CredentialStrategy, sdk};
/// # fn example(settings: aws_types::SdkConfig, strategy: std::sync::Arc<dyn CredentialStrategy>) {
/// let settings = sdk::config(&settings, strategy.clone());
/// let recovery = sdk::Recovery::new(strategy);
/// let config = aws_sdk_sqs::config::Builder::from(&settings)
///     .interceptor(recovery.clone())
///     .retry_classifier(recovery.clone())
///     .build();
/// let client = aws_sdk_sqs::Client::from_conf(config);
/// # }
/// ```
///
/// # What happens
///
/// When the service answers with one of [`REJECTION_CODES`](super::REJECTION_CODES), exactly the key that
/// signed the request is [invalidated](CredentialStrategy::invalidate). The repeat waits for the one refresh
/// that all rejected requests share. There is at most one repeat per operation, and none where the strategy
/// says that it would not help: the same key came again, or the keys that replaced rejected ones were
/// rejected too ([`Rejection`]). Where the refresh fails, the repeat would go out with the rejected key; it is
/// not sent, and the error, which has the crate's [`Error`] in its chain, names the code of the rejection and
/// has the failed refresh as its cause.
///
/// A success is told to the strategy ([`accepted`](CredentialStrategy::accepted)), once per key and service, and again
/// where a key comes back after another.
///
/// # Restraint
///
/// A service may refuse every key: its region is not enabled, it belongs to another partition, it is not
/// AWS. After [`FRESH_KEYS_REFUSED`](super::FRESH_KEYS_REFUSED) new keys refused in a row its rejections are
/// not passed on any more, so that they cost the other clients of the strategy nothing, and its errors are
/// returned as they come: until it accepts a request, or [`HELD_BACK_FOR`] has passed, after which one more
/// key is tried. That is counted per service as the client's configuration names it: service, region, and
/// endpoint URL where one is set; not per host, of which S3 has one a bucket and DynamoDB one an account. It is
/// remembered with the strategy, whichever client or recovery of it asks.
///
/// While a rejected key is being replaced, a service that has accepted keys and has not refused this one is
/// still shown it, at once: whoever was rejected waits, the others do not.
///
/// # Attempts and quota
///
/// The repeat is one of the client's attempts: it needs `max_attempts` of at least 2 and a request body that
/// can be sent twice; otherwise the next request is signed with the new key. It takes nothing from the
/// client's retry quota, whichever that is, so that of a thousand requests rejected at once each is repeated;
/// all other retries cost what they did before.
///
/// # Wiring
///
/// The client must sign with the strategy's credentials as they are now. With [`config`](super::config) and
/// [`plug`](super::plug) it does, also where the builder of a service is given the strategy once more with
/// `.credentials_provider(..)`. Where only that was done, the SDK's own identity cache goes on to hand out the
/// rejected key: then requests are signed anew with the strategy's, a repeat waits half a second instead of for
/// the refresh, and one WARN event says so; a signature that goes on in the body or stands in the query cannot be
/// exchanged, and such a request is not repeated. A client that signs with what is not the strategy's at all is left
/// alone: one WARN, no second request, and an error that says how to wire it; where its strategy is in no use any more,
/// one WARN. Given to a client in one place only, as interceptor or as retry classifier, it repeats nothing; the first
/// rejection then brings one WARN event that names the place which is empty.
///
/// A key is known by its id and its session token: a source may change the one under the other, or bring two keys in
/// turn. A long-lived key whose secret is changed under its id is told from the one before by its strategy alone.
#[derive(Clone)]
pub struct Recovery {
    strategy: Kept,
    /// Its name.
    name: &'static str,
    services: Arc<Services>,
    /// Made when it is asked for first, so that who does not use it does not pay for it.
    partition: Arc<OnceLock<RetryPartition>>,
    /// Of which a repeat takes nothing.
    free: TokenBucket,
}

/// The strategy, kept alive or not.
#[derive(Clone)]
enum Kept {
    Alive(Arc<dyn CredentialStrategy>),
    /// By its users, such as the client's provider as long as that is this strategy's.
    ByUsers(WeakStrategy),
}

/// The key that signed the attempt under way.
#[derive(Debug)]
struct SignedWith {
    key_id: String,
    key: KeyMark,
    service: Arc<Service>,
}

impl Storable for SignedWith {
    type Storer = StoreReplace<Self>;
}

/// The service that an operation goes to, for the identity cache too.
#[derive(Debug)]
pub(super) struct GoesTo(pub(super) Arc<Service>);

impl Storable for GoesTo {
    type Storer = StoreReplace<Self>;
}

/// This operation has its repeat, because of this rejection.
#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) rejected: KeyMark,
    code: String,
    http_status: u16,
    /// The client's own, while the decision about the repeat is made with the free one.
    quota: Option<TokenBucket>,
    /// The client waited for the refresh, as one does that signs with the strategy.
    waited: AtomicBool,
}

impl Repeat {
    /// Noted by who waits, before the repeat is signed; all of one operation happens in one order.
    pub(super) fn note_wait(&self) {
        self.waited.store(true, Ordering::Relaxed);
    }
}

impl Storable for Repeat {
    type Storer = StoreReplace<Self>;
}

/// On a response: the request is to be repeated with new credentials.
#[derive(Clone, Copy, Debug)]
struct RepeatWithNewCredentials {
    after: Duration,
}

/// On a response that is an error: the interceptor was there.
#[derive(Clone, Copy, Debug)]
struct LookedAt;

/// What is sent in place of a repeat that would be signed with the rejected key.
enum Instead {
    /// It all the same: nothing speaks against the key but the rejection.
    Itself,
    /// The same, signed by what the strategy holds by now. Where the signature cannot be exchanged, nothing, or it
    /// all the same.
    SignedBy(Identity, Option<Error>),
    /// Nothing now; the client did not wait for the refresh, which is under way.
    Later(PutOff),
    /// Nothing.
    Nothing(Error),
}

impl Recovery {
    /// Recovery by the strategy that the client signs with.
    ///
    /// It does not keep the strategies of this crate alive: where another provider takes their place in a copy of
    /// a client's configuration, nothing goes on refreshing what nobody uses. A strategy of your own it keeps.
    pub fn new<S: CredentialStrategy>(strategy: S) -> Self {
        let name = strategy.name();
        let services = services_of(&strategy);
        Recovery {
            strategy: match strategy.weak() {
                Some(weak) => Kept::ByUsers(weak),
                None => Kept::Alive(Arc::new(strategy)),
            },
            name,
            services,
            partition: Arc::default(),
            free: TokenBucket::builder().retry_cost(0).build(),
        }
    }

    /// Stands for a retry quota of the SDK's size for each service, whichever clients share this value.
    ///
    /// A repeat with new credentials takes nothing from any quota, so a client needs this only where it would
    /// share a partition of its own with other services. A partition that it is not given is left alone.
    #[must_use]
    pub fn retry_partition(&self) -> RetryPartition {
        let own = || RetryPartition::custom("aws-credential-strategies").build();
        self.partition.get_or_init(own).clone()
    }

    /// Recovery by another strategy, with what its keys went through apart; the quotas are the same.
    #[cfg(feature = "table")]
    pub(crate) fn of_another(&self, strategy: Arc<dyn CredentialStrategy>) -> Self {
        Recovery {
            name: strategy.name(),
            services: services_of(&*strategy),
            strategy: Kept::Alive(strategy),
            partition: Arc::clone(&self.partition),
            free: self.free.clone(),
        }
    }

    /// Whether an interceptor or a classifier is one of these, by its name.
    #[cfg(feature = "table")]
    pub(crate) fn is_named(name: &str) -> bool {
        name == NAME
    }

    /// The strategy, unless its last user is gone.
    pub(super) fn strategy(&self) -> Option<Arc<dyn CredentialStrategy>> {
        match &self.strategy {
            Kept::Alive(strategy) => Some(Arc::clone(strategy)),
            Kept::ByUsers(strategy) => strategy.upgrade(),
        }
    }

    /// Whether this is the strategy's key now.
    fn holds(&self, key: KeyMark, key_id: &str) -> bool {
        let Some(strategy) = self.strategy() else {
            return false;
        };
        match strategy.current() {
            Some(current) => KeyMark::of_credentials(&current) == key,
            // Kept to fall back on, or about to be replaced.
            None => strategy.status().key_id.as_deref() == Some(key_id),
        }
    }

    /// The mark of what a request is signed with.
    fn mark(&self, shown: &ShownKey<'_>) -> KeyMark {
        let held = || {
            let held = self.strategy()?.current()?;
            (held.access_key_id() == shown.id).then(|| KeyMark::of_credentials(&held))
        };
        let in_query = (!shown.in_header).then(held).flatten();
        in_query.unwrap_or_else(|| KeyMark::of(shown.id, shown.token))
    }

    /// What to do about a repeat that the client signed with the key whose rejection brought it about, or with
    /// one that was rejected before.
    fn instead_of(
        &self,
        strategy: &dyn CredentialStrategy,
        signed: &SignedWith,
        repeat: &Repeat,
    ) -> Instead {
        let status = strategy.status();
        let held = strategy.current_identity();
        let held_key = held.as_ref().and_then(KeyMark::of_identity);
        if let Some(identity) = &held
            && held_key.is_some_and(|held| held != repeat.rejected)
        {
            return self.signed_by(identity, signed, repeat);
        }
        let invalidated = status.invalidated;
        if let Some((failed, terminal)) = LastRefresh::for_present_need(status) {
            let error = self.not_repeated(signed, repeat, "no other could be had");
            let error = error.over(failed);
            return Instead::Nothing(if terminal { error.needs_human() } else { error });
        }
        match (held, invalidated) {
            (None, true) => Instead::Later(PutOff(self.not_repeated(
                signed,
                repeat,
                "another is on its way",
            ))),
            (Some(_), true) => {
                Instead::Nothing(self.not_repeated(signed, repeat, "no other came in time"))
            }
            (Some(identity), false) if held_key != Some(signed.key) => {
                self.signed_by(&identity, signed, repeat)
            }
            _ => Instead::Itself,
        }
    }

    /// A repeat that is signed with something else than what the strategy holds.
    fn signed_by(&self, identity: &Identity, signed: &SignedWith, repeat: &Repeat) -> Instead {
        if repeat.waited.load(Ordering::Relaxed) && signed.service.was_held(signed.key) {
            // It waited in vain, and the new key came between the end of its wait and here. Whoever it waited for:
            // the key was this strategy's.
            let error = self.not_repeated(signed, repeat, "another came too late for this request");
            return Instead::SignedBy(identity.clone(), Some(error));
        }
        self.warn_miswired(signed);
        let not_repeated = |why| self.not_repeated(signed, repeat, why).hint(WIRE_IT);
        if signed.service.was_held(signed.key) {
            signed.service.mark_stale(signed.key);
            let why = "its signature cannot be exchanged for one by the key that has come";
            Instead::SignedBy(identity.clone(), Some(not_repeated(why)))
        } else {
            Instead::Nothing(not_repeated("it is not the strategy's"))
        }
    }

    fn not_repeated(&self, signed: &SignedWith, repeat: &Repeat, why: &str) -> Error {
        let SignedWith {
            key_id, service, ..
        } = signed;
        let message = format!("{service} rejects the key {key_id}, and {why}");
        Error::new(ErrorKind::Credential(fault(&repeat.code)), REPEAT, message)
            .via(self.name)
            .with_status(repeat.http_status)
            .with_code(repeat.code.clone())
    }

    fn warn_miswired(&self, signed: &SignedWith) {
        if signed.service.is_first_miswired() {
            tracing::warn!(
                strategy = self.name,
                service = %signed.service,
                key_id = signed.key_id,
                "a client goes on signing with a key that was rejected and is not the strategy's any more: it \
                 caches credentials itself, or has another provider; build it from sdk::config(&settings, strategy)"
            );
        }
    }

    fn warn_gone(&self, service: &Service) {
        if service.is_first_miswired() {
            tracing::warn!(
                strategy = self.name,
                service = %service,
                "a key was rejected and nobody replaces it: the client's recovery is of a strategy that was swapped \
                 out; build the client from sdk::config(&settings, strategy)"
            );
        }
    }

    /// A rejection came to one of the two places that a client has to be given a recovery in, and the other is empty.
    fn warn_half_wired(&self, missing: &'static str) {
        if self.services.is_first_half_wired() {
            tracing::warn!(
                strategy = self.name,
                missing,
                "a key was rejected and the request is not repeated: the client has its recovery in one place of two; \
                 build it with sdk::client_config!, or give the same recovery to both .interceptor(..) and \
                 .retry_classifier(..)"
            );
        }
    }

    /// Until the attempt after it has ended, retries of this operation cost nothing.
    fn lift_quota(&self, cfg: &mut ConfigBag) {
        let own = cfg.load::<TokenBucket>().cloned();
        if let Some(repeat) = cfg.get_mut_from_interceptor_state::<Repeat>() {
            repeat.quota = own;
            cfg.interceptor_state().store_put(self.free.clone());
        }
    }
}

/// Whether the strategy holds another key of the same id by now, changed in place: what was rejected is not that one.
fn has_another(strategy: &dyn CredentialStrategy, key_id: &str, rejected: KeyMark) -> bool {
    strategy.current().is_some_and(|held| {
        held.access_key_id() == key_id && KeyMark::of_credentials(&held) != rejected
    })
}

/// What services made of the strategy's keys: remembered with it, so that whoever makes a recovery for one request
/// knows what the one before it went through.
fn services_of<S: CredentialStrategy + ?Sized>(strategy: &S) -> Arc<Services> {
    let remembered = strategy.remembered();
    remembered.map(Remembered::of_all).unwrap_or_default()
}

/// The client's own quota again, where it was [lifted](Recovery::lift_quota).
fn restore_quota(cfg: &mut ConfigBag) {
    let repeat = cfg.get_mut_from_interceptor_state::<Repeat>();
    if let Some(own) = repeat.and_then(|repeat| repeat.quota.take()) {
        cfg.interceptor_state().store_put(own);
    }
}

#[dyn_dispatch_hint]
impl Intercept for Recovery {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Before the SDK looks for the quota of the partition, and for an identity.
    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let service = self.services.of(cfg);
        if let Some(own) = self.partition.get()
            && cfg.load::<RetryPartition>() == Some(own)
        {
            cfg.interceptor_state().store_put(service.retry_partition());
        }
        cfg.interceptor_state().store_put(GoesTo(service));
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(shown) = signing_key(context.request()) else {
            return Ok(());
        };
        let mut signed = SignedWith {
            key_id: shown.id.to_owned(),
            key: self.mark(&shown),
            service: match cfg.load::<GoesTo>() {
                Some(GoesTo(service)) => Arc::clone(service),
                None => self.services.of(cfg),
            },
        };
        let SignedWith {
            key_id,
            key,
            service,
        } = &signed;
        service.note_if_held(*key, || self.holds(*key, key_id));
        // nobody else stores it, so the other layers of the configuration need no search
        let repeat = cfg.interceptor_state().load::<Repeat>();
        let stale = service.is_stale(*key);
        let instead = match repeat.filter(|repeat| stale || repeat.rejected == *key) {
            None if !stale => Instead::Itself,
            repeat => match (self.strategy(), repeat) {
                (None, _) => Instead::Itself,
                (Some(strategy), Some(repeat)) => self.instead_of(&*strategy, &signed, repeat),
                (Some(strategy), None) => match strategy.current_identity() {
                    Some(identity) => Instead::SignedBy(identity, None),
                    None => Instead::Itself,
                },
            },
        };
        match instead {
            Instead::Itself => {}
            Instead::SignedBy(identity, otherwise) => {
                let request = context.request_mut();
                if sign_again(request, &identity, runtime_components, cfg)? {
                    if let Some(credentials) = identity.data::<Credentials>() {
                        credentials.access_key_id().clone_into(&mut signed.key_id);
                        signed.key = KeyMark::of_credentials(credentials);
                    }
                } else if let Some(error) = otherwise {
                    return Err(error.into());
                }
            }
            Instead::Later(put_off) => return Err(put_off.into()),
            Instead::Nothing(error) => return Err(error.into()),
        }
        cfg.interceptor_state().store_put(signed);
        Ok(())
    }

    /// Before a classifier is asked for the first time.
    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if !response.status().is_success() {
            response.add_extension(LookedAt);
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        restore_quota(cfg);
        if let Some(Err(error)) = context.output_or_error()
            && PutOff::is_in(error)
        {
            self.lift_quota(cfg);
            return Ok(());
        }
        let Some(response) = context.response_mut() else {
            return Ok(());
        };
        let Some(signed) = cfg.load::<SignedWith>() else {
            return Ok(());
        };
        let SignedWith {
            key_id,
            key,
            service,
        } = signed;
        if response.status().is_success() {
            if service.accept(*key, || self.holds(*key, key_id))
                && let Some(strategy) = self.strategy()
            {
                strategy.accepted(key_id);
            }
            return Ok(());
        }
        let Some(code) = code_in(response) else {
            return Ok(());
        };
        let Some(strategy) = self.strategy() else {
            self.warn_gone(service);
            return Ok(());
        };
        match service.refuse(*key, Instant::now()) {
            Refusal::HoldBack => return Ok(()),
            Refusal::PassOnLast => tracing::warn!(
                strategy = self.name,
                service = %service,
                code,
                held_back_for = ?HELD_BACK_FOR,
                "a service refuses one new key after the other, and brings about no further refresh until it \
                 accepts one: the region may not be enabled for the account, or the endpoint is of another \
                 partition or not of AWS"
            ),
            Refusal::PassOn => {}
        }
        // The other answers say that a repeat is no use.
        let may_help = has_another(&*strategy, key_id, *key)
            || matches!(
                strategy.invalidate(key_id),
                Rejection::Invalidated | Rejection::NotCurrent
            );
        if !may_help || cfg.load::<Repeat>().is_some() {
            return Ok(());
        }
        let after = if service.has_miswired() && service.was_held(*key) {
            PAUSE_OF_MISWIRED
        } else {
            Duration::ZERO
        };
        let mut classifiers = runtime_components.retry_classifiers();
        if !classifiers.any(|classifier| classifier.name() == NAME) {
            self.warn_half_wired("retry_classifier");
        }
        response.add_extension(RepeatWithNewCredentials { after });
        let repeat = Repeat {
            rejected: *key,
            code,
            http_status: response.status().as_u16(),
            quota: None,
            waited: AtomicBool::new(false),
        };
        cfg.interceptor_state().store_put(repeat);
        self.lift_quota(cfg);
        Ok(())
    }
}

impl ClassifyRetry for Recovery {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        // Asked of each attempt, and of most there is nothing to look for.
        if let Some(response) = context.response()
            && !response.status().is_success()
            && response.extension::<LookedAt>().is_none()
            && code_in(response).is_some()
        {
            self.warn_half_wired("interceptor");
        }
        MarkedForRepeat.classify_retry(context)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn priority(&self) -> RetryClassifierPriority {
        MarkedForRepeat.priority()
    }
}

/// Repeats what a recovery has marked, whichever it was, and so keeps no strategy.
#[derive(Debug)]
pub(crate) struct MarkedForRepeat;

/// Pure: the SDK asks it more than once about the same response.
impl ClassifyRetry for MarkedForRepeat {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let marked = context
            .response()
            .and_then(|response| response.extension::<RepeatWithNewCredentials>());
        let after = match (marked, context.output_or_error()) {
            (Some(marked), _) => marked.after,
            (None, Some(Err(error))) if PutOff::is_in(error) => PAUSE_OF_MISWIRED,
            _ => return RetryAction::NoActionIndicated,
        };
        // Named, since the pause of a retry would be for a service that is busy, and this one is not.
        RetryAction::RetryIndicated(RetryReason::RetryableError {
            kind: aws_smithy_types::retry::ErrorKind::ClientError,
            retry_after: Some(after),
        })
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("strategy", &self.name)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

/// A repeat that is to be tried again when the new key may be there.
#[derive(Debug)]
struct PutOff(Error);

impl PutOff {
    fn is_in(error: &(dyn StdError + 'static)) -> bool {
        let mut layer = error.source();
        while let Some(current) = layer {
            if current.is::<PutOff>() {
                return true;
            }
            layer = current.source();
        }
        false
    }
}

impl fmt::Display for PutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the repeat is put off")
    }
}

impl StdError for PutOff {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// Why the strategy could not replace its credentials, when that is the cause of an error here.
#[derive(Debug)]
pub(crate) struct LastRefresh(String);

impl LastRefresh {
    /// The refresh that is needed now, if it failed, and whether that is terminal. One that failed before the
    /// need arose, as a forced one may have hours ago, explains nothing.
    pub(crate) fn for_present_need(status: Status) -> Option<(Self, bool)> {
        let failed = status.last_error.filter(|last| last.for_present_need)?;
        Some((LastRefresh(failed.line), failed.terminal))
    }
}

impl fmt::Display for LastRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last refresh failed: {}", self.0)
    }
}

impl Discreet for LastRefresh {}

impl StdError for LastRefresh {}
