//! Any bytes as the metadata service's list of roles.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    match fuzzing::role_list(body) {
        Ok((first, all)) => {
            assert_eq!(first.as_ref(), all.first());
            for name in all {
                assert!((1..=64).contains(&name.len()));
                assert!(!name.contains(['/', '\r', '\n', ' ']) && name != "..");
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
