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
    call::{Answer, Call},
    codec::{Codecs, Payload},
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

pub(crate) struct Parts {
    /// The user's layers, then the balance loop.
    pub(crate) stack: Arc<dyn Call>,
    /// What counts; absent over a stack of one's own.
    pub(crate) balance: Option<Balance>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) codecs: Codecs,
}

impl Client {
    /// A client whose calls go to `stack`, such as a server's router in the same process; its events
    /// stay in the process too.
    pub fn new(stack: Arc<dyn Call>, codecs: Codecs) -> Self {
        Client::of(Parts {
            stack,
            balance: None,
            broker: Arc::new(broker::Memory::new()),
            codecs,
        })
    }

    pub(crate) fn of(parts: Parts) -> Self {
        Client(Arc::new(Late {
            parts: parts.into(),
            make: Mutex::default(),
        }))
    }

    /// A client that is made when it is first used, unless it hears of another way before.
    pub(crate) fn late(make: impl FnOnce() -> Parts + Send + 'static) -> Self {
        let make: Make = Box::new(make);
        Client(Arc::new(Late {
            parts: OnceLock::new(),
            make: Mutex::new(Some(make)),
        }))
    }

    /// Has it made so instead, if it was not used yet.
    pub(crate) fn settle(&self, make: impl FnOnce() -> Parts + Send + 'static) {
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
    /// Make it once and keep it: it remembers what calls to that endpoint have in common.
    pub fn method<In: Payload, Out: Payload>(
        &self,
        service: &str,
        endpoint: &str,
    ) -> Method<In, Out> {
        Method::new(self.clone(), Target::new(service, endpoint))
    }

    /// Sends a request as it is, encoded by the caller.
    pub fn send(&self, request: Request) -> Answer {
        self.parts().stack.call(request)
    }

    /// What was counted for a service; all zero for one that was never called.
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

    pub(crate) fn codecs(&self) -> &Codecs {
        &self.parts().codecs
    }
}
