//! `micro watch [SERVICE]`.

use std::{collections::BTreeMap, future::poll_fn, sync::Arc};

use clap::Args;
use micro::{
    registry::{Node, Update},
    selector::WEIGHTS,
};
use serde_json::json;

use crate::{
    failure::{Failure, Result},
    session::Session,
    throttle::ThrottledWarning,
};

/// Print nodes that are added, changed and removed, until Ctrl-C
///
/// Nodes that are registered already are printed first, as added.
#[derive(Args)]
pub(crate) struct Watch {
    /// Only this service
    service: Option<String>,
}

impl Watch {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            let registry = session.registry()?;
            let updates = registry.watch(self.service.as_deref()).await;
            let mut updates = updates.map_err(Failure::Registry)?;
            let mut stale = ThrottledWarning::default();
            let mut known: BTreeMap<String, BTreeMap<String, Arc<Node>>> = BTreeMap::new();
            while let Some(update) = poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
                match update {
                    Update::Set { service, .. } if service == WEIGHTS && self.service.is_none() => {
                    }
                    Update::Set { service, nodes, .. } => {
                        if stale.end() {
                            session.say("the registry is reachable again");
                        }
                        let before = known.entry(service).or_default();
                        let now = nodes
                            .into_iter()
                            .map(|node| (node.id.clone(), node))
                            .collect();
                        for (action, node) in changes(before, &now) {
                            print(session, action, node)?;
                        }
                        *before = now;
                    }
                    Update::Stale { since, error } => stale.say(
                        session,
                        &format!(
                            "warning: the registry has been unreachable for {since:.1?}: {error}"
                        ),
                    ),
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

fn print(session: &Session, action: &str, node: &Node) -> Result {
    if session.json() {
        return session.print(json!({
            "action": action,
            "service": node.service,
            "node": node.id,
            "version": node.version,
        }));
    }
    let Node {
        id,
        version,
        address,
        ..
    } = node;
    session.print(format_args!(
        "{action:7}  {}  {id}  {version}  {address}",
        node.service
    ))
}

/// The changes from `before` to `now`.
fn changes<'a>(
    before: &'a BTreeMap<String, Arc<Node>>,
    now: &'a BTreeMap<String, Arc<Node>>,
) -> Vec<(&'static str, &'a Node)> {
    let removed = before.iter().filter(|(id, _)| !now.contains_key(*id));
    let removed = removed.map(|(_, node)| ("removed", &**node));
    let rest = now.iter().filter_map(|(id, node)| match before.get(id) {
        None => Some(("added", &**node)),
        Some(old) if old != node => Some(("changed", &**node)),
        Some(_) => None,
    });
    removed.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_nodes_become_single_changes() {
        let set = |nodes: &[(&str, &str)]| -> BTreeMap<_, _> {
            let nodes = nodes
                .iter()
                .map(|(id, address)| Node::new("greeter", *id, *address));
            nodes
                .map(|node| (node.id.clone(), Arc::new(node)))
                .collect()
        };
        let before = set(&[("a", "h:1"), ("b", "h:2"), ("c", "h:3")]);
        let now = set(&[("b", "h:2"), ("c", "h:4"), ("d", "h:5")]);
        let changes = changes(&before, &now);
        let changes: Vec<_> = changes
            .iter()
            .map(|(action, node)| (*action, &*node.id))
            .collect();
        assert_eq!(
            changes,
            [("removed", "a"), ("changed", "c"), ("added", "d")]
        );
    }
}
