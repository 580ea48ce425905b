//! The floor's client: callers leave a frame and a waker, one task moves the bytes.

use super::frame::{Reader, poll_write, put};
use crate::{message::Echo, system::Client};
use anyhow::{Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use slab::Slab;
use std::{
    future::poll_fn,
    io, mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::net::TcpStream;

/// A handle to the connection; its clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    state: Arc<Mutex<State>>,
}

struct State {
    slots: Slab<Slot>,
    /// Frames that no write has taken yet.
    out: Vec<u8>,
    /// The connection task, while it sleeps with nothing to write.
    driver: Option<Waker>,
    closed: bool,
}

enum Slot {
    Waiting(Waker),
    Answered(Bytes),
}

impl Connection {
    /// Spawns the task that moves the bytes; it ends with the connection.
    pub(super) fn over(stream: TcpStream) -> Self {
        let state = Arc::new(Mutex::new(State {
            slots: Slab::new(),
            out: Vec::new(),
            driver: None,
            closed: false,
        }));
        let mut driver = Driver {
            state: state.clone(),
            stream,
            reader: Reader::new(),
            writing: Vec::new(),
            sent: 0,
            woken: Vec::new(),
        };
        tokio::spawn(async move {
            let _left = poll_fn(|cx| driver.poll(cx)).await;
            driver.close();
        });
        Self { state }
    }

    /// Queues the request and takes a slot, both under one lock.
    fn start(&self, body: &[u8], waker: &Waker) -> Option<usize> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let key = state.slots.insert(Slot::Waiting(waker.clone()));
        put(&mut state.out, key as u64, body);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Some(key)
    }

    fn poll_answer(&self, key: usize, waker: &Waker) -> Poll<Option<Bytes>> {
        let mut state = self.state.lock();
        let closed = state.closed;
        match &mut state.slots[key] {
            Slot::Waiting(_) if closed => Poll::Ready(None),
            Slot::Waiting(waiting) => {
                waiting.clone_from(waker);
                Poll::Pending
            }
            Slot::Answered(body) => {
                let body = mem::take(body);
                state.slots.remove(key);
                Poll::Ready(Some(body))
            }
        }
    }
}

impl Client for Connection {
    async fn call(&self, request: Echo) -> Result<Echo> {
        let mut key = None;
        let answer = poll_fn(|cx| match key {
            Some(key) => self.poll_answer(key, cx.waker()),
            None => {
                key = self.start(&request.body, cx.waker());
                if key.is_some() {
                    Poll::Pending
                } else {
                    Poll::Ready(None)
                }
            }
        });
        let Some(body) = answer.await else {
            bail!("connection closed");
        };
        Ok(Echo { body })
    }
}

struct Driver {
    state: Arc<Mutex<State>>,
    stream: TcpStream,
    reader: Reader,
    /// The buffer taken from the callers, who meanwhile fill the one it replaced.
    writing: Vec<u8>,
    sent: usize,
    /// Kept between batches for its capacity.
    woken: Vec<Waker>,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        while let Poll::Ready(result) = self.reader.poll_fill(&mut self.stream, cx) {
            result?;
            self.deliver();
        }
        Poll::Pending
    }

    /// Writes until nothing is queued, and then leaves a waker for the next caller.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                let mut state = self.state.lock();
                if state.out.is_empty() {
                    state.driver = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                mem::swap(&mut self.writing, &mut state.out);
            }
            match poll_write(&mut self.stream, &mut self.writing, &mut self.sent, cx) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
    }

    /// Answers a batch under one lock, and wakes outside of it.
    fn deliver(&mut self) {
        let mut state = self.state.lock();
        while let Some((key, body)) = self.reader.next() {
            let Some(slot) = state.slots.get_mut(key as usize) else {
                continue;
            };
            let answer = Slot::Answered(Bytes::copy_from_slice(body));
            if let Slot::Waiting(waker) = mem::replace(slot, answer) {
                self.woken.push(waker);
            }
        }
        drop(state);
        for waker in self.woken.drain(..) {
            waker.wake();
        }
    }

    fn close(&mut self) {
        let mut state = self.state.lock();
        state.closed = true;
        for (_, slot) in &state.slots {
            if let Slot::Waiting(waker) = slot {
                waker.wake_by_ref();
            }
        }
    }
}
