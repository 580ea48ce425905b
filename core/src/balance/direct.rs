//! Peers of nodes that the caller gave, of which discovery knows neither address nor state.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::Nodes;
use crate::{
    error::Result,
    node::Node,
    random::Rng,
    selector::{Fleet, Load},
    time::Nanos,
    transport::Transport,
};

/// Addresses whose peers are kept.
const MAX_PEERS: usize = 64;

/// Peers by address and by the id of the expected node, with the state of each.
pub(super) struct Direct {
    transport: Arc<dyn Transport>,
    fleet: Arc<Fleet>,
    ways: Mutex<HashMap<(String, String), DirectPeer>>,
}

/// A peer: a set with one node.
struct DirectPeer {
    nodes: Arc<Nodes>,
    /// Whether a call has used it since the last sweep.
    used: bool,
}

impl DirectPeer {
    fn close(&self) {
        for peer in self.nodes.slots() {
            peer.close();
        }
    }
}

impl Direct {
    pub(super) fn new(transport: Arc<dyn Transport>, rng: Rng) -> Self {
        Direct {
            transport,
            fleet: Arc::new(Fleet::new(rng)),
            ways: Mutex::default(),
        }
    }

    /// Returns the node with its peer.
    pub(super) fn nodes(&self, node: &Arc<Node>, now: Nanos) -> Result<Arc<Nodes>> {
        let mut ways = self.ways.lock();
        let key = key(node);
        if let Some(way) = ways.get_mut(&key) {
            way.used = true;
            let known = way.nodes.snapshot().get(0);
            if known.node != *node {
                // The record has changed.
                let (load, peer) = (known.load.clone(), way.nodes.slot(0).clone());
                let nodes = vec![(node.clone(), load, peer)];
                way.nodes = Arc::new(Nodes::given(nodes, &self.fleet, now));
            }
            return Ok(way.nodes.clone());
        }
        let peer = self.transport.open(node)?;
        if ways.len() >= MAX_PEERS {
            for (_, way) in ways.drain() {
                way.close();
            }
        }
        let load = Arc::new(Load::new(&self.fleet, now));
        let nodes = vec![(node.clone(), load, peer)];
        let nodes = Arc::new(Nodes::given(nodes, &self.fleet, now));
        let way = DirectPeer {
            nodes: nodes.clone(),
            used: true,
        };
        ways.insert(key, way);
        Ok(nodes)
    }

    /// Forgets an address that could not be reached, unless another call uses it.
    pub(super) fn forget(&self, nodes: &Arc<Nodes>) {
        let [member] = nodes.snapshot().members() else {
            return;
        };
        let key = key(&member.node);
        let mut ways = self.ways.lock();
        // The map and the caller have one each.
        let is_unused = Arc::strong_count(nodes) <= 2;
        let is_kept = |way: &DirectPeer| Arc::ptr_eq(&way.nodes, nodes);
        if is_unused
            && ways.get(&key).is_some_and(is_kept)
            && let Some(way) = ways.remove(&key)
        {
            drop(ways);
            way.close();
        }
    }

    /// Closes the peers that no call has used since the last sweep.
    pub(super) fn sweep(&self) {
        self.ways.lock().retain(|_, way| {
            let used = std::mem::take(&mut way.used) || Arc::strong_count(&way.nodes) > 1;
            if !used {
                way.close();
            }
            used
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ways.lock().is_empty()
    }
}

fn key(node: &Node) -> (String, String) {
    (node.address.clone(), node.id.clone())
}
