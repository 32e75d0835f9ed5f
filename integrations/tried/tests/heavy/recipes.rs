//! The recipes of rdkafka, fred and sqlx: what each hands to its client.

use super::{HOUR, started};
use aws_credential_strategies::token::{ElastiCacheToken, MAX_TOKEN_LIFE, MskToken, RdsToken};
use fred::types::config::CredentialProvider;
use integrations_s3::REGION;
use rdkafka::client::ClientContext;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tried::{checked, recipes};

#[tokio::test]
async fn rdkafkas_callback_is_answered_without_waiting() {
    let (s3, strategy) = started().await;
    let tokens = MskToken::builder(strategy).region(REGION).build().unwrap();
    let context = recipes::rdkafka::WithToken(tokens.clone());
    assert!(
        context.generate_oauth_token(None).is_err(),
        "before the first credentials"
    );
    tokens.token().await.unwrap();
    let token = context.generate_oauth_token(None).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = u128::try_from(token.lifetime_ms).unwrap() - now.as_millis();
    assert!(left <= MAX_TOKEN_LIFE.as_millis() && left + 60_000 > MAX_TOKEN_LIFE.as_millis());
    assert!(!token.token.is_empty());
    assert_eq!(s3.sessions().fetches(), 1);
    let consumer: rdkafka::consumer::BaseConsumer<NoConsumer<_>> =
        rdkafka::config::FromClientConfigAndContext::from_config_and_context(
            rdkafka::ClientConfig::new()
                .set("bootstrap.servers", "127.0.0.1:9")
                .set("group.id", "things"),
            NoConsumer(context),
        )
        .unwrap();
    drop(consumer);
}

/// So that the context goes where a consumer's does.
struct NoConsumer<S>(recipes::rdkafka::WithToken<S>);

impl<S: aws_credential_strategies::CredentialStrategy> ClientContext for NoConsumer<S> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        settings: Option<&str>,
    ) -> Result<rdkafka::client::OAuthToken, Box<dyn std::error::Error>> {
        self.0.generate_oauth_token(settings)
    }
}

impl<S: aws_credential_strategies::CredentialStrategy> rdkafka::consumer::ConsumerContext
    for NoConsumer<S>
{
}

#[tokio::test]
async fn fred_is_given_a_token_each_time_that_it_asks() {
    let (s3, strategy) = started().await;
    let tokens = ElastiCacheToken::builder(strategy).replication_group("things");
    let tokens = tokens.user("app").region(REGION).build().unwrap();
    let provider = Arc::new(recipes::fred::WithToken::new(tokens, "app"));
    let settings = fred::types::config::Config {
        credential_provider: Some(provider.clone()),
        ..Default::default()
    };
    assert!(settings.credential_provider.is_some());
    assert!(provider.refresh_interval().unwrap() < 12 * HOUR);
    for _ in 0..3 {
        let (user, password) = provider.fetch(None).await.unwrap();
        assert_eq!(user.as_deref(), Some("app"));
        let secret = |key_id: &str| s3.sessions().secret(key_id);
        checked::token(&password.unwrap(), "elasticache", secret).unwrap();
    }
    assert_eq!(s3.sessions().fetches(), 1);
}

#[tokio::test]
async fn sqlx_is_given_a_token_that_lives_until_the_next() {
    let (s3, strategy) = started().await;
    let tokens = RdsToken::builder(strategy)
        .host("db")
        .port(5432)
        .user("app");
    let tokens = tokens.region(REGION).build().unwrap();
    let options = PgConnectOptions::new().host("127.0.0.1").username("app");
    let pool = recipes::sqlx::pool(PgPoolOptions::new(), options, tokens);
    let pool = pool.await.unwrap();
    assert_eq!(pool.size(), 0);
    assert_eq!(s3.sessions().fetches(), 1);
}
