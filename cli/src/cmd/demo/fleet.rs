//! The nodes and their fate.

use std::{cell::RefCell, path::Path, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    board::Board,
    node::Node,
    plan::{Due, Fault, HANG},
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

    /// Does to the nodes in turn what is planned. A fault begins when it is due, and not before the
    /// node of the last one serves again.
    pub(super) async fn suffer(&mut self, plan: Vec<Due>, board: &RefCell<Board>) -> Result {
        let began = Instant::now();
        let count = self.nodes.len();
        for (number, due) in plan.into_iter().enumerate() {
            sleep_until(began + due.at).await;
            let index = number % count;
            self.nodes[index].suffer(due.fault, index, board).await?;
        }
        Ok(())
    }

    /// Ends every process and waits until it is gone.
    pub(super) async fn end(mut self) -> Result {
        for node in &mut self.nodes {
            node.kill().await?;
        }
        Ok(())
    }
}

impl Node {
    async fn suffer(&mut self, fault: Fault, index: usize, board: &RefCell<Board>) -> Result {
        let tell = |state, what: &str| board.borrow_mut().happened(index, state, what);
        let began = Instant::now();
        match fault {
            Fault::Kill => {
                board.borrow_mut().kills += 1;
                tell("killed", "killed (SIGKILL)");
                self.kill().await?;
                self.restart().await?;
            }
            Fault::Hang => {
                board.borrow_mut().hangs += 1;
                tell("hangs", "hangs (SIGSTOP)");
                self.signal(Signal::Stop)?;
                sleep(HANG).await;
                self.signal(Signal::Continue)?;
                tell("serving", "goes on (SIGCONT) after 3 s");
                return Ok(());
            }
            Fault::Roll => {
                board.borrow_mut().rolls += 1;
                tell("leaving", "told to leave (SIGTERM)");
                self.end().await?;
                self.restart().await?;
            }
        }
        let after = Duration::from_millis(began.elapsed().as_millis() as u64);
        tell("serving", &format!("serving again after {after:?}"));
        Ok(())
    }
}
