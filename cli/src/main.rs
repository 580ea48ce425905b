//! The `micro` command: finds, calls and measures services.
//!
//! [`cmd`] has one file for each command. A command has its arguments and the [`Session`]: the plugins of the
//! global flags, and the output. Data goes to stdout, messages to stderr.

mod address;
mod arguments;
#[cfg(feature = "cert")]
mod authority;
mod check;
mod cmd;
mod copy;
mod doctor;
mod ephemeral;
mod failure;
mod grpc_services;
mod load;
mod lookup;
mod nodes;
mod printable;
mod record;
mod reflection;
mod session;
mod signals;
mod table;
mod target;
mod throttle;
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
    /// The session of these flags.
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
    fn definitions_of_all_commands_agree() {
        super::Micro::command().debug_assert();
    }
}
