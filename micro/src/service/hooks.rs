//! Start hooks, stop hooks and background tasks of a service.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

use micro_core::{
    context::Leaving,
    error::{Error, Result},
    server::Status,
};

/// How long an aborted task may take to end.
const ABORTING: Duration = Duration::from_millis(100);

type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send>;
type Start = Box<dyn FnOnce(Leaving) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send>;

/// The hooks and tasks of a service, in the order they were added.
#[derive(Default)]
pub(super) struct Hooks {
    on_start: Vec<Hook>,
    on_stop: Vec<Hook>,
    tasks: Vec<(String, Start)>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.tasks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Hooks")
            .field("tasks", &names)
            .finish_non_exhaustive()
    }
}

impl Hooks {
    pub(super) fn on_start<F, Fut, E>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.on_start.push(boxed(hook));
    }

    pub(super) fn on_stop<F, Fut, E>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.on_stop.push(boxed(hook));
    }

    pub(super) fn task<F, Fut, E>(&mut self, name: String, task: F)
    where
        F: FnOnce(Leaving) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        let start: Start = Box::new(move |leaving| {
            let task = task(leaving);
            Box::pin(async move { task.await.map_err(Into::into) })
        });
        self.tasks.push((name, start));
    }

    /// Runs the start hooks one after the other, then starts the tasks.
    ///
    /// # Errors
    /// The error of the first hook that fails; no task has been started then.
    pub(super) async fn start(self, status: &Arc<Status>) -> Result<Started> {
        for hook in self.on_start {
            hook()
                .await
                .map_err(|error| error.context("a start hook failed"))?;
        }
        let leaving = status.leaving_signal();
        let tasks = self.tasks.into_iter().map(|(name, start)| {
            let leaving = leaving.clone();
            let run = tokio::spawn(async move { start(leaving).await });
            let abort = run.abort_handle();
            let reported = tokio::spawn(report(name.clone(), run, status.clone()));
            Task {
                name,
                abort,
                reported,
            }
        });
        Ok(Started {
            tasks: tasks.collect(),
            on_stop: self.on_stop,
        })
    }
}

fn boxed<F, Fut, E>(hook: F) -> Hook
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Error>,
{
    Box::new(move || {
        let hook = hook();
        Box::pin(async move { hook.await.map_err(Into::into) })
    })
}

/// Waits for a task. A failed one is logged, and is a warning in the service's health.
async fn report(name: String, run: JoinHandle<Result<()>>, status: Arc<Status>) {
    match run.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(task = name, %error, "a background task failed");
            status.warn(format!("the background task `{name}` failed"));
        }
        Err(error) if error.is_panic() => {
            tracing::error!(task = name, %error, "a background task panicked");
            status.warn(format!("the background task `{name}` panicked"));
        }
        Err(_) => tracing::debug!(task = name, "a background task was aborted"),
    }
}

/// The running tasks of a service, and its stop hooks.
pub(super) struct Started {
    tasks: Vec<Task>,
    on_stop: Vec<Hook>,
}

struct Task {
    name: String,
    abort: AbortHandle,
    /// Ends when the task has ended.
    reported: JoinHandle<()>,
}

impl Started {
    /// Waits for the tasks, which have received the leaving signal, and aborts those still running at `limit`.
    pub(super) async fn end_tasks(&mut self, limit: Instant) {
        for task in &mut self.tasks {
            if timeout_at(limit, &mut task.reported).await.is_err() {
                let name = &task.name;
                tracing::warn!(task = name, "a background task did not end in time");
                task.abort.abort();
                // A task that computes without awaiting cannot be aborted.
                let _ = timeout(ABORTING, &mut task.reported).await;
            }
        }
        self.tasks.clear();
    }

    /// Runs the stop hooks one after the other, until `limit`.
    pub(super) async fn run_stop_hooks(&mut self, limit: Instant) {
        for hook in self.on_stop.drain(..) {
            match timeout_at(limit, hook()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a stop hook failed"),
                Err(_) => tracing::warn!("a stop hook did not end in time"),
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort.abort();
        }
    }
}
