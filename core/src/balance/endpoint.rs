//! What the loop keeps for an endpoint of a service, which handles find without a look-up.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::Guard;
use parking_lot::RwLock;

use super::{Nodes, latency::Latency, service_state::ServiceState};
use crate::{
    message::Target,
    random::Rng,
    selector::{Entry, Member, Strategy, TriedNodes, Verdict},
    time::Nanos,
    transport::Peer,
};

/// Endpoints kept for all services together. Names may come from callers.
const MAX_ENDPOINTS: usize = 4096;

/// An endpoint of a service, as this process calls it.
pub(super) struct Endpoint {
    /// The loop that it belongs to.
    pub(super) owner: u64,
    /// The state of its service.
    pub(super) service_state: Arc<ServiceState>,
    pub(super) candidates: Candidates,
    /// The latency of its calls.
    pub(super) latency: Latency,
}

/// The nodes that a call may go to.
pub(super) enum Candidates {
    /// Those of the service, as discovery knows them at each attempt.
    Discovered(Arc<Entry<Arc<dyn Peer>>>),
    /// Nodes that the caller gave. No filter applies to them, and no other nodes replace them.
    Given(Arc<Nodes>),
}

impl Endpoint {
    pub(super) fn new(
        owner: u64,
        service_state: Arc<ServiceState>,
        candidates: Candidates,
    ) -> Self {
        Endpoint {
            owner,
            service_state,
            candidates,
            latency: Latency::default(),
        }
    }

    /// Whether the caller gave the nodes.
    pub(super) fn is_given(&self) -> bool {
        matches!(self.candidates, Candidates::Given(_))
    }

    /// The present nodes.
    pub(super) fn nodes(&self) -> Arc<Nodes> {
        match &self.candidates {
            Candidates::Discovered(entry) => Guard::into_inner(entry.load()),
            Candidates::Given(nodes) => nodes.clone(),
        }
    }

    /// For how long the nodes may have been out of date.
    pub(super) fn age(&self) -> Duration {
        match &self.candidates {
            Candidates::Discovered(entry) => entry.age(),
            Candidates::Given(_) => Duration::ZERO,
        }
    }

    /// The node for the next attempt, after those tried.
    pub(super) fn pick(
        &self,
        nodes: &Nodes,
        tried: &TriedNodes,
        (strategy, rng): (&dyn Strategy, &Rng),
    ) -> Option<usize> {
        match &self.candidates {
            Candidates::Discovered(_) => strategy.pick(nodes.snapshot(), tried),
            Candidates::Given(_) => pick_given(nodes, tried, rng),
        }
    }

    /// Whether a node has not been tried.
    pub(super) fn is_one_left(
        &self,
        nodes: &Nodes,
        tried: &TriedNodes,
        strategy: &dyn Strategy,
    ) -> bool {
        match &self.candidates {
            Candidates::Discovered(_) => strategy.pick(nodes.snapshot(), tried).is_some(),
            Candidates::Given(_) => {
                let mut members = nodes.snapshot().members().iter();
                members.any(|member| !tried.contains(member))
            }
        }
    }

    /// Marks a node with the outcome of an attempt. A discovered node that this ejects is probed until it returns; a given
    /// one is tried again by a call, once its ejection has ended.
    pub(super) fn mark(
        &self,
        member: &Member,
        peer: &Arc<dyn Peer>,
        now: Nanos,
        started: Nanos,
        verdict: Verdict,
    ) {
        let load = &member.load;
        let ejected = load.end(now, started, verdict);
        match (&self.candidates, ejected) {
            (Candidates::Discovered(_), None) => {}
            (Candidates::Discovered(entry), Some(until)) => {
                self.service_state.ejected(member, until, now);
                if verdict == Verdict::WrongServer {
                    entry.ask_again(now);
                }
                self.service_state.probe(&member.load, peer, until);
            }
            (Candidates::Given(_), Some(until)) => self.service_state.ejected(member, until, now),
            (Candidates::Given(_), None) if !load.is_alive() => match verdict {
                Verdict::Failed | Verdict::WrongServer => drop(load.probed(now, false)),
                Verdict::Overloaded { .. } => drop(load.probed(now, true)),
                Verdict::Answered { .. } | Verdict::Cancelled => {}
            },
            (Candidates::Given(_), None) => {}
        }
    }
}

