//! Selects the protocol for a node: a configured one, or the best in the node's record.

use crate::{
    error::{Error, Outcome, Result},
    node::Node,
};

/// Node metadata key that lists the node's protocols, such as `native/1,grpc,mucp`.
pub(crate) const PROTOCOLS: &str = "protocols";

/// Node metadata that go-micro clients need. Without `protocol` they use the protocol from before 2019.
#[cfg(feature = "mucp")]
pub(crate) const TO_GO_MICRO: [(&str, &str); 3] = [
    ("protocol", "mucp"),
    ("server", "mucp"),
    ("transport", "http"),
];

/// A protocol that the client supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireProtocol {
    /// The native protocol.
    Native,
    /// gRPC over HTTP/2.
    Grpc,
    /// go-micro's protocol over HTTP/1.1.
    Mucp,
    /// Plain JSON over HTTP/1.1.
    Http,
    /// Connect over HTTP/1.1.
    Connect,
    /// Connect over HTTP/2.
    Connect2,
    /// gRPC-Web over HTTP/1.1.
    GrpcWeb,
    /// gRPC-Web over HTTP/2.
    GrpcWeb2,
    /// mucp with the envelopes of go-micro before 2019, for nodes whose record names no protocol.
    OldMucp,
}

/// A row of [`PROTOCOL_TABLE`].
pub(crate) struct ProtocolEntry {
    /// The value of `--transport`.
    pub(crate) name: &'static str,
    /// `None` for the default, which follows the node's record.
    protocol: Option<WireProtocol>,
    /// The cargo features that the protocol needs.
    pub(crate) features: &'static [&'static str],
    is_built_in: bool,
}

const fn entry(
    name: &'static str,
    protocol: WireProtocol,
    features: &'static [&'static str],
    is_built_in: bool,
) -> ProtocolEntry {
    ProtocolEntry {
        name,
        protocol: Some(protocol),
        features,
        is_built_in,
    }
}

/// All protocols, built in or not. The first is the default.
pub(crate) const PROTOCOL_TABLE: [ProtocolEntry; 8] = [
    ProtocolEntry {
        name: "native",
        protocol: None,
        features: &[],
        is_built_in: true,
    },
    entry(
        "grpc",
        WireProtocol::Grpc,
        &["grpc"],
        cfg!(feature = "grpc"),
    ),
    entry(
        "mucp",
        WireProtocol::Mucp,
        &["mucp"],
        cfg!(feature = "mucp"),
    ),
    entry(
        "http",
        WireProtocol::Http,
        &["json"],
        cfg!(feature = "json"),
    ),
    entry(
        "connect",
        WireProtocol::Connect,
        &["connect"],
        cfg!(feature = "connect"),
    ),
    entry(
        "connect-h2",
        WireProtocol::Connect2,
        &["connect", "grpc"],
        cfg!(all(feature = "connect", feature = "grpc")),
    ),
    entry(
        "grpc-web",
        WireProtocol::GrpcWeb,
        &["grpc"],
        cfg!(feature = "grpc"),
    ),
    entry(
        "grpc-web-h2",
        WireProtocol::GrpcWeb2,
        &["grpc"],
        cfg!(feature = "grpc"),
    ),
];

/// The number of built-in protocols.
pub(crate) const BUILT_IN_COUNT: usize = {
    let (mut at, mut count) = (0, 0);
    while at < PROTOCOL_TABLE.len() {
        count += PROTOCOL_TABLE[at].is_built_in as usize;
        at += 1;
    }
    count
};

/// The names of the built-in protocols.
pub(crate) const fn names() -> [&'static str; BUILT_IN_COUNT] {
    let mut names = [""; BUILT_IN_COUNT];
    let (mut at, mut count) = (0, 0);
    while at < PROTOCOL_TABLE.len() {
        if PROTOCOL_TABLE[at].is_built_in {
            names[count] = PROTOCOL_TABLE[at].name;
            count += 1;
        }
        at += 1;
    }
    names
}

/// The error text for a protocol that is not built in.
fn not_built_in(entry: &ProtocolEntry) -> String {
    let (name, features) = (entry.name, entry.features.join("` and `"));
    let noun = if entry.features.len() == 1 {
        "feature"
    } else {
        "features"
    };
    format!("protocol `{name}` is not built in; enable the {noun} `{features}`")
}

impl WireProtocol {
    /// Finds a protocol by name; `None` for the default.
    ///
    /// # Errors
    /// `InvalidArgument` if the name is unknown (lists all names) or not built in (names the feature).
    pub(crate) fn of_name(name: &str) -> Result<Option<Self>> {
        match PROTOCOL_TABLE.iter().find(|entry| entry.name == name) {
            Some(entry) if entry.is_built_in => Ok(entry.protocol),
            Some(entry) => Err(Error::invalid_argument(not_built_in(entry))),
            None => {
                let names = names().map(|name| format!("`{name}`")).join(", ");
                Err(Error::invalid_argument(format!(
                    "protocol `{name}` is not one of {names}"
                )))
            }
        }
    }

