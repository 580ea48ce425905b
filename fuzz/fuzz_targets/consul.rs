//! Any bytes as what Consul shows of a service: `cargo +nightly fuzz run consul`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_consul::fuzz_records(bytes));
