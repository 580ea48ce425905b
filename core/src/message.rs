//! What is sent and what comes back: [`Request`], [`Response`], their [`Body`] and [`Metadata`].

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

/// What the names of services begin with that stand for the subscribers of a topic: `topic:NAME`.
pub const TOPICS: &str = "topic:";

/// Where a request goes: an endpoint of a service.
///
/// Made once for an endpoint and shared by its calls; cloning costs a counter.
#[derive(Clone)]
pub struct Target(Arc<Names>);

struct Names {
    service: Arc<str>,
    endpoint: Box<str>,
    /// Where a server found its handler, as a hint: the server keeps what it knows of the endpoint.
    place: AtomicUsize,
    /// What the first caller keeps for the endpoint, found again without a look-up. Weak, since what it
    /// keeps leads to connections, and those remember targets.
    kept: OnceLock<Weak<dyn Any + Send + Sync>>,
}

impl Target {
    /// The endpoint of a service, such as `greeter` and `Greeter.Hello`.
    pub fn new(service: impl Into<Arc<str>>, endpoint: impl Into<Box<str>>) -> Self {
        Target(Arc::new(Names {
            service: service.into(),
            endpoint: endpoint.into(),
            place: AtomicUsize::new(0),
            kept: OnceLock::new(),
        }))
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The endpoint's name.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// What its first caller keeps for the endpoint.
    pub(crate) fn kept(&self) -> &OnceLock<Weak<dyn Any + Send + Sync>> {
        &self.0.kept
    }

    /// Where a server found its handler last; to be checked by name.
    pub(crate) fn place(&self) -> usize {
        self.0.place.load(Ordering::Relaxed)
    }

    pub(crate) fn set_place(&self, place: usize) {
        self.0.place.store(place, Ordering::Relaxed);
    }

    /// A number that equal handles share and that no other living handle has.
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

/// A request on its way: where to, what travels with it, and the body in some content type.
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

/// What a caller takes for an answer: some protocols do not say what they bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// One message.
    Message,
    /// A stream of them.
    Stream,
}

impl Request {
    /// A request with a fresh context.
    pub fn new(target: Target, content_type: ContentType, body: impl Into<Body>) -> Self {
        Self::build(target, Context::new(), content_type, body.into(), false)
    }

    /// A request in one step: on the way of every call, none of its parts is moved twice.
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

    /// The same, declared as one that may be done twice without harm.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Declares whether it may be done twice without harm.
    pub fn set_idempotent(&mut self, idempotent: bool) {
        self.idempotent = idempotent;
    }

    /// What the caller takes for an answer.
    pub(crate) fn expected(&self) -> Expected {
        self.expected
    }

    /// Says what the caller takes for an answer.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.expected = expected;
    }

    /// The same in another context.
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// The endpoint asked for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The service asked for.
    pub fn service(&self) -> &str {
        self.target.service()
    }

    /// The name of the endpoint asked for.
    pub fn endpoint(&self) -> &str {
        self.target.endpoint()
    }

    /// What travels with the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What travels with the call, to change.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// How the body is encoded.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to take or replace.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The same request once more, without its extensions; `None` where a stream is its body.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        let body = self.body.as_bytes()?.clone();
        let mut copy = Request::new(self.target.clone(), self.content_type.clone(), body)
            .with_context(self.context.clone())
            .idempotent(self.idempotent);
        copy.expected = self.expected;
        Some(copy)
    }

    /// The request itself, leaving an empty one to the same endpoint behind.
    pub(crate) fn take(&mut self) -> Self {
        let (target, content_type) = (self.target.clone(), self.content_type.clone());
        let empty = Self::build(target, Context::new(), content_type, Body::empty(), false);
        std::mem::replace(self, empty)
    }

    /// Whether its body was a stream that an attempt has taken, so that there is nothing to send again.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    /// The streaming body, taken to be sent.
    pub(crate) fn spend(&mut self) -> Body {
        self.spent = true;
        self.body.take()
    }

    /// Whether the caller declares that doing it twice does no harm.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// What layers of this process pass each other beside it.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What layers of this process pass each other beside it, to change.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Context, content type and body.
    pub fn into_parts(self) -> (Context, ContentType, Body) {
        (self.context, self.content_type, self.body)
    }
}

/// An answer: the body, how it is encoded, and what the server says beside it.
#[derive(Debug)]
pub struct Response {
    content_type: ContentType,
    body: Body,
    metadata: Metadata,
    /// What comes after the last message of a stream, where the protocol has such.
    trailers: Option<Trailers>,
    /// Thousandths of the server's concurrency limit in use; 0 when unsaid.
    pub(crate) load: u16,
    /// When the bytes were read, so that nobody reads the clock again; 0 when unsaid.
    pub(crate) received: Nanos,
}

impl Response {
    /// An answer.
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

    /// How the body is encoded.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to take or replace.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// What the server says beside the body.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What the server says beside the body, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// What the server said after the last message of a stream, once that has ended; what follows a single
    /// message is in its metadata, under `trailer-`.
    pub fn trailers(&self) -> Metadata {
        self.trailers
            .as_ref()
            .map_or(Metadata::new(), Trailers::get)
    }

    /// Where that will be.
    pub(crate) fn follower(&self) -> Option<Trailers> {
        self.trailers.clone()
    }

    /// Says where that will be.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub(crate) fn follow(&mut self, trailers: Trailers) {
        self.trailers = Some(trailers);
    }

    /// Content type and body.
    pub fn into_parts(self) -> (ContentType, Body) {
        (self.content_type, self.body)
    }
}
