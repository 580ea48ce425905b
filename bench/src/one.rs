//! One side of a system in this process, the other in a child: for callgrind.

use crate::{
    args::{Args, Role},
    cell,
    process::{Server, run_for, serve_calls},
    system::Kind,
};
use anyhow::{Context as _, Result};

/// Makes `--calls` calls in the cell that `--only` names, `32x64` by default.
pub(crate) fn run(kind: Kind, args: &Args) -> Result<()> {
    let name = args.only.first().map_or("32x64", String::as_str);
    let cell = cell::named(name).with_context(|| format!("no cell `{name}`"))?;
    match args.role {
        Role::Client => {
            let server = Server::start(kind, cell)?;
            run_for(kind, cell, crate::loopback(server.port), args.calls)
        }
        Role::Server => serve_calls(kind, cell, args.calls),
    }
}
