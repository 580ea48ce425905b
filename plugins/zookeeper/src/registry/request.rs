//! Requests to the task of the connection, and its responses.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::watches::Watch;
use micro_core::{Error, Result, net::tls::Connector};

/// The path does not exist.
pub(super) const NO_NODE: i32 = -101;
/// The path exists already.
pub(super) const NODE_EXISTS: i32 = -110;
/// The version differs.
pub(super) const BAD_VERSION: i32 = -103;
/// The path has children.
pub(super) const NOT_EMPTY: i32 = -111;

/// Why a request failed.
#[derive(Clone, Debug)]
pub(super) enum RequestError {
    /// ZooKeeper refused with this error number.
    Refused(i32),
    /// ZooKeeper is not reachable, or the connection was lost.
    Lost(Error),
}

impl RequestError {
    /// The error for users, with the path.
    pub(super) fn into_error(self, path: &str) -> Error {
        let number = match self {
            RequestError::Lost(error) => return error,
            RequestError::Refused(number) => number,
        };
        match number {
            -102 => Error::permission_denied(format!(
                "not authorized at `{path}`; give a user and a password that the access list there knows"
            )),
            -115 | -124 => Error::unauthenticated("the user or password is refused"),
            -125 => Error::resource_exhausted(format!("the quota at `{path}` is used up")),
            -6 => Error::failed_precondition(
                "it knows no recursive watches; ZooKeeper 3.6 or later is needed",
            ),
            NO_NODE | NODE_EXISTS | BAD_VERSION => {
                Error::aborted(format!("others change `{path}` all the time; try again"))
            }
            number => Error::unavailable(format!("error {number} at `{path}`")),
        }
    }

    pub(super) fn is(&self, number: i32) -> bool {
        matches!(self, RequestError::Refused(refused) if *refused == number)
    }
}

/// A response, and the session of its connection.
pub(super) struct Response {
    pub(super) body: Bytes,
    pub(super) session: i64,
}

pub(super) type ResponseReceiver = oneshot::Receiver<Result<Response, RequestError>>;

/// A request to the task.
pub(super) struct Request {
    pub(super) op: i32,
    pub(super) body: Vec<u8>,
    pub(super) watch: Option<Watch>,
    pub(super) answer: oneshot::Sender<Result<Response, RequestError>>,
}

/// State shared by the client and its task.
pub(super) struct Shared {
    pub(super) hosts: Vec<String>,
    pub(super) tls: Option<Connector>,
    /// `user:password`, for the scheme `digest`.
    pub(super) secret: Option<String>,
    /// The session timeout.
    pub(super) timeout: Duration,
    /// The id and password of the session, kept over connections; 0 for none.
    pub(super) session: Mutex<(i64, Bytes)>,
    /// Counts lost connections.
    pub(super) losses: watch::Sender<u64>,
    /// Why the last connection was lost.
    pub(super) reason: Mutex<Option<Error>>,
}

impl Shared {
    pub(super) fn lose(&self, error: Error) {
        *self.reason.lock() = Some(error);
        self.losses.send_modify(|losses| *losses += 1);
    }
}

/// The error for an unreadable response.
pub(super) fn garbled() -> RequestError {
    RequestError::Lost(Error::unavailable(
        "what was answered is not of ZooKeeper's protocol; check the address",
    ))
}
