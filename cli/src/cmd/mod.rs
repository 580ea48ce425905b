//! The commands, one file each.
//!
//! A file has a struct of its arguments and `run(self, &Session)`, which is all that this file knows of it.

mod completions;

use clap::Subcommand;

use crate::{failure::Result, session::Session};

#[derive(Subcommand)]
pub(crate) enum Command {
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(self, session: &Session) -> Result {
        match self {
            Command::Completions(command) => command.run(session),
        }
    }
}
