//! Registration at an agent, which stores the service, counts its TTL and reports it to the servers.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use http::StatusCode;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Server,
    record::{Check, Instance, Registration, ServiceEntry},
};
use micro_core::{
    Code, Error, Result,
    http::client::{Request, escape},
    node::Node,
    registry::{id_in_use, is_another},
};

/// How long the servers may take to show a registration. An agent that has just started reports nothing for up to 3 s.
const VISIBILITY_TIMEOUT: Duration = Duration::from_millis(3500);
/// How long to wait before the check is passed once more.
const FIRST_VISIBILITY_TIMEOUT: Duration = Duration::from_millis(250);

/// The registrations of this handle and the agents that have them: only the agent that has a service can remove it.
#[derive(Default)]
pub(super) struct Registrations(Mutex<HashMap<String, StoredRegistration>>);

#[derive(Clone)]
struct StoredRegistration {
    registration: Registration,
    /// The agent that has the service, then lost agents that had it before and may have it still.
    hosts: Vec<usize>,
    /// Whether the servers have shown the registration.
    is_visible: bool,
}

/// The body of `PUT /v1/catalog/deregister`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CatalogDeregistration<'a> {
    node: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
}

/// A check of a Consul node.
#[derive(serde::Deserialize)]
struct NodeCheck {
    #[serde(flatten)]
    check: Check,
}

