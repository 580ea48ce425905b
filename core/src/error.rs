//! [`Error`], the one error of the library: what went wrong ([`Code`]), and whether the work may have been done ([`Outcome`]).

pub mod details;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::metadata::Metadata;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as one of gRPC's sixteen codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Code {
    /// The caller gave up.
    Cancelled = 1,
    /// No other code is known to fit.
    Unknown = 2,
    /// The request itself is invalid; sending it again will fail again.
    InvalidArgument = 3,
    /// The deadline has passed.
    DeadlineExceeded = 4,
    /// No such service, endpoint or thing.
    NotFound = 5,
    /// The resource to be created exists already.
    AlreadyExists = 6,
    /// The caller is authenticated, but lacks permission.
    PermissionDenied = 7,
    /// A limit was reached.
    ResourceExhausted = 8,
    /// The system is not in the state that the request needs.
    FailedPrecondition = 9,
    /// A concurrent change interfered.
    Aborted = 10,
    /// Past the valid range.
    OutOfRange = 11,
    /// The endpoint does not support this.
    Unimplemented = 12,
    /// An internal fault of the answering side.
    Internal = 13,
    /// Not reachable or not ready; another attempt may succeed.
    Unavailable = 14,
    /// Data was lost or damaged.
    DataLoss = 15,
    /// The caller is not authenticated.
    Unauthenticated = 16,
}

const CODES: [(Code, &str, u16); 16] = [
    (Code::Cancelled, "cancelled", 499),
    (Code::Unknown, "unknown", 500),
    (Code::InvalidArgument, "invalid_argument", 400),
    (Code::DeadlineExceeded, "deadline_exceeded", 408),
    (Code::NotFound, "not_found", 404),
    (Code::AlreadyExists, "already_exists", 409),
    (Code::PermissionDenied, "permission_denied", 403),
    (Code::ResourceExhausted, "resource_exhausted", 429),
    (Code::FailedPrecondition, "failed_precondition", 412),
    (Code::Aborted, "aborted", 409),
    (Code::OutOfRange, "out_of_range", 400),
    (Code::Unimplemented, "unimplemented", 501),
    (Code::Internal, "internal", 500),
    (Code::Unavailable, "unavailable", 503),
    (Code::DataLoss, "data_loss", 500),
    (Code::Unauthenticated, "unauthenticated", 401),
];

impl Code {
    /// Returns the gRPC number, 1 to 16.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the code of a gRPC number, [`Code::Unknown`] for an unknown one.
    pub fn from_number(number: u8) -> Self {
        CODES
            .iter()
            .find(|(code, ..)| code.number() == number)
            .map_or(Code::Unknown, |(code, ..)| *code)
    }

    /// Returns the name in lower snake case, such as `not_found`.
    pub fn as_str(self) -> &'static str {
        CODES[self as usize - 1].1
    }

    /// Returns the corresponding HTTP status.
    pub fn http_status(self) -> u16 {
        CODES[self as usize - 1].2
    }

    /// Whether a repeatable call may be attempted again after an answer of this code.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about the work of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Outcome {
    /// The handler, or a layer in front of it, answered with this error.
    #[default]
    Answered = 0,
    /// The request was not sent; nothing was done.
    NotSent = 1,
    /// The request was sent and no answer came: the work may or may not have been done.
    Unknown = 2,
    /// The server refused the request before any work; another node may accept it.
    Rejected = 3,
}

impl Outcome {
    /// Returns the name in lower case, such as `not sent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::NotSent => "not sent",
            Outcome::Unknown => "unknown",
            Outcome::Rejected => "rejected",
        }
    }

    /// Returns the outcome of a number on the wire, [`Outcome::Unknown`] for an unknown one.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Outcome::Answered,
            1 => Outcome::NotSent,
            3 => Outcome::Rejected,
            _ => Outcome::Unknown,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the reason why a request was not sent can pass. For the calling loop; not sent to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recovery {
    /// It cannot: an untrusted certificate, a different protocol.
    Never,
    /// It hardly can: the connection was closed before a byte was received.
    Unlikely,
    /// The address did not answer, as while a node restarts.
    Unreachable,
    /// It can, or nothing is known.
    #[default]
    Possible,
    /// The node closed a kept connection before it answered on it: a new connection will do.
    Reconnect,
}

/// The metadata of an error whose HTTP status differs from that of its code.
const HTTP_STATUS: &str = "http-status";

