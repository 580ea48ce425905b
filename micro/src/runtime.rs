//! A runtime a core: each thread has its own, and its own connections.

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

/// How long threads may take to end once `main` has. One that a handler holds is left behind.
const ENDING: Duration = Duration::from_millis(200);

/// Runs `main` on this thread, and a runtime on a thread of its own for each core, which `main` is given.
///
/// This thread's runtime is for `main` alone: a handler that never returns holds its own thread up, and not what
/// hears signals and ends the service.
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

/// Runs `main` on this thread with a number of runtimes: this thread's own, and one on a thread of its
/// own for each of the others.
///
/// What `main` is given are all of them, this thread's first. They end when it does: what still runs on the blocking
/// pool, or computes without awaiting, is not waited for.
///
/// Inside each of them a client keeps connections of its own, and
/// [`Service::serve_on`](crate::service::Service::serve_on) hands a service's connections round them.
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
/// What `main` returns, or [`Code::Internal`](micro_core::Code::Internal) when a runtime or a thread could
/// not be started.
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

/// Threads that each run a runtime.
struct Workers {
    runtimes: Vec<Handle>,
    end: Arc<Notify>,
    /// Disconnected once every thread has ended.
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

    /// Ends them, and the runtime of the thread that waited for them.
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

    /// Waits for a shutdown; another signal meanwhile ends the process at once.
    pub(crate) async fn during(&mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.next() => {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(130);
            }
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
