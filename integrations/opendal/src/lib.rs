#![doc = include_str!("../README.md")]

mod recovery;
mod signed;

pub use recovery::Recovery;

use aws_credential_strategies::CredentialStrategy;
use aws_credential_strategies_reqsign::StrategyCredentials;
use opendal_core::{HttpTransporter, Operator, Result};
use opendal_service_s3::S3;
use reqsign_core::ProvideCredentialChain;
use std::sync::Arc;

/// An operator of `service` that signs with the credentials of `strategy`, and repeats a request whose key
/// is rejected.
///
/// The strategy takes the place of all credentials that the service was given or would look for. Layers are
/// added as to any operator. An HTTP transport of your own goes into [`Recovery::over`] instead:
/// [`Operator::with_context`] would replace the one that is put in place here.
///
/// # Errors
///
/// Those of [`Operator::new`]: a setting of the service is missing or cannot be.
pub fn operator<S: CredentialStrategy>(service: S3, strategy: S) -> Result<Operator> {
    let strategy = Arc::new(strategy);
    let provider = StrategyCredentials::new(Arc::clone(&strategy));
    let chain = ProvideCredentialChain::new().push(provider);
    let operator = Operator::new(service.credential_provider_chain(chain))?;
    let transport = HttpTransporter::new(Recovery::new(strategy));
    let context = operator.base_context().with_http_transport(transport);
    Ok(operator.with_context(context))
}
