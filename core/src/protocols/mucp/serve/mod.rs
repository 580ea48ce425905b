//! The server's side of a connection that began as HTTP/1.1.

mod connection;
mod inbox;
mod reply;
mod request;
mod stream;

use async_trait::async_trait;
use http::request::Parts;

use super::names;
use crate::{
    http::h1::Upgraded,
    protocols::{dispatcher::RequestDispatcher, takeover::Takeover},
};
use connection::Connection;

/// Takes over connections whose first request is go-micro's.
pub(crate) struct Server;

#[async_trait]
impl Takeover for Server {
    fn wants(&self, head: &Parts) -> bool {
        names::is_ours(head)
    }

    async fn serve(&self, connection: Upgraded<RequestDispatcher>) {
        Connection::new(connection).run().await;
    }
}
