//! Calls to one of several nodes that the caller gave, with a peer for each.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{Balance, Nodes};
use crate::{
    call::Answer,
    message::Request,
    node::Node,
    random::Rng,
    selector::{Fleet, Load},
    time::{self, Nanos},
    transport::Peer,
};

/// Nodes that are remembered.
const MAX_NODES: usize = 1024;

/// The state of given nodes, by their ids.
pub(super) struct Group {
    fleet: Arc<Fleet>,
    known: Mutex<HashMap<String, GivenNode>>,
}

struct GivenNode {
    load: Arc<Load>,
    /// Whether a call has used it since the last sweep.
    used: bool,
}

impl Group {
    pub(super) fn new(rng: Rng) -> Self {
        Group {
            fleet: Arc::new(Fleet::new(rng)),
            known: Mutex::default(),
        }
    }

    fn nodes(&self, nodes: Vec<(Arc<Node>, Arc<dyn Peer>)>, now: Nanos) -> Arc<Nodes> {
        let mut all = self.known.lock();
        if all.len().saturating_add(nodes.len()) > MAX_NODES {
            all.clear();
        }
        let nodes = nodes.into_iter().map(|(node, peer)| {
            let known = all.entry(node.id.clone()).or_insert_with(|| GivenNode {
                load: Arc::new(Load::new(&self.fleet, now)),
                used: true,
            });
            known.used = true;
            (node, known.load.clone(), peer)
        });
        let nodes = nodes.collect();
        Arc::new(Nodes::given(nodes, &self.fleet, now))
    }

    /// Forgets the nodes that no call has used since the last sweep.
    pub(super) fn sweep(&self) {
        let mut known = self.known.lock();
        known.retain(|_, known| std::mem::take(&mut known.used));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.lock().is_empty()
    }
}

impl Balance {
    /// Sends a request to one of these nodes, and to another one if the work was certainly not done, until `deadline`. The
    /// state of each node is kept by its id.
    pub(crate) fn call_one_of(
        &self,
        nodes: Vec<(Arc<Node>, Arc<dyn Peer>)>,
        request: Request,
        deadline: Nanos,
    ) -> Answer {
        let balance = self.0.clone();
        let now = time::now();
        let nodes = balance.group.nodes(nodes, now);
        let endpoint = balance.given(request.service(), now, |_| Ok(nodes));
        Box::pin(async move {
            let call = balance.to_the_end(endpoint?, request, now, deadline, None);
            call.await
        })
    }
}
