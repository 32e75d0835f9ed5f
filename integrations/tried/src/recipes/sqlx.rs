//! RDS and Aurora by sqlx, whose pool opens connections with the options that it was given last.

use aws_credential_strategies::token::RdsToken;
use aws_credential_strategies::{CredentialStrategy, Result};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the pool is given another token.
const EVERY: Duration = Duration::from_secs(60);
/// How long each is good for at least: until the next, and as long again for a try that fails.
const AT_LEAST: Duration = Duration::from_secs(150);

/// A pool whose connections present a token that is at most a minute old. The task that brings them ends with the
/// last clone of what is returned.
pub async fn pool<S: CredentialStrategy>(
    settings: PgPoolOptions,
    options: PgConnectOptions,
    tokens: RdsToken<S>,
) -> Result<Arc<PgPool>> {
    let token = tokens.valid_for(AT_LEAST).await?;
    let pool = settings.connect_lazy_with(options.clone().password(token.as_str()));
    let pool = Arc::new(pool);
    tokio::spawn(renew(Arc::downgrade(&pool), options, tokens));
    Ok(pool)
}

async fn renew<S: CredentialStrategy>(
    pool: Weak<PgPool>,
    options: PgConnectOptions,
    tokens: RdsToken<S>,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        // who fails tries again: the strategy says why in its status
        if let Ok(token) = tokens.valid_for(AT_LEAST).await {
            pool.set_connect_options(options.clone().password(token.as_str()));
        }
    }
}
