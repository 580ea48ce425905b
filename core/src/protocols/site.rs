//! What dialects know of the connection whose requests they answer.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::access::Access;
use crate::{
    call::{Answer, Call, Shape},
    error::Error,
    message::{self, TOPICS, Target},
    net::Limits,
};

/// The server as the HTTP requests of one connection see it.
pub(crate) struct Site {
    /// Answers calls.
    pub(crate) call: Arc<dyn Call>,
    pub(crate) limits: Arc<Limits>,
    /// Which requests may come in.
    pub(crate) access: Access,
    /// Whether every request is refused before it reaches anything.
    pub(crate) refuses: bool,
    places: Mutex<Places>,
}

/// Where requests of one path go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) target: Target,
    /// `None` where there is no such endpoint, or nothing is known.
    pub(crate) shape: Option<Shape>,
}

#[derive(Default)]
struct Places {
    /// What the last request asked for, as the next one mostly does too.
    last: Option<(Box<str>, Place)>,
    known: HashMap<Box<str>, Place>,
}

impl Site {
    pub(crate) fn new(call: Arc<dyn Call>, limits: Arc<Limits>, access: Access) -> Self {
        Site {
            call,
            limits,
            access,
            refuses: false,
            places: Mutex::default(),
        }
    }

    /// A site for a request that is meant for another server: each dialect says the error in its form.
    pub(crate) fn refusing(&self, error: Error) -> Self {
        Site {
            refuses: true,
            ..Site::new(
                Arc::new(Refusal(error)),
                self.limits.clone(),
                self.access.clone(),
            )
        }
    }

    /// Where a path of the form `/package.Type/Method` or `/Type.Method` goes; `None` for one of another
    /// form.
    ///
    /// The endpoint is `Type.Method`. The service is what stands before the type; it is not checked,
    /// since go-micro's callers put the service's name there and others the package of its `.proto`.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let mut places = self.places.lock();
        if let Some((last, place)) = &places.last
            && **last == *path
        {
            return Some(place.clone());
        }
        let place = match places.known.get(path) {
            Some(place) => place.clone(),
            None => {
                let (service, endpoint) = split(path)?;
                let place = Place {
                    shape: self.call.shape(&endpoint),
                    target: Target::new(service, endpoint),
                };
                // Paths that lead nowhere would let a stranger fill it.
                if place.shape.is_some()
                    && places.known.len() < usize::from(self.limits.max_endpoint_names)
                {
                    places.known.insert(path.into(), place.clone());
                }
                place
            }
        };
        places.last = Some((path.into(), place.clone()));
        Some(place)
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

/// The service and the endpoint that a path names.
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
    fn a_path_names_service_and_endpoint() {
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
