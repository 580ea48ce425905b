//! The URIs of a node's endpoints.

use std::collections::HashMap;

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use parking_lot::Mutex;

use crate::{
    error::{Error, Result},
    message::Target,
    node::Node,
};

/// Maximum length of a path in a record, in bytes.
const MAX_PATH: usize = 1024;

/// The paths of a node's endpoints.
pub(crate) struct Paths {
    scheme: Scheme,
    authority: Authority,
    /// Paths from the node's record, by endpoint, that differ from the default.
    from_record: HashMap<String, PathAndQuery>,
    cache: Mutex<PathCache>,
    /// Maximum number of cached paths.
    most: usize,
}

/// Paths of previous calls.
#[derive(Default)]
struct PathCache {
    /// The last call. Consecutive calls often have the same target.
    last: Option<(Target, PathAndQuery)>,
    known: HashMap<Target, PathAndQuery>,
}

impl Paths {
    /// The paths of a node; `secure` selects `https`.
    pub(crate) fn new(node: &Node, secure: bool, most: u16) -> Self {
        // A Unix socket has no name that HTTP knows.
        let authority = Authority::try_from(&*node.address).ok();
        let from_record = node.endpoints.iter().filter_map(|endpoint| {
            let path = endpoint.metadata.get("path")?;
            if !is_path_of(path, &endpoint.name) {
                return None;
            }
            let path = PathAndQuery::try_from(path.as_str()).ok()?;
            Some((endpoint.name.clone(), path))
        });
        Paths {
            scheme: if secure { Scheme::HTTPS } else { Scheme::HTTP },
            authority: authority.unwrap_or(Authority::from_static("localhost")),
            from_record: from_record.collect(),
            cache: Mutex::default(),
            most: most.into(),
        }
    }

    /// The whole URI of an endpoint.
    pub(crate) fn uri(&self, target: &Target) -> Result<Uri> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(self.path(target)?);
        Uri::from_parts(uri).map_err(|error| {
            Error::invalid_argument(format!("`{target}` is no path of HTTP")).with_source(error)
        })
    }

    fn path(&self, target: &Target) -> Result<PathAndQuery> {
        let mut cache = self.cache.lock();
        if let Some((last, path)) = &cache.last
            && (last.address() == target.address() || last == target)
        {
            return Ok(path.clone());
        }
        let path = match cache.known.get(target) {
            Some(path) => path.clone(),
            None => {
                let path = match self.from_record.get(target.endpoint()) {
                    Some(from_record) => from_record.clone(),
                    None => path(target)?,
                };
                if cache.known.len() < self.most {
                    cache.known.insert(target.clone(), path.clone());
                }
                path
            }
        };
        cache.last = Some((target.clone(), path.clone()));
        Ok(path)
    }
}

/// Whether a record may give an endpoint this path: `/PACKAGE.KIND/METHOD` for `KIND.METHOD`. The writer of the record
/// chooses the package, but no other method, query or place on the server.
fn is_path_of(path: &str, endpoint: &str) -> bool {
    let fits = || {
        let (kind, method) = endpoint.rsplit_once('.')?;
        let service = path
            .strip_prefix('/')?
            .strip_suffix(method)?
            .strip_suffix('/')?;
        let package = service.strip_suffix(kind)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_package = package.is_empty()
            || package.strip_suffix('.').is_some_and(|package| {
                package
                    .split('.')
                    .all(|part| !part.is_empty() && part.chars().all(is_plain))
            });
        (is_package && path.len() <= MAX_PATH).then_some(())
    };
    fits().is_some()
}

/// The path of an endpoint whose name begins with `/` is the name; any other is as in go-micro.
fn path(target: &Target) -> Result<PathAndQuery> {
    let (service, endpoint) = (target.service(), target.endpoint());
    let text = match endpoint.rsplit_once('.') {
        _ if endpoint.starts_with('/') => endpoint.to_owned(),
        Some((kind, method)) => format!("/{service}.{kind}/{method}"),
        None => format!("/{service}/{endpoint}"),
    };
    PathAndQuery::try_from(text).map_err(|error| {
        Error::invalid_argument(format!("`{target}` cannot be a path of HTTP")).with_source(error)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::node::Endpoint;

    #[test]
    fn record_chooses_the_package_of_a_path_and_nothing_else() {
        let path_of = |from_record: &str| {
            let mut hello = Endpoint::new("Greeter.Hello");
            hello.metadata.insert("path".into(), from_record.into());
            let node = Node::new("greeter", "greeter-1", "127.0.0.1:7").with_endpoints([hello]);
            let target = Target::new("greeter", "Greeter.Hello");
            let uri = Paths::new(&node, false, 1).uri(&target).unwrap();
            uri.path_and_query().unwrap().to_string()
        };
        for from_record in ["/acme.greeter.v1.Greeter/Hello", "/Greeter/Hello"] {
            assert_eq!(path_of(from_record), from_record);
        }
        let long = format!("/{}.Greeter/Hello", "a".repeat(2000));
        for from_record in [
            "/acme.Admin/DeleteAll",
            "/acme.Greeter/DeleteAll",
            "/acme.OtherGreeter/Hello",
            "/Greeter/Hello?admin=1",
            "/../admin.Greeter/Hello",
            "//evil.example/acme.Greeter/Hello",
            "http://evil.example/Greeter/Hello",
            "*",
            "",
            &long,
        ] {
            assert_eq!(
                path_of(from_record),
                "/greeter.Greeter/Hello",
                "{from_record}"
            );
        }
    }

    #[test]
    fn endpoint_is_where_its_name_or_its_node_says() {
        let node = Node::new("greeter", "greeter-1", "127.0.0.1:7");
        let hello = Target::new("greeter", "Greeter.Hello");
        for (secure, scheme) in [(false, "http"), (true, "https")] {
            let uri = Paths::new(&node, secure, 1).uri(&hello).unwrap();
            let expected = format!("{scheme}://127.0.0.1:7/greeter.Greeter/Hello");
            assert_eq!(uri.to_string(), expected);
        }
    }
}
