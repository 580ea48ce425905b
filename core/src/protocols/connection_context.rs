//! The server state that the dialects use to answer the requests of one connection.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::access::Access;
use crate::{
    call::{Answer, Call, Shape},
    error::Error,
    message::{self, TOPICS, Target},
    net::Limits,
};

/// The call handler, limits and routes for the HTTP requests of one connection.
pub(crate) struct ConnectionContext {
    /// Answers calls.
    pub(crate) call: Arc<dyn Call>,
    pub(crate) limits: Arc<Limits>,
    /// Decides which requests are allowed.
    pub(crate) access: Access,
    /// Whether every request is refused.
    pub(crate) refuses: bool,
    routes: Mutex<RouteCache>,
}

/// The endpoint that a path names.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) target: Target,
    /// `None` if the endpoint does not exist, or the server has no list of endpoints.
    pub(crate) shape: Option<Shape>,
}

#[derive(Default)]
struct RouteCache {
    /// The route of the last request. Consecutive requests often have the same path.
    last: Option<(Box<str>, Route)>,
    known: HashMap<Box<str>, Route>,
}

impl ConnectionContext {
    pub(crate) fn new(call: Arc<dyn Call>, limits: Arc<Limits>, access: Access) -> Self {
        ConnectionContext {
            call,
            limits,
            access,
            refuses: false,
            routes: Mutex::default(),
        }
    }

    /// A context that refuses every request with `error`, which each dialect writes in its own format.
    pub(crate) fn refusing(&self, error: Error) -> Self {
        ConnectionContext {
            refuses: true,
            ..ConnectionContext::new(
                Arc::new(Refusal(error)),
                self.limits.clone(),
                self.access.clone(),
            )
        }
    }

    /// The route of a path `/package.Type/Method` or `/Type.Method`; `None` for any other path.
    ///
    /// The endpoint is `Type.Method`. The part before the type is not checked: go-micro clients send the
    /// service's name there, other clients the package of the `.proto`.
    pub(crate) fn route(&self, path: &str) -> Option<Route> {
        let mut routes = self.routes.lock();
        if let Some((last, route)) = &routes.last
            && **last == *path
        {
            return Some(route.clone());
        }
        let route = match routes.known.get(path) {
            Some(route) => route.clone(),
            None => {
                let (service, endpoint) = split(path)?;
                let route = Route {
                    shape: self.call.shape(&endpoint),
                    target: Target::new(service, endpoint),
                };
                // Unknown paths are not cached: a client could fill the cache with them.
                if route.shape.is_some()
                    && routes.known.len() < usize::from(self.limits.max_endpoint_names)
                {
                    routes.known.insert(path.into(), route.clone());
                }
                route
            }
        };
        routes.last = Some((path.into(), route.clone()));
        Some(route)
    }
}

/// Answers every request with the same error.
struct Refusal(Error);

impl Call for Refusal {
    fn call(&self, _: message::Request) -> Answer {
        let error = self.0.clone();
        Box::pin(async { Err(error) })
    }
}

/// Splits a path into the service and the endpoint.
fn split(path: &str) -> Option<(&str, String)> {
    let path = path.strip_prefix('/')?;
    if path.starts_with(TOPICS) {
        // `/topic:NAME/queue:NAME`, or `/topic:NAME.queue:A/B` for a queue called `A.B`; likewise with `node:`.
        let (left, last) = path.rsplit_once('/')?;
        let kind = left.find(".queue:").or_else(|| left.find(".node:"));
        return Some(match kind {
            Some(at) => (&left[..at], format!("{}.{last}", &left[at + 1..])),
            None => (left, last.to_owned()),
        });
    }
    let Some((left, method)) = path.rsplit_once('/') else {
        let (kind, method) = path.rsplit_once('.')?;
        return (!kind.is_empty() && !method.is_empty()).then(|| ("", path.to_owned()));
    };
    let (service, kind) = left.rsplit_once('.').unwrap_or((left, left));
    if kind.is_empty() || method.is_empty() {
        return None;
    }
    Some((service, format!("{kind}.{method}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_names_service_and_endpoint() {
        let named = |service, endpoint: &str| Some((service, endpoint.to_owned()));
        assert_eq!(
            split("/greeter.Greeter/Hello"),
            named("greeter", "Greeter.Hello")
        );
        assert_eq!(
            split("/go.micro.srv.say.Say/Hello"),
            named("go.micro.srv.say", "Say.Hello")
        );
        assert_eq!(split("/Greeter/Hello"), named("Greeter", "Greeter.Hello"));
        assert_eq!(split("/Greeter.Hello"), named("", "Greeter.Hello"));
        assert_eq!(
            split("/topic:orders.new/queue:a"),
            named("topic:orders.new", "queue:a")
        );
        assert_eq!(
            split("/topic:orders.new.queue:a.b/c"),
            named("topic:orders.new", "queue:a.b.c")
        );
        for wrong in [
            "",
            "/",
            "*",
            "/Hello",
            "/.Hello",
            "/Greeter.",
            "//Hello",
            "/a./Hello",
            "/a.B/",
            "a.B/C",
        ] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
