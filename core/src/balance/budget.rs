//! The retry budget of a service, which keeps retries from becoming the load that breaks it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::time::Nanos;

/// The time over which calls earn retries.
const SPAN: f64 = 10.0;

/// The retries allowed: a share of the calls and a few a second, as in Finagle's `RetryBudget`.
///
/// A call costs one addition; the sum is computed when a retry asks. Finagle keeps ten slices; here the
/// rate since the last retry stands for that of the last ten seconds.
#[derive(Debug)]
pub(crate) struct Budget {
    calls: AtomicU64,
    share: f64,
    per_second: f64,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    tokens: f64,
    calls: u64,
    at: Nanos,
}

impl Budget {
    /// Creates a budget of `share` retries a call (0.2: one in five) and `per_second` in addition.
    pub(crate) fn new(share: f64, per_second: f64, now: Nanos) -> Self {
        Budget {
            calls: AtomicU64::new(0),
            share,
            per_second,
            account: Mutex::new(Account {
                tokens: per_second * SPAN,
                calls: 0,
                at: now,
            }),
        }
    }

    /// Counts a call.
    pub(crate) fn deposit(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// The calls counted so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Takes one retry from the budget. Returns whether there was one.
    pub(crate) fn withdraw(&self, now: Nanos) -> bool {
        let calls = self.calls();
        let mut account = self.account.lock();
        let elapsed = now.saturating_sub(account.at) as f64 / 1e9;
        let fresh = calls.saturating_sub(account.calls) as f64;
        let kept = account.tokens * (1.0 - elapsed / SPAN).max(0.0);
        let earned = fresh * self.share * (SPAN / elapsed.max(SPAN));
        account.tokens = kept + earned + self.per_second * elapsed.min(SPAN);
        account.calls = calls;
        account.at = now;
        if account.tokens < 1.0 {
            return false;
        }
        account.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn allowed(budget: &Budget, now: Nanos, most: usize) -> usize {
        (0..most).filter(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn fifth_of_calls_and_ten_a_second_may_be_retried() {
        let budget = Budget::new(0.2, 10.0, 0);
        assert_eq!(
            allowed(&budget, 0, 1000),
            100,
            "ten seconds' worth to begin with"
        );
        let mut retries = 0;
        for second in 1..=10 {
            for _ in 0..1000 {
                budget.deposit();
            }
            retries += allowed(&budget, second * SECOND, 10_000);
        }
        assert!((2090..=2110).contains(&retries), "{retries}");
    }

    #[test]
    fn old_credit_expires() {
        let budget = Budget::new(0.2, 10.0, 0);
        for _ in 0..1_000_000 {
            budget.deposit();
        }
        let after = allowed(&budget, 1000 * SECOND, 1_000_000);
        assert_eq!(
            after,
            2000 + 100,
            "a hundredth of a thousand seconds, and the reserve"
        );
    }
}
