//! Errors that end a connection of HTTP/1.1.

use std::{borrow::Cow, io};

use http::StatusCode;

use crate::error::{Code, Error, Outcome};

/// Why nothing more can be read from a connection.
#[derive(Debug)]
pub(crate) enum MessageError {
    /// The message violates HTTP or a limit: the status of the response, and the reason. Since it is unknown where the
    /// next message begins, the connection is closed after the response.
    Refused(StatusCode, Cow<'static, str>),
    /// The connection failed, or ended inside a message.
    Io(io::Error),
}

impl MessageError {
    /// A message that violates the rules: 400.
    pub(super) fn bad(why: impl Into<Cow<'static, str>>) -> Self {
        MessageError::Refused(StatusCode::BAD_REQUEST, why.into())
    }

    /// A message that arrived too slowly: 408.
    pub(super) fn slow(what: &str, limit: &str, most: std::time::Duration) -> Self {
        let why = format!("{what} did not come whole within the limit `{limit}` of {most:?}");
        MessageError::Refused(StatusCode::REQUEST_TIMEOUT, why.into())
    }

    /// A body over the limit: 413.
    pub(super) fn too_large(most: usize) -> Self {
        let why = format!("the body is over the limit `max_message_size` of {most} bytes");
        MessageError::Refused(StatusCode::PAYLOAD_TOO_LARGE, why.into())
    }

    /// The connection ended inside a message.
    pub(super) fn cut_off() -> Self {
        MessageError::Io(io::ErrorKind::UnexpectedEof.into())
    }
}

impl From<io::Error> for MessageError {
    fn from(error: io::Error) -> Self {
        MessageError::Io(error)
    }
}

/// The outcome is [`Outcome::Unknown`]: the requested work may have begun.
impl From<MessageError> for Error {
    fn from(broken: MessageError) -> Self {
        let error = match broken {
            MessageError::Refused(status, why) => {
                let code = match status {
                    StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
                    StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::URI_TOO_LONG
                    | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::ResourceExhausted,
                    _ => Code::DataLoss,
                };
                Error::new(code, why)
            }
            MessageError::Io(error) => {
                Error::unavailable("the connection ended amid a message").with_source(error)
            }
        };
        error.with_outcome(Outcome::Unknown)
    }
}