/// Why a call, a publish or a registration failed.
///
/// One pointer in size, cheap to move. There is a constructor for each code:
///
/// ```
/// use micro::{Code, Error, Outcome};
///
/// let error = Error::not_found("no greeting for `Zaphod`");
/// assert_eq!(error.code(), Code::NotFound);
/// assert_eq!(error.outcome(), Outcome::Answered);
/// assert_eq!(error.to_string(), "no greeting for `Zaphod` (not_found)");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    outcome: Outcome,
    recovery: Recovery,
    message: Cow<'static, str>,
    /// Where the error was created: `service/endpoint`, a node or a part of the library. Empty if unknown.
    origin: Cow<'static, str>,
    retry_after: Option<Duration>,
    metadata: Metadata,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($name:ident $code:ident $article:literal),* $(,)?) => {$(
        #[doc = concat!($article, " [`Code::", stringify!($code), "`] error.")]
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
            Self::new(Code::$code, message)
        }
    )*};
}

impl Error {
    /// Creates an error with a code and a message for people. Its outcome is [`Outcome::Answered`].
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            code,
            outcome: Outcome::Answered,
            recovery: Recovery::Possible,
            message: message.into(),
            origin: Cow::Borrowed(""),
            retry_after: None,
            metadata: Metadata::new(),
            source: None,
        }))
    }

    constructors! {
        cancelled Cancelled "A",
        unknown Unknown "An",
        invalid_argument InvalidArgument "An",
        deadline_exceeded DeadlineExceeded "A",
        not_found NotFound "A",
        already_exists AlreadyExists "An",
        permission_denied PermissionDenied "A",
        resource_exhausted ResourceExhausted "A",
        failed_precondition FailedPrecondition "A",
        aborted Aborted "An",
        out_of_range OutOfRange "An",
        unimplemented Unimplemented "An",
        internal Internal "An",
        unavailable Unavailable "An",
        data_loss DataLoss "A",
        unauthenticated Unauthenticated "An",
    }

    /// Returns the code: what went wrong.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the outcome: what is known about the work.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Returns the message alone, without code and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns where the error was created, such as `greeter/Greeter.Hello`; empty if unknown.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// Returns how long the server asks callers to wait, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the metadata that travels with the error.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// Returns the metadata that travels with the error, for changes.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    /// Returns the HTTP status of the error, which go-micro calls its code: that of
    /// [`Error::with_http_status`], or the code's own.
    pub fn http_status(&self) -> u16 {
        let said = self.0.metadata.get(HTTP_STATUS);
        let said = said.and_then(|status| status.parse().ok());
        said.unwrap_or_else(|| self.0.code.http_status())
    }

    /// Whether another attempt may be made: always if nothing was done, only for
    /// repeatable calls if the work may have been done, and by the code if it was answered.
    pub fn is_retryable(&self, idempotent: bool) -> bool {
        match self.0.outcome {
            Outcome::NotSent | Outcome::Rejected => true,
            Outcome::Unknown => idempotent,
            Outcome::Answered => idempotent && self.0.code.is_retryable(),
        }
    }

    /// Sets the outcome.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Sets whether the reason of the error can pass.
    pub(crate) fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.0.recovery = recovery;
        self
    }

    /// Returns whether the reason of the error can pass.
    pub(crate) fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    /// Turns an error that a handler passes on into the handler's own answer: that a call it made was not sent says
    /// nothing about the handler's own work.
    pub(crate) fn answered(self) -> Self {
        match self.0.outcome {
            Outcome::Answered => self,
            _ => self.with_outcome(Outcome::Answered),
        }
    }

    /// Sets where the error was created.
    pub fn with_origin(mut self, origin: impl Into<Cow<'static, str>>) -> Self {
        self.0.origin = origin.into();
        self
    }

    /// Asks callers to wait for `after`.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Sets an HTTP status that no code has, such as 418. It travels as the metadata
    /// `http-status`.
    pub fn with_http_status(mut self, status: u16) -> Self {
        if self.0.code.http_status() == status {
            self.0.metadata.remove(HTTP_STATUS);
        } else {
            self.0.metadata.insert(HTTP_STATUS, &status.to_string());
        }
        self
    }

    /// Sets the cause, which stays in this process: a server logs it, and callers receive only the
    /// message, the code and the details.
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Puts `context: ` in front of the message.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message).into();
        self
    }
}

