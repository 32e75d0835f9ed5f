//! Any text of the other side, with a secret of the request somewhere in it.
#![no_main]

use aws_credential_strategies::source::fuzzing;
use libfuzzer_sys::fuzz_target;

/// Letters and digits that no other part of an input is likely to hold.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let middle = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(middle);
    let shown = fuzzing::quoted(&format!("{before}{SECRET}{after}"), SECRET);
    assert!(shown.chars().count() <= 300);
    assert!(!shown.chars().any(char::is_control));
    assert!(!shown.contains(SECRET) && !shown.contains(&SECRET[..20]));
});
