//! The state of the nodes, and the events of the run.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Events that the screen shows.
const MAX_EVENTS: usize = 6;

/// The nodes and the last events, as the screen shows them.
pub(super) struct Progress {
    began: Instant,
    pub(super) nodes: Vec<NodeState>,
    /// The last events, oldest first.
    pub(super) events: VecDeque<Event>,
    /// All events so far.
    pub(super) event_count: usize,
    pub(super) kills: u64,
    pub(super) hangs: u64,
    pub(super) rolls: u64,
}

#[derive(Clone, Copy)]
pub(super) struct NodeState {
    pub(super) name: &'static str,
    /// Answers until the last update.
    answered: u64,
    /// Its share of the answers between the last two updates, from 0 to 1.
    pub(super) share: f64,
}

pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) node: usize,
    pub(super) what: String,
}

/// Answers by node, counted by the calls.
#[derive(Clone)]
pub(super) struct Answers(Arc<[AtomicU64]>);

impl Answers {
    pub(super) fn new(nodes: usize) -> Self {
        Answers((0..nodes).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts an answer of the node with this id.
    pub(super) fn count(&self, id: &str) {
        let index = id.parse::<usize>().ok().and_then(|id| id.checked_sub(1));
        if let Some(answers) = index.and_then(|index| self.0.get(index)) {
            answers.fetch_add(1, Relaxed);
        }
    }
}

impl Progress {
    pub(super) fn new(nodes: usize) -> Self {
        let state = NodeState {
            name: "serving",
            answered: 0,
            share: 0.0,
        };
        Progress {
            began: Instant::now(),
            nodes: vec![state; nodes],
            events: VecDeque::new(),
            event_count: 0,
            kills: 0,
            hangs: 0,
            rolls: 0,
        }
    }

    /// Records an event of a node, and the node's new state.
    pub(super) fn record_event(&mut self, node: usize, state: &'static str, what: &str) {
        self.nodes[node].name = state;
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.event_count += 1;
        self.events.push_back(Event {
            at: self.elapsed(),
            node,
            what: what.to_owned(),
        });
    }

    /// Updates the nodes' shares of the answers since the last update.
    pub(super) fn update_shares(&mut self, answers: &Answers) {
        let fresh: Vec<u64> = self
            .nodes
            .iter_mut()
            .zip(&*answers.0)
            .map(|(node, answers)| {
                let before = std::mem::replace(&mut node.answered, answers.load(Relaxed));
                node.answered - before
            })
            .collect();
        let all: u64 = fresh.iter().sum();
        for (node, fresh) in self.nodes.iter_mut().zip(fresh) {
            node.share = fresh as f64 / all.max(1) as f64;
        }
    }

    /// Time since the calls began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shares_are_of_answers_since_the_last_update() {
        let (mut progress, answers) = (Progress::new(3), Answers::new(3));
        let refresh = |progress: &mut Progress| {
            progress.update_shares(&answers);
            progress
                .nodes
                .iter()
                .map(|node| node.share)
                .collect::<Vec<_>>()
        };
        answers.count("1");
        assert_eq!(refresh(&mut progress), [1.0, 0.0, 0.0]);
        answers.count("2");
        answers.count("3");
        answers.count("no such node");
        answers.count("4");
        assert_eq!(refresh(&mut progress), [0.0, 0.5, 0.5]);
        assert_eq!(refresh(&mut progress), [0.0, 0.0, 0.0]);
    }

    #[tokio::test]
    async fn only_the_last_events_stay() {
        let mut progress = Progress::new(3);
        for number in 0..20 {
            progress.record_event(number % 3, "serving", &number.to_string());
        }
        assert_eq!(
            (progress.events.len(), progress.event_count),
            (MAX_EVENTS, 20)
        );
        assert_eq!(progress.events[MAX_EVENTS - 1].what, "19");
    }
}
