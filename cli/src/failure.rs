//! Why a command ends with another exit code than 0.

use std::{io, process::ExitCode};

use micro::{Code, Error};

use crate::session::Session;

/// The result of every command.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// What a command failed with.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: the call or the check failed.
    Failed(String),
    /// 2: the arguments or the input are wrong.
    Usage(String),
    /// 3: there is nothing of that name.
    NotFound(String),
    /// 4: the registry cannot be reached.
    Registry(Error),
    /// 0: whoever read our output has read enough.
    Closed,
}

impl Failure {
    /// Says it on stderr, and gives the exit code.
    pub(crate) fn report(&self, session: &Session) -> ExitCode {
        let (code, text) = match self {
            Failure::Failed(text) => (1, text.clone()),
            Failure::Usage(text) => (2, text.clone()),
            Failure::NotFound(text) => (3, text.clone()),
            Failure::Registry(error) => (4, error.to_string()),
            Failure::Closed => return ExitCode::SUCCESS,
        };
        session.say_error(&text);
        ExitCode::from(code)
    }
}

impl Failure {
    /// What could not be done, and why; for `map_err`.
    pub(crate) fn because<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |why| Failure::Failed(format!("{what}: {why}"))
    }
}

/// A call's failure.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code() {
            Code::NotFound => Failure::NotFound(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}

/// A failure to write the output, which is the end of the work when its reader has gone.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::Closed;
        }
        Failure::Failed(format!("output could not be written: {error}"))
    }
}
