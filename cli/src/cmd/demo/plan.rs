//! The schedule of faults.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL, and a new process in its place.
    Kill,
    /// SIGSTOP, and SIGCONT after [`HANG_TIME`].
    Hang,
    /// SIGTERM, and a new process once the old one has ended.
    Roll,
}

/// A fault, and its time from the beginning of the calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScheduledFault {
    pub(super) at: Duration,
    pub(super) fault: Fault,
}

pub(super) const HANG_TIME: Duration = Duration::from_secs(3);

/// Seconds before the first fault.
const START_DELAY: f64 = 0.3;
/// Seconds between kills, if the run is long enough.
const KILL_INTERVAL: f64 = 2.0;
/// Seconds between kills at most.
const MAX_KILL_INTERVAL: f64 = 3.0;
/// Seconds for a hang, and for the node to get calls again.
const HANG_AND_RECOVERY_TIME: f64 = 4.0;
/// Seconds for a roll: the old process serves for another second once it has deregistered.
const ROLL_TIME: f64 = 2.0;
/// Shorter runs have kills only.
const MIN_MIXED_RUN: f64 = 10.0;
/// Seconds for each hang and roll.
const HANG_INTERVAL: f64 = 30.0;

/// The faults of a run; each ends before the next begins.
pub(super) fn plan(run: Duration) -> Vec<ScheduledFault> {
    let seconds = run.as_secs_f64();
    let others = if seconds < MIN_MIXED_RUN {
        0.0
    } else {
        (seconds / HANG_INTERVAL).floor().max(1.0)
    };
    let room = seconds - START_DELAY - others * (HANG_AND_RECOVERY_TIME + ROLL_TIME);
    let kills = (room / KILL_INTERVAL)
        .floor()
        .max((seconds / MAX_KILL_INTERVAL).ceil());
    let mut at = START_DELAY;
    let order = spread(kills as usize, others as usize);
    let faults = order.into_iter().map(|fault| {
        let due = ScheduledFault {
            at: Duration::from_secs_f64(at),
            fault,
        };
        at += match fault {
            Fault::Kill => room / kills,
            Fault::Hang => HANG_AND_RECOVERY_TIME,
            Fault::Roll => ROLL_TIME,
        };
        due
    });
    faults.collect()
}

/// The order of faults: hangs and rolls evenly among the kills.
fn spread(kills: usize, others: usize) -> Vec<Fault> {
    let places = |fault, count: usize, offset: f64| {
        (0..count).map(move |n| ((n as f64 + offset) / count as f64, fault))
    };
    let mut all: Vec<_> = places(Fault::Kill, kills, 0.1)
        .chain(places(Fault::Roll, others, 0.3))
        .chain(places(Fault::Hang, others, 0.6))
        .collect();
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    all.into_iter().map(|(_, fault)| fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(plan: &[ScheduledFault], fault: Fault) -> usize {
        plan.iter().filter(|due| due.fault == fault).count()
    }

    #[test]
    fn each_fault_ends_before_the_next_begins() {
        for seconds in 1..=600 {
            let plan = plan(Duration::from_secs(seconds));
            let kills = count(&plan, Fault::Kill);
            assert!(kills * 3 >= seconds as usize, "{kills} in {seconds} s");
            let ends = plan.iter().skip(1).map(|due| due.at);
            let run = Duration::from_secs(seconds);
            for (due, end) in plan.iter().zip(ends.chain([run])) {
                let least = match due.fault {
                    Fault::Kill => 0.6,
                    Fault::Hang => 3.9,
                    Fault::Roll => 1.9,
                };
                let room = end.saturating_sub(due.at).as_secs_f64();
                assert!(
                    room >= least,
                    "{due:?} has {room} s in a run of {seconds} s"
                );
            }
        }
    }

    #[test]
    fn run_of_ten_seconds_has_a_hang_and_a_roll() {
        for seconds in 10..=120 {
            let plan = plan(Duration::from_secs(seconds));
            assert!(count(&plan, Fault::Hang) >= 1, "{seconds}");
            assert!(count(&plan, Fault::Roll) >= 1, "{seconds}");
        }
    }

    #[test]
    fn default_run_kills_about_every_two_seconds() {
        let plan = plan(Duration::from_secs(20));
        assert_eq!(count(&plan, Fault::Kill), 7);
        let pairs = plan.windows(2).filter(|pair| pair[0].fault == Fault::Kill);
        for pair in pairs {
            let gap = (pair[1].at - pair[0].at).as_secs_f64();
            assert!((1.8..2.2).contains(&gap), "{gap}");
        }
    }
}
