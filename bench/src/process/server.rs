//! The server's process: prints its port, then its CPU time for each line of input.

use super::{SERVER_CPU, pin, raise_descriptors, usage};
use crate::{
    cell::Cell,
    system::{Kind, System, Visitor},
};
use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::getpgrp,
};
use std::{
    env,
    io::{BufRead, Write, stdin, stdout},
    net::TcpListener,
    process::Command,
    thread,
};

/// Serves until stdin ends.
pub(crate) fn run(kind: Kind, cell: &'static Cell) -> Result<()> {
    if cell.pinned() {
        pin(SERVER_CPU)?;
    }
    raise_descriptors()?;
    writeln!(stdout(), "{}", start(kind, cell)?)?;
    for _asked in stdin().lock().lines() {
        writeln!(stdout(), "{}", usage::cpu_us()?).context("the parent left")?;
    }
    Ok(killpg(getpgrp(), Signal::SIGKILL)?)
}

/// Serves `calls` calls of a client in a child, for a profiler.
pub(crate) fn serve_calls(kind: Kind, cell: &'static Cell, calls: u64) -> Result<()> {
    let port = start(kind, cell)?;
    let status = Command::new(env::current_exe()?)
        .args(["calls", kind.name(), cell.name])
        .args([port.to_string(), calls.to_string()])
        .status()?;
    ensure!(status.success(), "the client failed");
    Ok(())
}

/// Starts threads that serve, and returns the port.
fn start(kind: Kind, cell: &'static Cell) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let serve = Serve {
        listener,
        threads: cell.threads,
    };
    thread::spawn(move || {
        if let Err(error) = kind.visit(serve) {
            eprintln!("server of `{}`: {error:#}", kind.name());
            std::process::exit(1);
        }
    });
    Ok(port)
}

struct Serve {
    listener: TcpListener,
    threads: usize,
}

impl Visitor for Serve {
    type Output = Result<()>;

    fn visit<S: System>(self, system: S) -> Result<()> {
        system.run_server(self.listener, self.threads)
    }
}
