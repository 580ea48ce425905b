//! The nodes, and the faults injected into them.

use std::{cell::RefCell, path::Path, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    node::Node,
    plan::{Fault, HANG_TIME, ScheduledFault},
    progress::Progress,
};
use crate::{failure::Result, signals::Signal};

/// The nodes. Dropping them kills their processes.
pub(super) struct Fleet {
    nodes: Vec<Node>,
}

impl Fleet {
    /// Starts so many nodes; their ids are the numbers from 1.
    pub(super) async fn start(count: usize, registry: &Path) -> Result<Self> {
        let mut nodes = Vec::with_capacity(count);
        for number in 1..=count {
            nodes.push(Node::start(number.to_string(), registry).await?);
        }
        Ok(Fleet { nodes })
    }

    /// Injects the planned faults into the nodes in turn. A fault begins when it is due, but not before the
    /// node of the last fault serves again.
    pub(super) async fn inject_faults(
        &mut self,
        plan: Vec<ScheduledFault>,
        progress: &RefCell<Progress>,
    ) -> Result {
        let began = Instant::now();
        let count = self.nodes.len();
        for (number, due) in plan.into_iter().enumerate() {
            sleep_until(began + due.at).await;
            let index = number % count;
            self.nodes[index].inject(due.fault, index, progress).await?;
        }
        Ok(())
    }

    /// Kills every process and waits for its end.
    pub(super) async fn end(mut self) -> Result {
        for node in &mut self.nodes {
            node.kill().await?;
        }
        Ok(())
    }
}

impl Node {
    async fn inject(&mut self, fault: Fault, index: usize, progress: &RefCell<Progress>) -> Result {
        let report = |state, what: &str| progress.borrow_mut().record_event(index, state, what);
        let began = Instant::now();
        match fault {
            Fault::Kill => {
                progress.borrow_mut().kills += 1;
                report("killed", "killed (SIGKILL)");
                self.kill().await?;
                self.restart().await?;
            }
            Fault::Hang => {
                progress.borrow_mut().hangs += 1;
                report("hangs", "hangs (SIGSTOP)");
                self.signal(Signal::Stop)?;
                sleep(HANG_TIME).await;
                self.signal(Signal::Continue)?;
                report("serving", "continues (SIGCONT) after 3 s");
                return Ok(());
            }
            Fault::Roll => {
                progress.borrow_mut().rolls += 1;
                report("leaving", "shuts down (SIGTERM)");
                self.end().await?;
                self.restart().await?;
            }
        }
        let after = Duration::from_millis(began.elapsed().as_millis() as u64);
        report("serving", &format!("serving again after {after:?}"));
        Ok(())
    }
}
