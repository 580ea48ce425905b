//! The `{name}` service.

use std::io::{self, IsTerminal};

use micro::{Context, Handler, Message, Result, Service};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

#[derive(Serialize, Deserialize, Message)]
struct Hello {
    name: String,
}

#[derive(Serialize, Deserialize, Message)]
struct Greeting {
    msg: String,
}

async fn hello(_: Context, hello: Hello) -> Result<Greeting> {
    let msg = format!("Hello {}", hello.name);
    Ok(Greeting { msg })
}

fn main() -> Result<()> {
    // The log, on stderr. `RUST_LOG=debug` shows every call.
    let level = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(level.from_env_lossy())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Service::new("{name}")
        // Saying it twice does no harm, so a caller may ask another node when one has died.
        .handle("{type}.Hello", hello.idempotent())
        .run()
}
