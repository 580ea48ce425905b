//! The API server that the tests share, spoken to by curl, and a way to it that can be cut.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use micro::{
    registry::{Kubernetes, Node},
    settings::Url,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::registry::backend;

/// A namespace of its own in the cluster.
pub(super) struct Cluster {
    url: String,
    token: String,
    authority: String,
    pub(super) namespace: String,
}

impl Cluster {
    /// A new namespace; nothing where there is no API server.
    pub(super) fn new() -> Option<Self> {
        let url = backend::server("kubernetes")?;
        let token = backend::detail("kubernetes", "token")?;
        let authority = backend::detail("kubernetes", "ca")?;
        Some(Cluster::at(url, token, authority))
    }

    /// A new namespace of this API server, with the files of an administrator's token and of its authority.
    pub(super) fn at(url: String, token: String, authority: String) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = since.unwrap().as_millis();
        let namespace = format!("micro-{time:x}-{}-{number}", std::process::id());
        let cluster = Cluster {
            url,
            token,
            authority,
            namespace,
        };
        cluster.make();
        cluster
    }

    /// Makes the namespace, at first or in a server that forgot it.
    pub(super) fn make(&self) {
        let body = json!({"metadata": {"name": self.namespace}});
        self.ask("POST", "/api/v1/namespaces", &body);
    }

    /// Asks the API server; panics if it refuses.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let token = std::fs::read_to_string(&self.token).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "-m", "10", "--noproxy", "*"])
            .args(["--cacert", &self.authority, "-X", method])
            .args(["-H", &format!("Authorization: Bearer {}", token.trim())]);
        if !body.is_null() {
            curl.args(["-H", &format!("Content-Type: {kind}")])
                .args(["-d", &body.to_string()]);
        }
        let output = curl.arg(format!("{}{path}", self.url)).output().unwrap();
        let (said, why) = (&output.stdout, &output.stderr);
        let said = String::from_utf8_lossy(said) + String::from_utf8_lossy(why);
        assert!(output.status.success(), "{method} {path}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A path in the namespace, of the core's kinds.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// A pod that runs.
    pub(super) fn pod(&self, name: &str) {
        self.pod_of(name, json!({}));
    }

    /// A pod that runs on a machine, and so ends only when that says it has.
    pub(super) fn placed_pod(&self, name: &str) {
        self.pod_of(name, json!({"nodeName": "machine"}));
    }

    fn pod_of(&self, name: &str, spec: Value) {
        let mut spec = spec;
        spec["containers"] = json!([{"name": "main", "image": "none"}]);
        let pod = json!({"metadata": {"name": name}, "spec": spec});
        self.ask("POST", &self.path("pods"), &pod);
        self.status(name, json!({"phase": "Running", "podIP": "10.9.0.1"}));
    }

    pub(super) fn status(&self, pod: &str, status: Value) {
        let path = self.path(&format!("pods/{pod}/status"));
        self.ask("PATCH", &path, &json!({ "status": status }));
    }

    pub(super) fn read_pod(&self, name: &str) -> Value {
        self.ask("GET", &self.path(&format!("pods/{name}")), &Value::Null)
    }

    pub(super) fn delete_pod(&self, name: &str) {
        self.ask("DELETE", &self.path(&format!("pods/{name}")), &Value::Null);
    }

    /// The URL of this namespace with more keys, such as `&pod=one`.
    pub(super) fn url(&self, more: &str) -> String {
        self.url_at(&self.url, more)
    }

    /// The same at another address.
    pub(super) fn url_at(&self, server: &str, more: &str) -> String {
        let Cluster {
            token,
            authority,
            namespace,
            ..
        } = self;
        let who = match more.contains("&token") {
            true => String::new(),
            false => format!("&token-file={token}"),
        };
        let authority = match more.contains("&tls-ca") {
            true => String::new(),
            false => format!("&tls-ca={authority}"),
        };
        format!("kubernetes:{server}?namespace={namespace}{who}{authority}{more}")
    }

    /// A handle on the registry.
    pub(super) fn registry(&self, more: &str) -> Kubernetes {
        open(&self.url(more))
    }

    /// Where the API server is.
    pub(super) fn address(&self) -> String {
        self.url.trim_start_matches("https://").to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let path = format!("/api/v1/namespaces/{}", self.namespace);
            self.ask("DELETE", &path, &Value::Null);
        }
    }
}

pub(super) fn open(url: &str) -> Kubernetes {
    Kubernetes::open(&Url::parse(url)).unwrap()
}

pub(super) fn node(service: &str, number: u32) -> Node {
    Node::new(
        service,
        format!("{service}-{number}"),
        format!("10.9.0.{number}:80"),
    )
}

/// What a way to the API server does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Open,
    /// Takes everything, passes on nothing.
    Hung,
    /// Closes what there is and takes nothing.
    Cut,
}

/// A way to the API server by TCP.
pub(super) struct Proxy {
    pub(super) url: String,
    way: watch::Sender<Way>,
    open: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (way, seen) = watch::channel(Way::Open);
        let open = Arc::new(AtomicU32::new(0));
        let count = open.clone();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (address, seen, count) = (address.clone(), seen.clone(), count.clone());
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    pass(client, &address, seen).await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Proxy {
            url,
            way,
            open,
            task,
        }
    }

    pub(super) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Connections that are open.
    pub(super) fn count(&self) -> u32 {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, address: &str, mut seen: watch::Receiver<Way>) {
    if *seen.borrow() == Way::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(address).await else {
        return;
    };
    let (mut up, mut down) = ([0; 16384], [0; 16384]);
    loop {
        let is_open = *seen.borrow() == Way::Open;
        tokio::select! {
            read = client.read(&mut up), if is_open => match read {
                Ok(count) if count > 0 && server.write_all(&up[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut down), if is_open => match read {
                Ok(count) if count > 0 && client.write_all(&down[..count]).await.is_ok() => {}
                _ => return,
            },
            changed = seen.changed() => {
                if changed.is_err() || *seen.borrow() == Way::Cut {
                    return;
                }
            }
        }
    }
}
