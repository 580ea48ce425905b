//! The calling side: calls, streams and messages, typed or dynamic.

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

/// Makes calls. Cheap to clone; every clone shares connections, discovery and budgets.
#[derive(Clone)]
pub struct Client(Arc<Late>);

/// What a client is made of, from the time it is first used.
struct Late {
    parts: OnceLock<Parts>,
    make: Mutex<Option<Make>>,
}

/// Makes them.
type Make = Box<dyn FnOnce() -> Parts + Send>;

/// What a client is made of.
pub struct Parts {
    /// The user's layers, then the balance loop.
    pub stack: Arc<dyn Call>,
    /// What counts; absent over a stack of one's own.
    pub balance: Option<Balance>,
    /// Where it publishes.
    pub broker: Arc<dyn Broker>,
    /// How it encodes.
    pub codecs: Codecs,
    /// What travels on with its calls.
    pub relay: Relay,
}

impl Client {
    /// A client whose calls go to `stack`, such as a router in the same process; its events stay in the process too.
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
        Client::of(Parts {
            stack,
            balance: None,
            broker: Arc::new(broker::Memory::new()),
            codecs,
            relay: Relay::default(),
        })
    }

    /// A client made of these.
    pub fn of(parts: Parts) -> Self {
        Client(Arc::new(Late {
            parts: parts.into(),
            make: Mutex::default(),
        }))
    }

    /// A client that is made when it is first used, unless it hears of another way before.
    pub fn late(make: impl FnOnce() -> Parts + Send + 'static) -> Self {
        let make: Make = Box::new(make);
        Client(Arc::new(Late {
            parts: OnceLock::new(),
            make: Mutex::new(Some(make)),
        }))
    }

    /// Has it made so instead, if it was not used yet.
    pub fn settle(&self, make: impl FnOnce() -> Parts + Send + 'static) {
        *self.0.make.lock() = Some(Box::new(make));
    }

    fn parts(&self) -> &Parts {
        let late = &*self.0;
        late.parts.get_or_init(|| {
            let make = late.make.lock().take();
            make.expect("a client without parts was given a way to make them")()
        })
    }

    /// A handle to one endpoint with typed request and response.
    ///
    /// Make it once and keep it where that is easy, which saves a look-up: what is known of the endpoint is shared by all
    /// handles to it.
    pub fn method<In: Payload, Out: Payload>(
        &self,
        service: &str,
        endpoint: &str,
    ) -> Method<In, Out> {
        Method::new(self.clone(), Target::new(service, endpoint))
    }

    /// Sends a request as it is, encoded by the caller.
    ///
    /// With `tracing` at the level `debug` the call has a span `call`, with service, endpoint, trace id, peer, code and
    /// outcome, and an event when it ends.
    pub fn send(&self, mut request: Request) -> Answer {
        if request.context().is_received() {
            // It is passed on, with what may travel of it.
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

    /// What was counted for a service; all zero for one that was never called, or is forgotten as it has not been called
    /// for minutes or does not exist.
    pub fn stats(&self, service: &str) -> balance::Stats {
        let balance = self.parts().balance.as_ref();
        balance.map_or_else(balance::Stats::default, |balance| balance.stats(service))
    }

    /// For how long what is known of each service in use may have been out of date, by name; zero while the registry
    /// is heard.
    pub fn discovery_ages(&self) -> Vec<(String, Duration)> {
        // One that was never used has discovered nothing.
        let balance = self.0.parts.get().and_then(|parts| parts.balance.as_ref());
        balance.map_or_else(Vec::new, Balance::ages)
    }

    /// Which metadata of requests that came in goes on with the calls made for them.
    pub fn relay(&self) -> &Relay {
        &self.parts().relay
    }

    /// How it encodes.
    pub fn codecs(&self) -> &Codecs {
        &self.parts().codecs
    }
}
