//! Exchanges HTTP/1.1 messages with one node over pooled connections.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, response::Parts};

use super::connection::{Connection, Message, lost};
use crate::{
    error::{Recovery, Result},
    http::{
        HttpBody,
        h1::{MessageError, NodeConnections},
    },
    net::{Limits, io::SharedNetwork, pool::Pool, sent::SentFlag},
    protocols::addressing::Addressing,
};

/// The connections of one node.
pub(crate) struct ConnectionPool {
    address: Arc<str>,
    connections: Arc<NodeConnections>,
    limits: Arc<Limits>,
}

/// An HTTP/1.1 request and its send marker.
pub(crate) struct Exchange<'a> {
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) sent: SentFlag,
}

impl ConnectionPool {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(ConnectionPool {
            address: address.into(),
            connections: NodeConnections::new(address, network, limits.clone(), pool),
            limits,
        })
    }

    /// Sends a request and returns the response.
    ///
    /// # Errors
    /// *Not sent* if no connection could be made. *Unknown* if a connection broke, with [`Recovery::Reconnect`] if a reused
    /// connection closed before the first byte of a response.
    pub(crate) async fn exchange(&self, request: Exchange<'_>) -> Result<(Parts, Bytes)> {
        let mut connection = Connection::from(self.connections.line().await?);
        let reused = connection.line.reused;
        connection.queue(Message {
            method: &Method::POST,
            target: request.target,
            host: self.host(),
            headers: request.headers,
            body: request.body,
        });
        request.sent.set();
        let broken = match connection.reply(self.limits.max_message_size).await {
            Ok(Some((head, body))) => {
                if connection.is_kept(&head) && !has_error(&head) {
                    self.give_back(connection);
                }
                return Ok((head, body));
            }
            Ok(None) => MessageError::Io(std::io::ErrorKind::UnexpectedEof.into()),
            Err(broken) => broken,
        };
        let untouched = connection.line.wire.reader.buffered() == 0;
        let closed = reused && untouched && matches!(broken, MessageError::Io(_));
        let error = lost(&self.address, broken);
        if !closed {
            return Err(error);
        }
        // Other idle connections are probably closed too: the next call opens a new one.
        self.connections.close_idle();
        Err(error.with_recovery(Recovery::Reconnect))
    }

    /// Checks the identity of the node over a new connection, if an identity is expected. Returns that connection, or
    /// another one if the node closed it.
    ///
    /// # Errors
    /// Reason `WRONG_SERVER` if another server responds.
    pub(super) async fn ask(
        &self,
        mut connection: Connection,
        addressing: &Addressing,
    ) -> Result<Connection> {
        if !addressing.is_some() {
            return Ok(connection);
        }
        let (question, _) = addressing.question().into_parts();
        connection.queue(Message {
            method: &question.method,
            target: "/",
            host: self.host(),
            headers: &question.headers,
            body: Bytes::new(),
        });
        let reply = connection.reply(self.limits.max_message_size).await;
        let reply = reply.map_err(|broken| lost(&self.address, broken))?;
        let (head, body) = reply.ok_or_else(|| {
            let gone = MessageError::Io(std::io::ErrorKind::UnexpectedEof.into());
            lost(&self.address, gone)
        })?;
        let is_kept = connection.is_kept(&head);
        let answer = http::Response::from_parts(head, HttpBody::Whole(body));
        addressing.read(answer).await?;
        match is_kept {
            true => Ok(connection),
            false => self.connect().await,
        }
    }

    /// The value of the header `host`.
    pub(super) fn host(&self) -> &str {
        // A Unix socket has no name that HTTP knows.
        match self.address.contains('/') {
            true => "localhost",
            false => &self.address,
        }
    }

    /// Opens a new connection.
    pub(super) async fn connect(&self) -> Result<Connection> {
        Ok(self.connections.connect().await?.into())
    }

    /// Returns a connection to the pool.
    pub(super) fn give_back(&self, connection: Connection) {
        self.connections.keep(connection.line);
    }

    /// Closes idle connections and keeps no others.
    pub(crate) fn close(&self) {
        self.connections.close();
    }
}

/// Whether a reply has an error header. go-micro servers up to v1.17 repeat it in every later reply.
fn has_error(head: &Parts) -> bool {
    super::super::names::value(&head.headers, &super::super::names::ERROR).is_some()
}
