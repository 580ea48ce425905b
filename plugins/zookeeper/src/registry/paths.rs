//! The path of a record: `/micro-registry/SERVICE/NODE`, as in go-micro.

use micro_core::{Error, Result, node::Node};

/// The paths of a fleet.
pub(super) struct Paths {
    /// `/micro-registry`, below the prefix of the fleet.
    pub(super) root: String,
}

impl Paths {
    /// The paths below the path and namespace of the URL.
    pub(super) fn of(path: &str, namespace: &str) -> Result<Self> {
        let mut root = String::new();
        let parts = path.split('/').chain([namespace, "micro-registry"]);
        for part in parts.filter(|part| !part.is_empty()) {
            check(part, "the path of the registry")?;
            root.push('/');
            root.push_str(part);
        }
        Ok(Paths { root })
    }

    pub(super) fn service(&self, service: &str) -> Result<String> {
        let name = flat(service);
        check(&name, "the service's name")?;
        Ok(format!("{}/{name}", self.root))
    }

    pub(super) fn node(&self, node: &Node) -> Result<String> {
        let id = flat(&node.id);
        check(&id, "the node's id")?;
        Ok(format!("{}/{id}", self.service(&node.service)?))
    }

    /// The folder and leaf of the path of a record.
    pub(super) fn parts<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let below = path.strip_prefix(&*self.root)?.strip_prefix('/')?;
        let (service, id) = below.split_once('/')?;
        (!id.contains('/')).then_some((service, id))
    }

    /// Whether a record is at its path. A record with another name is ignored.
    pub(super) fn is_at_home(&self, node: &Node, path: &str) -> bool {
        self.node(node).is_ok_and(|home| home == path)
    }
}

/// The ancestors of a path, the root first.
pub(super) fn above(path: &str) -> impl Iterator<Item = &str> {
    let slashes = path.char_indices().filter(|(at, c)| *at > 0 && *c == '/');
    slashes.map(|(at, _)| &path[..at])
}

/// As in go-micro. Names that differ only by `/` and `-` share a folder; their records tell them apart.
pub(super) fn flat(name: &str) -> String {
    name.replace('/', "-")
}

/// Checks a part of a path.
fn check(part: &str, what: &str) -> Result<()> {
    let wrong =
        |c: char| c.is_control() || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
    if part.is_empty() || part == "." || part == ".." || part.chars().any(wrong) {
        let part = part.escape_debug();
        return Err(Error::invalid_argument(format!(
            "{what} `{part}` cannot be a part of a path of ZooKeeper; choose another"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn record_path_matches_go_micro() {
        let paths = Paths::of("", "").unwrap();
        let node = Node::new("greeter", "greeter-1", "h:1");
        assert_eq!(
            paths.node(&node).unwrap(),
            "/micro-registry/greeter/greeter-1"
        );
        let node = Node::new("topic:a/b", "x/y", "h:1");
        assert_eq!(paths.node(&node).unwrap(), "/micro-registry/topic:a-b/x-y");
        assert!(paths.is_at_home(&node, "/micro-registry/topic:a-b/x-y"));
        assert!(!paths.is_at_home(&node, "/micro-registry/greeter/greeter-1"));
        assert_eq!(paths.parts("/micro-registry/a/b"), Some(("a", "b")));
        for other in [
            "/micro-registry",
            "/micro-registry/a",
            "/micro-registry/a/b/c",
            "/other/a/b",
        ] {
            assert_eq!(paths.parts(other), None, "{other}");
        }
    }

    #[test]
    fn fleets_are_kept_apart() {
        assert_eq!(
            Paths::of("/app/x/", "blue").unwrap().root,
            "/app/x/blue/micro-registry"
        );
        assert!(Paths::of("/a/../b", "").is_err());
        let above: Vec<_> = above("/app/blue/micro-registry").collect();
        assert_eq!(above, ["/app", "/app/blue"]);
    }

    #[test]
    fn invalid_znode_names_are_refused() {
        let paths = Paths::of("", "").unwrap();
        for (service, id) in [("..", "a"), ("a", "."), ("a", ""), ("a\u{f8ff}", "b")] {
            let error = paths.node(&Node::new(service, id, "h:1")).unwrap_err();
            assert_eq!(error.code(), micro_core::Code::InvalidArgument, "{error}");
        }
    }
}
