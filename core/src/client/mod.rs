//! The calling side: typed and dynamic calls, streams and events.

mod call;
mod publish;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

pub use call::{Method, RequestBuilder, Sending};

use parking_lot::Mutex;

use crate::{
    balance::{self, Balance},
    broker::{self, Broker},
    call::{Answer, Call, Traced, Watch},
    codec::{Codecs, Payload},
    context::Relay,
    message::{Request, Target},
};

/// Calls services. Cheap to clone: clones share connections, discovery and budgets.
#[derive(Clone)]
pub struct Client(Arc<LazyParts>);

/// Created when the client is first used.
struct LazyParts {
    parts: OnceLock<Parts>,
    make: Mutex<Option<Make>>,
}

/// Creates the parts.
type Make = Box<dyn FnOnce() -> Parts + Send>;

/// The parts of a client, which [`Plugins::parts`](crate::Plugins::parts) makes.
#[non_exhaustive]
pub struct Parts {
    /// The user's layers around the balance loop.
    pub stack: Arc<dyn Call>,
    /// The loop, which counts calls; `None` over a stack of the user's.
    pub balance: Option<Balance>,
    /// The broker for events.
    pub broker: Arc<dyn Broker>,
    /// The codecs of messages.
    pub codecs: Codecs,
    /// The metadata that is passed on with calls.
    pub relay: Relay,
}

impl Client {
    /// Creates a client whose calls go to `stack`, such as a router in the same process. Its events stay in the process, too.
    ///
    /// ```
    /// use micro::{Client, Context, Result, Router};
    /// use std::sync::Arc;
    ///
    /// async fn upper(_: Context, text: String) -> Result<String> {
    ///     Ok(text.to_uppercase())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let router = Router::new().handle("Text.Upper", upper);
    /// let client = Client::new(Arc::new(router));
    /// let method = client.method::<String, String>("text", "Text.Upper");
    /// assert_eq!(method.call(&Context::new(), "hello".into()).await?, "HELLO");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(stack: Arc<dyn Call>) -> Self {
        Client::with_codecs(stack, Codecs::default())
    }

    /// Sets the codecs.
    pub fn with_codecs(stack: Arc<dyn Call>, codecs: Codecs) -> Self {
        Client::from_parts(Parts {
            stack,
            balance: None,
            broker: Arc::new(broker::Memory::new()),
            codecs,
            relay: Relay::default(),
        })
    }

    /// Creates a client of these parts.
    pub fn from_parts(parts: Parts) -> Self {
        Client(Arc::new(LazyParts {
            parts: parts.into(),
            make: Mutex::default(),
        }))
    }

    /// Creates a client whose parts are created when it is first used.
    pub fn lazy(make: impl FnOnce() -> Parts + Send + 'static) -> Self {
        let make: Make = Box::new(make);
        Client(Arc::new(LazyParts {
            parts: OnceLock::new(),
            make: Mutex::new(Some(make)),
        }))
    }

    /// Replaces the function that creates the parts, if they do not exist yet.
    pub fn set_parts(&self, make: impl FnOnce() -> Parts + Send + 'static) {
        *self.0.make.lock() = Some(Box::new(make));
    }

    fn parts(&self) -> &Parts {
        let lazy = &*self.0;
        lazy.parts.get_or_init(|| {
            let make = lazy.make.lock().take();
            make.expect("a client without parts was given a way to make them")()
        })
    }

    /// Returns a handle to one endpoint with typed request and response.
    ///
    /// Keeping the handle saves a look-up a call. All handles to an endpoint share what is known about it.
    /// handles to it.
    pub fn method<In: Payload, Out: Payload>(
        &self,
        service: &str,
        endpoint: &str,
    ) -> Method<In, Out> {
        Method::new(self.clone(), Target::new(service, endpoint))
    }

    /// Sends a request whose body is already encoded.
    ///
    /// With `tracing` at the level `debug` the call has a span `call`, with service, endpoint, trace id, peer, code and
    /// outcome, and an event when it ends.
    pub fn send(&self, mut request: Request) -> Answer {
        if request.context().is_received() {
            // The context is passed on, with the metadata that may be.
            *request.context_mut() = request.context().child(self.relay());
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            return self.send_traced(request);
        }
        self.parts().stack.call(request)
    }

    #[cold]
    fn send_traced(&self, mut request: Request) -> Answer {
        let trace_id = request.context_mut().ensure_trace().hex_id();
        let span = tracing::debug_span!(
            "call",
            service = request.service(),
            endpoint = request.endpoint(),
            trace_id,
            peer = tracing::field::Empty,
            code = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        let watch = Watch::new(span);
        let answer = watch.span().in_scope(|| self.parts().stack.call(request));
        Box::pin(Traced::new(answer, watch))
    }

    /// Returns the counts for a service. They are zero for a service that was never called, was not called for minutes,
    /// or does not exist.
    pub fn stats(&self, service: &str) -> balance::Stats {
        let balance = self.parts().balance.as_ref();
        balance.map_or_else(balance::Stats::default, |balance| balance.stats(service))
    }

    /// Returns for how long the discovered nodes of each service in use may have been out of date, by name; zero while the
    /// registry is connected.
    pub fn discovery_ages(&self) -> Vec<(String, Duration)> {
        // An unused client has discovered nothing.
        let balance = self.0.parts.get().and_then(|parts| parts.balance.as_ref());
        balance.map_or_else(Vec::new, Balance::ages)
    }

    /// Which metadata of received requests is passed on with calls made for them.
    pub fn relay(&self) -> &Relay {
        &self.parts().relay
    }

    /// The codecs of messages.
    pub fn codecs(&self) -> &Codecs {
        &self.parts().codecs
    }
}
