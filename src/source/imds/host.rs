//! Where this runs, as far as the environment says, and what that means for who finds no metadata service.

use std::borrow::Cow;

/// What to look at on an instance.
pub(super) const ENABLE_SERVICE: &str = "is the service on? aws ec2 modify-instance-metadata-options \
     --instance-id INSTANCE --http-endpoint enabled";

/// What the environment says about where this runs, for the error when nobody is at the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Host {
    /// ECS, EKS with Pod Identity: the agent hands out the role.
    Container,
    /// EKS with a role for the service account, or whoever else sets these variables.
    WebIdentity,
    /// Lambda has its role's credentials in the environment.
    Lambda,
    #[default]
    Unknown,
}

impl Host {
    pub(super) fn unreachable(self, how: &'static str) -> Cow<'static, str> {
        let where_it_is = match self {
            Host::Container => "this is a container (ECS or EKS): its role comes from there",
            Host::WebIdentity => "this process has a web identity: its role comes by that",
            Host::Lambda => "this is Lambda: its role's credentials are in the environment",
            Host::Unknown => "not on EC2, or the metadata service is off",
        };
        format!("{how}: {where_it_is}").into()
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Host::Container => "Provided::container()",
            Host::WebIdentity => "AssumeRole::web_identity_from_env().from_env().await.build()?",
            Host::Lambda => "Provided::environment()",
            Host::Unknown => ENABLE_SERVICE,
        }
    }
}
