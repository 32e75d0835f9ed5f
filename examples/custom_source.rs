//! A third strategy: keys from a file that something else keeps up to date. A source of 20 lines, and
//! the cache around it does what it does for Options A and B.

mod support;

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Dynamo, Error, RefreshPolicy, Result,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use support::arguments::Program;
use support::screen::{WIDTH, fold};
use support::{Failure, NAME, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "A third strategy in about 20 lines: keys from a file that something else keeps up to date. The cache around it \
            does what it does for Options A and B.",
    options: &[],
    notes: "takes: a second\ncosts: nothing, it runs on the embedded cloud",
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
async fn main() -> std::result::Result<(), Failure> {
    PROGRAM.read_or_exit();
    let cloud = LocalCloud::start().await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;

    let file = std::env::temp_dir().join(format!("custom-source-{}.json", std::process::id()));
    let story = use_it(&cloud, &file).await;
    // told when the file is gone, as whoever reads may go too
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    tell!("{}", story?.join("\n"));
    Ok(())
}

/// What came of it, line by line.
async fn use_it(cloud: &LocalCloud, file: &Path) -> std::result::Result<Vec<String>, Failure> {
    let mut story = Vec::new();
    let strategy = CredentialCache::new(KeyFile(file.to_owned()), RefreshPolicy::default());
    let table = Dynamo::new(strategy.clone(), &cloud.sdk_config()).table("MyTable");
    let read = || table.get(("id", "123")).send::<Value>();

    match read().await {
        Ok(_) => return Err(Failure::new("expected no keys without the file")),
        Err(error) => {
            story.push("without the file:".to_owned());
            story.push(fold(&format!("  {error}"), WIDTH));
        }
    }

    let old = write_keys(cloud, file)?;
    let item = read().await?.unwrap_or_default();
    story.push(format!("with the keys {old} in it:\n  {item}"));

    let new = write_keys(cloud, file)?;
    cloud.revoke(&old);
    let item = read().await?.unwrap_or_default();
    story.push(format!("with {new}, and the others deleted:\n  {item}"));

    let status = strategy.status();
    story.push(format!(
        "{} fetches, {} of which brought new keys",
        status.fetches, status.generation
    ));
    Ok(story)
}

/// What keeps the file up to date: creates an access key and writes it there.
fn write_keys(cloud: &LocalCloud, file: &Path) -> std::io::Result<String> {
    let keys = cloud.create_access_key("app");
    let text = json!({ "id": keys.access_key_id(), "secret": keys.secret_access_key() });
    std::fs::write(file, text.to_string())?;
    Ok(keys.access_key_id().to_owned())
}
