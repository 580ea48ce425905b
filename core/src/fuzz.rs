//! What the fuzz targets feed with any bytes.

pub use crate::{
    http::h1::fuzz::http1,
    protocols::{fuzz::sniff, grpc::fuzz::body as grpc, mucp::fuzz_messages as mucp},
    registry::fuzz_records as records,
    transport::mux::fuzz::frames,
};
