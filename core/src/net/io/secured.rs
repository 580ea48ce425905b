//! A byte stream inside TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsStream, client, server};

use super::{Io, explain};

/// A connection that speaks TLS.
///
/// What was written may wait inside for the socket to have room. Reading sends it on, so that whoever
/// reads all the time, as a protocol does, needs no flush.
pub struct TlsIo {
    stream: TlsStream<Io>,
}

impl TlsIo {
    pub(in crate::net) fn server(stream: server::TlsStream<Io>) -> Self {
        TlsIo {
            stream: stream.into(),
        }
    }

    pub(in crate::net) fn client(stream: client::TlsStream<Io>) -> Self {
        TlsIo {
            stream: stream.into(),
        }
    }

    /// What carries it.
    #[cfg(feature = "http")]
    pub(crate) fn carrier(&self) -> &Io {
        self.stream.get_ref().0
    }

    fn has_unsent(&self) -> bool {
        match &self.stream {
            TlsStream::Client(stream) => stream.get_ref().1.wants_write(),
            TlsStream::Server(stream) => stream.get_ref().1.wants_write(),
        }
    }
}

impl AsyncRead for TlsIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.has_unsent() {
            // A failure is met again by the read, with what the other side said before it.
            let _ = Pin::new(&mut this.stream).poll_flush(cx);
        }
        Pin::new(&mut this.stream)
            .poll_read(cx, buffer)
            .map_err(explain::read)
    }
}

impl AsyncWrite for TlsIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
