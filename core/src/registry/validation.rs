//! Validation of records, so that a hostile record in a registry harms only its own node.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    error::{Error, Result},
    node::Node,
    time::{self, Nanos},
};

/// The longest name, id, version or address, in bytes.
const MAX_TEXT: usize = 1024;
/// The largest size of metadata, in bytes.
const MAX_METADATA: usize = 64 * 1024;
/// The largest number of endpoints.
const MAX_ENDPOINTS: usize = 1000;
/// The shortest time between warnings of rejected records.
const WARNING_INTERVAL: Nanos = 60_000_000_000;

static WARNED: AtomicU64 = AtomicU64::new(0);

/// Which machines read a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This machine only.
    Machine,
    /// Other machines, too: a record may not name what exists on each reader's machine, such as a Unix socket.
    Network,
}

impl Scope {
    /// The scope of a registry, by [`Registry::is_of_this_machine`](super::Registry::is_of_this_machine).
    pub fn of(is_of_this_machine: bool) -> Self {
        match is_of_this_machine {
            true => Scope::Machine,
            false => Scope::Network,
        }
    }
}

/// Returns whether a record that `registry` holds is valid. Logs a warning of one that is not, at most once a minute.
pub fn accept(registry: &str, node: &Node, scope: Scope) -> bool {
    let Err(error) = validate(node, scope) else {
        return true;
    };
    warn_rejected(registry, &error);
    false
}

/// Logs a warning of a record of `registry` that is not shown, at most once a minute in the process.
pub fn warn_rejected(registry: &str, error: &Error) {
    let (now, last) = (time::now(), WARNED.load(Ordering::Relaxed));
    if last == 0 || now.saturating_sub(last) >= WARNING_INTERVAL {
        WARNED.store(now, Ordering::Relaxed);
        tracing::warn!(registry, %error, "a record is left out");
    }
}

/// Validates a record: sizes, characters, and an address that those in `scope` can reach.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) that names the node and what is wrong with it.
pub fn validate(node: &Node, scope: Scope) -> Result<()> {
    if scope == Scope::Network && node.address.starts_with("unix:") {
        let address = &node.address;
        return Err(refused(
            node,
            format_args!(
                "`{address}` is reached on its own machine alone; register `HOST:PORT`, or use the registry `local`"
            ),
        ));
    }
    if leads_nowhere(&node.address) {
        let address = &node.address;
        return Err(refused(
            node,
            format_args!(
                "nothing can be reached at `{address}`; `--server-advertise` says where it can"
            ),
        ));
    }
    validate_local(node)
}

/// Validates a record that only processes of this machine read from its disk: an unspecified address, such as
/// `0.0.0.0:80`, is this machine's and so is reachable.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) that names the node and what is wrong with it.
pub fn validate_local(node: &Node) -> Result<()> {
    for (part, text) in [
        ("service", &node.service),
        ("id", &node.id),
        ("version", &node.version),
        ("address", &node.address),
    ] {
        if text.len() > MAX_TEXT {
            let size = text.len();
            return Err(refused(
                node,
                format_args!("its {part} has {size} bytes of at most {MAX_TEXT}"),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(refused(
                node,
                format_args!("its {part} has a control character"),
            ));
        }
    }
    if node.id.is_empty() || node.service.is_empty() {
        return Err(refused(node, format_args!("it needs a service and an id")));
    }
    if node.address.ends_with(":0") && node.address.parse::<std::net::SocketAddr>().is_ok() {
        return Err(refused(node, format_args!("its address has port 0")));
    }
    let is_relative = |path: &str| !path.starts_with('/');
    if node.address.strip_prefix("unix:").is_some_and(is_relative) {
        return Err(refused(
            node,
            format_args!("its Unix socket has no absolute path"),
        ));
    }
    let metadata = node.metadata.iter();
    let metadata: usize = metadata.map(|(name, value)| name.len() + value.len()).sum();
    if metadata > MAX_METADATA {
        return Err(refused(
            node,
            format_args!("its metadata has {metadata} bytes of at most {MAX_METADATA}"),
        ));
    }
    let endpoints = node.endpoints.len();
    if endpoints > MAX_ENDPOINTS {
        return Err(refused(
            node,
            format_args!("it has {endpoints} endpoints of at most {MAX_ENDPOINTS}"),
        ));
    }
    Ok(())
}

/// Whether an address has no host, the unspecified one, or port 0. An empty address belongs to a record that is no node,
/// such as that of weights.
fn leads_nowhere(address: &str) -> bool {
    match address.parse::<std::net::SocketAddr>() {
        Ok(address) => address.ip().is_unspecified() || address.port() == 0,
        Err(_) => address.starts_with(':'),
    }
}

fn refused(node: &Node, why: std::fmt::Arguments<'_>) -> Error {
    let short = |text: &str| {
        text.chars()
            .take(80)
            .collect::<String>()
            .escape_debug()
            .to_string()
    };
    let (id, service) = (short(&node.id), short(&node.service));
    Error::invalid_argument(format!("node `{id}` of service `{service}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Endpoint;

    fn node() -> Node {
        Node::new("greeter", "greeter-1", "10.0.0.1:80")
    }

    #[test]
    fn hostile_record_is_refused_for_its_own_reason() {
        let endpoints: Vec<_> = (0..10_000)
            .map(|n| Endpoint::new(format!("E.{n}")))
            .collect();
        let cases = [
            (
                node().with_metadata("k", "x".repeat(2_000_000)),
                "metadata has 2000001 bytes",
            ),
            (node().with_endpoints(endpoints), "10000 endpoints"),
            (
                Node::new("greeter", "a\nb", "h:1"),
                "id has a control character",
            ),
            (
                Node::new("greeter", "a", "0.0.0.0:0"),
                "reached at `0.0.0.0:0`",
            ),
            (Node::new("greeter", "a", "[::]:80"), "reached at `[::]:80`"),
            (
                Node::new("greeter", "a", "10.0.0.1:0"),
                "reached at `10.0.0.1:0`",
            ),
            (Node::new("greeter", "", "h:1"), "needs a service and an id"),
            (
                node().with_version("v".repeat(2000)),
                "version has 2000 bytes",
            ),
        ];
        for (node, reason) in cases {
            let error = validate(&node, Scope::Machine).map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(reason)),
                "{reason}: {error:?}"
            );
        }
    }

    #[test]
    fn remote_record_may_not_name_a_unix_socket() {
        let node = Node::new("greeter", "a", "unix:/run/other.sock");
        assert!(validate(&node, Scope::Machine).is_ok());
        let error = validate(&node, Scope::Network).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("on its own machine alone")));
        let relative = Node::new("greeter", "a", "unix:other.sock");
        assert!(validate_local(&relative).is_err());
    }

    #[test]
    fn unspecified_address_is_valid_on_one_machine() {
        let at = |address| Node::new("greeter", "a", address);
        assert!(
            validate(&at("0.0.0.0:80"), Scope::Machine).is_err()
                && validate_local(&at("0.0.0.0:80")).is_ok()
        );
        assert!(validate_local(&at("0.0.0.0:0")).is_err());
        assert!(validate_local(&at("[::]:0")).is_err());
    }

    #[test]
    fn ordinary_records_are_accepted() {
        for address in [
            "10.0.0.1:80",
            "[::1]:80",
            "host:80",
            "unix:/run/a.sock",
            "memory:a",
            "subject",
            "",
        ] {
            assert!(
                validate(&Node::new("greeter", "a", address), Scope::Machine).is_ok(),
                "{address}"
            );
        }
    }
}
