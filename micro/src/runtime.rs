//! A runtime for each core: each has a thread and connections of its own.

use std::{
    future::Future,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
};

use micro_core::{
    error::{Error, Result},
    worker,
};

/// How long threads may take to end after `main` has ended. A thread that a handler blocks is abandoned.
const ENDING: Duration = Duration::from_millis(200);

/// Runs `main` on this thread, and passes to it a runtime for each core, each on a thread of its own.
///
/// This thread's runtime runs `main` alone. A handler that never returns therefore blocks its own thread, but not the
/// one that receives signals and ends the service.
pub(crate) fn run<T, F>(main: impl FnOnce(Vec<Handle>) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let own = runtime()?;
    let workers = Workers::start(cores)?;
    let result = own.block_on(main(workers.runtimes.clone()));
    workers.end(own);
    result
}

/// Runs `main` on this thread with `count` runtimes: this thread's own, and one on a thread of its own for each of the
/// others.
///
/// `main` receives the handles of all of them, this thread's first. They end when `main` ends; blocking work, and tasks
/// that compute without awaiting, are abandoned.
///
/// In each of them a client keeps connections of its own, and
/// [`Service::serve_on`](crate::service::Service::serve_on) distributes a service's connections over them.
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
/// The error of `main`, or [`Code::Internal`](micro_core::Code::Internal) if a runtime or a thread cannot be
/// started.
pub fn run_on<T, F>(threads: usize, main: impl FnOnce(Vec<Handle>) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let own = runtime()?;
    let workers = Workers::start(threads.max(1) - 1)?;
    let runtimes = [own.handle()].into_iter().chain(&workers.runtimes);
    let result = own.block_on(main(runtimes.cloned().collect()));
    workers.end(own);
    result
}

/// Threads, each of which runs a runtime.
struct Workers {
    runtimes: Vec<Handle>,
    end: Arc<Notify>,
    /// Disconnected when every thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Workers {
    fn start(threads: usize) -> Result<Self> {
        let end = Arc::new(Notify::new());
        let (running, ended) = mpsc::sync_channel(1);
        let mut runtimes = Vec::new();
        for number in 1..=threads {
            let runtime = runtime()?;
            runtimes.push(runtime.handle().clone());
            let end = end.clone().notified_owned();
            let running = running.clone();
            let worker = std::thread::Builder::new().name(format!("micro-{number}"));
            let worker = worker.spawn(move || {
                worker::set(number);
                runtime.block_on(end);
                runtime.shutdown_background();
                drop(running);
            });
            worker.map_err(|error| {
                Error::internal("a worker thread could not be started").with_source(error)
            })?;
        }
        Ok(Workers {
            runtimes,
            end,
            ended,
        })
    }

    /// Ends the runtimes of the threads, and that of the calling thread.
    fn end(self, own: Runtime) {
        self.end.notify_waiters();
        own.shutdown_background();
        if self.ended.recv_timeout(ENDING) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(
                limit = ?ENDING,
                "a handler holds a thread that should end; ending without it"
            );
        }
    }
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("a runtime could not be started").with_source(error))
}

/// SIGTERM and SIGINT. While this value exists, they do not end the process.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Installs the signal handlers. Must be called within a runtime.
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

    /// Waits for `shutdown`; a signal received meanwhile ends the process at once.
    pub(crate) async fn during(&mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.next() => {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(130);
            }
        }
    }

    /// Waits for the next signal; one received before the call counts.
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
