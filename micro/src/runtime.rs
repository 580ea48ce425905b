//! A runtime a core: each thread has its own, and its own connections.

use std::{future::Future, sync::Arc};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
};

use crate::{
    error::{Error, Result},
    transport::worker,
};

/// The same as [`run_on`] with as many threads as there are cores.
pub(crate) fn run<T, F>(main: impl FnOnce(Vec<Handle>) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    run_on(cores, main)
}

/// Runs `main` on this thread with a number of runtimes: this thread's own, and one on a thread of its
/// own for each of the others.
///
/// What `main` is given are all of them, this thread's first. They end when it does.
///
/// Inside each of them a client keeps connections of its own, and
/// [`Service::serve_on`](crate::Service::serve_on) hands a service's connections round them.
///
/// ```
/// use micro::{Error, runtime};
///
/// let sum = runtime::run_on(2, |runtimes| async move {
///     let mut sum = 0;
///     for (number, runtime) in runtimes.iter().enumerate() {
///         let part = runtime.spawn(async move { number + 1 });
///         sum += part.await.map_err(|error| Error::internal("a part failed").with_source(error))?;
///     }
///     Ok(sum)
/// })?;
/// assert_eq!(sum, 3);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// What `main` returns, or [`Code::Internal`](crate::Code::Internal) when a runtime or a thread could
/// not be started.
pub fn run_on<T, F>(threads: usize, main: impl FnOnce(Vec<Handle>) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let end = Arc::new(Notify::new());
    let own = runtime()?;
    let mut handles = vec![own.handle().clone()];
    let mut workers = Vec::new();
    for number in 1..threads.max(1) {
        let runtime = runtime()?;
        handles.push(runtime.handle().clone());
        let ended = end.clone().notified_owned();
        let worker = std::thread::Builder::new().name(format!("micro-{number}"));
        let worker = worker.spawn(move || {
            worker::set(number);
            runtime.block_on(ended);
        });
        workers.push(worker.map_err(|error| {
            Error::internal("a worker thread could not be started").with_source(error)
        })?);
    }
    let result = own.block_on(main(handles));
    end.notify_waiters();
    for worker in workers {
        let _ = worker.join();
    }
    result
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("a runtime could not be started").with_source(error))
}

/// SIGTERM and SIGINT, which end the process no more once this is there.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Listens from now on. Must be called within a runtime.
    pub(crate) fn listen() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }
        #[cfg(windows)]
        {
            let interrupt = tokio::signal::windows::ctrl_c()?;
            Ok(Signals { interrupt })
        }
    }

    /// Waits for the next one; one that came before is not lost.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
