//! A stream of what a future sends, which works only while somebody reads.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use micro::{Compression, Error, Message, Result, Streaming};
use tokio::sync::mpsc;

/// Where messages are sent to.
#[derive(Debug)]
pub struct Sender<T>(mpsc::Sender<(T, Option<bool>)>);

impl<T> Sender<T> {
    /// Sends a message, compressed, plain, or as it comes.
    ///
    /// # Errors
    /// `Cancelled` when nobody reads any more.
    pub async fn send(&self, message: T, compressed: Option<bool>) -> Result<()> {
        let sent = self.0.send((message, compressed)).await;
        sent.map_err(|_| Error::cancelled("nobody reads the stream any more"))
    }
}

/// The stream of what `work` sends, and then how that ended. Dropping the stream ends it too.
pub fn stream<T, Working>(
    compression: Option<&Compression>,
    work: impl FnOnce(Sender<T>) -> Working,
) -> Streaming<T>
where
    T: Message,
    Working: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, messages) = mpsc::channel(1);
    Streaming::new(Answers {
        work: Some(Box::pin(work(Sender(sender)))),
        messages,
        compression: compression.cloned(),
        ended: None,
    })
}

struct Answers<T> {
    work: Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>,
    messages: mpsc::Receiver<(T, Option<bool>)>,
    compression: Option<Compression>,
    ended: Option<Error>,
}

impl<T: Message> Stream for Answers<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.messages.poll_recv(cx) {
                Poll::Ready(Some((message, compressed))) => {
                    if let (Some(compression), Some(compressed)) = (&this.compression, compressed) {
                        compression.compress(compressed);
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Poll::Ready(None) if this.work.is_none() => {
                    return Poll::Ready(this.ended.take().map(Err));
                }
                _ => {}
            }
            let Some(work) = &mut this.work else {
                return Poll::Pending;
            };
            match work.as_mut().poll(cx) {
                Poll::Ready(ended) => {
                    this.ended = ended.err();
                    this.work = None;
                }
                Poll::Pending if this.messages.is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}
