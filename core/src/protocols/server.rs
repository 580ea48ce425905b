//! The HTTP servers of the one port, each connection with a [`RequestDispatcher`].

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    access::Access, dialect::Dialect, dispatcher::RequestDispatcher, origins::Origins,
    takeover::Takeover,
};
#[cfg(feature = "grpc")]
use crate::http::h2;
use crate::{
    call::Call,
    http::h1,
    net::{
        Limits,
        protocol::{Accepted, Detect, Protocol},
    },
};

/// Creates the dispatcher of a connection, for both versions of HTTP.
#[derive(Clone)]
pub(crate) struct DispatcherFactory {
    pub(crate) limits: Arc<Limits>,
    /// Origins whose web pages may call.
    pub(crate) origins: Option<Arc<Origins>>,
    /// In order of precedence.
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
}

impl DispatcherFactory {
    fn dispatcher(&self, connection: &Accepted, call: Arc<dyn Call>) -> RequestDispatcher {
        let buffered = connection.seat.buffered().clone();
        let access = Access::new(self.origins.clone(), &connection.io, call.clone());
        let (limits, dialects) = (self.limits.clone(), self.dialects.clone());
        RequestDispatcher::new(call, limits, buffered, access, dialects)
    }
}

/// The server's side of HTTP/1.1.
pub(crate) struct Http1 {
    pub(crate) dispatchers: DispatcherFactory,
    /// The protocols that may take a connection over from a request of theirs.
    pub(crate) takeovers: Vec<Arc<dyn Takeover>>,
}

#[async_trait]
impl Protocol for Http1 {
    fn name(&self) -> &str {
        "http/1.1"
    }

    fn detect(&self, first: &[u8]) -> Detect {
        h1::detect(first)
    }

    fn examples(&self) -> &[&'static [u8]] {
        &h1::EXAMPLES
    }

    fn alpn(&self) -> &[&'static str] {
        &[h1::ALPN]
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        let dispatcher = self.dispatchers.dispatcher(&connection, call);
        let wants = |dispatcher: &RequestDispatcher, head: &_| {
            let mut takeovers = self.takeovers.iter();
            takeovers.any(|takeover| takeover.wants(head))
                && dispatcher
                    .connection
                    .access
                    .is_allowed(&head.uri, &head.headers)
        };
        let Some(upgraded) = h1::serve(connection, dispatcher, wants).await else {
            return;
        };
        let mut takeovers = self.takeovers.iter();
        if let Some(takeover) = takeovers.find(|takeover| takeover.wants(&upgraded.head)) {
            takeover.serve(upgraded).await;
        }
    }
}

/// The server's side of HTTP/2.
#[cfg(feature = "grpc")]
pub(crate) struct Http2(pub(crate) DispatcherFactory);

#[cfg(feature = "grpc")]
#[async_trait]
impl Protocol for Http2 {
    fn name(&self) -> &str {
        "http/2"
    }

    fn alpn(&self) -> &[&'static str] {
        &h2::ALPN
    }

    fn detect(&self, first: &[u8]) -> Detect {
        Detect::prefix(first, h2::PREFACE)
    }

    fn examples(&self) -> &[&'static [u8]] {
        &[h2::PREFACE]
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        let dispatcher = self.0.dispatcher(&connection, call);
        h2::serve(connection, dispatcher).await;
    }
}
