//! The floor's server: one task a connection, which answers where it reads.

use super::frame::{Reader, poll_write, put};
use std::{future::poll_fn, io, task::Context, task::Poll};
use tokio::net::TcpStream;

/// Answers unsent before reading stops; without it a client that never reads would fill memory.
const BACKLOG: usize = 4 * 1024 * 1024;

/// Echoes until the peer leaves, which is the only way this ends.
pub(super) async fn echo(stream: TcpStream) {
    let mut connection = Connection {
        stream,
        reader: Reader::new(),
        out: Vec::new(),
        sent: 0,
    };
    let _left = poll_fn(|cx| connection.poll(cx)).await;
}

struct Connection {
    stream: TcpStream,
    reader: Reader,
    out: Vec<u8>,
    sent: usize,
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let full = self.out.len() - self.sent >= BACKLOG;
            let read = !full && self.poll_requests(cx)?.is_ready();
            let written = poll_write(&mut self.stream, &mut self.out, &mut self.sent, cx)?;
            let room_again = full && written.is_ready();
            if !read && !room_again {
                return Poll::Pending;
            }
        }
    }

    /// One read, and the answers to all it brought.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let read = self.reader.poll_fill(&mut self.stream, cx)?;
        while let Some((id, body)) = self.reader.next() {
            put(&mut self.out, id, body);
        }
        read.map(Ok)
    }
}
