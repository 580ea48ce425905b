//! The `micro` command: look at services, call them, and try them hard.
//!
//! [`cmd`] has one file a command. Each takes its arguments and the [`Session`]: the plugins that the
//! global flags name, and where to write. Data goes to stdout, words to stderr.

mod arguments;
#[cfg(feature = "cert")]
mod authority;
mod by_hand;
mod check;
mod cmd;
mod copy;
mod doctor;
mod failure;
mod held;
mod load;
mod lookup;
mod nodes;
mod offered;
mod printable;
mod quiet;
mod record;
mod reflection;
mod session;
mod signals;
mod table;
mod target;
mod warnings;

use std::process::ExitCode;

use clap::Parser;

use cmd::Command;
use failure::Failure;
use session::{Flags, Session};

/// Find, call and watch services
#[derive(Parser)]
#[command(name = "micro", version, about, disable_help_subcommand = true)]
struct Micro {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[cfg(test)]
impl Micro {
    /// What its command would work with.
    fn session(self) -> Session {
        Session::new(self.flags)
    }
}

fn main() -> ExitCode {
    let Micro { flags, command } = Micro::parse();
    warnings::show();
    let session = Session::new(flags);
    match command.run(&session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(failure) => {
            session.say_error(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_of_all_commands_agree() {
        super::Micro::command().debug_assert();
    }
}
