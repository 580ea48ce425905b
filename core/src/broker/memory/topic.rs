//! One topic: its groups, each a queue with its members or one subscriber without a queue.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{Event, InFlight};
use crate::error::Error;

/// How often an event is delivered before it is dropped.
const ATTEMPTS: u32 = 5;
/// How long an event waits before it is delivered a second time; doubled each time after.
const REST: Duration = Duration::from_millis(10);

/// The members and their groups.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) topic: Arc<str>,
    pub(super) group: u64,
    pub(super) member: u64,
}

/// An event that is being delivered to a member.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) event: Event,
    /// How often it was delivered without being acknowledged.
    failures: u32,
}

/// The result of offering an event.
pub(super) enum Offer {
    /// A member has it, and must be woken.
    Accepted(Option<Waker>),
    /// No member has space.
    Full,
    /// The group does not exist any more.
    Gone,
}

/// What a member does next.
pub(super) enum Next {
    Item(Item),
    /// Waits to be woken.
    Nothing,
    /// Checks again at that time, or when woken.
    Due(Instant),
    /// Has left.
    Gone,
}

#[derive(Default)]
pub(super) struct Topic {
    groups: BTreeMap<u64, Group>,
}

struct Group {
    queue: Option<String>,
    members: Vec<Member>,
    /// The member whose turn it is.
    turn: usize,
}

struct Member {
    id: u64,
    ready: VecDeque<Item>,
    /// To be delivered again, by time and in the order of the failures.
    later: BTreeMap<(Instant, u64), Item>,
    failed: u64,
    in_flight: InFlight,
    waker: Option<Waker>,
}

impl Topic {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn groups(&self) -> Vec<u64> {
        self.groups.keys().copied().collect()
    }

    /// Adds a member; returns its group.
    pub(super) fn join(&mut self, queue: Option<&str>, id: u64, in_flight: InFlight) -> u64 {
        let member = Member {
            id,
            ready: VecDeque::new(),
            later: BTreeMap::new(),
            failed: 0,
            in_flight,
            waker: None,
        };
        let same = |group: &Group| queue.is_some() && group.queue.as_deref() == queue;
        if let Some((key, group)) = self.groups.iter_mut().find(|(_, group)| same(group)) {
            group.members.push(member);
            return *key;
        }
        let group = Group {
            queue: queue.map(str::to_owned),
            members: vec![member],
            turn: 0,
        };
        self.groups.insert(id, group);
        id
    }

    /// Removes a member; returns whom to wake.
    pub(super) fn leave(&mut self, place: &Place) -> Vec<Waker> {
        let Some(group) = self.groups.get_mut(&place.group) else {
            return Vec::new();
        };
        let Some(index) = group.index(place.member) else {
            return Vec::new();
        };
        let mut left = group.members.remove(index);
        let mut wakers: Vec<_> = left.waker.take().into_iter().collect();
        let rest = left.ready.into_iter().chain(left.later.into_values());
        if group.members.is_empty() {
            let count = rest.count();
            if count > 0 && group.queue.is_some() {
                tracing::warn!(
                    topic = &*place.topic,
                    queue = group.queue,
                    count,
                    "events are dropped: the last member of their queue left"
                );
            }
            self.groups.remove(&place.group);
            return wakers;
        }
        for item in rest {
            let next = group.take_turn(None);
            let member = &mut group.members[next];
            member.ready.push_back(item);
            wakers.extend(member.waker.take());
        }
        wakers
    }

    pub(super) fn offer(&mut self, group: u64, event: &Event, capacity: usize) -> Offer {
        let Some(group) = self.groups.get_mut(&group) else {
            return Offer::Gone;
        };
        for _ in 0..group.members.len() {
            let next = group.take_turn(None);
            let member = &mut group.members[next];
            if member.unsettled() < capacity {
                let event = event.clone();
                member.ready.push_back(Item { event, failures: 0 });
                return Offer::Accepted(member.waker.take());
            }
        }
        Offer::Full
    }

    /// Redelivers an event, unless that was done often enough; returns whom to wake.
    pub(super) fn again(&mut self, place: &Place, mut item: Item, error: &Error) -> Option<Waker> {
        item.failures += 1;
        let group = self
            .groups
            .get_mut(&place.group)
            .filter(|_| item.failures < ATTEMPTS);
        let Some(group) = group else {
            dropped(place, &item, error);
            return None;
        };
        let rest = REST * 2u32.pow(item.failures - 1);
        let next = group.take_turn(Some(place.member));
        let member = &mut group.members[next];
        member.failed += 1;
        let due = (Instant::now() + rest, member.failed);
        member.later.insert(due, item);
        member.waker.take()
    }

    pub(super) fn next(&mut self, place: &Place, waker: &Waker) -> Next {
        let group = self.groups.get_mut(&place.group);
        let member = group.and_then(|group| {
            let index = group.index(place.member)?;
            Some(&mut group.members[index])
        });
        let Some(member) = member else {
            return Next::Gone;
        };
        let due = member.later.first_key_value().map(|((due, _), _)| *due);
        if due.is_some_and(|due| due <= Instant::now())
            && let Some((_, item)) = member.later.pop_first()
        {
            return Next::Item(item);
        }
        if let Some(item) = member.ready.pop_front() {
            return Next::Item(item);
        }
        member.waker = Some(waker.clone());
        due.map_or(Next::Nothing, Next::Due)
    }
}

impl Group {
    fn index(&self, id: u64) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// The member whose turn it is, other than `but` if there is another.
    fn take_turn(&mut self, but: Option<u64>) -> usize {
        let count = self.members.len();
        let mut next = self.turn % count;
        if count > 1 && Some(self.members[next].id) == but {
            next = (next + 1) % count;
        }
        self.turn = next + 1;
        next
    }
}

impl Member {
    fn unsettled(&self) -> usize {
        self.ready.len() + self.later.len() + self.in_flight.count()
    }
}

/// Logs that an event will not be delivered again.
pub(super) fn dropped(place: &Place, item: &Item, error: &Error) {
    tracing::warn!(
        topic = &*place.topic,
        deliveries = item.failures.max(1),
        %error,
        "an event is dropped: no subscriber acknowledged it"
    );
}
