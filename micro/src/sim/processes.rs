//! Processes: each has a runtime of its own, and they run in turns, so that one can be frozen or killed as a whole.

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

/// The processes of all hosts. Clones share them.
#[derive(Clone)]
pub(super) struct Processes(Rc<Shared>);

struct Shared {
    clock: Clock,
    /// By host.
    running: RefCell<BTreeMap<String, Rc<Process>>>,
    frozen: RefCell<BTreeSet<String>>,
    /// Killed processes, which must be dropped while no other process runs.
    ended: RefCell<Vec<Rc<Process>>>,
}

/// One process.
struct Process {
    runtime: Runtime,
    anchor: Anchor,
}

/// A runtime with a paused clock, which advances when there is nothing to do.
pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}

impl Processes {
    pub(super) fn new(clock: &Clock) -> Self {
        Processes(Rc::new(Shared {
            clock: clock.clone(),
            running: RefCell::default(),
            frozen: RefCell::default(),
            ended: RefCell::default(),
        }))
    }

    /// Starts a process that runs `main`. A process that the host has already is killed.
    pub(super) fn start(&self, host: &str, main: impl Future<Output = ()> + Send + 'static) {
        self.kill(host);
        let runtime = runtime();
        let own = {
            let _inside = runtime.enter();
            Instant::now()
        };
        let anchor = self.0.clock.anchor_at(own);
        runtime.spawn(main);
        let process = Rc::new(Process { runtime, anchor });
        let mut running = self.0.running.borrow_mut();
        running.insert(host.to_owned(), process);
    }

    /// Kills a host's process.
    pub(super) fn kill(&self, host: &str) {
        let process = self.0.running.borrow_mut().remove(host);
        self.0.ended.borrow_mut().extend(process);
    }

    /// Stops a host's process as SIGSTOP does, or lets it continue.
    pub(super) fn freeze(&self, host: &str, is_frozen: bool) {
        let mut frozen = self.0.frozen.borrow_mut();
        match is_frozen {
            true => frozen.insert(host.to_owned()),
            false => frozen.remove(host),
        };
    }

    /// The number of tasks of a host's process.
    pub(super) fn tasks(&self, host: &str) -> usize {
        let running = self.0.running.borrow();
        running
            .get(host)
            .map_or(0, |process| process.runtime.metrics().num_alive_tasks())
    }

    /// Runs every process that is not frozen up to a time.
    pub(super) fn run_until(&self, time: Duration) {
        self.0.ended.borrow_mut().clear();
        let running: Vec<_> = {
            let frozen = self.0.frozen.borrow();
            let all = self.0.running.borrow();
            let running = all.iter().filter(|(host, _)| !frozen.contains(*host));
            running.map(|(_, process)| process.clone()).collect()
        };
        for process in running {
            self.0.clock.enter(process.anchor);
            process.run_until(process.anchor.own(time));
        }
    }
}

impl Process {
    fn run_until(&self, time: Instant) {
        /// Longer than any turn.
        const FROZEN: Duration = Duration::from_millis(50);
        self.runtime.block_on(async {
            let behind = time.saturating_duration_since(Instant::now());
            if behind > FROZEN {
                // For a process that was frozen, all that time passes at once.
                advance(behind).await;
            }
            sleep_until(time).await;
        });
    }
}
