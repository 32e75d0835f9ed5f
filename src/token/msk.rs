//! MSK.

use super::signer::{Signer, encoded, region, ways_to_a_token};
use crate::base64url;
use crate::error::Result;
use crate::refresh::Clock;
use crate::strategy::CredentialStrategy;

const SERVICE: &str = "kafka-cluster";
const ACTION: &str = "kafka-cluster:Connect";

/// Tokens for Kafka on MSK (serverless too), for SASL/OAUTHBEARER over TLS.
///
/// ```
/// use aws_credential_strategies::token::MskToken;
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
///
/// # async fn example<F: CredentialSource>(source: F) -> aws_credential_strategies::Result<()> {
/// let tokens = MskToken::builder(CredentialCache::new(source, RefreshPolicy::default()))
///     .region("eu-central-1")
///     .build()?;
/// tokens.token().await?; // once, so that there are credentials
/// let token = tokens.current()?; // in the callback
/// let (text, ends) = (token.as_str(), token.expires_at());
/// # Ok(())
/// # }
/// ```
///
/// The identity needs `kafka-cluster:Connect` on the cluster. A client asks for a token anew before the
/// last one ends, by a callback that most cannot wait in: [`current`](Self::current) is for that. The
/// form is that of [AWS's own signers].
///
/// [AWS's own signers]: https://docs.aws.amazon.com/msk/latest/developerguide/configure-clients-for-iam-access-control.html
#[derive(Clone, Debug)]
pub struct MskToken<S>(Signer<S>);

impl<S: CredentialStrategy> MskToken<S> {
    /// For the clusters that `strategy`'s identity may connect to.
    pub fn builder(strategy: S) -> MskTokenBuilder<S> {
        MskTokenBuilder {
            strategy,
            clock: Clock::system(),
            region: None,
        }
    }
}

ways_to_a_token!(MskToken, encode);

/// What an [`MskToken`] is for.
#[derive(Clone, Debug)]
#[must_use]
pub struct MskTokenBuilder<S> {
    strategy: S,
    clock: Clock,
    region: Option<String>,
}

impl<S: CredentialStrategy> MskTokenBuilder<S> {
    /// The region of the cluster.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The clock that tokens are dated by; the host's unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage), naming the setting that is missing or cannot be.
    pub fn build(self) -> Result<MskToken<S>> {
        let MskTokenBuilder {
            strategy,
            clock,
            region: at,
        } = self;
        let region = region(at)?;
        let action = encoded(ACTION);
        // AWS's signers write this suffix in every partition, and the brokers compare what was signed.
        let url = format!("https://kafka.{region}.amazonaws.com/?Action={action}");
        Ok(MskToken(Signer::new(strategy, clock, region, SERVICE, url)))
    }
}

/// The user agent is told in the URL, behind the signature; the whole travels as base64.
fn encode(url: &str) -> String {
    let agent = encoded(concat!(
        env!("CARGO_PKG_NAME"),
        "/",
        env!("CARGO_PKG_VERSION")
    ));
    base64url::encode(format!("{url}&User-Agent={agent}"))
}
