//! A node as a Consul service: the registration at an agent, and the entries of the health endpoint.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::tags::{self, Reader};
use micro_core::node::Node;

/// Consul removes a critical service after a minute at least.
const MIN_DEREGISTER_AFTER: Duration = Duration::from_secs(60);
/// Time beyond the TTL after which go-micro has a critical service removed.
const DEREGISTER_MARGIN: Duration = Duration::from_secs(5);

/// The body of a registration at an agent.
#[derive(Serialize, PartialEq, Eq, Clone, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Registration {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) port: u16,
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<TtlCheck>,
}

#[derive(Serialize, PartialEq, Eq, Clone, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TtlCheck {
    #[serde(rename = "TTL")]
    ttl: String,
    deregister_critical_service_after: String,
    /// The service is not critical before its first renewal.
    status: &'static str,
}

/// One instance in the health of a service.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceEntry {
    pub(super) node: ConsulNode,
    pub(super) service: Instance,
    #[serde(default)]
    pub(super) checks: Option<Vec<Check>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConsulNode {
    pub(super) node: String,
    #[serde(default)]
    pub(super) address: String,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instance {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) port: i64,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Check {
    #[serde(rename = "CheckID")]
    pub(super) check_id: String,
    pub(super) status: String,
}

/// The names of a fleet in Consul: `NAMESPACE.` before each service name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    prefix: String,
}

/// The nodes of one service.
#[derive(Default, Debug)]
pub(super) struct Health {
    /// Nodes whose checks pass.
    pub(super) nodes: Vec<Node>,
    /// Nodes with a critical check.
    pub(super) expired: Vec<Node>,
}

impl Names {
    pub(super) fn of(namespace: &str) -> Self {
        let dot = if namespace.is_empty() { "" } else { "." };
        let prefix = format!("{namespace}{dot}");
        Names { prefix }
    }

    /// The name of a service in Consul.
    pub(super) fn outer(&self, service: &str) -> String {
        format!("{}{service}", self.prefix)
    }

    /// The service of a name in Consul; `None` for `consul` itself and for other fleets.
    pub(super) fn inner(&self, name: &str) -> Option<String> {
        let inner = name.strip_prefix(&self.prefix)?;
        (name != "consul" && !inner.is_empty()).then(|| inner.to_owned())
    }

    /// The id at an agent, which must be unique there: the node's id if it begins with the service's name or ends in a
    /// UUID, as those of go-micro do; otherwise with the service's name in front.
    pub(super) fn id(&self, service: &str, id: &str) -> String {
        let rest = id.strip_prefix(service);
        match rest.is_some_and(|rest| rest.starts_with('-')) || ends_in_uuid(id) {
            true => format!("{}{id}", self.prefix),
            false => format!("{}{service}/{id}", self.prefix),
        }
    }

    /// The id of a node from its id in Consul.
    pub(super) fn inner_id(&self, service: &str, id: &str) -> String {
        let id = id.strip_prefix(&self.prefix).unwrap_or(id);
        let bare = id.strip_prefix(service).and_then(|id| id.strip_prefix('/'));
        bare.unwrap_or(id).to_owned()
    }

    /// The registration of a node at an agent.
    pub(super) fn registration(&self, node: &Node, ttl: Option<Duration>) -> Registration {
        let (address, port) = split(&node.address);
        Registration {
            id: self.id(&node.service, &node.id),
            name: self.outer(&node.service),
            tags: tags::write(node),
            port,
            address: address.to_owned(),
            check: ttl.map(|ttl| TtlCheck {
                ttl: duration(ttl),
                deregister_critical_service_after: duration(
                    ttl.max(MIN_DEREGISTER_AFTER) + DEREGISTER_MARGIN,
                ),
                status: "passing",
            }),
        }
    }

    /// The nodes in the health of a service. A node that is registered at two agents, as one was down for a while, is
    /// one node, and is alive if either check passes.
    pub(super) fn read(
        &self,
        service: &str,
        entries: Vec<ServiceEntry>,
        reader: &mut Reader,
    ) -> Health {
        let mut alive = BTreeMap::new();
        let mut expired = BTreeMap::new();
        for entry in entries {
            let is_critical = entry.is_critical();
            let node = self.node(service, entry, reader);
            let nodes = if is_critical {
                &mut expired
            } else {
                &mut alive
            };
            nodes.insert(node.id.clone(), node);
        }
        expired.retain(|id, _| !alive.contains_key(id));
        Health {
            nodes: alive.into_values().collect(),
            expired: expired.into_values().collect(),
        }
    }

    fn node(&self, service: &str, entry: ServiceEntry, reader: &mut Reader) -> Node {
        let ServiceEntry {
            node,
            service: instance,
            ..
        } = entry;
        let said = reader.read(instance.tags.as_deref().unwrap_or_default());
        let host = match instance.address.is_empty() {
            true => node.address,
            false => instance.address,
        };
        let id = self.inner_id(service, &instance.id);
        let mut node = Node::new(service, id, join(host, instance.port));
        node.version = said.version;
        *node.metadata_mut() = said.metadata;
        node.endpoints = said.endpoints;
        node
    }
}

