//! The endpoint slices of plain services.

use super::{
    PodEndpoint,
    object::{self, Object, is_label},
};
use micro_core::{http::client::escape, node::Node};

/// The label with the service of a slice.
const SERVICE: &str = "kubernetes.io/service-name";
/// Names of ports that are preferred if none is configured and a service has several.
const USUAL_PORT_NAMES: [&str; 3] = ["grpc", "http", "micro"];

/// The port to call, and its protocol unless the service sets one.
pub(super) struct Port {
    /// Name or number.
    pub(super) port: Option<String>,
    /// The protocol, as in the metadata of a node.
    pub(super) protocol: Option<String>,
}

/// The path of the slices of a service, or of all; `None` if no service can have the name.
pub(super) fn path(namespace: &str, service: Option<&str>) -> Option<String> {
    let namespace = escape(namespace);
    let selector = match service {
        Some(service) if is_label(service) => format!("{}%3D{service}", escape(SERVICE)),
        Some(_) => return None,
        None => escape(SERVICE),
    };
    Some(format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector={selector}"
    ))
}

/// The nodes of a slice, without terminating endpoints.
pub(super) fn entries(slice: &Object, said: &Port) -> Vec<PodEndpoint> {
    let Some(service) = slice.metadata.labels.get(SERVICE) else {
        return Vec::new();
    };
    let Some((number, protocol)) = port(&slice.ports, said) else {
        return Vec::new();
    };
    let mut entries = Vec::new();
    for endpoint in &slice.endpoints {
        let conditions = &endpoint.conditions;
        let Some(address) = endpoint.addresses.first() else {
            continue;
        };
        if conditions.terminating == Some(true) {
            continue;
        }
        let address = match slice.address_type == "IPv6" {
            true => format!("[{address}]:{number}"),
            false => format!("{address}:{number}"),
        };
        // A pod with IPv4 and IPv6 addresses is in two slices, but is one node.
        let id = match &endpoint.target_ref {
            Some(target) if !target.name.is_empty() => target.name.clone(),
            _ => format!("{service}-{address}"),
        };
        let mut node = Node::new(service, id, address);
        node.metadata_mut().extend(protocol.clone());
        if let Some(zone) = &endpoint.zone {
            node.metadata_mut().insert("zone".into(), zone.clone());
        }
        let is_ready = conditions.ready != Some(false);
        entries.push(PodEndpoint { node, is_ready });
    }
    entries
}

/// The port to call, and the metadata for its protocol.
fn port(ports: &[object::Port], said: &Port) -> Option<(u16, Vec<(String, String)>)> {
    let is_tcp = |port: &&object::Port| port.protocol.as_deref().unwrap_or("TCP") == "TCP";
    let ports: Vec<_> = ports.iter().filter(is_tcp).collect();
    let named = |name: &str| {
        let mut ports = ports.iter();
        ports.find(|port| port.name.as_deref().unwrap_or_default() == name)
    };
    let port = match &said.port {
        Some(text) => match text.parse::<u16>() {
            Ok(number) => ports.iter().find(|port| port.port == Some(number)),
            Err(_) => named(text),
        },
        None if ports.len() == 1 => ports.first(),
        None => USUAL_PORT_NAMES
            .iter()
            .find_map(|name| named(name))
            .or(ports.first()),
    }?;
    let metadata = match &said.protocol {
        Some(protocol) => vec![("protocol".to_owned(), protocol.clone())],
        None => {
            let name = port.name.as_deref().unwrap_or_default();
            spoken(port.app_protocol.as_deref().unwrap_or(name))
        }
    };
    port.port
        .filter(|port| *port > 0)
        .map(|port| (port, metadata))
}

/// The metadata for `appProtocol` or the name of the port; empty for our own protocol.
fn spoken(text: &str) -> Vec<(String, String)> {
    let protocols = |name: &str| vec![("protocols".to_owned(), name.to_owned())];
    let first = text.split('-').next().unwrap_or_default();
    match (text, first) {
        ("kubernetes.io/h2c", _) | (_, "grpc") => protocols("grpc"),
        (_, "grpcs") => [protocols("grpc"), vec![("tls".into(), "true".into())]].concat(),
        (_, "https") => [protocols("http"), vec![("tls".into(), "true".into())]].concat(),
        (_, "http") => protocols("http"),
        (_, "connect" | "mucp") => protocols(first),
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    const SLICE: &str = r#"{"metadata":{"name":"users-x","labels":{"kubernetes.io/service-name":"users"}},
        "addressType":"IPv4","ports":[
            {"name":"dns","port":53,"protocol":"UDP"},{"name":"admin","port":9000,"protocol":"TCP"},
            {"name":"http","port":8080,"protocol":"TCP"},
            {"name":"rpc","port":7000,"protocol":"TCP","appProtocol":"kubernetes.io/h2c"}],
        "endpoints":[
            {"addresses":["10.2.0.1"],"conditions":{"ready":true},"zone":"west","targetRef":{"kind":"Pod","name":"users-a"}},
            {"addresses":["10.2.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}},
            {"addresses":["10.2.0.3"],"conditions":{"ready":false}},
            {"addresses":["10.2.0.4"],"conditions":{}},
            {"addresses":[],"conditions":null}]}"#;

    fn nodes(port: Option<&str>, protocol: Option<&str>) -> Vec<String> {
        let said = Port {
            port: port.map(str::to_owned),
            protocol: protocol.map(str::to_owned),
        };
        let slice = serde_json::from_str(SLICE).unwrap();
        let shown = |entry: PodEndpoint| {
            let node = entry.node;
            let (id, address, metadata) = (node.id, node.address, node.metadata);
            format!("{id} {address} {metadata:?} {}", entry.is_ready)
        };
        entries(&slice, &said).into_iter().map(shown).collect()
    }

    #[test]
    fn terminating_endpoints_are_not_nodes() {
        assert_eq!(
            nodes(None, None),
            [
                r#"users-a 10.2.0.1:8080 {"protocols": "http", "zone": "west"} true"#,
                r#"users-10.2.0.3:8080 10.2.0.3:8080 {"protocols": "http"} false"#,
                r#"users-10.2.0.4:8080 10.2.0.4:8080 {"protocols": "http"} true"#,
            ]
        );
    }

    #[test]
    fn port_is_chosen_by_name_or_number_and_sets_the_protocol() {
        let first = |port, protocol| nodes(port, protocol).into_iter().next().unwrap_or_default();
        let rpc = r#"users-a 10.2.0.1:7000 {"protocols": "grpc", "zone": "west"} true"#;
        assert_eq!(first(Some("rpc"), None), rpc);
        assert_eq!(first(Some("7000"), None), rpc);
        let said = r#"users-a 10.2.0.1:9000 {"protocol": "mucp", "zone": "west"} true"#;
        assert_eq!(first(Some("admin"), Some("mucp")), said);
        assert_eq!(first(Some("dns"), None), "");
    }

    #[test]
    fn only_valid_service_names_are_queried() {
        let path = path("prod", Some("users")).unwrap();
        assert!(
            path.ends_with("?labelSelector=kubernetes.io%2Fservice-name%3Dusers"),
            "{path}"
        );
        for name in ["topic:a", "Users", "", "a/b"] {
            assert!(super::path("prod", Some(name)).is_none(), "{name}");
        }
    }
}
