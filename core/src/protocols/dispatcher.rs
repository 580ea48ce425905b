//! Passes each HTTP request of a connection to the first dialect that accepts it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::{
    access::Access,
    addressing::{self, AddressCheck},
    connection_context::ConnectionContext,
    dialect::Dialect,
    failure::failed,
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
    pub(crate) connection: ConnectionContext,
    buffered: Arc<Buffered>,
    /// In order of precedence.
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
        let call = Arc::new(BufferLimit {
            call,
            buffered: buffered.clone(),
        });
        RequestDispatcher {
            connection: ConnectionContext::new(call, limits, access),
            buffered,
            dialects,
        }
    }

    fn pass(&self, request: Request<HttpBody>, connection: &ConnectionContext) -> HttpAnswer {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.answer(Request::from_parts(head, body), connection),
            None => no_dialect(body, connection.limits.max_message_size),
        }
    }

    fn dispatch(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        let (head, body) = request.into_parts();
        match self.dialects.iter().find(|dialect| dialect.speaks(&head)) {
            Some(dialect) => dialect.begin(Request::from_parts(head, body), &self.connection, now),
            None => HttpBegun::poll(no_dialect(body, self.connection.limits.max_message_size)),
        }
    }
}

impl HttpService for RequestDispatcher {
    fn limits(&self) -> &Arc<Limits> {
        &self.connection.limits
    }

    fn intake(&self) -> Arc<Intake> {
        let account = self.buffered.account();
        Arc::new(Intake::new(account, self.connection.limits.frame_timeout))
    }

    // 403 if access is denied, 404 if no dialect accepts the request.
    fn answer(&self, request: Request<HttpBody>) -> HttpAnswer {
        if let Some(refused) = self
            .connection
            .access
            .answer(request.uri(), request.headers())
        {
            return Box::pin(async { refused });
        }
        match addressing::check(&*self.connection.call, request.method(), request.headers()) {
            AddressCheck::Accepted => self.pass(request, &self.connection),
            AddressCheck::Misdirected(error) => {
                self.pass(request, &self.connection.refusing(error))
            }
            AddressCheck::Identified(response) => Box::pin(async { response }),
        }
    }

    fn begin(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun {
        if let Some(refused) = self
            .connection
            .access
            .answer(request.uri(), request.headers())
        {
            return HttpBegun::Done(refused);
        }
        match addressing::check(&*self.connection.call, request.method(), request.headers()) {
            AddressCheck::Accepted => {}
            AddressCheck::Misdirected(error) => {
                let intake = self.intake();
                let request = request.map(|body| body.taken_by(Some(&intake)));
                return HttpBegun::poll(self.pass(request, &self.connection.refusing(error)));
            }
            AddressCheck::Identified(response) => return HttpBegun::Done(response),
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
                    // The body counts against the limit of later requests.
                    intake.keep(here);
                }
                HttpBegun::Running(Box::pin(async move {
                    let answer = answer.await;
                    // The body is counted until the call ends.
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

/// Refuses calls while the buffered bytes are over the limit.
struct BufferLimit {
    call: Arc<dyn Call>,
    buffered: Arc<Buffered>,
}

impl BufferLimit {
    /// The error for a refused request. `Debug.*` endpoints are never refused.
    fn refusal(&self, request: &message::Request) -> Option<Error> {
        let error = self.buffered.over()?;
        (!request.endpoint().starts_with("Debug.")).then_some(error)
    }
}

impl Call for BufferLimit {
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

/// Answers 404 once the body has been read. The request counts as in progress until then.
fn no_dialect(body: HttpBody, most: usize) -> HttpAnswer {
    Box::pin(async move {
        // The response is the same if reading fails.
        let _ = body.collect(most).await;
        let mut response = Response::new(HttpBody::Whole(Bytes::from_static(NOT_FOUND)));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    })
}

const NOT_FOUND: &[u8] = b"no protocol of this port accepts this request\n";
