//! The registries that can suffer.

use anyhow::{Result, bail};
use std::time::Duration;

/// A kind of server.
pub(crate) struct Backend {
    /// The registry's name, and its server's.
    pub(crate) name: &'static str,
    /// The name of three of them, where they elect a leader.
    pub(crate) cluster: Option<&'static str>,
    /// How long a server that has just started may keep to itself what it is told.
    pub(crate) start: Duration,
}

/// An agent of Consul tells its servers all it has within 3 s of the first one that it sees (`serverUpIntv` of its
/// `agent/ae`), and nothing in between; the first telling may wait half a second for the leader.
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
    /// Those of these names, or all.
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

    /// The registry's URL at these addresses, which are separated by commas.
    pub(crate) fn url(&self, addresses: &str) -> String {
        format!("{}://{addresses}", self.name)
    }
}
