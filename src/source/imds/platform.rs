//! Who answers at the metadata address where it is not EC2: other clouds use the same address.

use super::http::Reply;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, SERVER};

/// Whose metadata service it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Platform {
    Azure,
    GoogleCloud,
    OpenStack,
    OracleCloud,
}

impl Platform {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Platform::Azure => "Azure",
            Platform::GoogleCloud => "Google Cloud",
            Platform::OpenStack => "OpenStack",
            Platform::OracleCloud => "Oracle Cloud",
        }
    }

    /// What any answer gives away, whatever was asked: Google's service marks each with
    /// `Metadata-Flavor`, and Azure's refuses with the headers of the Windows HTTP stack.
    pub(super) fn of_headers(reply: &Reply) -> Option<Self> {
        let starts = |name: HeaderName, with: &str| {
            let value = reply.headers.get(name).and_then(|v| v.to_str().ok());
            value.is_some_and(|value| value.starts_with(with))
        };
        if starts(METADATA_FLAVOR, "Google") {
            Some(Platform::GoogleCloud)
        } else if starts(SERVER, "Microsoft-HTTPAPI") {
            Some(Platform::Azure)
        } else {
            None
        }
    }
}

const METADATA_FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const METADATA: HeaderName = HeaderName::from_static("metadata");

/// What is asked of each service in its own words, and how its answer is known.
pub(super) struct Question {
    pub(super) path: &'static str,
    pub(super) header: (HeaderName, HeaderValue),
    pub(super) platform: Platform,
    pub(super) is_answer: fn(&Reply) -> bool,
}

/// The documented requests that need no permission:
/// <https://cloud.google.com/compute/docs/metadata/querying-metadata>,
/// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>,
/// <https://docs.openstack.org/nova/latest/user/metadata.html>,
/// <https://docs.oracle.com/iaas/Content/Compute/Tasks/gettingmetadata.htm>.
pub(super) fn questions() -> [Question; 4] {
    [
        Question {
            path: "/computeMetadata/v1/",
            header: (METADATA_FLAVOR, HeaderValue::from_static("Google")),
            platform: Platform::GoogleCloud,
            is_answer: |_| false,
        },
        Question {
            path: "/metadata/instance?api-version=2021-02-01",
            header: (METADATA, HeaderValue::from_static("true")),
            platform: Platform::Azure,
            is_answer: |reply| has_member(reply, "compute"),
        },
        Question {
            path: "/openstack",
            header: (METADATA, HeaderValue::from_static("true")),
            platform: Platform::OpenStack,
            is_answer: is_version_list,
        },
        Question {
            path: "/opc/v2/instance/",
            header: (AUTHORIZATION, HeaderValue::from_static("Bearer Oracle")),
            platform: Platform::OracleCloud,
            is_answer: |reply| has_member(reply, "compartmentId"),
        },
    ]
}

fn has_member(reply: &Reply, name: &str) -> bool {
    let document = serde_json::from_slice::<serde_json::Value>(&reply.body);
    reply.status == 200 && document.is_ok_and(|document| document.get(name).is_some())
}

/// `2012-08-10` and so on, one a line, and `latest`.
fn is_version_list(reply: &Reply) -> bool {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    let is_date = |line: &str| {
        line.len() == "2012-08-10".len() && line.chars().all(|c| c.is_ascii_digit() || c == '-')
    };
    reply.status == 200
        && !text.trim().is_empty()
        && text
            .lines()
            .map(str::trim)
            .all(|line| line == "latest" || is_date(line))
}
