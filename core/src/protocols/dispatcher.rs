//! What answers the HTTP requests of a connection: each goes to the first dialect that speaks it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::{
    access::Access,
    addressing::{self, Meant},
    dialect::Dialect,
    failure::failed,
    site::Site,
};
use crate::{
    call::{Answer, Begun, Call, Identity, Listing, Operations, Shape},
    error::{Error, Result},
    http::{HttpAnswer, HttpBegun, HttpBody, HttpService, intake::Intake},
    message,
    net::{
        Limits,
        buffered::{Buffered, MIN_COUNTED_BYTES},
    },
    time::Nanos,
};

/// Answers the HTTP requests of one connection.
pub(crate) struct RequestDispatcher {
    pub(crate) site: Site,
    buffered: Arc<Buffered>,
    /// In the order in which they are asked; the last one takes what no other wants.
    dialects: Arc<[Arc<dyn Dialect>]>,
}

impl RequestDispatcher {
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
        RequestDispatcher {
            site: Site::new(call, limits, access),
            buffered,
            dialects,
        }
    }

    fn pass(&self, request: Request<HttpBody>, site: &Site) -> HttpAnswer {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.answer(Request::from_parts(head, body), site),
            None => no_dialect(body, site.limits.max_message_size),
        }
    }

    fn dispatch(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.begin(Request::from_parts(head, body), &self.site, now),
            None => HttpBegun::poll(no_dialect(body, self.site.limits.max_message_size)),
        }
    }
}

impl HttpService for RequestDispatcher {
    fn limits(&self) -> &Arc<Limits> {
        &self.site.limits
    }

    fn intake(&self) -> Arc<Intake> {
        let account = self.buffered.account();
        Arc::new(Intake::new(account, self.site.limits.frame_timeout))
    }

    // Answers a request by the first dialect that it is of; 404 where there is none, 403 where it may not come in.
    fn answer(&self, request: Request<HttpBody>) -> HttpAnswer {
        if let Some(refused) = self.site.access.answer(request.uri(), request.headers()) {
            return Box::pin(async { refused });
        }
        match addressing::look(&*self.site.call, request.method(), request.headers()) {
            Meant::Here => self.pass(request, &self.site),
            Meant::Elsewhere(error) => self.pass(request, &self.site.refusing(error)),
            Meant::Asked(response) => Box::pin(async { response }),
        }
    }

    fn begin(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        if let Some(refused) = self.site.access.answer(request.uri(), request.headers()) {
            return HttpBegun::Done(refused);
        }
        match addressing::look(&*self.site.call, request.method(), request.headers()) {
            Meant::Here => {}
            Meant::Elsewhere(error) => {
                let intake = self.intake();
                let request = request.map(|body| body.taken_by(Some(&intake)));
                return HttpBegun::poll(self.pass(request, &self.site.refusing(error)));
            }
            Meant::Asked(response) => return HttpBegun::Done(response),
        }
        let here = request.body().here();
        let streams = matches!(request.body(), HttpBody::Stream(_));
        if !streams && here <= MIN_COUNTED_BYTES {
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
