//! An endless response, line by line.

use bytes::{Buf, Bytes, BytesMut};

use super::LinkLease;
use crate::error::{Error, Result};

/// The largest size of a line: an object of Kubernetes has no more than a fifth of it.
const MAX_LINE_SIZE: usize = 8 * 1024 * 1024;

/// The lines of a response. Dropping it closes the connection.
pub struct Lines {
    taken: LinkLease,
    unread: BytesMut,
    /// How many bytes of the buffer contain no end of line.
    searched: usize,
}

impl Lines {
    pub(super) fn new(taken: LinkLease) -> Self {
        let unread = BytesMut::new();
        Lines {
            taken,
            unread,
            searched: 0,
        }
    }

    /// Returns the next line, without its end; `None` if the server has ended the response. The wait is not bounded. Cancel
    /// safe.
    ///
    /// Fails with [`Code::Unavailable`](crate::Code::Unavailable) if the connection is lost or a line is too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let end = self.unread[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.unread.split_to(self.searched + end).freeze();
                self.unread.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.unread.len();
            if self.searched > MAX_LINE_SIZE {
                let text = format!("a line of its answer has more than {MAX_LINE_SIZE} bytes");
                return Err(Error::unavailable(text));
            }
            let data = self.taken.link.data().await.map_err(|why| {
                Error::unavailable("its answer was cut off").with_source(Error::from(why))
            })?;
            match data {
                Some(data) => self.unread.extend_from_slice(&data),
                None => return Ok(None),
            }
        }
    }
}