impl Server {
    /// Renews the check of an unchanged registration; registers the node otherwise.
    pub(super) async fn register_node(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let registration = self.names.registration(node, ttl);
        let before = self.registrations.0.lock().get(&registration.id).cloned();
        let is_renewal = before.as_ref().is_some_and(|before| {
            (&before.registration.address, before.registration.port)
                == (&registration.address, registration.port)
        });
        let first = before
            .as_ref()
            .map_or(self.http.current(), |held| held.hosts[0]);
        let same = before
            .as_ref()
            .filter(|held| held.registration == registration && ttl.is_some());
        let count = self.http.hosts().len();
        let mut last = None;
        let mut skipped = 0;
        if is_renewal && let Ok(Some(address)) = self.another(first, &registration.id, node).await {
            return Err(id_in_use(node, &address));
        }
        if let Some(held) = same {
            match self.pass(first, &registration).await {
                Ok(true) if held.is_visible => return Ok(()),
                Ok(true) => return self.wait_until_visible(first, &registration).await,
                // The agent has lost the service.
                Ok(false) => {}
                Err(error) if !error.is_retryable(true) => return Err(error),
                Err(error) => {
                    last = Some(error);
                    skipped = 1;
                }
            }
        }
        for turn in skipped..count {
            let host = (first + turn) % count;
            match self.put(host, &registration).await {
                Ok(()) => {
                    let mut hosts = vec![host];
                    let others = before.iter().flat_map(|held| &held.hosts);
                    hosts.extend(others.filter(|other| **other != host));
                    let stored = StoredRegistration {
                        registration: registration.clone(),
                        hosts,
                        is_visible: false,
                    };
                    self.registrations
                        .0
                        .lock()
                        .insert(registration.id.clone(), stored);
                    return self.wait_until_visible(host, &registration).await;
                }
                // Another agent would refuse it too.
                Err(error) if !error.is_retryable(true) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is a host at least"))
    }

    /// Passes the check of a service. Returns whether the agent has the check.
    async fn pass(&self, host: usize, registration: &Registration) -> Result<bool> {
        let path = format!(
            "/v1/agent/check/pass/service:{}?note=",
            escape(&registration.id)
        );
        let answer = self.http.ask_host(host, &self.put_to(path)).await?;
        match answer.status.as_u16() {
            // No such check; some versions answer 500.
            404 | 500 => Ok(false),
            _ => self.understood(answer).map(|_| true),
        }
    }

    /// The address of another instance that an agent has under the id of a node; `None` if we may not read the service.
    async fn another(&self, host: usize, id: &str, node: &Node) -> Result<Option<String>> {
        let request = self.get(&format!("/v1/agent/service/{}?", escape(id)));
        let answer = self.http.ask_host(host, &request).await?;
        if answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::FORBIDDEN {
            return Ok(None);
        }
        let found: Instance = self.understood(answer)?.json()?;
        Ok(found.place().filter(|place| is_another(node, place)))
    }

    async fn put(&self, host: usize, registration: &Registration) -> Result<()> {
        let path = "/v1/agent/service/register?replace-existing-checks=true";
        let request = self.put_to(path.to_owned()).json(registration);
        let answer = self.http.ask_host(host, &request).await?;
        self.understood(answer).map(drop)
    }

    /// Waits until the servers show a registration, so that the next reader finds the node.
    async fn wait_until_visible(&self, host: usize, registration: &Registration) -> Result<()> {
        let is_visible = async |within| {
            let is_there =
                |entries: &[ServiceEntry]| entries.iter().any(|entry| entry.is(registration));
            let others = self.wait_for_entries(
                host,
                &registration.name,
                &registration.id,
                None,
                is_there,
                within,
            );
            Ok::<_, Error>(others.await?.is_none())
        };
        if !is_visible(FIRST_VISIBILITY_TIMEOUT).await? {
            // An agent that already had the service keeps its check as it was: perhaps that of a dead process.
            self.pass(host, registration).await?;
            if !is_visible(VISIBILITY_TIMEOUT - FIRST_VISIBILITY_TIMEOUT).await? {
                return Err(Error::unavailable(
                    "the agent has the node, but its servers do not show it; have they a leader?",
                ));
            }
        }
        if let Some(held) = self.registrations.0.lock().get_mut(&registration.id) {
            held.is_visible = true;
        }
        Ok(())
    }

    /// Reads the entries with an id, only those of `of` if given, until `is_wanted`. Returns the entries at the
    /// timeout.
    async fn wait_for_entries(
        &self,
        host: usize,
        name: &str,
        id: &str,
        of: Option<&Node>,
        is_wanted: impl Fn(&[ServiceEntry]) -> bool,
        within: Duration,
    ) -> Result<Option<Vec<ServiceEntry>>> {
        let end = Instant::now() + within;
        let mut path = format!("/v1/health/service/{}?stale=", escape(name));
        // Consul's filter syntax cannot express every id.
        if id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c))
        {
            path += &format!("&filter={}", escape(&format!("Service.ID == \"{id}\"")));
        }
        let mut pause = Duration::from_millis(2);
        loop {
            let answer = self.http.ask_host(host, &self.get(&path)).await?;
            let answer = match self.understood(answer) {
                Ok(answer) => answer,
                // Without permission to read, the agent's confirmation has to do.
                Err(error) if error.code() == Code::PermissionDenied => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut entries: Vec<ServiceEntry> = answer.json()?;
            entries.retain(|entry| {
                let place = entry.service.place();
                let is_another = |node| {
                    place
                        .as_deref()
                        .is_some_and(|place| is_another(node, place))
                };
                entry.service.id == id && !of.is_some_and(is_another)
            });
            if is_wanted(&entries) {
                return Ok(None);
            }
            if Instant::now() + pause > end {
                return Ok(Some(entries));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// Deregisters a node from every agent that has it.
    pub(super) async fn deregister_node(&self, node: &Node) -> Result<()> {
        let id = self.names.id(&node.service, &node.id);
        let held = self
            .registrations
            .0
            .lock()
            .get(&id)
            .map(|held| held.hosts.clone());
        if let Some(hosts) = held {
            self.deregister_service(node, &id, hosts).await?;
            self.registrations.0.lock().remove(&id);
            return Ok(());
        }
        // Another process registered the node, perhaps under another id.
        let mut ids = BTreeSet::from([id]);
        let answer = self.ask(&self.health_of(&node.service)).await?;
        let entries: Vec<ServiceEntry> = answer.json()?;
        let known = entries.into_iter().map(|entry| entry.service.id);
        ids.extend(known.filter(|id| self.names.inner_id(&node.service, id) == node.id));
        for id in ids {
            let hosts = (0..self.http.hosts().len()).collect();
            self.deregister_service(node, &id, hosts).await?;
        }
        Ok(())
    }

    async fn deregister_service(&self, node: &Node, id: &str, hosts: Vec<usize>) -> Result<()> {
        let name = self.names.outer(&node.service);
        let path = format!("/v1/agent/service/deregister/{}", escape(id));
        let (mut failed, mut reached) = (None, None);
        for host in hosts {
            if let Ok(Some(_)) = self.another(host, id, node).await {
                // Our registration is gone already.
                reached.get_or_insert(host);
                continue;
            }
            let answer = self.http.ask_host(host, &self.put_to(path.clone())).await;
            match answer {
                Ok(answer) if answer.status == StatusCode::NOT_FOUND => {
                    reached.get_or_insert(host);
                }
                Ok(answer) => match self.understood(answer) {
                    Ok(_) => reached = Some(host),
                    Err(error) => failed = Some(error),
                },
                Err(error) => failed = Some(error),
            }
        }
        let Some(host) = reached else {
            return Err(failed.unwrap_or_else(|| Error::unavailable("no agent was reached")));
        };
        let left = self
            .wait_for_entries(
                host,
                &name,
                id,
                Some(node),
                <[ServiceEntry]>::is_empty,
                VISIBILITY_TIMEOUT,
            )
            .await?;
        for entry in left.into_iter().flatten() {
            if let Some(error) = failed {
                return Err(error);
            }
            self.deregister_entry(host, &entry).await?;
        }
        Ok(())
    }

    /// Removes a service from the catalog whose agent is dead or never existed.
    async fn deregister_entry(&self, host: usize, entry: &ServiceEntry) -> Result<()> {
        let (node, id) = (&entry.node.node, &entry.service.id);
        let request = self.get(&format!("/v1/health/node/{}?", escape(node)));
        let answer = self.http.ask_host(host, &request).await?;
        let checks: Vec<NodeCheck> = self.understood(answer)?.json()?;
        let mut checks = checks.iter().map(|check| &check.check);
        if checks.any(|check| check.check_id == "serfHealth" && check.status == "passing") {
            let address = &entry.node.address;
            return Err(Error::failed_precondition(format!(
                "`{id}` is with the agent of `{node}` at `{address}`, which alone can take it out; name it as the \
                 registry's address"
            )));
        }
        let request = self.put_to("/v1/catalog/deregister".to_owned());
        let forget = CatalogDeregistration {
            node,
            service_id: id,
        };
        let answer = self.http.ask_host(host, &request.json(&forget)).await?;
        self.understood(answer).map(drop)
    }

    fn put_to(&self, path: String) -> Request {
        self.identified(Request::put(path))
    }
}
