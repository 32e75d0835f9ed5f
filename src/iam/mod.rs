//! IAM's side of the two options: who may assume a role, what it may do, and what your program needs.
//!
//! ```
//! use aws_credential_strategies::iam::{Grant, PermissionPolicy};
//!
//! // a unit test of the role: the file that is deployed
//! let policy = PermissionPolicy::from_json(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": [{
//!         "Effect": "Allow",
//!         "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
//!         "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"
//!     }]
//! }"#)?;
//! // what the program needs: every operation of a table is a `Requires` as a grant is
//! policy.assert_covers(&Grant::on_table("dynamodb:GetItem", "MyTable"))?;
//! let by_date = Grant::on_index("dynamodb:Query", "MyTable", "byDate");
//! assert!(policy.assert_covers(&by_date).is_err_and(|e| e.to_string().contains("index/byDate")));
//! # Ok::<(), aws_credential_strategies::Error>(())
//! ```
//!
//! - [`TrustPolicy`]: who may assume a role. For Option A the EC2 service ([`TrustPolicy::ec2`]), for
//!   Option B the role, account or identity that calls `AssumeRole`.
//! - [`PermissionPolicy`]: what the role may do, and whether it [`covers`](PermissionPolicy::covers) what
//!   a program needs.
//! - [`Grant`], [`Requires`]: what one call needs, known without sending it.
//! - `PolicyRecorder` (feature `table`): what a program really used, and the least policy that would do.
//!
//! Documents are read strictly and written as `aws iam` takes them, the same bytes each time. Nothing
//! here sends a request.

mod decode;
mod denied;
mod grant;
mod leading_keys;
mod permission;
mod principal;
#[cfg(feature = "table")]
mod recorder;
mod statement;
mod trust;
mod wildcard;

pub use crate::arn::Partition;
pub(crate) use denied::Admitted;
pub use grant::{Grant, Requires};
pub use permission::{Coverage, PermissionPolicy};
pub use principal::{Admission, Caller};
#[cfg(feature = "table")]
pub use recorder::PolicyRecorder;
pub use statement::{Effect, Statement, Version};
pub use trust::{OidcProvider, TrustPolicy, TrustPolicyBuilder, TrustStatement};
