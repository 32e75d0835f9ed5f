//! The same for stores of object_store 0.13: datafusion 55, deltalake 1, polars 0.55.

use object_store_0_13 as object_store;

#[path = "adapter/credentials.rs"]
mod credentials;
#[path = "adapter/recovery.rs"]
mod recovery;
#[path = "adapter/signed.rs"]
mod signed;
#[path = "adapter/store.rs"]
mod store;

pub use credentials::StrategyCredentials;
pub use recovery::{Recovery, RejectedKey};
pub use store::WithStrategy;

use object_store::aws::AwsAuthorizer;
use object_store::client::HttpRequest;

/// This version panics where a key does not fit into a header; [`StrategyCredentials`] gives out none of those.
#[allow(clippy::unnecessary_wraps)]
fn authorize(
    authorizer: &AwsAuthorizer<'_>,
    request: &mut HttpRequest,
    hash: Option<&[u8]>,
) -> object_store::Result<()> {
    authorizer.authorize(request, hash);
    Ok(())
}
