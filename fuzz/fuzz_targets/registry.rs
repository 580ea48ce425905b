//! Any bytes as a record that a registry stores: `cargo +nightly fuzz run registry`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_core::fuzz::records(bytes));
