//! The task that owns the connection: connects on the first request, keeps the session over connections, and detects
//! silent servers.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    connection::Connection,
    request::{Request, RequestError, Shared},
};
use micro_core::{Error, Result, random::random};

/// Timeout for one host of several.
const HOST_TIMEOUT: Duration = Duration::from_millis(1500);
/// Timeout for the only host.
const ONLY_HOST_TIMEOUT: Duration = Duration::from_secs(4);
/// Time after a failure in which requests fail at once.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// Reports the connection as lost when the task ends.
struct ShutdownGuard(Arc<Shared>);

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.0.lose(Error::unavailable(
            "the runtime that had the connection has ended",
        ));
    }
}

pub(super) async fn run(shared: Arc<Shared>, mut requests: mpsc::Receiver<Request>) {
    let _ending = ShutdownGuard(shared.clone());
    // Each process starts with a random host.
    let mut host = random() as usize;
    let mut failed: Option<(Instant, Error)> = None;
    while let Some(ask) = requests.recv().await {
        if let Some((until, error)) = &failed
            && Instant::now() < *until
        {
            let _ = ask.answer.send(Err(RequestError::Lost(error.clone())));
            continue;
        }
        match connect(&shared, &mut host).await {
            Ok(mut connection) => {
                failed = None;
                connection.send(ask);
                let error = connection.serve(&mut requests).await;
                connection.end(&error);
                drop(connection);
                shared.lose(error);
            }
            Err(error) => {
                let _ = ask.answer.send(Err(RequestError::Lost(error.clone())));
                failed = Some((Instant::now() + FAILURE_PAUSE, error));
            }
        }
    }
}

/// Connects to the first host that gives a session, starting after the last one.
async fn connect(shared: &Shared, host: &mut usize) -> Result<Connection> {
    let count = shared.hosts.len();
    let limit = if count > 1 {
        HOST_TIMEOUT
    } else {
        ONLY_HOST_TIMEOUT
    };
    let mut last = Error::unavailable("no host is known");
    for _ in 0..count {
        let place = &shared.hosts[*host % count];
        *host = host.wrapping_add(1);
        let opened = timeout(limit, Connection::open(shared, place)).await;
        match opened {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => last = error.context(format_args!("`{place}`")),
            Err(_) => {
                last = Error::unavailable(format!("`{place}` gives no session in {limit:?}"));
            }
        }
    }
    Err(last)
}
