//! A network of named hosts: bytes take time, arrive in portions of any size, or do not arrive.

use std::time::Duration;

use super::{
    clock::Clock,
    connection::{Shared, host_of},
    host::Host,
    random::Random,
};

/// The default latency.
pub(super) const LATENCY: Duration = Duration::from_millis(2);

/// A network of named hosts, with the faults that can be injected. Clones are the same network.
///
/// An address is `HOST:PORT`. Faults of a host last until they are undone, also while its process is restarted.
#[derive(Clone)]
pub struct Network(Shared);

impl Network {
    /// Creates a network outside a [`Simulation`](super::Simulation), for tests in one runtime, such as those with
    /// `#[tokio::test(start_paused = true)]`. Must be called within that runtime.
    pub fn new(seed: u64) -> Self {
        Self::simulated(Random::new(seed), &Clock::new(), LATENCY, false)
    }

    /// A network whose every delay and portion follows from `random`.
    pub(super) fn simulated(
        random: Random,
        clock: &Clock,
        latency: Duration,
        keeps_trace: bool,
    ) -> Self {
        Network(Shared::new(random, clock, latency, keeps_trace))
    }

    /// Returns the network as one host sees it, for [`Socket::network`](crate::Socket::network).
    pub fn host(&self, name: &str) -> Host {
        Host::new(&self.0, name)
    }

    /// Sets the longest time that bytes are on their way; the shortest is a tenth of it.
    pub fn set_latency(&self, latency: Duration) {
        self.0.lock().latency = latency;
    }

    /// Drops everything that is sent from one host to another, until [`heal`](Self::heal). The other direction works.
    pub fn cut(&self, from: &str, to: &str) {
        let mut state = self.0.lock();
        state.cuts.insert((from.to_owned(), to.to_owned()));
        state.wake_all();
    }

    /// Undoes [`cut`](Self::cut). What was sent meanwhile arrives, as after retransmissions of TCP.
    pub fn heal(&self, from: &str, to: &str) {
        let mut state = self.0.lock();
        state.cuts.remove(&(from.to_owned(), to.to_owned()));
        state.wake_all();
    }

    /// Stops a host's traffic: it neither sends, receives nor accepts, until [`resume`](Self::resume).
    pub fn stall(&self, host: &str) {
        let mut state = self.0.lock();
        state.stalled.insert(host.to_owned());
        state.wake_all();
    }

    /// Undoes [`stall`](Self::stall).
    pub fn resume(&self, host: &str) {
        let mut state = self.0.lock();
        state.stalled.remove(host);
        state.wake_all();
    }

    /// Refuses new connections to a host, until [`accept`](Self::accept).
    pub fn refuse(&self, host: &str) {
        self.0.lock().refusing.insert(host.to_owned());
    }

    /// Undoes [`refuse`](Self::refuse).
    pub fn accept(&self, host: &str) {
        self.0.lock().refusing.remove(host);
    }

    /// Breaks every connection of a host.
    pub fn reset(&self, host: &str) {
        self.0.lock().reset(host);
    }

    /// Returns how many connections are open.
    pub fn connections(&self) -> usize {
        self.0.lock().connections()
    }

    /// Adds a line to the trace.
    pub(super) fn note(&self, event: &str) {
        self.0.lock().note(event);
    }

    /// The hash of the trace, and its lines if they are kept.
    pub(super) fn trace(&self) -> (u64, Vec<String>) {
        self.0.lock().trace()
    }

    /// Closes the listeners and connections of a host whose process has died.
    pub(super) fn close(&self, host: &str) {
        let closed = {
            let mut state = self.0.lock();
            let addresses = state.listeners.keys();
            let own = addresses.filter(|address| host_of(address) == host);
            let own: Vec<_> = own.cloned().collect();
            let close = own.iter().map(|address| state.listeners.remove(address));
            close.collect::<Vec<_>>()
        };
        // Not under the lock, which connections in a listener's queue take.
        drop(closed);
        self.reset(host);
    }
}
