//! The called nodes: processes of this binary.

use anyhow::{Result, anyhow};
use micro::{Context, Handler, Message, Service};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The service's name.
pub(crate) const SERVICE: &str = "outage";
/// Its endpoint.
pub(crate) const ENDPOINT: &str = "Outage.Echo";

/// An echoed number, and the id of the node.
#[derive(Serialize, Deserialize, Message)]
pub(crate) struct Echo {
    pub(crate) number: u64,
    pub(crate) id: String,
}

/// Runs a node until a signal. The environment has the registry and the durations.
pub(crate) fn run_node(id: &str) -> Result<()> {
    let own = id.to_owned();
    let echo = move |_: Context, number: u64| {
        let id = own.clone();
        async move { Ok::<_, micro::Error>(Echo { number, id }) }
    };
    // Idempotent, so that the client repeats calls in a node that dies.
    let service = Service::new(SERVICE)
        .id(id)
        .handle(ENDPOINT, echo.idempotent());
    service.run().map_err(|error| anyhow!("{error}"))
}

/// A node's process, killed when this is dropped.
pub(crate) struct Node {
    id: String,
    child: Child,
}

impl Node {
    /// Starts a node that registers at `url` for `ttl` and renews the registration every `renewal`.
    pub(crate) fn start(id: &str, url: &str, ttl: Duration, renewal: Duration) -> Result<Self> {
        let child = Command::new(env::current_exe()?)
            .args(["node", id])
            .env("MICRO_REGISTRY", url)
            .env("MICRO_REGISTER_TTL", format!("{}ms", ttl.as_millis()))
            .env(
                "MICRO_REGISTER_INTERVAL",
                format!("{}ms", renewal.as_millis()),
            )
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Node {
            id: format!("{SERVICE}-{id}"),
            child,
        })
    }

    /// Its id in the registry.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Shuts the node down (SIGTERM).
    pub(crate) fn leave(&mut self) -> Result<()> {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Fails only if the child has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
