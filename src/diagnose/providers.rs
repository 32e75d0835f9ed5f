//! Sources for identities that are neither an instance's nor a role's.

use crate::source::ProviderSource;

/// What can be asked beside the metadata service.
///
/// Nothing, unless the process's environment is what is examined, since the AWS SDK's providers read that.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    of_process: bool,
    /// Named by the caller or by `AWS_PROFILE`; else the default one is looked at.
    profile: Option<String>,
}

/// The profile that nobody has to name.
const DEFAULT_PROFILE: &str = "default";

impl Providers {
    #[cfg(feature = "env")]
    pub(super) fn of_process(profile: Option<String>) -> Self {
        Providers {
            of_process: true,
            profile,
        }
    }

    pub(super) fn container(&self) -> Option<ProviderSource> {
        #[cfg(feature = "env")]
        if self.of_process {
            return Some(ProviderSource::container());
        }
        None
    }

    pub(super) fn profile(&self) -> Option<ProviderSource> {
        #[cfg(feature = "env")]
        if self.of_process {
            return Some(ProviderSource::profile(self.profile_name()));
        }
        None
    }

    pub(super) fn profile_name(&self) -> &str {
        self.profile.as_deref().unwrap_or(DEFAULT_PROFILE)
    }

    /// Whether somebody counts on the profile, so that it is a fault when it gives nothing.
    pub(super) fn names_profile(&self) -> bool {
        self.of_process && self.profile.is_some()
    }
}
