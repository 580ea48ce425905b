//! Circles: modules in files side by side that use each other, whether straight or through others.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Tree;

/// Modules side by side that all reach each other.
#[derive(Debug, PartialEq)]
pub(crate) struct Circle {
    /// The module that they stand in; empty at the root.
    pub(crate) parent: String,
    pub(crate) children: Vec<String>,
    /// Who uses what of whom, for people.
    pub(crate) arrows: Vec<String>,
}

/// Every circle of a crate.
pub(crate) fn circles(tree: &Tree) -> Vec<Circle> {
    tree.parents()
        .into_iter()
        .flat_map(|parent| within(tree, parent))
        .collect()
}

/// The circles among the modules of one parent.
fn within(tree: &Tree, parent: &[String]) -> Vec<Circle> {
    // By the child that uses and the one that is used, the names.
    let mut arrows: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    let child = |module: &'_ [String]| -> Option<usize> {
        (module.len() > parent.len() && module.starts_with(parent)).then_some(parent.len())
    };
    for arrow in tree.arrows() {
        let Some(at) = child(arrow.from) else {
            continue;
        };
        for to in &arrow.to {
            if child(to).is_some() && arrow.from[at] != to[at] {
                let names = arrows.entry((&arrow.from[at], &to[at])).or_default();
                names.extend(arrow.import.path.last().cloned());
            }
        }
    }
    let children: BTreeSet<&str> = arrows.keys().map(|(from, _)| *from).collect();
    let mut circles: Vec<Circle> = Vec::new();
    let mut grouped = BTreeSet::new();
    for from in &children {
        let reached = reach(&arrows, from);
        let circle: BTreeSet<&str> = reached
            .iter()
            .copied()
            .filter(|to| reach(&arrows, to).contains(from))
            .collect();
        if circle.len() < 2 || !grouped.insert(circle.clone()) {
            continue;
        }
        let inside = arrows
            .iter()
            .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        circles.push(Circle {
            parent: parent.join("::"),
            children: circle.iter().map(|child| (*child).to_owned()).collect(),
            arrows: inside
                .map(|((from, to), names)| {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    format!("  {from} -> {to}: {}", names.join(", "))
                })
                .collect(),
        });
    }
    circles
}

/// All that is used from `from` on, with `from` itself only if an arrow leads back.
fn reach<'a>(
    arrows: &BTreeMap<(&'a str, &'a str), BTreeSet<String>>,
    from: &str,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        let targets = arrows.keys().filter(|(from, _)| *from == at);
        for (_, to) in targets {
            if reached.insert(*to) {
                next.push(to);
            }
        }
    }
    reached
}
