//! IAM's side of the two options: who may assume a role, what it may do, and what your program needs.
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

mod arn;
mod decode;
mod denied;
mod grant;
mod pattern;
mod permission;
mod principal;
#[cfg(feature = "table")]
mod recorder;
mod statement;
mod trust;

pub use grant::{Grant, Requires};
pub use permission::{Coverage, PermissionPolicy};
pub use principal::{Admission, Caller};
#[cfg(feature = "table")]
pub use recorder::PolicyRecorder;
pub use statement::{Effect, Statement, Version};
pub use trust::{TrustPolicy, TrustPolicyBuilder, TrustStatement};
