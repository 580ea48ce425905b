//! [`Snapshot`], the nodes of a service at one moment, prepared for fast picks.

use std::{ops::Range, sync::Arc};

use super::{
    draw::Draw,
    fleet::Fleet,
    load::Load,
    member::Member,
    tried_nodes::TriedNodes,
    weights::{VersionWeights, effective},
};
use crate::{
    node::Node,
    random::{Dice, Rng},
    sync::{AtomicU64, Ordering},
    time,
};

/// The smallest change of the time that is stored, so that threads seldom write what others read.
const TICK: u64 = 20_000;

/// More than half of all weight is ejected.
const PANICKING: u64 = 1;
/// Other servers answer at the addresses of all nodes.
const ALL_REPLACED: u64 = 2;

/// The nodes of a service at one moment.
///
/// Immutable except for its time; what changes with each call is in each [`Load`]. Members are sorted by
/// version and id.
#[derive(Debug)]
pub struct Snapshot {
    members: Box<[Member]>,
    /// Versions that get calls. A single group unless there are version weights.
    groups: Box<[Group]>,
    /// Draws a group by weight; `None` if no node gets calls.
    between: Option<Draw>,
    now: AtomicU64,
    /// [`PANICKING`] and [`ALL_REPLACED`] at the last check; above them the fleet's count of changes at that check.
    panic: AtomicU64,
    fleet: Arc<Fleet>,
}

/// Members that share one part of the traffic.
#[derive(Debug)]
struct Group {
    range: Range<usize>,
    draw: Draw,
}

impl Snapshot {
    /// Creates a snapshot of nodes without history, such as a test of a strategy needs.
    pub fn of(nodes: impl IntoIterator<Item = Node>) -> Self {
        let now = time::now();
        let fleet = Arc::new(Fleet::new(Rng::new()));
        let nodes = nodes.into_iter().map(|node| {
            let load = Arc::new(Load::new(&fleet, now));
            (Arc::new(node), load)
        });
        Self::new(nodes.collect(), &VersionWeights::new(), &fleet, now).0
    }

