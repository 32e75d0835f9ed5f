//! MSK by rdkafka, whose callback cannot wait.

use aws_credential_strategies::CredentialStrategy;
use aws_credential_strategies::token::MskToken;
use rdkafka::client::{ClientContext, OAuthToken};
use std::error::Error;
use std::time::UNIX_EPOCH;

/// The context of a client with `security.protocol` = `SASL_SSL` and `sasl.mechanism` = `OAUTHBEARER`. Await
/// `tokens.token()` once before the client is made, so that there are credentials.
#[derive(Debug)]
pub struct WithToken<S>(pub MskToken<S>);

impl<S: CredentialStrategy> ClientContext for WithToken<S> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = self.0.current()?;
        let end = token.expires_at().duration_since(UNIX_EPOCH)?;
        Ok(OAuthToken {
            lifetime_ms: i64::try_from(end.as_millis())?,
            principal_name: String::new(),
            token: token.into_string(),
        })
    }
}
