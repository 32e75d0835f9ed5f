//! Whether it is AWS that is asked, or something that stands in for it.

use crate::arn::is_host_of_aws;
use crate::source::{DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_IPV6};

/// Whether a metadata service at this address is EC2's own, as far as an address can say.
pub(super) fn is_metadata_address(endpoint: &str) -> bool {
    [DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_IPV6].contains(&endpoint.trim_end_matches('/'))
}

/// Whether the host of this URI is one of AWS.
pub(super) fn is_aws_endpoint(uri: &str) -> bool {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    is_host_of_aws(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_aws_is_told_from_what_stands_in_for_it() {
        for of_aws in [
            "https://sts.us-east-1.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn/",
            "https://sts.eusc-de-east-1.amazonaws.eu",
            "https://sts.us-east-1.api.aws:443",
            "https://vpce-1-a.sts.us-east-1.vpce.amazonaws.com",
        ] {
            assert!(is_aws_endpoint(of_aws), "{of_aws}");
        }
        for other in [
            "http://127.0.0.1:4566",
            "http://localhost",
            "https://minio.example.com",
            "https://sts.evilamazonaws.com",
            "https://amazonaws.com.example.org",
        ] {
            assert!(!is_aws_endpoint(other), "{other}");
        }
        assert!(is_metadata_address("http://169.254.169.254"));
        assert!(is_metadata_address("http://[fd00:ec2::254]/"));
        assert!(!is_metadata_address("http://127.0.0.1:1338"));
    }
}
