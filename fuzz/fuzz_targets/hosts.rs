//! See `fuzz/src/hosts.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::hosts(data));
