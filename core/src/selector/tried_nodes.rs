//! The nodes that a call has tried.

use super::member::Member;

/// How many fit without allocating: more than a call makes attempts by default.
const INLINE: usize = 8;

/// The nodes that a call has tried. Holds eight without allocating.
///
/// Nodes are identified by the number of their [`Load`](super::Load), since a snapshot may be replaced
/// between two attempts.
#[derive(Clone, Debug, Default)]
pub struct TriedNodes {
    first: [u64; INLINE],
    count: usize,
    rest: Vec<u64>,
}

impl TriedNodes {
    /// Creates an empty set.
    pub const fn new() -> Self {
        TriedNodes {
            first: [0; INLINE],
            count: 0,
            rest: Vec::new(),
        }
    }

    /// Adds a node.
    pub fn add(&mut self, member: &Member) {
        match self.first.get_mut(self.count) {
            Some(place) => {
                *place = member.load.id();
                self.count += 1;
            }
            None => self.rest.push(member.load.id()),
        }
    }

    /// Whether the node was tried.
    pub fn contains(&self, member: &Member) -> bool {
        if self.count == 0 {
            return false;
        }
        let id = member.load.id();
        self.first[..self.count].contains(&id) || self.rest.contains(&id)
    }

    /// Returns the number of tries, counting a node twice if it was added twice.
    pub fn len(&self) -> usize {
        self.count + self.rest.len()
    }

    /// Whether no node was tried.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all nodes.
    pub fn clear(&mut self) {
        self.count = 0;
        self.rest.clear();
    }
}
