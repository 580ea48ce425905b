//! Follows the objects of the cluster: a list, then watches from its version on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    PodEndpoint, Server, api,
    object::{Event, Object},
};
use micro_core::{Code, Error, Result, node::Node, registry::remote::Reconciler};

/// Silence after which the server is probed, once for all watches of a handle.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(8);
/// Changes within this time are shown together.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// Maximal delay of the first of these changes.
const MAX_BATCH_TIME: Duration = Duration::from_millis(50);
/// A watch that ends sooner is followed by a pause, so that a server that ends watches is not overloaded.
const MIN_WATCH_TIME: Duration = Duration::from_millis(500);
/// Interval of lists for a service without a watch.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// The nodes of each object of a watch.
struct ObjectFeed<'a> {
    server: &'a Server,
    /// The followed service; `None` for all.
    service: Option<&'a str>,
    shown: &'a Reconciler,
    objects: BTreeMap<String, Vec<PodEndpoint>>,
    /// Services that changed since they were last shown.
    changed: BTreeSet<String>,
    /// The version of the last change.
    version: String,
}

/// Why a watch ended.
enum WatchEnd {
    /// The server ended the watch, as it does regularly.
    Usual,
    /// The server does not have the version any more.
    Forgotten,
    Lost(Error),
}

/// Follows with watches until the server is lost.
pub(super) async fn watch(server: &Server, service: Option<&str>, shown: &Reconciler) -> Error {
    let mut feed = ObjectFeed {
        server,
        service,
        shown,
        objects: BTreeMap::new(),
        changed: BTreeSet::new(),
        version: String::new(),
    };
    let Some(path) = server.path(service) else {
        // No object can have this name: nothing to request, nothing changes.
        shown.whole([]);
        return std::future::pending().await;
    };
    if let Err(error) = feed.list(&path).await {
        return error;
    }
    loop {
        let begun = Instant::now();
        match feed.changes(&path).await {
            WatchEnd::Usual if begun.elapsed() < MIN_WATCH_TIME => sleep(MIN_WATCH_TIME).await,
            WatchEnd::Usual => {}
            WatchEnd::Forgotten => {
                if let Err(error) = feed.list(&path).await {
                    return error;
                }
            }
            WatchEnd::Lost(error) => return error,
        }
    }
}

/// Follows with repeated lists until a list fails.
pub(super) async fn poll(server: &Server, service: Option<&str>, shown: &Reconciler) -> Error {
    let mut services = BTreeSet::new();
    let mut begun = false;
    loop {
        let objects = match server.objects(service).await {
            Ok((objects, _)) => objects,
            Err(error) => return error,
        };
        let all = objects.iter().flat_map(|object| server.entries(object));
        let entries: Vec<_> = all.filter(|entry| is_of(entry, service)).collect();
        services.extend(entries.iter().map(|entry| entry.node.service.clone()));
        match std::mem::replace(&mut begun, true) {
            false => shown.whole(
                entries
                    .iter()
                    .filter(|e| e.is_ready)
                    .map(|e| e.node.clone()),
            ),
            true => show(shown, services.clone(), entries.iter()),
        }
        sleep(POLL_INTERVAL).await;
    }
}

impl ObjectFeed<'_> {
    async fn list(&mut self, path: &str) -> Result<()> {
        let (objects, version) = self.server.api.list(path).await?;
        self.version = version;
        self.changed.clear();
        self.objects.clear();
        for object in objects {
            let entries = self.entries(&object);
            self.objects.insert(object.metadata.name, entries);
        }
        let entries = self.objects.values().flatten();
        let ready = entries.filter(|entry| entry.is_ready);
        self.shown.whole(ready.map(|entry| entry.node.clone()));
        Ok(())
    }

    /// Reads one watch until it ends.
    async fn changes(&mut self, path: &str) -> WatchEnd {
        let mut lines = match self.server.api.watch(path, &self.version).await {
            Ok(lines) => lines,
            Err(error) => return watch_end(error),
        };
        // A server that was restarted empty has lower versions, and would send nothing until it reaches ours.
        match self.server.api.version(path).await {
            Ok(version) if is_before(&version, &self.version) => return WatchEnd::Forgotten,
            Ok(_) => {}
            Err(error) => return WatchEnd::Lost(error),
        }
        // The server responds elsewhere: it has lost this connection.
        let latest = Instant::now() + Duration::from_secs(api::WATCH_TIMEOUT_S + 15);
        let mut patience = SILENCE_TIMEOUT;
        loop {
            let mut line = match timeout(patience, lines.next()).await {
                Ok(line) => line,
                Err(_) if Instant::now() > latest => return WatchEnd::Usual,
                Err(_) => match self.server.api.is_there(SILENCE_TIMEOUT).await {
                    Ok(believed) => {
                        patience = believed;
                        continue;
                    }
                    Err(error) => return WatchEnd::Lost(error),
                },
            };
            patience = SILENCE_TIMEOUT;
            self.server.api.hear();
            let gathered = Instant::now() + MAX_BATCH_TIME;
            loop {
                match line {
                    Ok(Some(text)) => {
                        if let Err(end) = self.take(&text) {
                            return end;
                        }
                    }
                    Ok(None) => {
                        self.show();
                        return WatchEnd::Usual;
                    }
                    Err(error) => {
                        self.show();
                        return WatchEnd::Lost(error);
                    }
                }
                if Instant::now() > gathered || self.changed.is_empty() {
                    break;
                }
                match timeout(BATCH_INTERVAL, lines.next()).await {
                    Ok(next) => line = next,
                    Err(_) => break,
                }
            }
            self.show();
        }
    }

    /// Applies one event.
    fn take(&mut self, line: &[u8]) -> std::result::Result<(), WatchEnd> {
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                let what = "a line of its watch is not what was expected";
                return Err(WatchEnd::Lost(Error::data_loss(what).with_source(error)));
            }
        };
        let object = event.object;
        match &*event.kind {
            "ERROR" if object.code == 410 => return Err(WatchEnd::Forgotten),
            "ERROR" => return Err(WatchEnd::Lost(Error::unavailable(object.message))),
            "ADDED" | "MODIFIED" => {
                let entries = self.entries(&object);
                self.put(&object.metadata.name, entries);
            }
            "DELETED" => self.put(&object.metadata.name, Vec::new()),
            // A bookmark has only a version.
            _ => {}
        }
        self.version = object.metadata.resource_version;
        Ok(())
    }

    fn entries(&self, object: &Object) -> Vec<PodEndpoint> {
        let entries = self.server.entries(object).into_iter();
        entries.filter(|entry| is_of(entry, self.service)).collect()
    }

    fn put(&mut self, object: &str, entries: Vec<PodEndpoint>) {
        let before = match entries.is_empty() {
            true => self.objects.remove(object),
            false => {
                self.changed
                    .extend(entries.iter().map(|entry| entry.node.service.clone()));
                self.objects.insert(object.to_owned(), entries)
            }
        };
        let before = before.unwrap_or_default().into_iter();
        self.changed.extend(before.map(|entry| entry.node.service));
    }

    /// Shows the services that have changed.
    fn show(&mut self) {
        show(
            self.shown,
            std::mem::take(&mut self.changed),
            self.objects.values().flatten(),
        );
    }
}

