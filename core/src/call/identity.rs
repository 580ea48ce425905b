//! The identity of the server at an address: its service and node.

use crate::error::{Error, Outcome, Result, details::reason};

/// Registered names of a service and of one of its nodes. An empty name is unknown.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub service: Box<str>,
    pub node: Box<str>,
}

impl Identity {
    /// The names of a service and of a node.
    pub fn new(service: &str, node: &str) -> Self {
        Identity {
            service: service.into(),
            node: node.into(),
        }
    }

    /// Whether neither name is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.service.is_empty() && self.node.is_empty()
    }

    /// Refuses a request for another service, or for another node of this service.
    ///
    /// # Errors
    /// `Unavailable` and [`Outcome::Rejected`], for the reason `WRONG_SERVER`.
    pub(crate) fn check(&self, meant: &Identity) -> Result<()> {
        let agree = |own: &str, meant: &str| meant.is_empty() || own == meant;
        if agree(&self.service, &meant.service) && agree(&self.node, &meant.node) {
            return Ok(());
        }
        Err(wrong_server(self, meant))
    }
}

/// The error for a request that reached `own` but is meant for another.
pub(crate) fn wrong_server(own: &Identity, meant: &Identity) -> Error {
    let named = |identity: &Identity| match (&*identity.service, &*identity.node) {
        ("", "") => "a server that does not say what it is".to_owned(),
        (service, "") => format!("service `{service}`"),
        (service, node) => format!("node `{node}` of service `{service}`"),
    };
    let (own, meant) = (named(own), named(meant));
    Error::unavailable(format!("{own} answers here, not {meant}"))
        .with_outcome(Outcome::Rejected)
        .with_reason(reason::WRONG_SERVER)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_compared() {
        let own = Identity::new("counter", "counter-1");
        for (service, node) in [("", ""), ("counter", ""), ("counter", "counter-1")] {
            assert!(own.check(&Identity::new(service, node)).is_ok());
        }
        for (service, node) in [
            ("greeter", ""),
            ("counter", "counter-2"),
            ("greeter", "counter-1"),
        ] {
            let error = own.check(&Identity::new(service, node)).unwrap_err();
            assert!(error.is_wrong_server(), "{error}");
            assert_eq!(error.outcome(), Outcome::Rejected);
            assert!(
                error.message().contains("`counter-1` of service `counter`"),
                "{error}"
            );
        }
    }

    #[test]
    fn refusal_passed_on_by_a_handler_is_its_own_answer() {
        let own = Identity::new("counter", "counter-1");
        let error = own.check(&Identity::new("greeter", "")).unwrap_err();
        assert!(!error.answered().is_wrong_server());
    }
}
