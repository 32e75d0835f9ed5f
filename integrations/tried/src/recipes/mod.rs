//! Tokens as the passwords of clients, to be copied.

pub mod deadpool_postgres;
#[cfg(feature = "heavy")]
pub mod fred;
#[cfg(feature = "heavy")]
pub mod rdkafka;
pub mod redis;
#[cfg(feature = "heavy")]
pub mod sqlx;
