//! Checks that the protocols of a port can be distinguished.

use std::sync::Arc;

use super::protocol::Protocol;
use crate::{
    error::{Error, Result},
    net::sniff::{self, Detection},
};

/// The first bytes of a TLS connection.
const TLS: &[u8] = &[0x16, 3];

/// Checks that no two protocols have one name or one name in TLS's negotiation, and that each gets the connections that
/// begin as its examples do.
///
/// # Errors
/// `InvalidArgument` that names both.
pub(crate) fn check(protocols: &[Arc<dyn Protocol>], has_tls: bool) -> Result<()> {
    for (at, one) in protocols.iter().enumerate() {
        for other in &protocols[..at] {
            if one.name() == other.name() {
                return Err(clash(&**other, &**one, "have one name"));
            }
            if one.alpn().iter().any(|name| other.alpn().contains(name)) {
                return Err(clash(&**other, &**one, "have one name in ALPN"));
            }
        }
        for example in one.examples() {
            if has_tls && example.starts_with(TLS) {
                let name = one.name();
                return Err(Error::invalid_argument(format!(
                    "protocol `{name}` cannot be told from TLS: both begin with {TLS:02x?}"
                )));
            }
            if let Some(place) = speaker(example, protocols).filter(|place| *place != at) {
                let bytes = example.escape_ascii();
                let both = format!("cannot be told apart: both may begin with `{bytes}`");
                return Err(clash(&*protocols[place], &**one, &both));
            }
        }
    }
    Ok(())
}

fn clash(one: &dyn Protocol, other: &dyn Protocol, what: &str) -> Error {
    let (one, other) = (one.name(), other.name());
    Error::invalid_argument(format!(
        "protocols `{one}` and `{other}` of one port {what}"
    ))
}

/// Who gets a connection whose bytes come one by one.
fn speaker(example: &[u8], protocols: &[Arc<dyn Protocol>]) -> Option<usize> {
    (1..=example.len()).find_map(
        |length| match sniff::detect(&example[..length], protocols) {
            Detection::Protocol(place) => Some(place),
            Detection::Incomplete | Detection::Unknown => None,
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        call::Call,
        net::protocol::{Accepted, Detect},
    };

    struct Magic(&'static str, &'static [&'static [u8]]);

    #[async_trait]
    impl Protocol for Magic {
        fn name(&self) -> &str {
            self.0
        }

        fn detect(&self, first: &[u8]) -> Detect {
            Detect::prefix(first, self.1[0])
        }

        fn examples(&self) -> &[&'static [u8]] {
            self.1
        }

        fn alpn(&self) -> &[&'static str] {
            &[]
        }

        async fn serve(&self, _: Accepted, _: Arc<dyn Call>) {}
    }

    fn checked(name: &'static str, magic: &'static [&'static [u8]]) -> Result<()> {
        let mut protocols = crate::Socket::new().all_protocols();
        protocols.push(Arc::new(Magic(name, magic)));
        check(&protocols, true)
    }

    #[test]
    fn built_in_protocols_do_not_overlap() {
        assert!(check(&crate::Socket::new().all_protocols(), true).is_ok());
        assert!(checked("own", &[b"\x01OWN"]).is_ok());
    }

    #[test]
    fn conflicting_protocols_are_both_named() {
        let error = checked("own", &[b"\xd5MIC-and-more"]).unwrap_err();
        let text = error.message();
        assert!(text.contains("`native` and `own`"), "{text}");
        let error = checked("native", &[b"\x01OWN"]).unwrap_err();
        assert!(error.message().contains("`native` and `native`"), "{error}");
        let error = checked("own", &[b"\x16\x03\x01"]).unwrap_err();
        assert!(
            error.message().contains("`own` cannot be told from TLS"),
            "{error}"
        );
    }

    #[cfg(feature = "http")]
    #[test]
    fn shorter_prefix_wins_over_a_built_in_protocol() {
        // HTTP/1.1 waits for the end of the method.
        assert!(checked("own", &[b"OWN/1"]).is_ok());
        let error = checked("own", &[b"GET lines"]).unwrap_err();
        assert!(error.message().contains("`http/1.1` and `own`"), "{error}");
        let error = checked("own", &[b"GE"]).unwrap_err();
        assert!(error.message().contains("`own` and `http/1.1`"), "{error}");
    }
}
