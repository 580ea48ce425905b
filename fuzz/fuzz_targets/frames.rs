//! Any bytes as frames of the native protocol: `cargo +nightly fuzz run frames`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_core::fuzz::frames(bytes));
