//! `interop-peer server` offers the greeter, `interop-peer client` checks a peer that does.
//!
//! Peers of other versions and languages have the same service and the same command line, so that any two
//! can be run against each other; `interop/README.md` has both.

mod arguments;
mod check;
mod parts;
mod serve;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use arguments::{Arguments, Side};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => return fail(&wrong),
    };
    let ended = match arguments.side {
        Side::Server => serve::serve(&arguments).await.map(|()| true),
        Side::Client => check::check(&arguments).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// A line for whoever runs the two; a reader that has gone is not missed.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn fail(why: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "interop-peer: {why}");
    ExitCode::from(2)
}
