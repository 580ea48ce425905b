//! Connections that wait for the next request.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Instant, advance},
};

use crate::{
    http::h1::NodeConnections,
    net::{
        Limits,
        io::{Acceptor, Io, Network},
        pool::Pool,
    },
};

/// Hands the server's end of each connection to the test.
struct Pipes(Sender<DuplexStream>);

#[async_trait]
impl Network for Pipes {
    async fn connect(&self, _: &str) -> io::Result<Io> {
        let (client, server) = tokio::io::duplex(1024);
        self.0.try_send(server).map_err(io::Error::other)?;
        Ok(Io::Other(Box::new(client)))
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Acceptor>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn node(most: usize, limits: Limits) -> (Arc<NodeConnections>, Receiver<DuplexStream>) {
    let (pipes, servers) = channel(8);
    let node = NodeConnections::new(
        "a:1",
        Arc::new(Pipes(pipes)),
        Arc::new(limits),
        Pool::new(most),
    );
    (node, servers)
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_after_the_timeout() {
    let limits = Limits::default();
    let idle = limits.idle_timeout;
    let (node, mut servers) = node(2, limits);
    let (first, second) = (node.line().await.unwrap(), node.line().await.unwrap());
    let began = Instant::now();
    node.keep(first);
    advance(Duration::from_secs(1)).await;
    node.keep(second);
    let mut ends = Vec::new();
    for _ in 0..2 {
        let mut server = servers.recv().await.unwrap();
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
        ends.push(began.elapsed());
    }
    let late = Duration::from_millis(5);
    assert!(ends[0] >= idle && ends[0] < idle + late, "{ends:?}");
    let second = idle + Duration::from_secs(1);
    assert!(ends[1] >= second && ends[1] < second + late, "{ends:?}");
}

#[tokio::test]
async fn most_recently_used_open_connection_is_reused() {
    let (node, mut servers) = node(2, Limits::default());
    let (first, second) = (node.line().await.unwrap(), node.line().await.unwrap());
    assert!(!first.reused);
    let _first = servers.recv().await.unwrap();
    node.keep(first);
    node.keep(second);
    // That of the one used last.
    drop(servers.recv().await.unwrap());
    assert!(node.line().await.unwrap().reused);
    assert!(servers.try_recv().is_err(), "no third one was opened");
}

#[tokio::test]
async fn idle_connection_is_closed_at_the_limit() {
    let (node, mut servers) = node(1, Limits::default());
    let (other, _others) = {
        let (pipes, others) = channel(8);
        let pool = node.pool.clone();
        let network = Arc::new(Pipes(pipes));
        (
            NodeConnections::new("b:1", network, node.limits.clone(), pool),
            others,
        )
    };
    let line = node.line().await.unwrap();
    let error = other.line().await.err().expect("none is idle");
    assert!(
        error.message().contains("limit `max_connections`"),
        "{error}"
    );
    node.keep(line);
    other.line().await.unwrap();
    let mut server = servers.recv().await.unwrap();
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn closed_pool_opens_and_keeps_no_connection() {
    let (node, mut servers) = node(2, Limits::default());
    let line = node.line().await.unwrap();
    node.close();
    node.keep(line);
    let mut server = servers.recv().await.unwrap();
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    let error = node.line().await.err().expect("it has left");
    assert_eq!(error.message(), "node at `a:1` has left");
}