impl Instance {
    /// The address as `host:port`; `None` if only the agent knows it.
    pub(super) fn place(&self) -> Option<String> {
        (!self.address.is_empty()).then(|| join(self.address.clone(), self.port))
    }
}

impl ServiceEntry {
    pub(super) fn is_critical(&self) -> bool {
        let mut checks = self.checks.iter().flatten();
        checks.any(|check| check.status == "critical")
    }

    /// Whether the entry shows a registration unchanged, with its check and not critical.
    pub(super) fn is(&self, registration: &Registration) -> bool {
        let own = format!("service:{}", registration.id);
        let mut checks = self.checks.iter().flatten();
        let has_check = checks.any(|check| check.check_id == own);
        self.service.id == registration.id
            && self.service.tags.as_ref() == Some(&registration.tags)
            && self.service.address == registration.address
            && self.service.port == i64::from(registration.port)
            && has_check == registration.check.is_some()
            && !self.is_critical()
    }
}

/// Whether a text ends in 8-4-4-4-12 hexadecimal digits.
fn ends_in_uuid(text: &str) -> bool {
    let Some(start) = text.len().checked_sub(36) else {
        return false;
    };
    let mut last = text.as_bytes()[start..].iter().enumerate();
    last.all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Splits an address into host and port; the port is 0 if joining them would not give the same address.
fn split(address: &str) -> (&str, u16) {
    let Some((host, port)) = address.rsplit_once(':') else {
        return (address, 0);
    };
    let number = port.parse().unwrap_or(0);
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = inside.unwrap_or(host);
    match join(host.to_owned(), number.into()) == address {
        true => (host, number),
        false => (address, 0),
    }
}

fn join(host: String, port: i64) -> String {
    match (port, host.contains(':')) {
        (0, _) => host,
        (port, true) => format!("[{host}]:{port}"),
        (port, false) => format!("{host}:{port}"),
    }
}

/// A duration as Go reads it.
fn duration(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis().max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_comes_back_as_it_was() {
        for (address, expected) in [
            ("10.0.0.1:80", ("10.0.0.1", 80)),
            ("[::1]:80", ("::1", 80)),
            ("host:80", ("host", 80)),
            ("unix:/run/a.sock", ("unix:/run/a.sock", 0)),
            ("unix:/run/a:80", ("unix:/run/a:80", 0)),
            ("memory:a", ("memory:a", 0)),
            ("h:080", ("h:080", 0)),
            ("[h]:80", ("[h]:80", 0)),
            ("h:0", ("h:0", 0)),
            ("subject", ("subject", 0)),
        ] {
            let (host, port) = split(address);
            assert_eq!((host, port), expected);
            assert_eq!(join(host.to_owned(), port.into()), address);
        }
    }

    #[test]
    fn unique_ids_match_go_micro_and_all_ids_round_trip() {
        for (namespace, service, id, expected) in [
            ("", "greeter", "greeter-1", "greeter-1"),
            ("", "greeter", "one", "greeter/one"),
            ("east", "greeter", "greeter-1", "east.greeter-1"),
            ("east", "greeter", "one", "east.greeter/one"),
            ("", "greeter", "greeter/one", "greeter/greeter/one"),
            ("", "topic:a/b", "x", "topic:a/b/x"),
            (
                "",
                "micro.http.broker",
                "greeter.events-b0d6f60c-9633-47ac-8e78-04adb3c22a0f",
                "greeter.events-b0d6f60c-9633-47ac-8e78-04adb3c22a0f",
            ),
        ] {
            let names = Names::of(namespace);
            assert_eq!(names.id(service, id), expected);
            assert_eq!(names.inner_id(service, expected), id);
        }
    }

    #[test]
    fn namespace_hides_services_of_other_fleets() {
        let east = Names::of("east");
        assert_eq!(east.inner("east.greeter").as_deref(), Some("greeter"));
        assert_eq!(east.inner("greeter"), None);
        assert_eq!(east.inner("east."), None);
        assert_eq!(Names::of("").inner("consul"), None);
    }

    #[test]
    fn node_at_two_agents_is_alive_if_either_check_passes() {
        let entry = |consul: &str, status: &str| {
            format!(
                r#"{{"Node":{{"Node":"{consul}","Address":"10.0.0.9"}},"Service":{{"ID":"a-1","Service":"a",
                "Tags":null,"Address":"","Port":80}},"Checks":[{{"CheckID":"service:a-1","Status":"{status}"}}]}}"#
            )
        };
        let read = |statuses: [&str; 2]| {
            let entries = statuses.map(|status| entry(status, status)).join(",");
            let entries = serde_json::from_str(&format!("[{entries}]")).expect("it is JSON");
            Names::default().read("a", entries, &mut Reader::default())
        };
        for statuses in [["critical", "passing"], ["warning", "critical"]] {
            let health = read(statuses);
            assert_eq!((health.nodes.len(), health.expired.len()), (1, 0));
            assert_eq!(health.nodes[0].address, "10.0.0.9:80");
        }
        let health = read(["critical", "critical"]);
        assert_eq!((health.nodes.len(), health.expired.len()), (0, 1));
    }

    #[test]
    fn durations_are_as_go_reads_them() {
        assert_eq!(duration(Duration::from_secs(90)), "90s");
        assert_eq!(duration(Duration::from_millis(1500)), "1500ms");
    }
}
