//! Why a command ends with another exit code than 0.

use std::{fmt, io};

use micro::{Code, Error, Outcome};

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
    /// The exit code it stands for.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::NotFound(_) => 3,
            Failure::Registry(_) => 4,
            Failure::Closed => 0,
        }
    }

    /// What could not be done, and why; for `map_err`.
    pub(crate) fn because<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |why| Failure::Failed(format!("{what}: {why}"))
    }
}

/// What is said of it on stderr; nothing, where nobody is left to hear it.
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

/// Whether the service that was called has no node; not whether one that its handler called has none.
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

/// A failure to write the output, which is the end of the work when its reader has gone.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::Closed;
        }
        Failure::Failed(format!("output could not be written: {error}"))
    }
}
