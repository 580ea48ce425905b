//! What answers the HTTP requests of a connection, and what it remembers of them.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use parking_lot::Mutex;

use super::{
    Dialect,
    access::Access,
    addressing::{self, Meant},
    json::failed,
};
use crate::{
    call::{Answer, Begun, Call, Identity, Listing, Operations, Shape},
    error::{Error, Result},
    http::{HttpAnswer, HttpBegun, HttpBody, HttpService, intake::Intake},
    message::{self, Target},
    net::{
        Limits,
        buffered::{Buffered, SMALL},
    },
    time::Nanos,
};

/// What answers the HTTP requests of one connection.
pub(crate) struct Site {
    /// The server's rooms.
    pub(crate) call: Arc<dyn Call>,
    pub(crate) limits: Arc<Limits>,
    buffered: Arc<Buffered>,
    /// Which requests may come in.
    pub(crate) access: Access,
    /// In the order in which they are asked; the last one takes what no other wants.
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
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
    pub(crate) fn new(
        call: Arc<dyn Call>,
        limits: Arc<Limits>,
        buffered: Arc<Buffered>,
        access: Access,
        dialects: Arc<[Arc<dyn Dialect>]>,
    ) -> Self {
        let call = Arc::new(Admitted {
            call,
            buffered: buffered.clone(),
        });
        Site {
            call,
            limits,
            buffered,
            access,
            dialects,
            refuses: false,
            places: Mutex::default(),
        }
    }

    /// A site for a request that is meant for another server: each dialect says the error in its form.
    fn refusing(&self, error: Error) -> Self {
        Site {
            call: Arc::new(Refusal(error)),
            limits: self.limits.clone(),
            buffered: self.buffered.clone(),
            access: self.access.clone(),
            dialects: self.dialects.clone(),
            refuses: true,
            places: Mutex::default(),
        }
    }

    fn pass(&self, request: Request<HttpBody>) -> HttpAnswer {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.answer(Request::from_parts(head, body), self),
            None => no_dialect(body, self.limits.message),
        }
    }

    fn dispatch(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.begin(Request::from_parts(head, body), self, now),
            None => HttpBegun::poll(no_dialect(body, self.limits.message)),
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
                if place.shape.is_some() && places.known.len() < usize::from(self.limits.names) {
                    places.known.insert(path.into(), place.clone());
                }
                place
            }
        };
        places.last = Some((path.into(), place.clone()));
        Some(place)
    }
}

impl HttpService for Site {
    fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    fn intake(&self) -> Arc<Intake> {
        let account = self.buffered.account();
        Arc::new(Intake::new(account, self.limits.frame))
    }

    // Answers a request by the first dialect that it is of; 404 where there is none, 403 where it may not come in.
    fn answer(&self, request: Request<HttpBody>) -> HttpAnswer {
        if let Some(refused) = self.access.answer(request.uri(), request.headers()) {
            return Box::pin(async { refused });
        }
        match addressing::look(&*self.call, request.method(), request.headers()) {
            Meant::Here => self.pass(request),
            Meant::Elsewhere(error) => self.refusing(error).pass(request),
            Meant::Asked(response) => Box::pin(async { response }),
        }
    }

    fn begin(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        if let Some(refused) = self.access.answer(request.uri(), request.headers()) {
            return HttpBegun::Done(refused);
        }
        match addressing::look(&*self.call, request.method(), request.headers()) {
            Meant::Here => {}
            Meant::Elsewhere(error) => {
                let intake = self.intake();
                let request = request.map(|body| body.taken_by(Some(&intake)));
                return HttpBegun::poll(self.refusing(error).pass(request));
            }
            Meant::Asked(response) => return HttpBegun::Done(response),
        }
        let here = request.body().here();
        let streams = matches!(request.body(), HttpBody::Stream(_));
        if !streams && here <= SMALL {
            return self.dispatch(request, now);
        }
        let intake = self.intake();
        let request = request.map(|body| body.taken_by(Some(&intake)));
        match self.dispatch(request, now) {
            HttpBegun::Running(answer) => {
                if !streams {
                    // It was admitted: the next one is not.
                    intake.keep(here);
                }
                HttpBegun::Running(Box::pin(async move {
                    let answer = answer.await;
                    // Held until the call has ended.
                    drop(intake);
                    answer
                }))
            }
            done => done,
        }
    }

    fn refusal(&self, error: &Error, status: StatusCode) -> Response<HttpBody> {
        failed(error, status)
    }
}

/// Calls, while no more bytes are held than may be.
struct Admitted {
    call: Arc<dyn Call>,
    buffered: Arc<Buffered>,
}

impl Admitted {
    /// Why a request is refused. What asks how the server is gets its answer all the same.
    fn refusal(&self, request: &message::Request) -> Option<Error> {
        let error = self.buffered.over()?;
        (!request.endpoint().starts_with("Debug.")).then_some(error)
    }
}

impl Call for Admitted {
    fn call(&self, request: message::Request) -> Answer {
        match self.refusal(&request) {
            Some(error) => Box::pin(async { Err(error) }),
            None => self.call.call(request),
        }
    }

    fn begin(&self, request: message::Request, now: Nanos) -> Begun {
        match self.refusal(&request) {
            Some(error) => Begun::Done(Err(error)),
            None => self.call.begin(request, now),
        }
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        self.call.shape(endpoint)
    }

    fn listing(&self) -> Option<Listing> {
        self.call.listing()
    }

    fn identity(&self) -> Option<&Identity> {
        self.call.identity()
    }

    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        self.call.is_meant(meant)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        self.call.operations()
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

/// The answer to what no dialect wants, when all of it has come: it counts as under way until then.
fn no_dialect(body: HttpBody, most: usize) -> HttpAnswer {
    Box::pin(async move {
        // Whether it came whole changes nothing.
        let _ = body.collect(most).await;
        let mut response = Response::new(HttpBody::Whole(Bytes::from_static(NOT_FOUND)));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    })
}

/// What is said then.
const NOT_FOUND: &[u8] = b"no protocol spoken here has such requests\n";

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
