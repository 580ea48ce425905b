//! Messages of HTTP/1.1 to one node, over connections that wait for the next while no call has them.

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

/// The connections to a node.
pub(crate) struct Lane {
    address: Arc<str>,
    connections: Arc<NodeConnections>,
    limits: Arc<Limits>,
}

/// A request of HTTP/1.1 and how it may be sent.
pub(crate) struct Exchange<'a> {
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) sent: SentFlag,
}

impl Lane {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Lane {
            address: address.into(),
            connections: NodeConnections::new(address, network, limits.clone(), pool),
            limits,
        })
    }

    /// The response to a request.
    ///
    /// # Errors
    /// *Not sent* where no connection could be made; *unknown* where one broke, with [`Recovery::Reconnect`] if it was used
    /// before and ended without a byte of a response.
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
                if connection.is_kept(&head) && !says_error(&head) {
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
        // Those kept beside it are as old: the next call has a fresh one.
        self.connections.close_idle();
        Err(error.with_recovery(Recovery::Reconnect))
    }

    /// Asks over a fresh connection whether the node is the one that is meant, if one is; gives the connection, or one
    /// more where the node closed that one.
    ///
    /// # Errors
    /// For the reason `WRONG_SERVER` where another server answers.
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

    /// The name of the node that goes into `host`.
    pub(super) fn host(&self) -> &str {
        // A Unix socket has no name that HTTP knows.
        match self.address.contains('/') {
            true => "localhost",
            false => &self.address,
        }
    }

    /// A fresh connection.
    pub(super) async fn connect(&self) -> Result<Connection> {
        Ok(self.connections.connect().await?.into())
    }

    /// Keeps a connection for the next call.
    pub(super) fn give_back(&self, connection: Connection) {
        self.connections.keep(connection.line);
    }

    /// Keeps no connections any more.
    pub(crate) fn close(&self) {
        self.connections.close();
    }
}

/// Whether a reply tells an error: servers up to v1.17 then tell it with every later reply as well.
fn says_error(head: &Parts) -> bool {
    super::super::names::value(&head.headers, &super::super::names::ERROR).is_some()
}
