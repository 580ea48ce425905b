//! Signals to other processes and to this one.

use std::{future::Future, io};

use crate::failure::{Failure, Result};

/// A signal to a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// SIGSTOP: the process hangs.
    Stop,
    /// SIGCONT: the process continues.
    Continue,
    /// SIGTERM: the process shuts down.
    Terminate,
}

/// Sends a signal to a process that has not been waited for.
#[cfg(unix)]
pub(crate) fn send(process: u32, signal: Signal) -> io::Result<()> {
    use rustix::process;
    let process = i32::try_from(process).ok().and_then(process::Pid::from_raw);
    let process = process.ok_or(io::ErrorKind::InvalidInput)?;
    let signal = match signal {
        Signal::Stop => process::Signal::STOP,
        Signal::Continue => process::Signal::CONT,
        Signal::Terminate => process::Signal::TERM,
    };
    Ok(process::kill_process(process, signal)?)
}

/// Fails: the system has no signals.
#[cfg(not(unix))]
pub(crate) fn send(_: u32, _: Signal) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Listens for SIGTERM and SIGINT from now on; the future waits for the first.
pub(crate) fn end() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(Failure::because("signals cannot be received"));
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // An error ends the wait, too.
        let _ = tokio::signal::ctrl_c().await;
    })
}
