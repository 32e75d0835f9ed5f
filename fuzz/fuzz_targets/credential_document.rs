//! Any bytes as the credential document of the metadata service.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    match fuzzing::credential_document(body) {
        Ok(credentials) => {
            assert!(!credentials.access_key_id().is_empty());
            assert!(!credentials.secret_access_key().is_empty());
            assert!(credentials.session_token().is_some_and(|token| !token.is_empty()));
            assert!(credentials.expiry().is_some());
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
