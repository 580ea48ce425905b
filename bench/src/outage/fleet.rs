//! The nodes that are called: processes of this binary, which die and hang apart from the registry.

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

/// A number that came back, and who sent it.
#[derive(Serialize, Deserialize, Message)]
pub(crate) struct Echo {
    pub(crate) number: u64,
    pub(crate) id: String,
}

/// Is a node until the process is told to end; the registry and its times come by the environment.
pub(crate) fn run_node(id: &str) -> Result<()> {
    let own = id.to_owned();
    let echo = move |_: Context, number: u64| {
        let id = own.clone();
        async move { Ok::<_, micro::Error>(Echo { number, id }) }
    };
    // As it may be repeated, a call in a node that dies is.
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
    /// Starts it with the registry at `url`, where it lasts for `ttl` and is renewed each `renewal`.
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

    /// Asks it to end as a deploy does.
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
        // Fails only for a child that has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
