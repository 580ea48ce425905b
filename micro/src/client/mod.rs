//! The calling side: calls, streams and messages, typed or dynamic.

mod call;
mod publish;

use std::sync::Arc;

pub use call::{Method, RequestBuilder, Sending};

use crate::{
    balance::{self, Balance},
    broker::{self, Broker},
    call::{Answer, Call},
    codec::{Codecs, Payload},
    message::{Request, Target},
};

/// Makes calls. Cheap to clone; every clone shares connections, discovery and budgets.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    /// The user's layers, then the balance loop.
    stack: Arc<dyn Call>,
    /// What counts; absent over a stack of one's own.
    balance: Option<Balance>,
    broker: Arc<dyn Broker>,
    codecs: Codecs,
}

impl Client {
    /// A client whose calls go to `stack`, such as a server's router in the same process; its events
    /// stay in the process too.
    pub fn new(stack: Arc<dyn Call>, codecs: Codecs) -> Self {
        Client(Arc::new(Inner {
            stack,
            balance: None,
            broker: Arc::new(broker::Memory::new()),
            codecs,
        }))
    }

    pub(crate) fn balanced(balance: Balance, broker: Arc<dyn Broker>, codecs: Codecs) -> Self {
        Client(Arc::new(Inner {
            stack: Arc::new(balance.clone()),
            balance: Some(balance),
            broker,
            codecs,
        }))
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
        self.0.stack.call(request)
    }

    /// What was counted for a service; all zero for one that was never called.
    pub fn stats(&self, service: &str) -> balance::Stats {
        let balance = self.0.balance.as_ref();
        balance.map_or_else(balance::Stats::default, |balance| balance.stats(service))
    }

    pub(crate) fn codecs(&self) -> &Codecs {
        &self.0.codecs
    }
}