impl Error {
    /// Writes the chain of causes, without those whose text has been written already: errors made by
    /// `thiserror` and by conversions often repeat the text of their cause.
    fn write_sources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut source = std::error::Error::source(self);
        if source.is_none() {
            return Ok(());
        }
        let mut written = self.0.message.to_string();
        while let Some(cause) = source {
            let text = cause.to_string();
            let said = cause.downcast_ref::<Error>().map_or(&*text, Error::message);
            if !written.contains(said) {
                write!(f, ": {text}")?;
                written.push_str(&text);
            }
            source = cause.source();
        }
        Ok(())
    }
}

/// Writes origin, message, causes, code and outcome, for people. Only the
/// message, the code and the details travel to callers.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.origin.is_empty() {
            write!(f, "{}: ", self.0.origin)?;
        }
        f.write_str(&self.0.message)?;
        self.write_sources(f)?;
        match self.0.outcome {
            Outcome::Answered => write!(f, " ({})", self.0.code),
            outcome => write!(f, " ({}, {outcome})", self.0.code),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An I/O error in a handler is a fault of the server: [`Code::Internal`].
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::internal("input or output failed").with_source(error)
    }
}

/// A [`micro::Error`](Error) inside is kept, with its code and outcome. Everything else becomes
/// [`Code::Internal`], with the error as its cause: the log has its text, and callers do not.
#[cfg(feature = "anyhow")]
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(other) => Error::internal("the handler failed").with_source(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "anyhow")]
    #[test]
    fn micro_error_inside_anyhow_is_kept() {
        use anyhow::Context as _;
        let ours: anyhow::Result<()> = Err(Error::not_found("no article 7").into());
        let error = Error::from(ours.context("while ordering").unwrap_err());
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.message(), "no article 7");
        let other = Error::from(anyhow::anyhow!("password of the database is wrong"));
        assert_eq!(other.code(), Code::Internal);
        assert_eq!(other.message(), "the handler failed");
        assert!(other.to_string().contains("password"), "{other}");
    }

    #[test]
    fn codes_survive_their_numbers() {
        for (code, name, _) in CODES {
            assert_eq!(Code::from_number(code.number()), code);
            assert_eq!(code.as_str(), name);
        }
        assert_eq!(Code::from_number(99), Code::Unknown);
    }

    #[test]
    fn http_status_is_kept_beside_the_code() {
        let teapot = Error::unknown("short and stout").with_http_status(418);
        assert_eq!((teapot.code(), teapot.http_status()), (Code::Unknown, 418));
        let plain = teapot.with_http_status(500);
        assert_eq!(plain.http_status(), 500);
        assert!(plain.metadata().is_empty());
        assert_eq!(Error::not_found("x").http_status(), 404);
    }

    #[test]
    fn text_of_a_cause_is_not_repeated() {
        #[derive(Debug)]
        struct Missing;
        impl fmt::Display for Missing {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no product `x`")
            }
        }
        impl std::error::Error for Missing {}
        let error = Error::not_found(Missing.to_string()).with_source(Missing);
        assert_eq!(error.to_string(), "no product `x` (not_found)");
        let error = Error::internal("cannot load").with_source(error);
        let expected = "cannot load: no product `x` (not_found) (internal)";
        assert_eq!(error.to_string(), expected);
        let error =
            Error::internal("no product `x`").with_source(Error::not_found("no product `x`"));
        assert_eq!(error.to_string(), "no product `x` (internal)");
        let error = Error::internal("y").with_source(io("the disk is full"));
        let error = Error::unavailable("z").with_source(error);
        let expected = "z: y: the disk is full (internal) (unavailable)";
        assert_eq!(error.to_string(), expected);
    }

    fn io(text: &str) -> std::io::Error {
        std::io::Error::other(text.to_owned())
    }

    #[test]
    fn error_is_one_pointer() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn only_harmless_outcomes_are_retried_without_idempotence() {
        let error = |outcome| Error::unavailable("x").with_outcome(outcome);
        assert!(error(Outcome::NotSent).is_retryable(false));
        assert!(error(Outcome::Rejected).is_retryable(false));
        assert!(!error(Outcome::Unknown).is_retryable(false));
        assert!(error(Outcome::Unknown).is_retryable(true));
        assert!(!error(Outcome::Answered).is_retryable(false));
        assert!(error(Outcome::Answered).is_retryable(true));
        assert!(!Error::not_found("x").is_retryable(true));
    }
}
