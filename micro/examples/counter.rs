//! A service whose work must not be done twice: it adds up, and is not declared idempotent.
//!
//! When it has ended it prints `executed N`, the number of calls its handler has run. Added up over
//! all nodes it is the number of calls made, however many nodes were stopped on the way.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use micro::{Context, Message, Result, Service};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Add {
    n: i64,
}

#[derive(Serialize, Deserialize, Message)]
struct Total {
    total: i64,
}

#[derive(Default)]
struct Counter {
    total: AtomicI64,
    executed: AtomicU64,
}

impl Counter {
    fn add(&self, n: i64) -> Total {
        self.executed.fetch_add(1, Ordering::Relaxed);
        let before = self.total.fetch_add(n, Ordering::Relaxed);
        Total {
            total: before.wrapping_add(n),
        }
    }
}

fn main() -> Result<()> {
    let counter = Arc::new(Counter::default());
    let counting = counter.clone();
    let add = move |_: Context, add: Add| {
        let counting = counting.clone();
        async move { Ok::<_, micro::Error>(counting.add(add.n)) }
    };
    Service::new("counter").handle("Counter.Add", add).run()?;
    let executed = counter.executed.load(Ordering::Relaxed);
    writeln!(io::stdout(), "executed {executed}")?;
    Ok(())
}
