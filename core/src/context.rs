//! [`Context`], which travels with a call: time left, attempts left, criticality, trace, metadata.

mod compression;
mod leaving;
mod relay;
mod values;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{
    error::{Error, Result},
    metadata::Metadata,
    time::{self, NEVER, Nanos},
};
pub use compression::Compression;
pub use leaving::Leaving;
pub(crate) use leaving::LeavingSignal;
pub use relay::Relay;
use values::Values;

/// Travels with a call from the edge through every service the call reaches.
///
/// A handler passes its context to the calls it makes, so that time and attempts left only shrink:
///
/// ```
/// use micro::Context;
/// use std::time::Duration;
///
/// let cx = Context::new().with_timeout(Duration::from_secs(2));
/// assert!(cx.time_left().unwrap() <= Duration::from_secs(2));
/// ```
///
/// # Metadata
/// A caller adds metadata by [`Context::with`]. A handler reads the metadata of its request by [`Context::metadata`]. The calls
/// it makes carry only trace context and baggage, what it adds itself, and what it [relays](Context::relay), so that the
/// credentials and cookies of a request stay with the service they were sent to.
///
/// ```
/// use micro::{Client, Context, Result};
///
/// async fn order(client: &Client, cx: Context, id: String) -> Result<String> {
///     // The tenant came with the request, and the stock service has to know it too.
///     let cx = cx.relay("tenant").with("order", &id);
///     client.method("stock", "Stock.Reserve").call(&cx, id).await
/// }
/// ```
///
/// # Values
/// A layer passes typed values to the handler by [`Context::insert`], and the handler reads them by [`Context::get`]. They
/// stay in the process: no transport sends them, and the calls that a handler makes do not carry them.
///
/// ```
/// use micro::{Context, Error, Request, Result, middleware::{Next, from_fn}};
///
/// struct User {
///     name: String,
/// }
///
/// let authenticate = from_fn(async |mut request: Request, next: Next| {
///     let user = match request.context().metadata().get("authorization") {
///         Some("Bearer letmein") => User { name: "John".into() },
///         _ => return Err(Error::unauthenticated("a token is required")),
///     };
///     request.context_mut().insert(user);
///     next.run(request).await
/// });
///
/// async fn hello(cx: Context, _: ()) -> Result<String> {
///     let user = cx.get::<User>().ok_or_else(|| Error::internal("the authentication layer is missing"))?;
///     Ok(format!("Hello {}", user.name))
/// }
/// # let _ = (authenticate, micro::Router::new().handle("Greeter.Hello", hello));
/// ```
#[derive(Clone, Default)]
pub struct Context {
    deadline: Deadline,
    attempts: Option<u8>,
    criticality: Criticality,
    trace: Trace,
    /// Whether the context came with a request, whose metadata is then for this service alone.
    received: bool,
    metadata: Metadata,
    /// The metadata that is passed on to the services called, for a context that came with a request.
    marked: Metadata,
    compression: Option<Compression>,
    values: Values,
}

#[derive(Clone, Copy)]
struct Deadline(Nanos);

impl Default for Deadline {
    fn default() -> Self {
        Deadline(NEVER)
    }
}

/// Which calls are dropped first under overload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Criticality {
    /// Dropped first.
    Sheddable = 0,
    /// The default.
    #[default]
    Default = 1,
    /// Dropped last.
    Critical = 2,
}

impl Criticality {
    /// `sheddable`, `default` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Criticality::Sheddable => "sheddable",
            Criticality::Default => "default",
            Criticality::Critical => "critical",
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Criticality::Sheddable,
            2 => Criticality::Critical,
            _ => Criticality::Default,
        }
    }
}

/// A W3C trace context: trace id, parent span id and flags. All zero if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// 16 bytes, the same for the whole call tree.
    pub trace_id: [u8; 16],
    /// 8 bytes, the span that made this call.
    pub span_id: [u8; 8],
    /// Bit 0: sampled.
    pub flags: u8,
}