/// Shows these services, in one pass over the entries.
fn show<'a>(
    shown: &Reconciler,
    services: BTreeSet<String>,
    entries: impl Iterator<Item = &'a PodEndpoint>,
) {
    let empty = |service| (service, (Vec::new(), Vec::new()));
    let mut sets: BTreeMap<String, (Vec<Node>, Vec<Node>)> =
        services.into_iter().map(empty).collect();
    for PodEndpoint { node, is_ready } in entries {
        if let Some((ready, unready)) = sets.get_mut(&node.service) {
            let set = if *is_ready { ready } else { unready };
            set.push(node.clone());
        }
    }
    for (service, (ready, unready)) in sets {
        shown.set(&service, ready, unready);
    }
}

fn is_of(entry: &PodEndpoint, service: Option<&str>) -> bool {
    service.is_none_or(|service| entry.node.service == service)
}

/// Whether a version is older than another: versions are growing numbers.
fn is_before(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}

/// Maps the error of a refused watch.
fn watch_end(error: Error) -> WatchEnd {
    match error.code() {
        // 410: the version is too old.
        Code::OutOfRange => WatchEnd::Forgotten,
        _ => WatchEnd::Lost(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::registry::{api::Api, config::Config};
    use micro_core::{registry::view::View, url::Url};

    fn server() -> Server {
        let config = Config::of(&Url::parse("kubernetes://127.0.0.1:1")).unwrap();
        Server {
            api: Api::new(&config),
            place,
            watches: tokio::sync::Semaphore::new(1),
            told: std::sync::Once::new(),
            registered: Default::default(),
        }
    }

    fn pod(kind: &str, version: u32, id: &str) -> String {
        let service = serde_json::json!({"name": "a", "nodes": [{"id": id, "address": "h:1"}]});
        let pod = serde_json::json!({"type": kind, "object": {
            "kind": "Pod", "status": {"phase": "Running"},
            "metadata": {
                "name": "pod", "resourceVersion": version.to_string(),
                "annotations": {"micro.mu/service-a": service.to_string()},
            },
        }});
        pod.to_string()
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_before("99", "100") && !is_before("100", "100"));
        assert!(!is_before("", "100") && !is_before("100", "99"));
    }

    #[test]
    fn watch_resumes_and_lists_again_if_its_version_is_gone() {
        let (server, shown) = (
            server(),
            Reconciler::new("kubernetes", micro_core::registry::Scope::Machine),
        );
        let mut feed = ObjectFeed {
            server: &server,
            service: Some("a"),
            shown: &shown,
            objects: BTreeMap::new(),
            changed: BTreeSet::new(),
            version: "1".into(),
        };
        let ids = || {
            let mut ids = Vec::new();
            let of = |view: &View| view.services.get("a").map(|set| set.nodes.clone());
            shown.look(|view| {
                ids.extend(of(view).into_iter().flatten().map(|node| node.id.clone()))
            });
            ids.join(",")
        };
        for (line, version, expected) in [
            (pod("ADDED", 5, "x"), "5", "x"),
            (pod("MODIFIED", 6, "y"), "6", "y"),
            (
                r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#.to_owned(),
                "9",
                "y",
            ),
            (pod("DELETED", 11, "y"), "11", ""),
        ] {
            assert!(feed.take(line.as_bytes()).is_ok(), "{line}");
            feed.show();
            assert_eq!((&*feed.version, &*ids()), (version, expected), "{line}");
        }
        let old = br#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old resource version","code":410}}"#;
        assert!(matches!(feed.take(old), Err(WatchEnd::Forgotten)));
        let other = br#"{"type":"ERROR","object":{"status":"Failure","message":"no","code":500}}"#;
        assert!(matches!(feed.take(other), Err(WatchEnd::Lost(error)) if error.message() == "no"));
        assert!(matches!(feed.take(b"{"), Err(WatchEnd::Lost(_))));
    }
}
