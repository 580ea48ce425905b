//! Any bytes as messages and headers of gRPC: `cargo +nightly fuzz run grpc`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| micro_core::fuzz::grpc(bytes));
