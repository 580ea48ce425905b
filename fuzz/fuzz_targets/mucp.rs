//! Any bytes as messages of go-micro's protocol: `cargo +nightly fuzz run mucp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_core::fuzz::mucp(bytes));
