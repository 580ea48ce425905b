//! The record of a call's decisions: made on request, free otherwise.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    error::Result,
    message::{Request, Response},
    node::Node,
    selector::Set,
    time::Nanos,
    transport::{Attempt, Peer},
};

/// The decisions made for one call.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: String,
    /// The time that the call had, in microseconds.
    pub budget_us: u64,
    /// The age of the set of nodes, in microseconds.
    pub age_us: u64,
    /// Every known node, with its cost or the reason why it was not considered.
    pub nodes: Vec<Candidate>,
    /// Each attempt, in order.
    pub attempts: Vec<AttemptRecord>,
    /// Waits between attempts, and refusals to make another.
    pub notes: Vec<String>,
    /// The time from the first decision to the answer, in microseconds.
    pub total_us: u64,
}

/// A node as the call saw it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The node's id.
    pub id: String,
    /// The node's version.
    pub version: String,
    /// The node's address.
    pub address: String,
    /// `filtered out`, `ejected` or `considered`.
    pub state: String,
    /// The estimated cost of a call to it: microseconds of latency times calls in flight.
    pub cost_us: f64,
    /// Calls in flight to it from this process.
    pub in_flight: u32,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// The node's id.
    pub node: String,
    /// The node's address.
    pub address: String,
    /// Why this node was picked: the strategy's name, or `address given`.
    pub why: String,
    /// When the attempt began, in microseconds after the first decision.
    pub at_us: u64,
    /// The attempt timeout, in microseconds.
    pub attempt_timeout_us: u64,
    /// Attempts lent to the calls below.
    pub lent: u8,
    /// The duration of the attempt, in microseconds.
    pub took_us: u64,
    /// `answered`, or the outcome, code and message of its error.
    pub outcome: String,
}

/// Collects the decisions of a call; part of the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

impl Recorder {
    pub(crate) fn write(&self, write: impl FnOnce(&mut Record)) {
        write(&mut self.0.lock());
    }

    pub(crate) fn record(&self) -> Record {
        self.0.lock().clone()
    }
}

impl Record {
    /// Records the state before the first attempt.
    pub(super) fn describe(
        &mut self,
        request: &Request,
        began: Nanos,
        deadline: Nanos,
        all: &Set<Arc<dyn Peer>>,
        kept: &Set<Arc<dyn Peer>>,
    ) {
        self.service = request.service().to_owned();
        self.endpoint = request.endpoint().to_owned();
        self.budget_us = deadline.saturating_sub(began) / 1000;
        self.nodes = all
            .snapshot()
            .members()
            .iter()
            .map(|member| {
                let is_kept = kept
                    .snapshot()
                    .members()
                    .iter()
                    .any(|other| other.load.id() == member.load.id());
                let state = match (is_kept, member.load.is_alive()) {
                    (false, _) => "filtered out",
                    (true, false) => "ejected",
                    (true, true) => "considered",
                };
                Candidate {
                    id: member.node.id.clone(),
                    version: member.node.version.clone(),
                    address: member.node.address.clone(),
                    state: state.to_owned(),
                    cost_us: member.load.cost(began) / 1000.0,
                    in_flight: member.load.in_flight(),
                }
            })
            .collect();
    }

    pub(super) fn begin(&mut self, node: &Node, why: &str, began: Nanos, attempt: &Attempt) {
        self.attempts.push(AttemptRecord {
            node: node.id.clone(),
            address: node.address.clone(),
            why: why.to_owned(),
            at_us: (attempt.now - began) / 1000,
            attempt_timeout_us: attempt.timeout_at.saturating_sub(attempt.now) / 1000,
            lent: attempt.attempts - 1,
            took_us: 0,
            outcome: "cancelled".to_owned(),
        });
    }

    pub(super) fn end(
        &mut self,
        answer: &Result<Response>,
        began: Nanos,
        started: Nanos,
        ended: Nanos,
    ) {
        self.total_us = ended.saturating_sub(began) / 1000;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.took_us = ended.saturating_sub(started) / 1000;
            attempt.outcome = match answer {
                Ok(_) => "answered".to_owned(),
                Err(error) => error.to_string(),
            };
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| Duration::from_micros(us);
        writeln!(
            f,
            "{}/{} in {:?} of {:?}",
            self.service,
            self.endpoint,
            ms(self.total_us),
            ms(self.budget_us)
        )?;
        writeln!(
            f,
            "  {} nodes known, as of {:?} ago",
            self.nodes.len(),
            ms(self.age_us)
        )?;
        for node in &self.nodes {
            writeln!(
                f,
                "    {} {} at {}: {}, cost {:.0} µs, {} in flight",
                node.id, node.version, node.address, node.state, node.cost_us, node.in_flight
            )?;
        }
        for (number, attempt) in self.attempts.iter().enumerate() {
            writeln!(
                f,
                "  attempt {} at +{:?} to {} ({}) by {}: {} after {:?}; attempt timeout {:?}, {} attempts left for calls below",
                number + 1,
                ms(attempt.at_us),
                attempt.node,
                attempt.address,
                attempt.why,
                attempt.outcome,
                ms(attempt.took_us),
                ms(attempt.attempt_timeout_us),
                attempt.lent
            )?;
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        Ok(())
    }
}
