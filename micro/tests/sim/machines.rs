//! Processes, each a runtime of its own that runs in turns: so that one can stand still as a whole.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, advance, sleep_until},
};

use super::clock::{Anchor, Clock};

/// The processes of all hosts; clones are the same ones.
#[derive(Clone)]
pub struct Machines(Rc<Shared>);

struct Shared {
    clock: Clock,
    /// By host.
    running: RefCell<BTreeMap<String, Rc<Machine>>>,
    frozen: RefCell<BTreeSet<String>>,
    /// Ended, and to be dropped where no other process runs.
    ended: RefCell<Vec<Rc<Machine>>>,
}

/// One process.
struct Machine {
    runtime: Runtime,
    anchor: Anchor,
}

/// A runtime on virtual time, which passes when nothing is left to do.
pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}

impl Machines {
    pub fn new(clock: &Clock) -> Self {
        Machines(Rc::new(Shared {
            clock: clock.clone(),
            running: RefCell::default(),
            frozen: RefCell::default(),
            ended: RefCell::default(),
        }))
    }

    /// Starts a process on a host that runs `main`; the one before it is killed.
    pub fn start(&self, host: &str, main: impl Future<Output = ()> + Send + 'static) {
        self.kill(host);
        let runtime = runtime();
        let own = {
            let _inside = runtime.enter();
            Instant::now()
        };
        let anchor = self.0.clock.anchor_at(own);
        runtime.spawn(main);
        let machine = Rc::new(Machine { runtime, anchor });
        let mut running = self.0.running.borrow_mut();
        running.insert(host.to_owned(), machine);
    }

    /// Ends a host's process as it is.
    pub fn kill(&self, host: &str) {
        let machine = self.0.running.borrow_mut().remove(host);
        self.0.ended.borrow_mut().extend(machine);
    }

    /// Lets a host's process not run, as SIGSTOP does, or run on.
    pub fn freeze(&self, host: &str, is_frozen: bool) {
        let mut frozen = self.0.frozen.borrow_mut();
        match is_frozen {
            true => frozen.insert(host.to_owned()),
            false => frozen.remove(host),
        };
    }

    /// Tasks that a host's process still has.
    pub fn tasks(&self, host: &str) -> usize {
        let running = self.0.running.borrow();
        running
            .get(host)
            .map_or(0, |machine| machine.runtime.metrics().num_alive_tasks())
    }

    /// Runs every process that does not stand still up to a time.
    pub fn run_until(&self, time: Duration) {
        self.0.ended.borrow_mut().clear();
        let running: Vec<_> = {
            let frozen = self.0.frozen.borrow();
            let all = self.0.running.borrow();
            let running = all.iter().filter(|(host, _)| !frozen.contains(*host));
            running.map(|(_, machine)| machine.clone()).collect()
        };
        for machine in running {
            self.0.clock.enter(machine.anchor);
            machine.run_until(machine.anchor.own(time));
        }
    }
}

impl Machine {
    fn run_until(&self, time: Instant) {
        /// Longer than any turn.
        const STOOD_STILL: Duration = Duration::from_millis(50);
        self.runtime.block_on(async {
            let behind = time.saturating_duration_since(Instant::now());
            if behind > STOOD_STILL {
                // To whoever stood still, all that time passed at once.
                advance(behind).await;
            }
            sleep_until(time).await;
        });
    }
}
