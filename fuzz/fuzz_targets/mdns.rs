//! Any bytes as what comes by multicast DNS: `cargo +nightly fuzz run mdns`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_mdns::fuzz_messages(bytes));
