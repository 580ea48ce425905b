//! What one handle registered and what it heard of, and when something of it is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::entry::Announcement;
use micro_core::{
    Result,
    node::Node,
    registry::{
        id_in_use, is_another,
        view::{NodeSet, View},
    },
};

/// For how many seconds what is said holds, at most: go-micro's.
const MAX_TTL_S: u64 = 120;
/// How often watched services are asked for again, and interfaces looked for.
const ROUND_INTERVAL: Duration = Duration::from_secs(30);
/// Between two announcements of one node.
const REANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);
/// For how many seconds another's word holds, at most.
const MAX_PEER_TTL_S: u32 = 3600;
/// Nodes of others that are remembered.
const MAX_NODES: usize = 20_000;
/// For how long a node is new: what is heard of another instance with its id may be older.
const NEW_NODE_PERIOD: Duration = Duration::from_secs(2);

type Key = (String, String);

#[derive(Default)]
pub(super) struct State {
    own: BTreeMap<Key, LocalNode>,
    /// The addresses of nodes of ours whose ids other instances have taken over.
    yielded: BTreeMap<Key, String>,
    seen: BTreeMap<Key, Observation>,
    /// When a service was last heard listed.
    listed: BTreeMap<String, Instant>,
    /// What is watched, `None` being all, by how many.
    wanted: BTreeMap<Option<String>, usize>,
    round: Option<Instant>,
    view: watch::Sender<Arc<View>>,
}

struct LocalNode {
    node: Node,
    expires: Option<Instant>,
    ttl: u32,
    announced: Instant,
    /// When it is announced once more, against loss.
    again: Option<Instant>,
    /// When it was first registered.
    since: Instant,
}

struct Observation {
    node: Node,
    expires: Instant,
    /// When it is asked for again, so that it does not expire while it lives.
    refresh: Instant,
}

/// What is to be done about it.
#[derive(Default)]
pub(super) struct PendingWork {
    /// Nodes of ours to tell of, for how many seconds; 0 says goodbye.
    pub(super) announce: Vec<(Node, u32)>,
    /// Services to ask for.
    pub(super) ask: BTreeSet<String>,
    /// Whether to ask for the list of them.
    pub(super) list: bool,
    /// Whether a round has begun.
    pub(super) round: bool,
}

fn key(node: &Node) -> Key {
    (node.service.clone(), node.id.clone())
}

impl State {
    pub(super) fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Takes a node in or renews it; gives the seconds to announce it for, if that is due.
    ///
    /// Fails where another instance has announced itself under its id since.
    pub(super) fn register(&mut self, node: &Node, ttl: Option<Duration>) -> Result<Option<u32>> {
        let now = Instant::now();
        if self.yielded.get(&key(node)) == Some(&node.address) {
            if let Some(other) = self.other(node) {
                return Err(id_in_use(node, &other));
            }
            self.yielded.remove(&key(node));
        }
        let seconds = ttl.map_or(MAX_TTL_S, |ttl| (ttl.as_secs() + 1).min(MAX_TTL_S));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let expires = ttl.and_then(|ttl| now.checked_add(ttl));
        let before = self.own.get(&key(node));
        let third = Duration::from_secs(seconds.into()) / 3;
        let same = before.is_some_and(|own| own.node == *node && own.ttl == seconds);
        let fresh = before.is_some_and(|own| now.duration_since(own.announced) < third);
        let due = !(same && fresh);
        let (announced, again) = match before {
            Some(own) if !due => (own.announced, own.again),
            _ => (now, (!same).then_some(now + REANNOUNCE_INTERVAL)),
        };
        let own = LocalNode {
            node: node.clone(),
            expires,
            ttl: seconds,
            announced,
            again,
            since: before.map_or(now, |own| own.since),
        };
        self.own.insert(key(node), own);
        if !same {
            self.seen.remove(&key(node));
            self.show(&node.service);
        }
        Ok(due.then_some(seconds))
    }

    /// The address of another instance that was heard of under a node's id.
    fn other(&self, node: &Node) -> Option<String> {
        let seen = self.seen.get(&key(node))?;
        let address = &seen.node.address;
        is_another(node, address).then(|| address.clone())
    }

    /// Takes a node out; whether it was registered here. `None` if there is nothing to tell others: another instance has
    /// taken it over.
    pub(super) fn deregister(&mut self, node: &Node) -> Option<bool> {
        let own = self.own.remove(&key(node)).is_some();
        let yielded = self.yielded.remove(&key(node)).is_some();
        if self.other(node).is_none() {
            self.seen.remove(&key(node));
        }
        self.show(&node.service);
        (!yielded).then_some(own)
    }

    /// Takes in what was heard; gives a node of ours that someone took out.
    pub(super) fn hear(&mut self, heard: Announcement) -> Option<Node> {
        let Announcement {
            node,
            ttl,
            dismissed,
        } = heard;
        let (key, now) = (key(&node), Instant::now());
        if let Some(own) = self.own.get_mut(&key) {
            if !is_another(&node, &own.node.address) && ttl > 0 {
                // It is our own message.
                return None;
            }
            if ttl == 0 {
                // What lasts is anyone's to take out, as there is no other way.
                let is_own = !is_another(&node, &own.node.address);
                if is_own && dismissed && own.expires.is_none() {
                    return (self.deregister(&node) == Some(true)).then_some(node);
                }
                // Someone says goodbye for a node that lives: it is announced again, at most once a second.
                let soonest = own.announced + REANNOUNCE_INTERVAL;
                own.again.get_or_insert(soonest.max(now));
                return None;
            }
            // Both may be new: then one of them has to give way, and it does not matter which.
            let is_new = now.duration_since(own.since) < NEW_NODE_PERIOD;
            if is_new && own.node.address > node.address {
                return None;
            }
            let own = self.own.remove(&key)?;
            self.yielded.insert(key.clone(), own.node.address);
        }
        let known = self.seen.get(&key);
        if ttl == 0 && known.is_some_and(|seen| is_another(&node, &seen.node.address)) {
            return None;
        }
        let changed = match (ttl, known) {
            (0, known) => known.is_some(),
            (_, known) => known.is_none_or(|seen| seen.node != node),
        };
        let service = node.service.clone();
        match ttl {
            0 => drop(self.seen.remove(&key)),
            _ if known.is_none() && self.seen.len() >= MAX_NODES => return None,
            _ => {
                let lasts = Duration::from_secs(ttl.min(MAX_PEER_TTL_S).into());
                let seen = Observation {
                    node,
                    expires: now + lasts,
                    refresh: now + lasts * 3 / 4,
                };
                self.seen.insert(key, seen);
            }
        }
        if changed {
            self.show(&service);
        }
        None
    }

