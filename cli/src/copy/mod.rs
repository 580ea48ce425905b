//! Copies the nodes of one registry to another.

mod follow;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Node, Registry},
};
use serde_json::json;

pub(crate) use follow::follow;

use crate::{
    failure::{Failure, Result},
    session::Session,
};

/// A service's name and a node's id.
type Key = (String, String);

/// A copy in progress.
pub(crate) struct Copy {
    to: Arc<dyn Registry>,
    ttl: Option<Duration>,
    dry_run: bool,
    /// Nodes of the source registry.
    wanted: BTreeMap<Key, Node>,
    /// Nodes that this copy wrote to the target.
    written: BTreeMap<Key, Node>,
    /// Nodes that the target had already.
    present: BTreeMap<Key, Node>,
    /// Nodes that the target refused, with the reason.
    refused: BTreeMap<Key, (Node, String)>,
    copied: u64,
    removed: u64,
}

impl Copy {
    /// A copy to the registry `to`; a dry run writes nothing.
    pub(crate) fn new(to: Arc<dyn Registry>, ttl: Option<Duration>, dry_run: bool) -> Self {
        Copy {
            to,
            ttl,
            dry_run,
            wanted: BTreeMap::new(),
            written: BTreeMap::new(),
            present: BTreeMap::new(),
            refused: BTreeMap::new(),
            copied: 0,
            removed: 0,
        }
    }

    /// Reads all nodes of a registry.
    pub(crate) async fn read(&mut self, from: &dyn Registry) -> Result {
        for service in from.list().await.map_err(Failure::Registry)? {
            let nodes = from.get(&service).await.map_err(Failure::Registry)?;
            self.want(&service, nodes);
        }
        Ok(())
    }

    /// Replaces the wanted nodes of a service.
    fn want(&mut self, service: &str, nodes: impl IntoIterator<Item = Node>) {
        self.wanted.retain(|(of, _), _| of != service);
        let nodes = nodes.into_iter().map(|node| (key(&node), node));
        self.wanted.extend(nodes);
    }

    /// Registers nodes that the target lacks, and deregisters those that this copy wrote and the source no longer has.
    ///
    /// Stops at an error of the registry; a node that the registry refuses is skipped.
    pub(crate) async fn write(&mut self, session: &Session) -> micro::Result<()> {
        let gone = self
            .written
            .iter()
            .filter(|(key, _)| !self.wanted.contains_key(key));
        let gone: Vec<_> = gone.map(|(_, node)| node.clone()).collect();
        for node in gone {
            // Counted first: the process may be stopped as soon as the node is gone.
            self.removed += 1;
            if let Err(error) = self.to.deregister(&node).await {
                self.removed -= 1;
                return Err(error);
            }
            self.written.remove(&key(&node));
        }
        let wanted = &self.wanted;
        self.present
            .retain(|key, node| wanted.get(key) == Some(node));
        self.refused
            .retain(|key, (node, _)| wanted.get(key) == Some(node));
        let due = self.wanted.iter().filter(|(key, node)| {
            self.written.get(key) != Some(node)
                && !self.present.contains_key(key)
                && !self.refused.contains_key(key)
        });
        let mut due: BTreeMap<String, Vec<Node>> =
            due.fold(BTreeMap::new(), |mut due, (_, node)| {
                due.entry(node.service.clone())
                    .or_default()
                    .push(node.clone());
                due
            });
        while let Some((service, nodes)) = due.pop_first() {
            let there = self.to.get(&service).await?;
            for node in nodes {
                let key = key(&node);
                match there.contains(&node) && !self.written.contains_key(&key) {
                    true => drop(self.present.insert(key, node)),
                    false => self.register(session, node).await?,
                }
            }
        }
        Ok(())
    }

    async fn register(&mut self, session: &Session, node: Node) -> micro::Result<()> {
        if !self.dry_run {
            match self.to.register(&node, self.ttl).await {
                Err(error) if error.code() == Code::InvalidArgument => {
                    let (id, service) = (&node.id, &node.service);
                    session.say(&format!(
                        "warning: `{id}` of `{service}` is not copied: {error}"
                    ));
                    self.refused.insert(key(&node), (node, error.to_string()));
                    return Ok(());
                }
                registered => registered?,
            }
        }
        self.copied += 1;
        self.written.insert(key(&node), node);
        Ok(())
    }

