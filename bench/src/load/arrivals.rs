//! When the next request is due, to the microsecond.
//!
//! tokio's timer counts in milliseconds, which would send ten requests of a 10,000/s load at once and
//! so measure batches. A timerfd has no such grain and no slack; a thread of the client waits on it
//! and hands each arrival to the runtime. Its switches are part of the client's CPU time, alike for
//! every system; the targets are on the server's.

use super::Recorder;
use anyhow::Result;
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A Poisson process.
struct Arrivals {
    /// Seconds.
    mean_gap: f64,
    state: u64,
}

/// When requests are due, each sent at that time, `rate` a second until `recorder` stops.
pub(super) fn start(rate: f64, recorder: Arc<Recorder>) -> Result<UnboundedReceiver<Instant>> {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty())?;
    let (sender, receiver) = unbounded_channel();
    let mut arrivals = Arrivals::at(rate);
    thread::spawn(move || {
        let mut due = Instant::now();
        while !recorder.stopped() {
            due += arrivals.gap();
            if let Err(error) = sleep_until(&timer, due) {
                return recorder.fail(error);
            }
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn sleep_until(timer: &TimerFd, due: Instant) -> Result<()> {
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(());
    }
    let alarm = Expiration::OneShot(TimeSpec::from_duration(left));
    timer.set(alarm, TimerSetTimeFlags::empty())?;
    Ok(timer.wait()?)
}

impl Arrivals {
    fn at(rate: f64) -> Self {
        Self {
            mean_gap: 1.0 / rate,
            // The same arrivals for every system: the seed is no part of what is compared.
            state: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The next gap, exponentially distributed.
    fn gap(&mut self) -> Duration {
        Duration::from_secs_f64(-self.mean_gap * (1.0 - self.uniform()).ln())
    }

    /// In [0, 1), by xorshift64* (Vigna, 2016).
    fn uniform(&mut self) -> f64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_average_to_the_rate() {
        let mut arrivals = Arrivals::at(10_000.0);
        let total: Duration = (0..100_000).map(|_| arrivals.gap()).sum();
        let seconds = total.as_secs_f64();
        assert!((9.8..10.2).contains(&seconds), "{seconds} s");
    }
}
