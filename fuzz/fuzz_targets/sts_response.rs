//! Any bytes as the answer of STS, with the status in the first byte.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 6] = [200, 400, 403, 429, 500, 503];

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    // The seeds begin with `<`, which stands for 200.
    let (status, body) = match *first {
        b'<' => (200, input),
        other => (STATUSES[usize::from(other) % STATUSES.len()], body),
    };
    match fuzzing::sts_response(status, body) {
        Ok(credentials) => {
            assert!(!credentials.access_key_id().is_empty());
            assert!(!credentials.secret_access_key().is_empty());
            assert!(credentials.session_token().is_some_and(|token| !token.is_empty()));
            assert!(credentials.expiry().is_some());
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
