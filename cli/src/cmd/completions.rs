//! `micro completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Micro, failure::Result, session::Session};

/// Print a shell's completion script
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, session: &Session) -> Result {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Micro::command(), "micro", &mut script);
        session.print(String::from_utf8_lossy(&script).trim_end())
    }
}