    /// Creates a snapshot of nodes with loads of `fleet`, and the place in `nodes` of each member.
    pub(super) fn new(
        nodes: Vec<(Arc<Node>, Arc<Load>)>,
        versions: &VersionWeights,
        fleet: &Arc<Fleet>,
        now: u64,
    ) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&nodes[*a].0, &nodes[*b].0);
            (&a.version, &a.id).cmp(&(&b.version, &b.id))
        });
        let sorted: Vec<&Node> = order.iter().map(|i| &*nodes[*i].0).collect();
        let weights = effective(&sorted, versions);
        let mut members: Box<[Member]> = order
            .iter()
            .zip(weights)
            .map(|(i, weight)| Member {
                node: nodes[*i].0.clone(),
                load: nodes[*i].1.clone(),
                weight,
                scale: 1.0,
            })
            .collect();
        let (groups, between) = group(&mut members, !versions.is_empty());
        let snapshot = Snapshot {
            members,
            groups,
            between,
            now: AtomicU64::new(now),
            panic: AtomicU64::new(0),
            fleet: fleet.clone(),
        };
        (snapshot, order)
    }

    /// Returns the nodes.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns a node by its index.
    pub fn get(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// Returns the time for [`Load::cost`], in nanoseconds, as of the last [`Snapshot::touch`].
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Stores the time, which the caller has read anyway: a pick reads no clock. Called once a call;
    /// a time less than 20 µs newer than the last is not stored.
    pub fn touch(&self, now: u64) {
        if now.saturating_sub(self.now.load(Ordering::Relaxed)) >= TICK {
            self.now.store(now, Ordering::Relaxed);
        }
    }

    /// Whether a node may be picked: it has a share, was not tried, and is not ejected, or so many
    /// are that ejection is ignored.
    pub fn is_usable(&self, index: usize, tried: &TriedNodes) -> bool {
        let member = &self.members[index];
        member.weight > 0
            && !tried.contains(member)
            && (member.load.is_alive() || self.falls_back_on(member))
    }

    /// Whether an ejected node may be picked anyway. One whose address belongs to another server may not, while
    /// there is any other.
    fn falls_back_on(&self, member: &Member) -> bool {
        let panic = self.panic();
        panic & PANICKING != 0 && (panic & ALL_REPLACED != 0 || !member.load.is_replaced())
    }

    /// Whether ejection is ignored: if nodes of more than half of all weight are ejected, the
    /// rest would get the load of all. The only node of a service is thus never ejected.
    ///
    /// Computed again only after a node was ejected or recovered.
    pub fn is_panicking(&self) -> bool {
        self.panic() & PANICKING != 0
    }

    /// The present bits [`PANICKING`] and [`ALL_REPLACED`].
    fn panic(&self) -> u64 {
        let changes = self.fleet.changes();
        let panic = self.panic.load(Ordering::Relaxed);
        if panic >> 2 == changes {
            return panic;
        }
        let (mut total, mut ejected, mut replaced) = (0u64, 0u64, 0u64);
        for member in &self.members {
            let weight = u64::from(member.weight);
            total += weight;
            if !member.load.is_alive() {
                ejected += weight;
                replaced += u64::from(member.load.is_replaced()) * weight;
            }
        }
        let mut panic = changes << 2;
        if ejected * 2 > total {
            panic |= PANICKING;
        }
        if replaced == total {
            panic |= ALL_REPLACED;
        }
        self.panic.store(panic, Ordering::Relaxed);
        panic
    }

    /// Returns the nodes that are ejected now.
    pub fn ejected(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.load.is_alive())
    }

    /// The indices of one version's nodes, by the weights of versions, or of all nodes without
    /// such weights; `None` if no node gets calls.
    pub fn draw_group(&self, dice: &mut Dice) -> Option<Range<usize>> {
        Some(self.group(dice)?.range.clone())
    }

    /// Draws one node by weight; `None` if no node gets calls.
    pub fn draw(&self, dice: &mut Dice) -> Option<usize> {
        let group = self.group(dice)?;
        Some(group.range.start + group.draw.index(dice.roll()))
    }

    /// Draws two nodes of one version by weight, to choose the better of. They differ if the weights are
    /// equal. Otherwise they are drawn independently and may be the same, so that shares are kept.
    pub fn draw_two(&self, dice: &mut Dice) -> Option<(usize, usize)> {
        let group = self.group(dice)?;
        let start = group.range.start;
        let (one, other) = match &group.draw {
            Draw::Equal(1) => (0, 0),
            Draw::Equal(count) => {
                let one = dice.below(*count);
                let other = dice.below(*count - 1);
                (one as usize, (other + u32::from(other >= one)) as usize)
            }
            draw => (draw.index(dice.roll()), draw.index(dice.roll())),
        };
        Some((start + one, start + other))
    }

    /// The first usable node from a random one on, if drawing found none.
    pub fn scan(&self, dice: &mut Dice, tried: &TriedNodes) -> Option<usize> {
        let count = u32::try_from(self.len()).ok().filter(|count| *count > 0)?;
        let from = dice.below(count) as usize;
        (from..self.len())
            .chain(0..from)
            .find(|index| self.is_usable(*index, tried))
    }

    fn group(&self, dice: &mut Dice) -> Option<&Group> {
        if let [only] = &*self.groups {
            return Some(only);
        }
        let between = self.between.as_ref()?;
        self.groups.get(between.index(dice.roll()))
    }

    pub(super) fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }
}

/// Splits sorted members into versions, or one group of all, without nodes that get no calls.
fn group(members: &mut [Member], by_version: bool) -> (Box<[Group]>, Option<Draw>) {
    let mut groups = Vec::new();
    let mut shares: Vec<u64> = Vec::new();
    let mut start = 0;
    let same = |a: &Member, b: &Member| !by_version || a.node.version == b.node.version;
    for part in members.chunk_by_mut(same) {
        let range = start..start + part.len();
        start = range.end;
        let weights: Vec<u32> = part.iter().map(|member| member.weight).collect();
        let Some(draw) = Draw::new(&weights) else {
            continue;
        };
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mean = sum as f64 / weights.iter().filter(|weight| **weight > 0).count() as f64;
        for member in part.iter_mut().filter(|member| member.weight > 0) {
            member.scale = mean / f64::from(member.weight);
        }
        groups.push(Group { range, draw });
        shares.push(sum);
    }
    let most = shares.iter().copied().max().unwrap_or(0);
    // Sums may exceed 32 bits; only their proportions count.
    let shift = (64 - most.leading_zeros()).saturating_sub(32);
    let shares: Vec<u32> = shares.iter().map(|share| (share >> shift) as u32).collect();
    (groups.into(), Draw::new(&shares))
}