    /// Takes in that a service was listed; whether all are watched and it is new, so that it is to be asked for.
    pub(super) fn list(&mut self, service: String) -> bool {
        let wanted = self.wanted.contains_key(&None);
        let fresh = self.listed.insert(service, Instant::now()).is_none();
        while self.listed.len() > MAX_NODES {
            self.listed.pop_first();
        }
        wanted && fresh
    }

    /// The nodes of a service.
    pub(super) fn nodes(&self, service: &str) -> Vec<Node> {
        let first = (service.to_owned(), String::new());
        let of = |key: &Key| key.0 == service;
        let own = self
            .own
            .range(first.clone()..)
            .take_while(|(key, _)| of(key));
        let seen = self.seen.range(first..).take_while(|(key, _)| of(key));
        let own = own.map(|(_, own)| own.node.clone());
        own.chain(seen.map(|(_, seen)| seen.node.clone())).collect()
    }

    /// The services of ours, and those that were listed since.
    pub(super) fn services(&self, since: Instant) -> Vec<String> {
        let own = self.own.keys().map(|(service, _)| service);
        let listed = self.listed.iter().filter(|(_, at)| **at >= since);
        let all: BTreeSet<_> = own.chain(listed.map(|(service, _)| service)).collect();
        all.into_iter().cloned().collect()
    }

    /// Our own nodes, with the seconds left of what is said of them.
    pub(super) fn own(&self) -> impl Iterator<Item = (&Node, u32)> {
        self.own.values().map(|own| (&own.node, own.ttl))
    }

    /// Notes that a service, or all, is watched by one more.
    pub(super) fn want(&mut self, service: Option<&str>) {
        *self.wanted.entry(service.map(str::to_owned)).or_default() += 1;
    }

    /// Notes that it is watched by one less.
    pub(super) fn leave(&mut self, service: Option<&str>) {
        let service = service.map(str::to_owned);
        if let Some(many) = self.wanted.get_mut(&service) {
            *many -= 1;
            if *many == 0 {
                self.wanted.remove(&service);
            }
        }
    }

    fn is_wanted(&self, service: &str) -> bool {
        self.wanted.contains_key(&None) || self.wanted.contains_key(&Some(service.to_owned()))
    }

    /// What is due by now, and when to look again.
    pub(super) fn due(&mut self) -> (PendingWork, Instant) {
        let now = Instant::now();
        let mut due = PendingWork::default();
        let mut changed = BTreeSet::new();
        self.own.retain(|(service, _), own| {
            let gone = own.expires.is_some_and(|at| at <= now);
            if gone {
                due.announce.push((own.node.clone(), 0));
                changed.insert(service.clone());
            } else if own.again.take_if(|at| *at <= now).is_some() {
                own.announced = now;
                due.announce.push((own.node.clone(), own.ttl));
            }
            !gone
        });
        self.seen.retain(|(service, _), seen| {
            let gone = seen.expires <= now;
            if gone {
                changed.insert(service.clone());
            }
            !gone
        });
        for service in changed {
            self.show(&service);
        }
        let refresh: Vec<_> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.refresh <= now)
            .collect();
        let refresh = refresh.into_iter().map(|((service, _), _)| service);
        due.ask = refresh
            .filter(|service| self.is_wanted(service))
            .cloned()
            .collect();
        for seen in self.seen.values_mut().filter(|seen| seen.refresh <= now) {
            seen.refresh = seen.expires;
        }
        let round = *self.round.get_or_insert(now + ROUND_INTERVAL);
        if round <= now {
            self.round = Some(now + ROUND_INTERVAL);
            due.round = true;
            due.list = self.wanted.contains_key(&None);
            due.ask.extend(self.wanted.keys().flatten().cloned());
            if due.list {
                due.ask.extend(self.listed.keys().cloned());
            }
            self.listed
                .retain(|_, at| now.duration_since(*at) < 3 * ROUND_INTERVAL);
        }
        let own = self
            .own
            .values()
            .flat_map(|own| [own.expires, own.again])
            .flatten();
        let seen = self.seen.values().map(|seen| seen.refresh);
        let next = own.chain(seen).min().unwrap_or(now + ROUND_INTERVAL);
        (due, next.min(self.round.unwrap_or(next)))
    }

    /// Shows what became of a service.
    fn show(&self, service: &str) {
        let nodes = self.nodes(service);
        let mut view = View::clone(&self.view.borrow());
        if nodes.is_empty() {
            view.services.remove(service);
        } else {
            let set = NodeSet::new(nodes, true);
            view.services.insert(service.to_owned(), Arc::new(set));
        }
        self.view.send_replace(Arc::new(view));
    }
}
