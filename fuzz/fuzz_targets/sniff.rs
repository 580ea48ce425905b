//! Any bytes as the beginning of a connection: `cargo +nightly fuzz run sniff`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    micro_core::fuzz::sniff(bytes);
});
