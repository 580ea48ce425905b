//! One system's server called by another's client.

use super::System;
use anyhow::Result;
use std::net::{SocketAddr, TcpListener};

/// The server of `S` and the client of `C`.
#[derive(Clone, Copy)]
pub(super) struct Mixed<S, C> {
    pub(super) server: S,
    pub(super) client: C,
}

impl<S: System, C: System> System for Mixed<S, C> {
    type Client = C::Client;

    async fn serve(&self, listener: TcpListener) -> Result<()> {
        self.server.serve(listener).await
    }

    async fn connect(&self, address: SocketAddr) -> Result<Self::Client> {
        self.client.connect(address).await
    }

    fn run_server(&self, listener: TcpListener, threads: usize) -> Result<()> {
        self.server.run_server(listener, threads)
    }

    fn client_runtimes(&self, threads: usize) -> usize {
        self.client.client_runtimes(threads)
    }

    fn run_client<L, F>(&self, address: SocketAddr, threads: usize, load: L) -> Result<()>
    where
        L: Fn(Self::Client, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.client.run_client(address, threads, load)
    }
}
