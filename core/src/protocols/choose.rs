//! Which protocol to speak to a node: what its record says, or what one was told.

use crate::{
    error::{Error, Outcome, Result},
    node::Node,
};

/// Node metadata that lists what a node speaks, such as `native/1,grpc,mucp`.
pub(crate) const PROTOCOLS: &str = "protocols";

/// What go-micro's clients must read in the record of a node to call it as it is best called: without
/// `protocol` they take it for one of before 2019.
#[cfg(feature = "http")]
pub(crate) const TO_GO_MICRO: [(&str, &str); 3] = [
    ("protocol", "mucp"),
    ("server", "mucp"),
    ("transport", "http"),
];

/// A protocol that our clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Our own.
    Native,
    /// gRPC over HTTP/2.
    Grpc,
    /// go-micro's over HTTP/1.1.
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
    /// The same as mucp in the envelopes of go-micro before 2019, for nodes that do not say what they speak.
    OldMucp,
}

impl Spoken {
    /// By the names that `--transport` takes; the first is the default, which asks the node's record.
    pub(crate) const NAMED: [(&str, Option<Self>); 8] = [
        ("native", None),
        ("grpc", Some(Spoken::Grpc)),
        ("mucp", Some(Spoken::Mucp)),
        ("http", Some(Spoken::Http)),
        ("connect", Some(Spoken::Connect)),
        ("connect-h2", Some(Spoken::Connect2)),
        ("grpc-web", Some(Spoken::GrpcWeb)),
        ("grpc-web-h2", Some(Spoken::GrpcWeb2)),
    ];

    /// The names.
    pub(crate) const fn names() -> [&'static str; Self::NAMED.len()] {
        let mut names = [""; Self::NAMED.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::NAMED[at].0;
            at += 1;
        }
        names
    }

    /// The protocol of that name, `None` for the default; an error with all names.
    pub(crate) fn named(name: &str) -> Result<Option<Self>> {
        let found = Self::NAMED.iter().find(|(known, _)| *known == name);
        found.map(|(_, spoken)| *spoken).ok_or_else(|| {
            let names = Self::NAMED.map(|(name, _)| format!("`{name}`")).join(", ");
            Error::invalid_argument(format!("protocol `{name}` is not one of {names}"))
        })
    }

    #[cfg_attr(
        feature = "grpc",
        allow(dead_code, reason = "all that is known is then built in")
    )]
    /// The error for a node of which nothing that is built in speaks the protocol.
    pub(crate) fn unknown(self, node: &Node) -> Error {
        let id = &node.id;
        Error::failed_precondition(format!(
            "node `{id}` speaks {self:?}, which is not built in; enable its feature"
        ))
        .with_outcome(Outcome::NotSent)
    }

    /// The best that a node says it speaks: native, then gRPC, mucp, Connect, and plain
    /// HTTP.
    ///
    /// go-micro's nodes say it in `protocol`, those before 2019 not at all; but they all say what
    /// `server` they are. A node that says nothing is one of ours, registered by hand.
    pub(crate) fn of(node: &Node) -> Self {
        let said = |name: &str| node.metadata.get(name).map(String::as_str);
        if let Some(protocols) = said(PROTOCOLS) {
            let speaks = |name| protocols.split(',').any(|protocol| protocol.trim() == name);
            if speaks("native/1") {
                return Spoken::Native;
            }
            if speaks("grpc") {
                return Spoken::Grpc;
            }
            if speaks("mucp") {
                return Spoken::Mucp;
            }
            if speaks("connect") {
                return Spoken::Connect;
            }
            if speaks("http") {
                return Spoken::Http;
            }
        }
        match said("protocol") {
            Some("grpc") => Spoken::Grpc,
            Some(_) => Spoken::Mucp,
            None if said("server").is_some() || said("transport").is_some() => Spoken::OldMucp,
            None => Spoken::Native,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metadata: &[(&str, &str)]) -> Spoken {
        let mut node = Node::new("greeter", "greeter-1", "127.0.0.1:1");
        for (name, value) in metadata {
            node = node.with_metadata(*name, *value);
        }
        Spoken::of(&node)
    }

    #[test]
    fn the_best_of_what_a_node_lists_is_spoken() {
        let ours = ("protocol", "mucp");
        assert_eq!(
            of(&[("protocols", "native/1,grpc,mucp"), ours]),
            Spoken::Native
        );
        assert_eq!(
            of(&[("protocols", "native/9, grpc,mucp"), ours]),
            Spoken::Grpc
        );
        assert_eq!(of(&[("protocols", "mucp")]), Spoken::Mucp);
        assert_eq!(of(&[("protocols", "http")]), Spoken::Http);
        assert_eq!(of(&[("protocols", "smoke"), ours]), Spoken::Mucp);
    }

    #[test]
    fn nodes_of_go_micro_are_told_by_protocol_and_old_ones_by_what_they_have_instead() {
        assert_eq!(
            of(&[("protocol", "grpc"), ("server", "grpc")]),
            Spoken::Grpc
        );
        assert_eq!(
            of(&[("protocol", "mucp"), ("server", "mucp")]),
            Spoken::Mucp
        );
        assert_eq!(
            of(&[("server", "rpc"), ("transport", "http")]),
            Spoken::OldMucp
        );
        assert_eq!(of(&[]), Spoken::Native);
    }
}
