//! The identity that a client expects of a node, and what a node's record says about it.

use std::sync::Arc;

use crate::{
    call::{Identity, wrong_server},
    error::Result,
    node::Node,
};

/// Node metadata by which a node that wrote its record itself says which of its names its server checks: `node`
/// (service and node), `service` (only the service, if other nodes share its address), or `port` (both, at an
/// address of several nodes of one process).
///
/// Records from other sources, such as DNS, a list or Kubernetes' objects, have names that the server does not
/// know.
const IDENTITY_KEY: &str = "micro-identity";

/// Which names of a node's record its server checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityCheck {
    /// Service and node; the address belongs to this node alone.
    Node,
    /// The service; other nodes of it may share the address.
    Service,
    /// The service; the server may serve other services, too.
    Port,
}

impl IdentityCheck {
    const NAMES: [(&str, IdentityCheck); 3] = [
        ("node", IdentityCheck::Node),
        ("service", IdentityCheck::Service),
        ("port", IdentityCheck::Port),
    ];

    /// Reads a node's record, if its server wrote it.
    fn of(node: &Node) -> Option<Self> {
        let said = node.metadata.get(IDENTITY_KEY)?;
        let known = Self::NAMES.iter().find(|(name, _)| name == said);
        known.map(|(_, checked)| *checked)
    }

    /// Writes it into the record of this process's own node.
    pub fn write(self, node: &mut Node) {
        let known = Self::NAMES.iter().find(|(_, checked)| *checked == self);
        let name = known.map_or("", |(name, _)| *name);
        node.metadata_mut().insert(IDENTITY_KEY.into(), name.into());
    }
}

/// The identity that a client expects of a server, and its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addressee {
    /// Empty if none is expected.
    pub(crate) meant: Identity,
    /// Whether the server reports its identity.
    says: bool,
    /// Whether the reported identity is compared here; the server compares in any case.
    compares: bool,
    /// The calling service; empty if there is none.
    pub(crate) caller: Arc<str>,
}

impl Addressee {
    /// For a call of `caller` to a node.
    pub(crate) fn of(node: &Node, caller: &Arc<str>) -> Self {
        let checked = IdentityCheck::of(node);
        let meant = match checked {
            Some(IdentityCheck::Node) => Identity::new(&node.service, &node.id),
            Some(IdentityCheck::Service | IdentityCheck::Port) => Identity::new(&node.service, ""),
            None => Identity::default(),
        };
        Addressee {
            meant,
            // Behind a shared address, another program may answer requests for the identity.
            says: checked == Some(IdentityCheck::Node),
            compares: checked != Some(IdentityCheck::Port),
            caller: caller.clone(),
        }
    }

    /// Compares the expected identity with the reported one; `None` if none was reported.
    ///
    /// # Errors
    /// Those of [`Identity::check`]; also if a server that must report its identity does not.
    pub(crate) fn check(&self, there: Option<&Identity>) -> Result<()> {
        match there {
            Some(there) if self.compares => there.check(&self.meant),
            None if self.says => Err(wrong_server(&Identity::default(), &self.meant)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn of(checked: Option<IdentityCheck>) -> Addressee {
        let mut node = Node::new("greeter", "greeter-1", "127.0.0.1:1");
        if let Some(checked) = checked {
            checked.write(&mut node);
        }
        Addressee::of(&node, &"edge".into())
    }

    #[test]
    fn node_without_an_identity_passes_every_check() {
        let nobody = of(None);
        assert!(nobody.meant.is_empty());
        assert!(nobody.check(None).is_ok());
        assert!(
            nobody
                .check(Some(&Identity::new("counter", "counter-1")))
                .is_ok()
        );
    }

    #[test]
    fn node_with_an_identity_must_confirm_it() {
        let there = |service, node| Identity::new(service, node);
        let one = of(Some(IdentityCheck::Node));
        assert!(one.check(Some(&there("greeter", "greeter-1"))).is_ok());
        assert!(one.check(Some(&there("greeter", "greeter-2"))).is_err());
        assert!(one.check(None).unwrap_err().is_wrong_server());
        let any = of(Some(IdentityCheck::Service));
        assert!(any.check(Some(&there("greeter", "greeter-2"))).is_ok());
        assert!(any.check(Some(&there("counter", "counter-1"))).is_err());
        let port = of(Some(IdentityCheck::Port));
        assert!(port.check(None).is_ok());
        assert!(port.check(Some(&there("counter", "counter-1"))).is_ok());
        assert_eq!(&*port.meant.service, "greeter");
    }
}
