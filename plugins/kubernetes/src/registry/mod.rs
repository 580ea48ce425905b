//! A registry of a Kubernetes cluster: annotated pods, as in go-micro, or the endpoints of plain services.
//!
//! ```text
//! Server ── Api (credentials, pages, errors) ──► the API server
//!   ├─ register: annotations of the own pod (pods)
//!   └─ follow: list, then watch ──► objects ──► nodes, by pods or slices ──► Reconciler
//! ```

mod api;
mod config;
mod credentials;
mod follow;
mod object;
mod pods;
mod register;
mod slices;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Once},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use api::Api;
use config::{Config, Source};
use micro_core::{
    Error, Result,
    node::Node,
    registry::remote::{AsRemote, Driver, Reconciler, Remote},
    url::Url,
};
use object::Object;

/// Services of one Kubernetes namespace.
///
/// A pod lists its nodes in its own labels and annotations, as in go-micro. Its nodes exist while the pod runs and is
/// ready, and leave when it is told to terminate. There is no TTL. With `?kind=endpointslices` the endpoint slices of
/// plain services are read instead, and nothing is registered.
///
/// Up to 24 services are watched at once; further services are listed every 15 s.
#[derive(Clone)]
pub struct Kubernetes(Remote<Server>);

impl AsRemote for Kubernetes {
    type Driver = Server;

    fn as_remote(&self) -> &Remote<Server> {
        &self.0
    }
}

/// Maximal number of watches, each with a connection.
const MAX_WATCHES: usize = 24;

/// The driver of a [`Kubernetes`] registry.
pub struct Server {
    api: Api,
    config: Config,
    watches: Semaphore,
    told: Once,
    /// The address of each node of this handle, by service and id.
    registered: Mutex<HashMap<(String, String), String>>,
}

/// A node of an object.
struct PodEndpoint {
    node: Node,
    /// Whether the process takes requests; it may not yet be ready.
    is_ready: bool,
}

impl Kubernetes {
    /// The cluster of a URL: `kubernetes` for the cluster of this process, or `kubernetes:https://HOST:PORT`.
    ///
    /// - `?namespace=` is the Kubernetes namespace; unsaid that of the pod, or else `default`.
    /// - `?pod=` is the pod that is registered; unsaid, the variable `HOSTNAME`.
    /// - `?token=`, or `?token-file=` which is read again each minute; unsaid, that of the pod's service account.
    ///   `?tls-ca=` is the authority of the server's certificate; unsaid, that of the service account.
    /// - `?kind=endpointslices` (or `?endpoint-slices=true`) finds plain services. `?port=` is then the name or number
    ///   of the port that is called, and `?protocol=` what it speaks, where the service does not say.
    ///
    /// Connects on first use.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a URL that is not understood, and without an address
    /// outside of a cluster.
    pub fn open(url: &Url) -> Result<Self> {
        let config = Config::of(url)?;
        Ok(Kubernetes(Remote::new(Server {
            api: Api::new(&config),
            config,
            watches: Semaphore::new(MAX_WATCHES),
            told: Once::new(),
            registered: Mutex::default(),
        })))
    }
}

impl Server {
    /// The path of the objects of a service, or of all; `None` if no object can have the name.
    fn path(&self, service: Option<&str>) -> Option<String> {
        let namespace = &self.config.namespace;
        match &self.config.kind {
            Source::Pods => Some(pods::path(namespace, service)),
            Source::Slices(_) => slices::path(namespace, service),
        }
    }

    /// The nodes of an object.
    fn entries(&self, object: &Object) -> Vec<PodEndpoint> {
        match &self.config.kind {
            Source::Pods => pods::entries(object),
            Source::Slices(port) => slices::entries(object, port),
        }
    }

    /// Lists the objects of a service, or of all. Returns them and the version of the list.
    async fn objects(&self, service: Option<&str>) -> Result<(Vec<Object>, String)> {
        match self.path(service) {
            Some(path) => self.api.list(&path).await,
            None => Ok((Vec::new(), String::new())),
        }
    }
}

#[async_trait]
impl Driver for Server {
    fn name(&self) -> &str {
        "kubernetes"
    }

    fn place(&self) -> String {
        let hosts = self.config.options.hosts.join(",");
        let namespace = &self.config.namespace;
        format!("{hosts}, namespace `{namespace}`")
    }

    fn is_read_only(&self) -> bool {
        matches!(self.config.kind, Source::Slices(_))
    }

    async fn register(&self, node: &Node, _: Option<Duration>) -> Result<()> {
        match self.config.kind {
            Source::Pods => self.put(node).await,
            Source::Slices(_) => {
                self.told.call_once(|| {
                    tracing::info!(
                        id = node.id,
                        "registry `kubernetes` of endpoint slices is only read: the cluster finds a service's pods itself"
                    );
                });
                Ok(())
            }
        }
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        match self.config.kind {
            Source::Pods => self.take_out(node).await,
            Source::Slices(_) => Ok(()),
        }
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let (objects, _) = self.objects(Some(service)).await?;
        let entries = objects.iter().flat_map(|object| self.entries(object));
        let shown = entries.filter(|entry| entry.is_ready && entry.node.service == service);
        let mut nodes: Vec<_> = shown.map(|entry| entry.node).collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.dedup_by(|later, first| later.id == first.id);
        Ok(nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let (objects, _) = self.objects(None).await?;
        let entries = objects.iter().flat_map(|object| self.entries(object));
        let ready = entries.filter(|entry| entry.is_ready);
        let names: BTreeSet<_> = ready.map(|entry| entry.node.service).collect();
        Ok(names.into_iter().collect())
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        match self.watches.try_acquire() {
            Ok(_permit) => follow::watch(&self, service.as_deref(), &shown).await,
            Err(_) => follow::poll(&self, service.as_deref(), &shown).await,
        }
    }
}
