//! The body of a request, sent while the response is awaited.

use bytes::Bytes;
use h2::SendStream;
use tokio::task::JoinHandle;

use super::send;
use crate::http::HttpBody;

/// The task that sends a body; it ends with the call.
#[derive(Debug)]
pub(super) struct Upload(JoinHandle<()>);

impl Upload {
    pub(super) fn begin(mut stream: SendStream<Bytes>, body: HttpBody) -> Self {
        Upload(tokio::spawn(async move {
            // A streaming body may wait for as long as its reader likes, who is notified of an error.
            if let Err(error) = send::rest(&mut stream, body, None).await {
                tracing::debug!(%error, "the body of a request broke off");
            }
        }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}
