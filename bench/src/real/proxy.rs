//! A way to a server on which what is asked is counted, and takes its time.

use anyhow::{Context as _, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// Pieces on their way; more make the sender wait.
const PIECES: usize = 1024;

/// Proxies, one for each address of a server. All end with this.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    /// Where they listen, separated by commas.
    pub(crate) addresses: String,
}

#[derive(Default)]
struct Shared {
    /// Milliseconds.
    delay: AtomicU64,
    pieces: AtomicU64,
    open: AtomicU64,
}

impl Proxy {
    /// In front of these addresses, not slow yet.
    pub(crate) async fn start(addresses: &str) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let (mut tasks, mut own) = (Vec::new(), Vec::new());
        for address in addresses.split(',') {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            own.push(listener.local_addr()?.to_string());
            tasks.push(tokio::spawn(accept(
                listener,
                address.to_owned(),
                shared.clone(),
            )));
        }
        Ok(Proxy {
            shared,
            tasks,
            addresses: own.join(","),
        })
    }

    /// From now on, what is sent to the server gets there so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.delay.store(delay, Ordering::Relaxed);
    }

    /// Pieces that clients have sent so far: requests, where each is written at once.
    pub(crate) fn pieces(&self) -> u64 {
        self.shared.pieces.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, address: String, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (address, shared) = (address.clone(), shared.clone());
        connections.spawn(async move {
            shared.open.fetch_add(1, Ordering::Relaxed);
            // A connection that breaks is closed on both sides, which is all that a proxy can say.
            let _broken = carry(client, &address, &shared).await;
            shared.open.fetch_sub(1, Ordering::Relaxed);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, address: &str, shared: &Shared) -> Result<()> {
    let server = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async {
        loop {
            let mut piece = vec![0; 16 * 1024];
            let read = from_client.read(&mut piece).await?;
            if read == 0 {
                return anyhow::Ok(());
            }
            piece.truncate(read);
            shared.pieces.fetch_add(1, Ordering::Relaxed);
            let delay = Duration::from_millis(shared.delay.load(Ordering::Relaxed));
            let sent = pieces.send((Instant::now() + delay, piece)).await;
            sent.context("the other side has ended")?;
        }
    };
    let write = async {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            to_server.write_all(&piece).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
        ended = copy(&mut from_server, &mut to_client) => Ok(ended.map(drop)?),
    }
}
