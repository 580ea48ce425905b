//! Any bytes as messages of HTTP/1.1: `cargo +nightly fuzz run http1`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_core::fuzz::http1(bytes));