    /// Renews the registrations of written nodes.
    async fn renew(&mut self) -> micro::Result<()> {
        for node in self.written.values() {
            self.to.register(node, self.ttl).await?;
        }
        Ok(())
    }

    /// Prints the counts; fails if there is what could not be copied.
    pub(crate) fn print(&self, session: &Session) -> Result {
        let mut services: Vec<_> = self.wanted.keys().map(|(service, _)| service).collect();
        services.dedup();
        let (services, copied, removed) = (services.len(), self.copied, self.removed);
        let (present, refused) = (self.present.len(), self.refused.len());
        if session.json() {
            let refused = self.refused.values();
            let refused = refused.map(
                |(node, why)| json!({"service": node.service, "node": node.id, "reason": why}),
            );
            session.print(json!({
                "services": services,
                "copied": copied,
                "present": present,
                "removed": removed,
                "refused": refused.collect::<Vec<_>>(),
                "dry_run": self.dry_run,
            }))?;
        } else {
            let verb = if self.dry_run { "would copy" } else { "copied" };
            let nodes = if copied == 1 { "node" } else { "nodes" };
            session.print(format_args!(
                "{verb} {copied} {nodes}; {present} were there, {removed} taken out again, {refused} refused; \
                 services: {services}"
            ))?;
        }
        match refused {
            0 => Ok(()),
            _ => Err(Failure::Failed(format!(
                "registry `{}` cannot hold {refused} of the records",
                self.to.name()
            ))),
        }
    }
}

fn key(node: &Node) -> Key {
    (node.service.clone(), node.id.clone())
}

#[cfg(test)]
mod tests {
    use micro::registry::{Local, Memory};

    use super::*;

    /// A registry in memory with these nodes of service `x`.
    async fn memory(nodes: &[(&str, &str)]) -> Memory {
        let memory = Memory::new();
        for (id, address) in nodes {
            let node = Node::new("x", *id, *address);
            memory.register(&node, None).await.expect("memory takes it");
        }
        memory
    }

    fn session() -> Session {
        use clap::Parser;
        crate::Micro::parse_from(["micro", "list"]).session()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_cannot_be_held_is_named_and_the_others_are_copied() {
        let from = memory(&[("x-1", "10.0.0.1:80"), ("x-2", "10.0.0.1:0")]).await;
        let directory = std::env::temp_dir().join(format!("micro-copy-{}", std::process::id()));
        let to = Local::at(&directory);
        let mut copy = Copy::new(Arc::new(to.clone()), None, false);
        copy.read(&from).await.expect("it is read");
        copy.write(&session()).await.expect("it is written");
        let copied = to.get("x").await.expect("it is read");
        assert_eq!(copied, [Node::new("x", "x-1", "10.0.0.1:80")]);
        let (_, why) = &copy.refused[&("x".to_owned(), "x-2".to_owned())];
        assert!(why.contains("`x-2`") && why.contains("port 0"), "{why}");
        let failure = copy.print(&session()).expect_err("one is refused");
        assert_eq!(failure.code(), 1);
        std::fs::remove_dir_all(directory).expect("it can be removed");
    }

    #[tokio::test]
    async fn what_was_there_by_itself_is_not_taken_out() {
        let (from, to) = (
            memory(&[("x-1", "h:1"), ("x-2", "h:2")]).await,
            memory(&[("x-1", "h:1")]).await,
        );
        let mut copy = Copy::new(Arc::new(to.clone()), None, false);
        copy.read(&from).await.expect("it is read");
        copy.write(&session()).await.expect("it is written");
        assert_eq!((copy.copied, copy.present.len()), (1, 1));
        copy.want("x", Vec::new());
        copy.write(&session()).await.expect("it is written");
        let left = to.get("x").await.expect("it is read");
        assert_eq!(left, [Node::new("x", "x-1", "h:1")]);
    }
}
