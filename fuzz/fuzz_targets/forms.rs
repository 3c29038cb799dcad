//! See `fuzz/src/forms.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::forms(data));
