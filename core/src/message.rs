//! [`Request`] and [`Response`], with their [`Body`] and [`Metadata`].

mod body;
mod content_type;
mod extensions;
#[cfg_attr(
    not(feature = "http"),
    allow(dead_code, reason = "no protocol has them")
)]
mod trailers;

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

pub use body::{Body, BodyStream};
pub use content_type::ContentType;
pub use extensions::Extensions;
pub(crate) use trailers::Trailers;

pub(crate) use crate::metadata::Metadata;
use crate::{context::Context, time::Nanos};

/// The prefix of service names that stand for the subscribers of a topic: `topic:NAME`.
pub const TOPICS: &str = "topic:";

/// The target of a request: an endpoint of a service.
///
/// Created once for an endpoint and shared by its calls; cloning increments a counter.
#[derive(Clone)]
pub struct Target(Arc<Names>);

struct Names {
    service: Arc<str>,
    endpoint: Box<str>,
    /// Where a server found the handler, as a hint.
    place: AtomicUsize,
    /// State of the first caller for the endpoint, found again without a look-up. Weak, since that state
    /// leads to connections, which remember targets.
    kept: OnceLock<Weak<dyn Any + Send + Sync>>,
}

impl Target {
    /// Creates a target of a service and an endpoint, such as `greeter` and `Greeter.Hello`.
    pub fn new(service: impl Into<Arc<str>>, endpoint: impl Into<Box<str>>) -> Self {
        Target(Arc::new(Names {
            service: service.into(),
            endpoint: endpoint.into(),
            place: AtomicUsize::new(0),
            kept: OnceLock::new(),
        }))
    }

    /// Returns the service's name.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Returns the endpoint's name.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// The first caller's state for the endpoint.
    pub(crate) fn kept(&self) -> &OnceLock<Weak<dyn Any + Send + Sync>> {
        &self.0.kept
    }

    /// Where a server last found the handler; the name must be compared.
    pub(crate) fn place(&self) -> usize {
        self.0.place.load(Ordering::Relaxed)
    }

    pub(crate) fn set_place(&self, place: usize) {
        self.0.place.store(place, Ordering::Relaxed);
    }

    /// A number that equal handles share, and no other living handle has.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.service() == other.service() && self.endpoint() == other.endpoint()
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.service().hash(state);
        self.endpoint().hash(state);
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service(), self.endpoint())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request: its target, its context, and its body in some content type.
#[derive(Debug)]
pub struct Request {
    target: Target,
    context: Context,
    content_type: ContentType,
    body: Body,
    idempotent: bool,
    spent: bool,
    expected: Expected,
    extensions: Extensions,
}

/// The kind of response that a caller expects: some protocols do not tell what they carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Unknown.
    #[default]
    Unsaid,
    /// One message.
    Message,
    /// A stream of messages.
    Stream,
}

impl Request {
    /// Creates a request with a fresh context.
    pub fn new(target: Target, content_type: ContentType, body: impl Into<Body>) -> Self {
        Self::build(target, Context::new(), content_type, body.into(), false)
    }

    /// Creates a request in one step, without moving any part twice, since every call does this.
    #[inline]
    pub(crate) fn build(
        target: Target,
        context: Context,
        content_type: ContentType,
        body: Body,
        idempotent: bool,
    ) -> Self {
        Request {
            target,
            context,
            content_type,
            body,
            idempotent,
            spent: false,
            expected: Expected::Unsaid,
            extensions: Extensions::default(),
        }
    }

    /// Declares that the work may be done twice without harm.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Declares whether the work may be done twice without harm.
    pub fn set_idempotent(&mut self, idempotent: bool) {
        self.idempotent = idempotent;
    }

    /// The kind of response that the caller expects.
    pub(crate) fn expected(&self) -> Expected {
        self.expected
    }

    /// Sets the kind of response that the caller expects.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.expected = expected;
    }

    /// Sets the context.
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Returns the endpoint, with its service.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        self.target.service()
    }

    /// Returns the name of the endpoint.
    pub fn endpoint(&self) -> &str {
        self.target.endpoint()
    }

    /// Returns the context, which travels with the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the context for changes.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Returns the content type of the body.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the body, to take or replace it.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Copies the request without its extensions; `None` if its body is a stream.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        let body = self.body.as_bytes()?.clone();
        let mut copy = Request::new(self.target.clone(), self.content_type.clone(), body)
            .with_context(self.context.clone())
            .idempotent(self.idempotent);
        copy.expected = self.expected;
        Some(copy)
    }

    /// Takes the request, and leaves an empty one for the same endpoint.
    pub(crate) fn take(&mut self) -> Self {
        let (target, content_type) = (self.target.clone(), self.content_type.clone());
        let empty = Self::build(target, Context::new(), content_type, Body::empty(), false);
        std::mem::replace(self, empty)
    }

    /// Whether the body was a stream that an attempt has taken, so that it cannot be sent again.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    /// Takes a streaming body for sending.
    pub(crate) fn spend(&mut self) -> Body {
        self.spent = true;
        self.body.take()
    }

    /// Whether the caller declares that the work may be done twice without harm.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Returns the extensions, by which layers of this process pass values on.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns the extensions for changes.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Splits the request into context, content type and body.
    pub fn into_parts(self) -> (Context, ContentType, Body) {
        (self.context, self.content_type, self.body)
    }
}

/// A response: its body with its content type, and metadata.
#[derive(Debug)]
pub struct Response {
    content_type: ContentType,
    body: Body,
    metadata: Metadata,
    /// What follows the last message of a stream, in protocols that have trailers.
    trailers: Option<Trailers>,
    /// Thousandths of the server's concurrency limit in use; 0 if unknown.
    pub(crate) load: u16,
    /// When the bytes were read, which saves another reading of the clock; 0 if unknown.
    pub(crate) received: Nanos,
}

impl Response {
    /// Creates a response.
    pub fn new(content_type: ContentType, body: impl Into<Body>) -> Self {
        Response {
            content_type,
            body: body.into(),
            metadata: Metadata::new(),
            trailers: None,
            load: 0,
            received: 0,
        }
    }

    /// Returns the content type of the body.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the body, to take or replace it.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Returns the metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the metadata for changes.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Returns the trailers that follow a stream, once the stream has ended. Trailers of a single
    /// message are in the metadata, under `trailer-`.
    pub fn trailers(&self) -> Metadata {
        self.trailers
            .as_ref()
            .map_or(Metadata::new(), Trailers::get)
    }

    /// The place for trailers.
    pub(crate) fn follower(&self) -> Option<Trailers> {
        self.trailers.clone()
    }

    /// Sets the place for trailers.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub(crate) fn follow(&mut self, trailers: Trailers) {
        self.trailers = Some(trailers);
    }

    /// Splits the response into content type and body.
    pub fn into_parts(self) -> (ContentType, Body) {
        (self.content_type, self.body)
    }
}
