//! The versions that were compared, as the lock file has them.

/// The peers, by crate name.
const PEERS: [&str; 9] = [
    "arc-swap",
    "aws-config",
    "aws-credential-strategies",
    "aws-sdk-dynamodb",
    "aws-smithy-runtime",
    "google-cloud-auth",
    "object_store",
    "reqsign-core",
    "serde_dynamo",
];

/// Name and version of each.
pub(crate) fn compared() -> Vec<(&'static str, &'static str)> {
    let lock = include_str!("../Cargo.lock");
    PEERS
        .iter()
        .map(|peer| (*peer, version(lock, peer).unwrap_or("?")))
        .collect()
}

fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    let (version, _) = entry.split_once('"')?;
    Some(version)
}