/// Any node that was not tried. An ejected one only if no other is left, or to find out whether it has recovered.
fn pick_given(nodes: &Nodes, tried: &TriedNodes, rng: &Rng) -> Option<usize> {
    let snapshot = nodes.snapshot();
    let from = match snapshot.len() {
        0 | 1 => 0,
        count => (rng.number() % count as u64) as usize,
    };
    let left = || {
        let indices = (from..snapshot.len()).chain(0..from);
        indices.filter(|index| !tried.contains(snapshot.get(*index)))
    };
    let is_due = |index: &usize| {
        let load = &snapshot.get(*index).load;
        load.is_alive() || load.wants_probe(snapshot.now())
    };
    left().find(is_due).or_else(|| left().next())
}

/// Endpoints by name. They keep their services alive, and are removed with them.
#[derive(Default)]
pub(super) struct Endpoints(RwLock<HashMap<Target, Arc<Endpoint>>>);

impl Endpoints {
    pub(super) fn get(&self, target: &Target) -> Option<Arc<Endpoint>> {
        self.0.read().get(target).cloned()
    }

    /// Adds an endpoint, unless there is one of its name. Returns the one that is kept.
    pub(super) fn keep(&self, target: &Target, endpoint: Endpoint) -> Arc<Endpoint> {
        let mut endpoints = self.0.write();
        if endpoints.len() >= MAX_ENDPOINTS && !endpoints.contains_key(target) {
            // Names without nodes are removed first.
            let is_held = |endpoint: &Arc<Endpoint>| Arc::strong_count(endpoint) > 1;
            endpoints.retain(|_, endpoint| is_held(endpoint) || endpoint.latency.is_known());
            if endpoints.len() > MAX_ENDPOINTS / 2 {
                endpoints.retain(|_, endpoint| is_held(endpoint));
            }
        }
        let kept = endpoints.entry(target.clone());
        kept.or_insert_with(|| Arc::new(endpoint)).clone()
    }

    /// Removes the endpoints of services that are not kept, or shall not be, unless a call uses them.
    pub(super) fn sweep<'a>(
        &self,
        service_states: impl Fn(&str) -> Option<&'a Arc<ServiceState>>,
        unused: &[Arc<ServiceState>],
    ) {
        let unused: HashSet<&str> = unused
            .iter()
            .map(|service_state| service_state.service())
            .collect();
        self.0.write().retain(|target, endpoint| {
            let service = target.service();
            let is_kept = || {
                service_states(service).is_some_and(|service_state| {
                    Arc::ptr_eq(service_state, &endpoint.service_state)
                })
            };
            Arc::strong_count(endpoint) > 1 || (!unused.contains(service) && is_kept())
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::{balance::Settings, selector::Fleet};

    fn endpoint(service_state: &Arc<ServiceState>) -> Endpoint {
        let fleet = Arc::new(Fleet::new(Rng::seeded(1)));
        let nodes = Arc::new(Nodes::given(Vec::new(), &fleet, 0));
        Endpoint::new(1, service_state.clone(), Candidates::Given(nodes))
    }

    #[test]
    fn invented_names_do_not_displace_learned_ones() {
        let service_state = Arc::new(ServiceState::new("text", &Settings::default(), 0));
        let endpoints = Endpoints::default();
        let known = Target::new("text", "Text.Echo");
        let echo = endpoints.keep(&known, endpoint(&service_state));
        echo.latency.record(1);
        drop(echo);
        for number in 0..3 * MAX_ENDPOINTS {
            let target = Target::new("text", format!("Text.Invented{number}"));
            endpoints.keep(&target, endpoint(&service_state));
        }
        assert!(endpoints.0.read().len() <= MAX_ENDPOINTS);
        assert!(endpoints.get(&known).unwrap().latency.is_known());
    }

    #[test]
    fn endpoints_go_with_their_service_except_those_in_use() {
        let service_state = Arc::new(ServiceState::new("text", &Settings::default(), 0));
        let endpoints = Endpoints::default();
        let (one, two) = (Target::new("text", "One"), Target::new("text", "Two"));
        let held = endpoints.keep(&one, endpoint(&service_state));
        endpoints.keep(&two, endpoint(&service_state));
        endpoints.sweep(|_| Some(&service_state), &[]);
        assert!(endpoints.get(&two).is_some(), "its service is in use");
        endpoints.sweep(
            |_| Some(&service_state),
            std::slice::from_ref(&service_state),
        );
        assert!(endpoints.get(&two).is_none());
        drop(held);
        endpoints.sweep(|_| None, &[]);
        assert!(endpoints.get(&one).is_none());
    }
}
