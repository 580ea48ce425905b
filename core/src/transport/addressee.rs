//! Whom a client means when it calls a node, and what a node's record says of that.

use std::sync::Arc;

use crate::{
    call::{Identity, wrong_server},
    error::Result,
    node::Node,
};

/// Node metadata by which a node that wrote its record itself says which of its names its server checks: `node`
/// (the service's and its own), `service` (the service's, where others share its address), or `port` (both, at an
/// address where several nodes of this process are reached).
///
/// Names of other origin, such as those in DNS, in a list or in Kubernetes' own objects, are their reader's: no
/// server has heard of them.
const IDENTITY_KEY: &str = "micro-identity";

/// What a server checks of the names in a node's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityCheck {
    /// Service and node; it is that node alone.
    Node,
    /// The service; other nodes of it may be reached at the address.
    Service,
    /// The service; it says to be another besides.
    Port,
}

impl IdentityCheck {
    const NAMES: [(&str, IdentityCheck); 3] = [
        ("node", IdentityCheck::Node),
        ("service", IdentityCheck::Service),
        ("port", IdentityCheck::Port),
    ];

    /// What a node's record says, if its server wrote it.
    fn of(node: &Node) -> Option<Self> {
        let said = node.metadata.get(IDENTITY_KEY)?;
        let known = Self::NAMES.iter().find(|(name, _)| name == said);
        known.map(|(_, checked)| *checked)
    }

    /// Says it in the record of one's own node.
    pub fn write(self, node: &mut Node) {
        let known = Self::NAMES.iter().find(|(_, checked)| *checked == self);
        let name = known.map_or("", |(name, _)| *name);
        node.metadata_mut().insert(IDENTITY_KEY.into(), name.into());
    }
}

/// Whom a client means when it calls a node, and who calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addressee {
    /// Empty where nobody is named.
    pub(crate) meant: Identity,
    /// Whether its server says who it is.
    says: bool,
    /// Whether what the server says of itself is compared here; it compares what is said to it in any case.
    compares: bool,
    /// The service that calls; empty where it is none.
    pub(crate) caller: Arc<str>,
}

impl Addressee {
    /// Of a node, when `caller` calls it.
    pub(crate) fn of(node: &Node, caller: &Arc<str>) -> Self {
        let checked = IdentityCheck::of(node);
        let meant = match checked {
            Some(IdentityCheck::Node) => Identity::new(&node.service, &node.id),
            Some(IdentityCheck::Service | IdentityCheck::Port) => Identity::new(&node.service, ""),
            None => Identity::default(),
        };
        Addressee {
            meant,
            // Behind an address that others share, something else may answer such questions.
            says: checked == Some(IdentityCheck::Node),
            compares: checked != Some(IdentityCheck::Port),
            caller: caller.clone(),
        }
    }

    /// Compares it with who says to be there; `None` where nothing is said.
    ///
    /// # Errors
    /// As of [`Identity::check`], also where a server that must say who it is does not.
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
