//! The key of a node: `/micro/registry/SERVICE/ID`, as in go-micro.
//!
//! A `/` inside a name becomes `-`, as in go-micro. Two services that share a directory this way are told apart by
//! their records. An id with a `/`, or that begins with `%`, is percent-encoded after a `%`, so that two ids never
//! share a key. Readers take only the directory of a service from a key.

use bytes::Bytes;

/// The keys of a fleet.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys below a namespace, which may be empty.
    pub(super) fn of(namespace: &str) -> Self {
        let prefix = match namespace {
            "" => "/micro/registry/".to_owned(),
            namespace => format!("/{namespace}/micro/registry/"),
        };
        Keys { prefix }
    }

    /// The key of a node.
    pub(super) fn node(&self, service: &str, id: &str) -> Bytes {
        let id = match is_odd(id) {
            true => encoded(id),
            false => id.to_owned(),
        };
        Bytes::from(format!("{}{id}", self.directory(service)))
    }

    /// The key that go-micro uses for a node, if it is a different one.
    pub(super) fn plain(&self, service: &str, id: &str) -> Option<Bytes> {
        is_odd(id).then(|| format!("{}{}", self.directory(service), flat(id)).into())
    }

    /// The key range of the nodes of a service, or of all services.
    pub(super) fn range(&self, service: Option<&str>) -> (Bytes, Bytes) {
        let start = match service {
            Some(service) => self.directory(service),
            None => self.prefix.clone(),
        };
        // `0` follows `/`, the last byte of both prefixes.
        let end = format!("{}0", &start[..start.len() - 1]);
        (start.into(), end.into())
    }

    /// The service of a key; `Err` with its directory if only the record has the exact name.
    pub(super) fn service<'a>(&self, key: &'a [u8]) -> Option<Result<&'a str, &'a str>> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (service, id) = rest.split_once('/')?;
        Some(if id.starts_with('%') {
            Err(service)
        } else {
            Ok(service)
        })
    }

    fn directory(&self, service: &str) -> String {
        format!("{}{}/", self.prefix, flat(service))
    }
}

/// The next key, where the next page begins.
pub(super) fn after(key: &[u8]) -> Bytes {
    [key, b"\0"].concat().into()
}

fn flat(name: &str) -> String {
    name.replace('/', "-")
}

fn is_odd(id: &str) -> bool {
    id.contains('/') || id.starts_with('%')
}

fn encoded(id: &str) -> String {
    format!("%{}", id.replace('%', "%25").replace('/', "%2F"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_have_the_keys_of_go_micro() {
        let keys = Keys::of("");
        assert_eq!(
            keys.node("greeter", "greeter-srv1"),
            "/micro/registry/greeter/greeter-srv1"
        );
        assert_eq!(
            keys.range(Some("greeter")),
            (
                "/micro/registry/greeter/".into(),
                "/micro/registry/greeter0".into()
            )
        );
        assert_eq!(keys.range(Some("a/b")).0, "/micro/registry/a-b/");
        assert_eq!(keys.plain("greeter", "greeter-1"), None);
    }

    #[test]
    fn odd_ids_are_kept_apart() {
        let keys = Keys::of("blue");
        let ids = ["a/b", "a-b", "a%2Fb", "%a%2Fb", "%a/b", "%%a%2Fb"];
        let mut seen: Vec<_> = ids.iter().map(|id| keys.node("s", id)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), ids.len());
        assert_eq!(keys.node("s/t", "a/b"), "/blue/micro/registry/s-t/%a%2Fb");
        assert_eq!(
            keys.plain("s/t", "a/b").as_deref(),
            Some(&b"/blue/micro/registry/s-t/a-b"[..])
        );
    }

    #[test]
    fn key_yields_its_service_unless_the_name_had_a_slash() {
        let keys = Keys::of("");
        assert_eq!(
            keys.service(b"/micro/registry/greeter/greeter-1"),
            Some(Ok("greeter"))
        );
        assert_eq!(
            keys.service(b"/micro/registry/a-b/%a%2Fb-1"),
            Some(Err("a-b"))
        );
        for alien in [
            &b"/micro/registry/alone"[..],
            b"/other/a/b",
            b"/micro/registry/\xff/1",
        ] {
            assert_eq!(keys.service(alien), None);
        }
    }
}
