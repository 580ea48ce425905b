//! The times of the calls of an open loop, from its start.

use std::time::Duration;

/// Calls at even intervals, the first at the start.
#[derive(Clone, Debug)]
pub struct ConstantRate {
    rate: f64,
    count: u64,
}

impl ConstantRate {
    /// `rate` is calls per second, above zero.
    pub fn new(rate: f64) -> Self {
        ConstantRate { rate, count: 0 }
    }
}

impl Iterator for ConstantRate {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // From the start, so that rounding does not accumulate.
        let due = Duration::from_secs_f64(self.count as f64 / self.rate);
        self.count += 1;
        Some(due)
    }
}

/// A Poisson process, the same in each run.
#[derive(Clone, Debug)]
pub struct Poisson {
    /// Seconds.
    mean_gap: f64,
    state: u64,
    last: Duration,
}

impl Poisson {
    /// `rate` is calls per second on average, above zero.
    pub fn new(rate: f64) -> Self {
        Poisson {
            mean_gap: 1.0 / rate,
            // The seed is fixed: systems are compared under the same arrivals.
            state: 0x9e37_79b9_7f4a_7c15,
            last: Duration::ZERO,
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

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gap = self.gap();
        self.last += gap;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_average_to_the_rate() {
        let last = Poisson::new(10_000.0).nth(99_999);
        let seconds = last.expect("arrivals have no end").as_secs_f64();
        assert!((9.8..10.2).contains(&seconds), "{seconds} s");
    }

    #[test]
    fn even_arrivals_do_not_drift() {
        let thousandth = ConstantRate::new(3.0).nth(3_000);
        assert_eq!(thousandth, Some(Duration::from_secs(1_000)));
        assert_eq!(ConstantRate::new(3.0).next(), Some(Duration::ZERO));
    }
}
