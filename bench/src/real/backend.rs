//! The registries that have real servers.

use anyhow::{Result, bail};
use std::time::Duration;

/// A kind of server.
pub(crate) struct Backend {
    /// The name of the registry and of its server.
    pub(crate) name: &'static str,
    /// The name of a cluster of three, if there is one.
    pub(crate) cluster: Option<&'static str>,
    /// How long a restarted server may withhold registrations.
    pub(crate) start: Duration,
}

/// An agent of Consul sends its registrations to a server within 3 s of the server's start (`serverUpIntv` in
/// `agent/ae`); the first send may wait another half second for the leader.
const CONSUL_START: Duration = Duration::from_millis(3500);

const ALL: [Backend; 4] = [
    Backend {
        name: "etcd",
        cluster: Some("etcd3"),
        start: Duration::ZERO,
    },
    Backend {
        name: "consul",
        cluster: Some("consul3"),
        start: CONSUL_START,
    },
    Backend {
        name: "zookeeper",
        cluster: Some("zookeeper3"),
        start: Duration::ZERO,
    },
    Backend {
        name: "nats",
        cluster: None,
        start: Duration::ZERO,
    },
];

impl Backend {
    /// The backends of these names, or all.
    pub(crate) fn named(names: &[String]) -> Result<Vec<&'static Backend>> {
        for name in names {
            if !ALL.iter().any(|backend| backend.name == name) {
                let known: Vec<_> = ALL.iter().map(|backend| backend.name).collect();
                bail!("no registry `{name}`; there are: {}", known.join(", "));
            }
        }
        let is_meant =
            |backend: &&Backend| names.is_empty() || names.iter().any(|name| name == backend.name);
        Ok(ALL.iter().filter(is_meant).collect())
    }

    /// The registry's URL at these addresses, separated by commas.
    pub(crate) fn url(&self, addresses: &str) -> String {
        format!("{}://{addresses}", self.name)
    }
}
