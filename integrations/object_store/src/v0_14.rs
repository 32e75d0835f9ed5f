//! For object_store 0.14.

use ::object_store;

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

fn authorize(
    authorizer: &AwsAuthorizer<'_>,
    request: &mut HttpRequest,
    hash: Option<&[u8]>,
) -> object_store::Result<()> {
    authorizer.try_authorize(request, hash)
}
