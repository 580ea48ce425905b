//! The registries that can suffer.

use anyhow::{Result, bail};

/// A kind of server.
pub(crate) struct Backend {
    /// The registry's name, and its server's.
    pub(crate) name: &'static str,
    /// The name of three of them, where they elect a leader.
    pub(crate) cluster: Option<&'static str>,
}

const ALL: [Backend; 4] = [
    Backend {
        name: "etcd",
        cluster: Some("etcd3"),
    },
    Backend {
        name: "consul",
        cluster: Some("consul3"),
    },
    Backend {
        name: "zookeeper",
        cluster: Some("zookeeper3"),
    },
    Backend {
        name: "nats",
        cluster: None,
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
