//! Any bytes as a refusal, with headers before the body or none.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    let (code, message) = fuzzing::refusal(answer);
    if let Some(code) = code {
        assert!(!code.is_empty() && code.trim() == code && !code.contains(':'));
    }
    if let Some(message) = message {
        assert!(!message.trim().is_empty());
    }
});
