//! What was published, who handled it, and whether the two agree.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use micro::{Outcome, Result};

/// What publishers and subscribers write into; clones are the same one.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// Who saw each event.
    seen: BTreeMap<u64, BTreeMap<Who, Seen>>,
    published: Vec<(u64, Result<usize>)>,
}

/// Who receives events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// All members of a queue together.
    Queue(&'static str),
    /// A subscription without a queue, by its process.
    Alone(String),
}

#[derive(Clone, Copy, Default)]
struct Seen {
    begun: u32,
    /// Of those, how many went well.
    handled: u32,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("no test panics within the ledger")
    }

    /// Notes that an event comes to a subscriber; whether for the first time, when it may fail.
    pub fn begun(&self, who: &Who, id: u64) -> bool {
        self.seen(who, id, |seen| seen.begun += 1).begun == 1
    }

    /// Notes that a subscriber is about to acknowledge an event.
    pub fn handled(&self, who: &Who, id: u64) {
        self.seen(who, id, |seen| seen.handled += 1);
    }

    fn seen(&self, who: &Who, id: u64, change: impl FnOnce(&mut Seen)) -> Seen {
        let mut book = self.lock();
        let event = book.seen.entry(id).or_default();
        let seen = event.entry(who.clone()).or_default();
        change(seen);
        *seen
    }

    /// Notes what the publisher of an event was told.
    pub fn published(&self, id: u64, told: Result<usize>) {
        self.lock().published.push((id, told));
    }

    /// How many events came to a queue again, and were handled in the end.
    pub fn redelivered(&self) -> usize {
        let book = self.lock();
        let all = book.seen.values().flatten();
        let again = all.filter(|(who, seen)| {
            matches!(who, Who::Queue(_)) && seen.begun > 1 && seen.handled > 0
        });
        again.count()
    }

    /// Everything that happened and must not have.
    pub fn violations(&self) -> Vec<String> {
        let book = self.lock();
        let mut violations = Vec::new();
        for (id, event) in &book.seen {
            for (who, seen) in event {
                // Publishers were flushed, and every queue has members at the end. Whoever is alone may have been killed.
                if matches!(who, Who::Queue(_)) && seen.begun > 0 && seen.handled == 0 {
                    violations.push(format!("event {id} came to {who:?} and was never handled"));
                }
            }
        }
        let nobody = BTreeMap::new();
        for (id, told) in &book.published {
            let event = book.seen.get(id).unwrap_or(&nobody);
            if let Some(wrong) = judge(event, told) {
                violations.push(format!("event {id}: {wrong}; {told:?}"));
            }
        }
        violations
    }
}

fn judge(event: &BTreeMap<Who, Seen>, told: &Result<usize>) -> Option<String> {
    match told {
        Ok(told) => {
            // Who was alone when it was published and was killed before it had it is not known here.
            let handled = event.values().filter(|seen| seen.handled > 0).count();
            (*told > 0 && handled == 0).then(|| "no receiver handled it".to_owned())
        }
        Err(error) if matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected) => {
            let begun: u32 = event.values().map(|seen| seen.begun).sum();
            (begun > 0).then(|| format!("it was begun {begun} times"))
        }
        Err(_) => None,
    }
}