impl Trace {
    /// Creates a trace of a trace id, the id of the calling span, and flags.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Self {
        Trace {
            trace_id,
            span_id,
            flags,
        }
    }

    /// Whether there is a trace.
    pub fn is_some(&self) -> bool {
        self.trace_id != [0; 16]
    }

    /// Creates a trace that is not sampled, so that the logs of several processes about one call can be matched.
    fn random() -> Self {
        // Each state has fresh random keys from the operating system.
        let number = || RandomState::new().hash_one(0).max(1);
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&number().to_be_bytes());
        trace_id[8..].copy_from_slice(&number().to_be_bytes());
        Trace::new(trace_id, number().to_be_bytes(), 0)
    }

    /// The trace id in hexadecimal digits, as in `traceparent`; empty if there is no trace.
    pub(crate) fn hex_id(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        if self.is_some() {
            for byte in self.trace_id {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text
    }
}

impl Context {
    /// Creates the context of a new call tree: no deadline, no metadata.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline to `timeout` from now, unless the present one is earlier. Calls and their streams end at it.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.limit(time::now().saturating_add(time::nanos(timeout)));
        self
    }

    /// Adds an entry of metadata for the services called.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.metadata.insert(name, value.as_ref());
        if self.received {
            self.marked.insert(name, value.as_ref());
        }
        self
    }

    /// Passes this metadata of the request on to the services called. Each name is relayed for one hop
    /// only. Hop-by-hop names, such as `host` and `content-type`, are never relayed.
    pub fn relay(mut self, name: &str) -> Self {
        if self.received {
            self.marked.remove(name);
            for (other, value) in self.metadata.iter() {
                if other.eq_ignore_ascii_case(name) {
                    self.marked.append(other, value);
                }
            }
        }
        self
    }

    /// Limits the attempts of the whole call tree below; at least 1.
    pub fn with_attempts(mut self, attempts: u8) -> Self {
        self.attempts = Some(attempts.max(1));
        self
    }

    /// Sets the criticality.
    pub fn with_criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = criticality;
        self
    }

    /// Sets the trace.
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// Returns the time until the deadline, zero if it has passed; `None` without a deadline.
    pub fn time_left(&self) -> Option<Duration> {
        (self.deadline.0 != NEVER)
            .then(|| Duration::from_nanos(self.deadline.0.saturating_sub(time::now())))
    }

    /// Fails if the deadline has passed, for handlers that work in steps.
    pub fn check(&self) -> Result<()> {
        if self.deadline.0 != NEVER && time::now() >= self.deadline.0 {
            return Err(Error::deadline_exceeded(
                "the time for this call has run out",
            ));
        }
        Ok(())
    }

    /// Returns how many attempts the call tree below may still make; `None` if unlimited.
    pub fn attempts_left(&self) -> Option<u8> {
        self.attempts
    }

    /// Returns the criticality.
    pub fn criticality(&self) -> Criticality {
        self.criticality
    }

    /// Returns the trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Returns the trace, and starts one if there is none.
    pub(crate) fn ensure_trace(&mut self) -> &Trace {
        if !self.trace.is_some() {
            self.trace = Trace::random();
        }
        &self.trace
    }

    /// Returns the metadata: text values by case-insensitive names. In a handler, all metadata of the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the metadata for changes. Entries that a layer adds to the context of a received request are for its
    /// handler and are not passed on; see [`Context::with`].
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Attaches a value for the layers and the handler behind this one, replacing a value of the same type.
    ///
    /// The value stays in this process and with this request: calls that the handler makes do not carry it.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.values.insert(value);
    }

    /// Returns the value of a type that a layer has attached.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.values.get()
    }

    /// Removes all values: the request goes to another service.
    pub(crate) fn clear_values(&mut self) {
        self.values = Values::default();
    }

    /// Waits until the service that handles this request begins to stop, so that an endless stream can end
    /// in time. Only requests with a stream on either side have this signal; for others, this never returns.
    ///
    /// ```
    /// use micro::{Context, Result, Streaming};
    /// use std::time::Duration;
    ///
    /// async fn clock(cx: Context, _: ()) -> Result<Streaming<u64>> {
    ///     let (ticks, stream) = Streaming::channel(1);
    ///     tokio::spawn(async move {
    ///         let mut second = tokio::time::interval(Duration::from_secs(1));
    ///         for tick in 0.. {
    ///             tokio::select! {
    ///                 _ = second.tick() => if ticks.send(tick).await.is_err() { break },
    ///                 () = ticks.closed() => break,
    ///                 () = cx.leaving() => break,
    ///             }
    ///         }
    ///     });
    ///     Ok(stream)
    /// }
    /// # let _ = micro::Router::new().handle("Clock.Ticks", clock);
    /// ```
    pub async fn leaving(&self) {
        match self.get::<Leaving>() {
            Some(leaving) => leaving.wait().await,
            None => std::future::pending().await,
        }
    }

    /// The context of a received request.
    pub(crate) fn received(
        deadline: Nanos,
        attempts: Option<u8>,
        criticality: Criticality,
        trace: Trace,
        metadata: Metadata,
    ) -> Self {
        Context {
            deadline: Deadline(deadline),
            attempts,
            criticality,
            trace,
            received: true,
            metadata,
            marked: Metadata::new(),
            compression: None,
            values: Values::default(),
        }
    }

    /// Marks that the request has arrived.
    pub(crate) fn arrive(&mut self) {
        self.received = true;
    }

    /// Whether the context came with a request.
    pub(crate) fn is_received(&self) -> bool {
        self.received
    }

    /// Returns how the messages of this call are compressed; `None` if the protocol does not compress single messages.
    pub fn compression(&self) -> Option<&Compression> {
        self.compression.as_ref()
    }

    /// Attaches the compression state of a call.
    pub(crate) fn set_compression(&mut self, compression: Compression) {
        self.compression = Some(compression);
    }

    pub(crate) fn deadline(&self) -> Nanos {
        self.deadline.0
    }

    /// Moves the deadline forward to `at`, never back.
    pub(crate) fn limit(&mut self, at: Nanos) {
        self.deadline.0 = self.deadline.0.min(at);
    }

    /// Returns the context for a call made on behalf of this one: with the metadata that is passed on, without hop-by-hop names.
    pub(crate) fn child(&self, relay: &Relay) -> Self {
        let mut metadata = match self.received {
            true => relay.pick(&self.metadata, &self.marked),
            false => self.metadata.clone(),
        };
        metadata.strip_hop_by_hop();
        Context {
            deadline: self.deadline,
            attempts: self.attempts,
            criticality: self.criticality,
            trace: self.trace,
            received: false,
            metadata,
            marked: Metadata::new(),
            compression: None,
            values: Values::default(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("time_left", &self.time_left())
            .field("attempts", &self.attempts)
            .field("criticality", &self.criticality)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadline_only_moves_forward() {
        let cx = Context::new()
            .with_timeout(Duration::from_secs(1))
            .with_timeout(Duration::from_secs(9));
        assert_eq!(cx.time_left(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(cx.time_left(), Some(Duration::ZERO));
        assert!(cx.check().is_err());
    }

    #[test]
    fn child_call_drops_hop_by_hop_names_and_keeps_the_rest() {
        let cx = Context::new().with("X-Micro-Id", "7").with("Tenant", "a");
        let child = cx.child(&Relay::default());
        assert_eq!(child.metadata().get("micro-id"), None);
        assert_eq!(child.metadata().get("x-micro-id"), None);
        assert_eq!(child.metadata().get("tenant"), Some("a"));
    }

    fn received() -> Context {
        let mut cx = Context::new()
            .with("Authorization", "secret")
            .with("Cookie", "c")
            .with("X-Forwarded-For", "10.0.0.1")
            .with("Host", "h")
            .with("Baggage", "b")
            .with("Tenant", "t")
            .with("Request-Id", "r");
        cx.arrive();
        cx
    }

    fn names(cx: &Context) -> Vec<&str> {
        cx.metadata().iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn received_metadata_is_passed_on_only_if_marked_or_listed() {
        let cx = received();
        assert_eq!(cx.metadata().get("authorization"), Some("secret"));
        assert_eq!(names(&cx.child(&Relay::default())), ["Baggage"]);
        let marked = cx.clone().relay("tenant").relay("host").with("own", "1");
        let child = marked.child(&Relay::default());
        assert_eq!(names(&child), ["Tenant", "own", "Baggage"]);
        let listed = cx.child(&Relay::named("request-id, Authorization"));
        assert_eq!(names(&listed), ["Authorization", "Baggage", "Request-Id"]);
        let mut all = names(&cx.child(&Relay::named("all"))).len();
        all += 1;
        assert_eq!(all, names(&cx).len(), "all but `host`, which is of one hop");
    }

    #[test]
    fn call_on_behalf_of_a_child_keeps_what_was_added() {
        let mut child = received().child(&Relay::default());
        child.metadata_mut().insert("added", "1");
        let again = child.child(&Relay::default());
        assert_eq!(names(&again), ["Baggage", "added"]);
    }
}
