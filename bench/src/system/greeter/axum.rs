//! axum, as its guide has a JSON endpoint, and `TCP_NODELAY` on.

use super::{
    Greeting, HELLO, Hello, WORD,
    plain::{self, Caller},
};
use crate::system::System;
use ::axum::{Json, Router, routing::post, serve::ListenerExt};
use anyhow::Result;
use std::net::{SocketAddr, TcpListener};

/// axum's server, called as ours is by [`plain::Plain`].
#[derive(Clone, Copy)]
pub(in crate::system) struct Axum;

async fn hello(Json(hello): Json<Hello>) -> Json<Greeting> {
    let msg = format!("{WORD}{}", hello.name);
    Json(Greeting { msg })
}

impl System for Axum {
    type Client = Caller;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // A connection that cannot be told so is about to fail anyhow.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route(&format!("/{HELLO}"), post(hello));
        Ok(::axum::serve(listener, router).await?)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Caller> {
        plain::Caller::connect(address).await
    }
}
