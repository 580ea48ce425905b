//! A registry that is the domain name system: SRV records, or the addresses of a name and a port. Only read.

mod config;
mod query;

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use config::Config;
use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        Registry, Updates,
        remote::{Driver, Reconciler, Remote},
    },
    url::Url,
    wait::jitter,
};
use query::QueryResult;

/// How soon an answer is asked for again, at least …
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// … and at most, however long it may be kept.
const MAX_REFRESH_INTERVAL: Duration = Duration::from_secs(300);
/// How long all the questions of one answer may take.
const QUERY_TIMEOUT: Duration = Duration::from_millis(4500);

/// Services that the domain name system knows: those of Kubernetes, Consul, or any zone.
///
/// Nothing is registered in it: [`register`](Registry::register) and [`deregister`](Registry::deregister) do nothing,
/// which is logged once, so that a service runs with it that others bring into the zone. It cannot tell which services
/// there are, so [`list`](Registry::list) and a watch of all fail.
///
/// An answer is asked for again when its time to live is up, but not before a second and not after five minutes. A
/// name that does not exist is a service without nodes; a server that does not answer, or fails, is an error.
#[derive(Clone)]
pub struct Dns {
    remote: Remote<Zone>,
    logged: Arc<Once>,
}

/// What is asked, and whom.
struct Zone {
    config: Config,
}

impl Dns {
    /// The zone that a URL names: `dns:DOMAIN`, `dns://SERVER:PORT,SERVER:PORT/DOMAIN`, or `dns` for the system's
    /// servers and search list.
    ///
    /// A service is sought by the SRV records of `_SERVICE._tcp.DOMAIN` and `SERVICE.DOMAIN`. With `?port=8080` it is
    /// the addresses of `SERVICE.DOMAIN` and that port; with a name, `?port=grpc`, the SRV records of
    /// `_grpc._tcp.SERVICE.DOMAIN`, as Kubernetes has them. `?namespace=N` stands between service and domain. Any other
    /// key is metadata of every node: `?protocol=grpc`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a server that is no IP address, and a port or a
    /// domain that is none.
    pub fn open(url: &Url) -> Result<Self> {
        let config = Config::of(url)?;
        Ok(Dns {
            remote: Remote::new(Zone { config }),
            logged: Arc::new(Once::new()),
        })
    }

    fn cannot(what: &str) -> Error {
        Error::unimplemented(format!(
            "registry `dns` cannot {what}: the domain name system does not tell which names there are; name a service"
        ))
    }
}

#[async_trait]
impl Registry for Dns {
    fn name(&self) -> &str {
        "dns"
    }

    fn is_of_this_machine(&self) -> bool {
        false
    }

    fn is_read_only(&self) -> bool {
        true
    }

    async fn register(&self, node: &Node, _: Option<Duration>) -> Result<()> {
        self.logged.call_once(|| {
            let (id, address) = (&node.id, &node.address);
            tracing::info!(
                id,
                address,
                "registry `dns` is only read: nothing is registered, others find this node by its zone"
            );
        });
        Ok(())
    }

    async fn deregister(&self, _: &Node) -> Result<()> {
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.remote.get(service).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        Err(Dns::cannot("list services"))
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        match service {
            Some(_) => self.remote.watch(service).await,
            None => Err(Dns::cannot("watch all services")),
        }
    }
}

impl Zone {
    async fn find(&self, service: &str) -> Result<QueryResult> {
        let found = timeout(QUERY_TIMEOUT, query::find(&self.config, service)).await;
        found.unwrap_or_else(|_| {
            let text = format!("no answer within {QUERY_TIMEOUT:?}");
            Err(Error::unavailable(text))
        })
    }
}

#[async_trait]
impl Driver for Zone {
    fn name(&self) -> &str {
        "dns"
    }

    fn place(&self) -> String {
        self.config.to_string()
    }

    async fn register(&self, _: &Node, _: Option<Duration>) -> Result<()> {
        Ok(())
    }

    async fn deregister(&self, _: &Node) -> Result<()> {
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(self.find(service).await?.nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        Err(Dns::cannot("list services"))
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        let Some(service) = service else {
            return Dns::cannot("watch all services");
        };
        let mut begun = false;
        loop {
            let found = match self.find(&service).await {
                Ok(found) => found,
                Err(error) => return error,
            };
            // A zone that suddenly has nothing at all may have been loaded empty: its nodes are in doubt.
            match begun && !found.nodes.is_empty() {
                true => shown.set(&service, found.nodes, []),
                false => shown.whole(found.nodes),
            }
            begun = true;
            let ttl = found.ttl.clamp(MIN_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL);
            // The many who heard the same answer do not ask again as one.
            sleep(ttl + jitter(ttl / 10)).await;
        }
    }
}
