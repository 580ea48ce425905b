//! Picking nodes without the balance loop: select, mark and reset, as in go-micro's selector.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Cache, Filter, Options, Set, Strategy, TriedNodes, Verdict};
use crate::{
    error::{Error, Outcome, Result},
    node::Node,
    registry::Registry,
    time::{self, NEVER},
};

/// Selects nodes for programs that call them by other means.
///
/// ```
/// # use std::sync::Arc;
/// use micro::{Error, Result, selector::{Select, Selector}};
///
/// async fn first_that_works(selector: &dyn Selector) -> Result<String> {
///     let mut next = selector.select("greeter", Select::default()).await?;
///     loop {
///         let node = next.node()?;
///         let connected = Ok::<_, Error>(node.address.clone());
///         selector.mark(&node, connected.as_ref().err());
///         if connected.is_ok() {
///             return connected;
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Selector: Send + Sync + 'static {
    /// Selects the nodes of a service, one after the other. Waits for the registry at the first use of a
    /// service; use a timeout if necessary.
    ///
    /// # Errors
    /// Those of [`Entry::ready`](super::Entry::ready).
    async fn select(&self, service: &str, select: Select) -> Result<Next>;

    /// Records whether a call of the node succeeded.
    fn mark(&self, node: &Node, error: Option<&Error>);

    /// Forgets the failures of a service's nodes.
    fn reset(&self, service: &str);
}

/// Which nodes are selected, and in which order.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Select {
    /// The nodes; all by default.
    pub filter: Option<Arc<dyn Filter>>,
    /// The order; the selector's strategy by default.
    pub strategy: Option<Arc<dyn Strategy>>,
}

/// The selected nodes, each once.
pub struct Next {
    service: String,
    set: Arc<Set<()>>,
    strategy: Arc<dyn Strategy>,
    tried: TriedNodes,
}

impl Next {
    /// Returns the next node.
    ///
    /// # Errors
    /// [`Code::Unavailable`](crate::Code::Unavailable) if there is none left.
    pub fn node(&mut self) -> Result<Arc<Node>> {
        let snapshot = self.set.snapshot();
        snapshot.touch(time::now());
        let Some(index) = self.strategy.pick(snapshot, &self.tried) else {
            return Err(Error::unavailable(format!(
                "no node of service `{}` is left to try of {}",
                self.service,
                snapshot.len()
            ))
            .with_outcome(Outcome::NotSent));
        };
        let member = snapshot.get(index);
        self.tried.add(member);
        Ok(member.node.clone())
    }
}

/// A selector over a registry.
///
/// An ejected node is selected again when its ejection ends, without a probe, since this selector cannot
/// make one.
pub struct Picker {
    cache: Cache<()>,
}

impl Picker {
    /// Creates a selector over `registry`.
    pub fn new(registry: Arc<dyn Registry>, strategy: Arc<dyn Strategy>, options: Options) -> Self {
        Picker {
            cache: Cache::new(
                registry,
                strategy,
                options,
                Box::new(|_| Ok(())),
                Box::new(|()| {}),
            ),
        }
    }
}

#[async_trait]
impl Selector for Picker {
    async fn select(&self, service: &str, select: Select) -> Result<Next> {
        let entry = self.cache.service(service);
        entry.ready(NEVER).await?;
        let now = time::now();
        let set = match &select.filter {
            Some(filter) => entry.filtered(&**filter),
            None => Arc::clone(&entry.load()),
        };
        for member in set.snapshot().ejected() {
            if member.load.wants_probe(now) {
                member.load.probed(now, true);
            }
        }
        Ok(Next {
            service: service.to_owned(),
            set,
            strategy: select
                .strategy
                .unwrap_or_else(|| self.cache.strategy().clone()),
            tried: TriedNodes::new(),
        })
    }

    fn mark(&self, node: &Node, error: Option<&Error>) {
        let entry = self.cache.service(&node.service);
        let set = entry.load();
        let members = set.snapshot().members();
        if let Some(member) = members.iter().find(|member| member.node.id == node.id) {
            member.load.mark(time::now(), Verdict::of(error));
        }
    }

    fn reset(&self, service: &str) {
        let now = time::now();
        let entry = self.cache.service(service);
        for member in entry.load().snapshot().members() {
            member.load.reset(now);
        }
    }
}