    /// The row of the table.
    fn entry(self) -> Option<&'static ProtocolEntry> {
        let plain = match self {
            WireProtocol::OldMucp => WireProtocol::Mucp,
            other => other,
        };
        PROTOCOL_TABLE
            .iter()
            .find(|entry| entry.protocol == Some(plain))
    }

    fn is_built_in(self) -> bool {
        self.entry().is_none_or(|entry| entry.is_built_in)
    }

    /// The error for a node whose protocol is not built in.
    #[cfg_attr(
        all(
            feature = "grpc",
            feature = "connect",
            feature = "json",
            feature = "mucp"
        ),
        allow(dead_code, reason = "every protocol is built in")
    )]
    pub(crate) fn unknown(self, node: &Node) -> Error {
        let why = self.entry().map_or_else(String::new, not_built_in);
        Error::failed_precondition(format!("node `{}`: {why}", node.id))
            .with_outcome(Outcome::NotSent)
    }

    /// The preferred built-in protocol of a node, in the order native, gRPC, mucp, Connect, plain HTTP.
    ///
    /// go-micro nodes name one in `protocol`; those from before 2019 have only `server` or `transport`. A node without
    /// such metadata was registered by hand and uses the native protocol.
    pub(crate) fn of(node: &Node) -> Self {
        const PREFERENCE: [(&str, WireProtocol); 5] = [
            ("native/1", WireProtocol::Native),
            ("grpc", WireProtocol::Grpc),
            ("mucp", WireProtocol::Mucp),
            ("connect", WireProtocol::Connect),
            ("http", WireProtocol::Http),
        ];
        let said = |name: &str| node.metadata.get(name).map(String::as_str);
        if let Some(protocols) = said(PROTOCOLS) {
            let speaks = |name| protocols.split(',').any(|protocol| protocol.trim() == name);
            let all = PREFERENCE.iter().filter(|(name, _)| speaks(*name));
            let mut all = all.map(|(_, protocol)| *protocol);
            let best = all.clone().find(|protocol| protocol.is_built_in());
            if let Some(best) = best.or_else(|| all.next()) {
                return best;
            }
        }
        match said("protocol") {
            Some("grpc") => WireProtocol::Grpc,
            Some(_) => WireProtocol::Mucp,
            None if said("server").is_some() || said("transport").is_some() => {
                WireProtocol::OldMucp
            }
            None => WireProtocol::Native,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metadata: &[(&str, &str)]) -> WireProtocol {
        let mut node = Node::new("greeter", "greeter-1", "127.0.0.1:1");
        for (name, value) in metadata {
            node = node.with_metadata(*name, *value);
        }
        WireProtocol::of(&node)
    }

    #[test]
    fn best_protocol_of_a_node_is_used() {
        let ours = ("protocol", "mucp");
        assert_eq!(
            of(&[("protocols", "native/1,grpc,mucp"), ours]),
            WireProtocol::Native
        );
        assert_eq!(
            of(&[("protocols", "native/9, grpc,mucp"), ours]),
            WireProtocol::Grpc
        );
        assert_eq!(of(&[("protocols", "mucp")]), WireProtocol::Mucp);
        assert_eq!(of(&[("protocols", "http")]), WireProtocol::Http);
        assert_eq!(of(&[("protocols", "smoke"), ours]), WireProtocol::Mucp);
    }

    #[test]
    fn go_micro_nodes_are_recognised_by_their_metadata() {
        assert_eq!(
            of(&[("protocol", "grpc"), ("server", "grpc")]),
            WireProtocol::Grpc
        );
        assert_eq!(
            of(&[("protocol", "mucp"), ("server", "mucp")]),
            WireProtocol::Mucp
        );
        assert_eq!(
            of(&[("server", "rpc"), ("transport", "http")]),
            WireProtocol::OldMucp
        );
        assert_eq!(of(&[]), WireProtocol::Native);
    }

    #[test]
    fn protocol_that_is_not_built_in_names_its_features() {
        let texts = PROTOCOL_TABLE.iter().skip(1).map(not_built_in);
        let features = texts.map(|text| text.split_once("; ").unwrap_or_default().1.to_owned());
        assert_eq!(
            features.collect::<Vec<_>>(),
            [
                "enable the feature `grpc`",
                "enable the feature `mucp`",
                "enable the feature `json`",
                "enable the feature `connect`",
                "enable the features `connect` and `grpc`",
                "enable the feature `grpc`",
                "enable the feature `grpc`",
            ]
        );
    }
}
