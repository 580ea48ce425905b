//! `grpc-interop-client`: one case of gRPC's interop tests against any server, by Micro's client.
//!
//! ```text
//! grpc-interop-client --server_host 127.0.0.1 --server_port 10000 --test_case large_unary
//!     [--use_tls=true --ca_file FILE --server_host_override NAME]
//! ```
//!
//! It ends with 0 when all is right; else it says what is wrong, and ends with 1.

mod cancel;
mod compression;
mod metadata;
mod orca;
mod soak;
mod status;
mod streams;
mod subject;
mod unary;

use std::{
    future::Future,
    io::{self, Write},
    pin::Pin,
    process::ExitCode,
    time::Duration,
};

use micro_rs_interop_grpc::flags::Flags;
use subject::{Checked, Subject};

const FLAGS: [&str; 13] = [
    "server_host",
    "server_port",
    "server_host_override",
    "test_case",
    "use_tls",
    "ca_file",
    "soak_iterations",
    "soak_max_failures",
    "soak_per_iteration_max_acceptable_latency_ms",
    "soak_overall_timeout_seconds",
    "soak_min_time_ms_between_rpcs",
    "soak_request_size",
    "soak_response_size",
];

/// No case takes longer, unless it is a soak.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            // Who reads no words reads the exit code.
            let _ = writeln!(io::stderr(), "grpc-interop-client: {wrong}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Checked {
    let flags = Flags::parse(std::env::args().skip(1), &FLAGS)?;
    let subject = Subject::new(&flags)?;
    let name = flags.get("test_case").unwrap_or("large_unary");
    if matches!(name, "rpc_soak" | "channel_soak") {
        return soak::soak(subject, &flags, name == "channel_soak").await;
    }
    let case = tokio::time::timeout(LIMIT, case(&subject, name)?);
    case.await
        .unwrap_or_else(|_| Err(format!("it did not end within {LIMIT:?}").into()))
}

fn case<'a>(
    subject: &'a Subject,
    name: &str,
) -> Result<Pin<Box<dyn Future<Output = Checked> + 'a>>, String> {
    Ok(match name {
        "empty_unary" => Box::pin(unary::empty(subject)),
        "large_unary" => Box::pin(unary::large(subject)),
        "pick_first_unary" => Box::pin(unary::pick_first(subject)),
        "client_compressed_unary" => Box::pin(compression::client_unary(subject, true)),
        "client_compressed_unary_noprobe" => Box::pin(compression::client_unary(subject, false)),
        "server_compressed_unary" => Box::pin(compression::server_unary(subject)),
        "client_compressed_streaming" => Box::pin(compression::client_streaming(subject, true)),
        "client_compressed_streaming_noprobe" => {
            Box::pin(compression::client_streaming(subject, false))
        }
        "server_compressed_streaming" => Box::pin(compression::server_streaming(subject)),
        "client_streaming" => Box::pin(streams::client(subject)),
        "server_streaming" => Box::pin(streams::server(subject)),
        "ping_pong" => Box::pin(streams::ping_pong(subject)),
        "empty_stream" => Box::pin(streams::empty(subject)),
        "half_duplex" => Box::pin(streams::half_duplex(subject)),
        "cancel_after_begin" => Box::pin(cancel::after_begin(subject)),
        "cancel_after_first_response" => Box::pin(cancel::after_first_response(subject)),
        "timeout_on_sleeping_server" => Box::pin(cancel::timeout(subject)),
        "custom_metadata" => Box::pin(metadata::custom(subject)),
        "status_code_and_message" => Box::pin(status::code_and_message(subject)),
        "special_status_message" => Box::pin(status::special_message(subject)),
        "unimplemented_method" => Box::pin(status::unimplemented_method(subject)),
        "unimplemented_service" => Box::pin(status::unimplemented_service(subject)),
        "orca_per_rpc" => Box::pin(orca::per_call(subject)),
        "orca_oob" => Box::pin(orca::out_of_band(subject)),
        other => return Err(format!("there is no case `{other}`")),
    })
}
