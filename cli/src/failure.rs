//! Failures of commands, and their exit codes.

use std::{fmt, io};

use micro::{Code, Error, Outcome};

/// The result of every command.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A failure of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: the call or the check failed.
    Failed(String),
    /// 2: the arguments or the input are wrong.
    Usage(String),
    /// 3: the service, endpoint or node does not exist.
    NotFound(String),
    /// 4: the registry cannot be reached.
    Registry(Error),
    /// 0: the reader of stdout has closed it.
    Closed,
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::NotFound(_) => 3,
            Failure::Registry(_) => 4,
            Failure::Closed => 0,
        }
    }

    /// For `map_err`: `what` could not be done.
    pub(crate) fn because<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |why| Failure::Failed(format!("{what}: {why}"))
    }
}

/// The text for stderr.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(text) | Failure::Usage(text) | Failure::NotFound(text) => {
                f.write_str(text)
            }
            Failure::Registry(error) => error.fmt(f),
            Failure::Closed => Ok(()),
        }
    }
}

/// Whether the called service has no node. An error of a service that its handler called does not count.
pub(crate) fn has_no_nodes(error: &Error) -> bool {
    error.outcome() == Outcome::NotSent && error.reason().as_deref() == Some("NO_NODES")
}

/// A call's failure.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code() {
            Code::NotFound => Failure::NotFound(error.to_string()),
            _ if has_no_nodes(&error) => Failure::NotFound(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}

/// An error of writing to stdout, which ends the command.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::Closed;
        }
        Failure::Failed(format!("output could not be written: {error}"))
    }
}
