//! An embedded cloud on loopback.
