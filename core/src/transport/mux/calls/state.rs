//! The state of the calls of one connection, and their timeouts.

use std::{sync::atomic::Ordering, task::Context};

use super::{Phase, Slot, Stage, State, Wakers};
use crate::{
    error::{Error, Outcome, Result},
    message::Response,
    net::Limits,
    time::{NEVER, Nanos},
    transport::mux::{
        frame::{kind, write_bare},
        names::NameEncoder,
        preface::Preface,
        queue::Writer,
        stream,
    },
};

impl State {
    /// Records that the connection's task sleeps until `cx` is woken.
    pub(crate) fn sleep(&mut self, cx: &Context<'_>) {
        if !self
            .driver
            .as_ref()
            .is_some_and(|driver| driver.will_wake(cx.waker()))
        {
            self.driver = Some(cx.waker().clone());
        }
        self.asleep = true;
    }

    /// Moves the queue to the writer, which must be empty. Returns whether there was anything. A server that reads nothing and
    /// sends PINGs gets the response to one of them.
    pub(crate) fn hand_over(&mut self, writer: &mut Writer) -> bool {
        if let Some(ping) = self.pong.take() {
            write_bare(self.queue.tail(), kind::PONG, ping, &[]);
        }
        self.queue.hand_over(writer)
    }

    /// Stores the peer's preface; returns those that waited for it.
    pub(crate) fn introduced(&mut self, other: &Preface, limits: &Limits) -> Wakers {
        self.introduced = true;
        self.message_limit = limits.message_u32().min(other.message) as usize;
        self.head_limit = limits.head_u32().min(other.head) as usize;
        let names = u16::try_from(other.names).unwrap_or(u16::MAX);
        self.names = NameEncoder::new(names.min(limits.max_endpoint_names));
        self.window = other.window;
        for streams in self.streams.values() {
            if let Some(credit) = &streams.credit {
                credit.grant(other.window);
            }
        }
        self.waited = NEVER;
        std::mem::take(&mut self.waiting)
    }

    /// Whether the connection has nothing left to do and accepts no new calls.
    pub(crate) fn is_done(&self) -> bool {
        !matches!(self.stage, Stage::Open) && self.is_idle()
    }

    /// Whether so few calls are in flight that their answers do not come in batches anyway.
    pub(crate) fn has_few(&self) -> bool {
        const MAX_FEW_CALLS: usize = 4;
        (1..=MAX_FEW_CALLS).contains(&(self.slots.len() - self.free.len()))
    }

    /// Whether no call is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len() && self.streams.is_empty()
    }

    /// Starts no new calls; the connection ends with the last one.
    pub(crate) fn go_away(&mut self) {
        if matches!(self.stage, Stage::Open) {
            self.stage = Stage::Draining;
            self.open.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn free(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.phase = Phase::Free;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
    }

    /// The slot of an id, if its generation is still that of the id.
    pub(super) fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id as u32 as usize)?;
        (slot.generation == (id >> 32) as u32).then_some(slot)
    }

    /// Ends a waiting call and collects its waker.
    pub(super) fn complete(&mut self, id: u64, answer: Result<Response>, wakers: &mut Wakers) {
        let Some(slot) = self.slot(id) else { return };
        if !matches!(slot.phase, Phase::Waiting(_)) {
            return;
        }
        if let Phase::Waiting(waiting) = std::mem::replace(&mut slot.phase, Phase::Ready(answer)) {
            wakers.push(waiting.waker);
        }
    }

    /// Ends the calls whose time has passed, and finds the next time to check.
    pub(crate) fn sweep(&mut self, now: Nanos, wakers: &mut Wakers) {
        if self.waited <= now {
            // Each checks for itself whether its time has come.
            wakers.append(&mut self.waiting);
            self.waited = NEVER;
        }
        let mut nearest = self.waited;
        for index in 0..self.slots.len() {
            let id = u64::from(self.slots[index].generation) << 32 | index as u64;
            let Phase::Waiting(waiting) = &mut self.slots[index].phase else {
                continue;
            };
            if waiting.timeout_at > now {
                nearest = nearest.min(waiting.timeout_at);
                continue;
            }
            let over = now >= waiting.deadline;
            let unsent = self.queue.erase(waiting.start);
            if !unsent && !waiting.repeatable && !over {
                // The work may have begun and must not be repeated: wait for the answer.
                waiting.timeout_at = waiting.deadline;
                nearest = nearest.min(waiting.deadline);
                continue;
            }
            let outcome = if unsent {
                Outcome::NotSent
            } else {
                write_bare(self.queue.tail(), kind::CANCEL, id, &[]);
                Outcome::Unknown
            };
            let error = no_answer(over).with_outcome(outcome);
            self.streams.remove(&id);
            self.complete(id, Err(error), wakers);
        }
        self.nearest = nearest.min(self.sweep_streams(now));
    }

    /// Ends the streams whose time has passed; returns when the next one's will.
    fn sweep_streams(&mut self, now: Nanos) -> Nanos {
        let mut nearest = NEVER;
        let State { streams, queue, .. } = self;
        streams.retain(|id, streams| {
            if now < streams.deadline {
                nearest = nearest.min(streams.deadline);
                return true;
            }
            if let Some(inbox) = &streams.inbox {
                inbox.end(Err(stream::cut_off()));
            }
            write_bare(queue.tail(), kind::CANCEL, *id, &[]);
            false
        });
        nearest
    }
}

/// The error of a call whose deadline or attempt timeout has passed.
pub(super) fn no_answer(over: bool) -> Error {
    match over {
        true => Error::deadline_exceeded("no answer before the deadline"),
        false => Error::unavailable("no answer in the time other calls take"),
    }
}
