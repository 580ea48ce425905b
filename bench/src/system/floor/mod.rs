//! The framework-shaped floor (`raw-task`): what a call costs with nothing but its shape.
//!
//! An asynchronous `call()` from any number of tasks over one connection, a slab of wakers behind a
//! mutex, one shared output buffer, and one connection task that writes whatever has gathered. The
//! server echoes inline. No codec, no names, no deadlines, no errors but the connection's end.
//! A frame is a header of twelve bytes (length, id) and the body, copied once into the output
//! buffer and once out of the read buffer.

mod client;
mod frame;
mod server;

use super::System;
use anyhow::Result;
use std::net::{SocketAddr, TcpListener};
use tokio::net::TcpStream;

/// The floor.
#[derive(Clone, Copy)]
pub(super) struct Floor;

impl System for Floor {
    type Client = client::Connection;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(server::echo(stream));
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<client::Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(client::Connection::over(stream))
    }
}
