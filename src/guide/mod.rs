//! The guide: a page for each place where code runs, and for each thing that one wants.
//!
//! ```no_run
//! use aws_credential_strategies::{Dynamo, InstanceProfile, Result, table::Item};
//!
//! # async fn example() -> Result<()> {
//! let db = Dynamo::from_env(InstanceProfile::new()?).await;
//! let item: Option<Item> = db.table("MyTable").get(("id", "123")).send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | where the code runs | page | the strategy |
//! |---|---|---|
//! | an EC2 instance | [`ec2`] | `InstanceProfile::new()?` |
//! | ECS, EKS | [`containers`] | `Provided::container()`, or `AssumeRole::web_identity_from_env()` for IRSA |
//! | Lambda | [`lambda`] | `Provided::environment()` |
//! | GitHub Actions, Azure, anything with OpenID Connect | [`oidc`] | `AssumeRole::builder(role).web_identity(token)` |
//! | anywhere, and the role is in another account | [`another_account`] | `AssumeRole::builder(role).external_id("42")` |
//! | a service with a role for each of its customers | [`role_per_tenant`] | `RolePool` |
//! | a laptop, a test | [`tests_without_aws`] | `LocalCloud`, or `Provided::profile("dev")` |
//!
//! | what it is for | page |
//! |---|---|
//! | S3, SQS, any client of the AWS SDK | [`any_sdk_client`] |
//! | `object_store`, opendal, and what is built on them | [`object_stores`] |
//! | PostgreSQL, MySQL, Redis, Kafka, by token instead of a password | [`databases_and_queues`] |
//! | a URL for somebody who has no credentials | [`presigned_urls`] |
//!
//! | and then | page |
//! |---|---|
//! | what to put on a dashboard, and what to be woken for | [`what_to_watch`] |
//! | coming from `aws-config` | [`from_aws_config`] |
//! | coming from boto3 | [`from_boto3`] |
//! | an error, and what mends it | [`when_it_does_not_work`] |
//! | what is protected, and what is left to you | [`security`] |
//! | every number, in one place | [`constants`] |
//! | what a new version may change, and which types of other crates are in the interface | [`versions`] |
//!
//! Each page begins with code and ends with what to do when it does not work. All code in them is compiled, and run
//! where it needs no AWS account, with these dependencies:
//!
//! ```toml
//! [dependencies]
//! aws-credential-strategies = { version = "0.1", features = ["local", "pool", "token"] }
//! aws-config = { version = "1", default-features = false, features = ["rt-tokio"] }
//! aws-sdk-sqs = { version = "1", default-features = false, features = ["rt-tokio"] }
//! aws-smithy-async = "1" # the clock of a test
//! serde = { version = "1", features = ["derive"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["fs", "macros", "rt-multi-thread", "test-util"] }
//! ```

/// A page is the text of its file; its code needs all that is in it.
macro_rules! pages {
    ($($page:ident)+) => {$(
        #[cfg_attr(
            all(
                feature = "env",
                feature = "https",
                feature = "local",
                feature = "pool",
                feature = "table",
                feature = "token"
            ),
            doc = include_str!(concat!(stringify!($page), ".md"))
        )]
        #[cfg_attr(
            not(all(
                feature = "env",
                feature = "https",
                feature = "local",
                feature = "pool",
                feature = "table",
                feature = "token"
            )),
            doc = "A page of the guide, whose text is in the documentation of all features."
        )]
        pub mod $page {}
    )+};
}

pages! {
    another_account
    any_sdk_client
    constants
    containers
    databases_and_queues
    ec2
    from_aws_config
    from_boto3
    lambda
    object_stores
    oidc
    presigned_urls
    role_per_tenant
    security
    tests_without_aws
    versions
    what_to_watch
    when_it_does_not_work
}
