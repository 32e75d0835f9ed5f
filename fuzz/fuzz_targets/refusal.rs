//! Any bytes as the body of a refusal.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let (code, message) = fuzzing::refusal(body);
    if let Some(code) = code {
        assert!(!code.is_empty() && code.trim() == code && !code.contains(':'));
    }
    if let Some(message) = message {
        assert!(!message.trim().is_empty());
    }
});
