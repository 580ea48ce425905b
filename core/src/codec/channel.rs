//! A bounded channel from many senders to one receiver: one lock a message on each side.
//!
//! Every message of a stream passes through one when it is sent. A general channel of semaphores and linked blocks
//! costs four times as much a message as this queue, whose lock is rarely contended.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Messages received in a row before other tasks of the thread run.
const TURN: u32 = 128;

struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    messages: VecDeque<T>,
    capacity: usize,
    senders: usize,
    /// Whether the receiver has been dropped.
    closed: bool,
    receiver: Option<Waker>,
    /// Senders waiting for space. All are woken at once, since a woken one may have given up.
    waiting: Vec<Waker>,
    /// Those that wait for the receiver to be dropped.
    closing: Vec<Waker>,
}

/// Creates a channel for at most `capacity` messages, which must not be 0.
pub(super) fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State {
        messages: VecDeque::new(),
        capacity,
        senders: 1,
        closed: false,
        receiver: None,
        waiting: Vec::new(),
        closing: Vec::new(),
    })));
    let receiver = Receiver {
        shared: shared.clone(),
        in_a_row: 0,
    };
    (Sender(shared), receiver)
}

/// A sending end.
pub(super) struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends a message when there is space; `None` if the receiver has been dropped.
    pub(super) fn send(&self, message: T) -> Send<'_, T> {
        Send {
            shared: &self.0,
            message: Some(message),
        }
    }

    /// Ready when the receiver has been dropped.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.0.lock();
        if state.closed {
            return Poll::Ready(());
        }
        register(&mut state.closing, cx.waker());
        Poll::Pending
    }
}

/// Adds a waker, once.
fn register(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|other| other.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

/// A message that is being sent.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Send<'a, T> {
    shared: &'a Shared<T>,
    message: Option<T>,
}

/// The message is never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Option<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let mut state = self.shared.0.lock();
        if state.closed {
            return Poll::Ready(None);
        }
        if state.messages.len() >= state.capacity {
            register(&mut state.waiting, cx.waker());
            return Poll::Pending;
        }
        if let Some(message) = self.message.take() {
            state.messages.push_back(message);
        }
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Poll::Ready(Some(()))
    }
}

/// The receiving end.
pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Messages received since the task last waited.
    in_a_row: u32,
}

impl<T> Receiver<T> {
    /// Returns the next message; `None` when every sender has been dropped.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.in_a_row >= TURN {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut state = self.shared.0.lock();
        let Some(message) = state.messages.pop_front() else {
            if state.senders == 0 {
                return Poll::Ready(None);
            }
            self.in_a_row = 0;
            state.receiver = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.in_a_row += 1;
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(message))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.0.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        let closing = std::mem::take(&mut state.closing);
        let messages = std::mem::take(&mut state.messages);
        drop(state);
        waiting.into_iter().chain(closing).for_each(Waker::wake);
        // Not under the lock: messages may hold senders of this channel.
        drop(messages);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Polls once.
    async fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }

    async fn next<T>(receiver: &mut Receiver<T>) -> Option<T> {
        poll_fn(|cx| receiver.poll_next(cx)).await
    }

    #[tokio::test]
    async fn full_channel_makes_senders_wait_until_one_is_received() {
        let (sender, mut receiver) = channel(2);
        assert_eq!(sender.send(1).await, Some(()));
        assert_eq!(sender.send(2).await, Some(()));
        let mut third = sender.send(3);
        for _ in 0..9 {
            assert!(once(&mut third).await.is_pending());
        }
        let waiting = sender.0.0.lock().waiting.len();
        assert_eq!(waiting, 1, "asking again takes no more room");
        let receiving = async { (next(&mut receiver).await, next(&mut receiver).await) };
        let (sent, received) = tokio::join!(third, receiving);
        assert_eq!((sent, received), (Some(()), (Some(1), Some(2))));
        assert_eq!(next(&mut receiver).await, Some(3));
    }

    #[tokio::test]
    async fn sender_that_gives_up_does_not_block_another() {
        let (sender, mut receiver) = channel(1);
        assert_eq!(sender.send(0).await, Some(()));
        let mut tasks = Vec::new();
        for number in 1..=8 {
            let sender = sender.clone();
            let sending = async move { sender.send(number).await };
            tasks.push(tokio::spawn(sending));
        }
        tokio::task::yield_now().await;
        for task in tasks.drain(..4) {
            task.abort();
        }
        drop(sender);
        let mut received = Vec::new();
        while let Some(number) = next(&mut receiver).await {
            received.push(number);
        }
        received.sort_unstable();
        assert_eq!(received, [0, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn sent_messages_are_received_after_the_last_sender_is_dropped() {
        let (sender, mut receiver) = channel(4);
        let other = sender.clone();
        assert_eq!(sender.send("one").await, Some(()));
        drop(sender);
        assert_eq!(next(&mut receiver).await, Some("one"));
        let ending = async { drop(other) };
        let (end, ()) = tokio::join!(next(&mut receiver), ending);
        assert_eq!(end, None);
    }

    #[tokio::test]
    async fn waiting_sender_ends_when_the_receiver_is_dropped() {
        let (sender, receiver) = channel(1);
        assert_eq!(sender.send(1).await, Some(()));
        let leaving = async { drop(receiver) };
        let (sent, ()) = tokio::join!(sender.send(2), leaving);
        assert_eq!(sent, None);
        assert_eq!(sender.send(3).await, None);
    }

    #[tokio::test]
    async fn closed_resolves_when_the_receiver_is_dropped() {
        let (sender, mut receiver) = channel(1);
        let mut closed = std::pin::pin!(poll_fn(|cx| sender.poll_closed(cx)));
        assert!(once(&mut closed).await.is_pending());
        assert_eq!(sender.send(1).await, Some(()));
        assert_eq!(next(&mut receiver).await, Some(1));
        assert!(once(&mut closed).await.is_pending());
        let leaving = async { drop(receiver) };
        tokio::join!(closed, leaving);
    }

    #[tokio::test]
    async fn receiver_that_never_waits_yields_to_other_tasks() {
        let (sender, mut receiver) = channel(2 * TURN as usize);
        for number in 0..2 * TURN {
            assert_eq!(sender.send(number).await, Some(()));
        }
        let mut received = 0;
        while once(next(&mut receiver)).await.is_ready() {
            received += 1;
        }
        assert_eq!(received, TURN);
        assert_eq!(next(&mut receiver).await, Some(TURN));
    }
}
