//! What was asked for and what was done, and whether the two agree.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use micro::{Code, Error, Outcome};

/// A call may end this much after its deadline.
pub const LATE: Duration = Duration::from_millis(10);
/// Attempts in the whole tree of a call, as the library's default has it.
const ATTEMPTS: u32 = 4;

/// What every node and caller writes into; clones are the same one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// How often the work of an id was begun, by where.
    done: BTreeMap<(&'static str, u64), u32>,
    calls: Vec<Entry>,
    running: i64,
    violations: Vec<String>,
}

struct Entry {
    id: u64,
    what: &'static str,
    idempotent: bool,
    ended: Ended,
}

/// How a call ended, as its caller saw it.
#[derive(Clone, Debug)]
pub enum Ended {
    Fine,
    Failed(Error),
    /// The caller gave it up.
    Dropped,
}

/// Work under way; over when dropped.
pub struct Working(Ledger);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("no test panics within the ledger")
    }

    /// Notes that the work of a call begins.
    pub fn begin(&self, place: &'static str, id: u64) -> Working {
        let mut book = self.lock();
        *book.done.entry((place, id)).or_default() += 1;
        book.running += 1;
        Working(self.clone())
    }

    /// Notes how a call ended.
    pub fn ended(
        &self,
        id: u64,
        what: &'static str,
        idempotent: bool,
        ended: Ended,
        took: Duration,
        limit: Duration,
    ) {
        if took > limit + LATE {
            self.violation(format!(
                "call {id} ({what}) ended after {took:?}, its limit was {limit:?}: {ended:?}"
            ));
        }
        self.lock().calls.push(Entry {
            id,
            what,
            idempotent,
            ended,
        });
    }

    /// Notes something that must not happen.
    pub fn violation(&self, what: String) {
        self.lock().violations.push(what);
    }

    /// How many calls ended, and how many of them well.
    pub fn calls(&self) -> (usize, usize) {
        let book = self.lock();
        let fine = book.calls.iter();
        let fine = fine
            .filter(|call| matches!(call.ended, Ended::Fine))
            .count();
        (book.calls.len(), fine)
    }

    /// Everything that happened and must not have.
    pub fn violations(&self) -> Vec<String> {
        let book = self.lock();
        let mut violations = book.violations.clone();
        if book.running != 0 {
            violations.push(format!(
                "{} handlers still run although nobody waits for them",
                book.running
            ));
        }
        for call in &book.calls {
            let places: &[&'static str] = match call.what {
                "relay" => &["relay", "leaf"],
                // Its receivers are in a book of their own.
                "event" => &[],
                _ => &["leaf"],
            };
            for place in places {
                let done = book.done.get(&(*place, call.id)).copied().unwrap_or(0);
                if let Some(wrong) = call.judge(done) {
                    violations.push(format!(
                        "call {} ({}, idempotent: {}) was done {done} times at the {place}: \
                         {wrong}; {:?}",
                        call.id, call.what, call.idempotent, call.ended
                    ));
                }
            }
        }
        violations
    }
}

impl Entry {
    fn judge(&self, done: u32) -> Option<&'static str> {
        if !self.idempotent && done > 1 {
            return Some("once at the most");
        }
        if done > ATTEMPTS {
            return Some("more often than attempts in its tree");
        }
        match &self.ended {
            Ended::Fine if done == 0 => Some("it was answered"),
            Ended::Failed(error)
                if done > 0 && matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected) =>
            {
                Some("its caller was told that nothing was done")
            }
            Ended::Failed(error) if error.code() == Code::Internal => Some("that is a bug"),
            _ => None,
        }
    }
}
