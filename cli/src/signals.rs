//! Signals: to other processes, and to this one.

use std::{future::Future, io};

use crate::failure::{Failure, Result};

/// What is done to a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// SIGSTOP: it hangs.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
    /// SIGTERM: it is to end well.
    Terminate,
}

/// Sends a signal to a process, which must not have been waited for yet.
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

/// Sends a signal to a process, where there are signals.
#[cfg(not(unix))]
pub(crate) fn send(_: u32, _: Signal) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Listens for SIGTERM and SIGINT from now on; what it gives waits for the first.
pub(crate) fn end() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(Failure::because("signals cannot be heard"));
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
        // An error is as good a reason to end.
        let _ = tokio::signal::ctrl_c().await;
    })
}
