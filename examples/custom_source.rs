//! A third strategy: keys from a file that something else keeps up to date. A source of 20 lines, and
//! the cache around it does what it does for Options A and B.

#[path = "../src/bin/aws-credential-doctor/arguments.rs"]
#[allow(dead_code, reason = "not every example has options")]
mod arguments;
#[path = "../src/bin/aws-credential-doctor/screen.rs"]
#[allow(dead_code, reason = "not every example waits")]
mod screen;

use arguments::Program;
use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Dynamo, Error, RefreshPolicy, Result,
};
use screen::tell;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const PROGRAM: Program = Program {
    name: "cargo run --example custom_source --",
    about: "A third strategy in about 20 lines: keys from a file that something else keeps up to date.",
    options: &[],
    notes: "",
};

/// How long keys from the file are taken to be good, as the file does not say.
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct KeyFile(PathBuf);

#[derive(Deserialize)]
struct Keys {
    id: String,
    secret: String,
}

impl CredentialSource for KeyFile {
    fn name(&self) -> &'static str {
        "KeyFile"
    }

    async fn fetch(&self) -> Result<Credentials> {
        // Both heal by themselves: whoever writes the file may be about to.
        let text = std::fs::read_to_string(&self.0)
            .map_err(|error| Error::recoverable("the key file cannot be read").caused_by(error))?;
        let keys: Keys = serde_json::from_str(&text)
            .map_err(|_| Error::recoverable("expected {\"id\": .., \"secret\": ..} in the file"))?;
        let expiry = Some(SystemTime::now() + LIFETIME);
        Ok(Credentials::new(
            keys.id,
            keys.secret,
            None,
            expiry,
            self.name(),
        ))
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    PROGRAM.read_or_exit();
    let cloud = LocalCloud::start().await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
    let file = std::env::temp_dir().join(format!("custom-source-{}.json", std::process::id()));
    let done = use_it(&cloud, &file).await;
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    done
}

async fn use_it(
    cloud: &LocalCloud,
    file: &Path,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let strategy = CredentialCache::new(KeyFile(file.to_owned()), RefreshPolicy::default());
    let table = Dynamo::new(strategy.clone(), &cloud.sdk_config()).table("MyTable");
    let read = || table.get(("id", "123")).send::<Value>();

    if let Err(error) = read().await {
        tell!("without the file: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(because) = cause {
            tell!("  because: {because}");
            cause = because.source();
        }
    }

    let old = write_keys(cloud, file)?;
    tell!("with keys {old}: {}", read().await?.unwrap_or_default());

    let new = write_keys(cloud, file)?;
    cloud.revoke(&old);
    tell!(
        "{old} is deleted, {new} is in the file: {}",
        read().await?.unwrap_or_default()
    );

    let status = strategy.status();
    tell!(
        "fetches: {}, of which brought new keys: {}",
        status.fetches,
        status.generation
    );
    Ok(())
}

/// What keeps the file up to date: creates an access key and writes it there.
fn write_keys(cloud: &LocalCloud, file: &Path) -> std::io::Result<String> {
    let keys = cloud.create_access_key("app");
    let text = json!({ "id": keys.access_key_id(), "secret": keys.secret_access_key() });
    std::fs::write(file, text.to_string())?;
    Ok(keys.access_key_id().to_owned())
}
