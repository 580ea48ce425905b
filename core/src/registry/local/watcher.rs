//! The task that follows the directory for all watches of a [`Local`](super::Local).

use std::{collections::BTreeMap, io, path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    blocking,
    directory::Directory,
    events::{Change, Changes, Events},
    records::Records,
};
use crate::{
    error::{Error, Result},
    registry::view::{NodeSet, View},
};

/// How often everything is read without an event, in case one was lost.
const RESYNC: Duration = Duration::from_secs(60);
/// The wait before a directory that cannot be followed is tried again, doubled each time…
const FIRST_RETRY: Duration = Duration::from_millis(25);
/// …up to this.
const LAST_RETRY: Duration = Duration::from_secs(1);

/// The current view; none until the directory was read once.
pub(super) type CurrentView = Option<Arc<View>>;

/// How events of a directory are received: [`Events::open`], except in tests.
pub(super) type Listen = fn(&Path) -> io::Result<Events>;

/// Follows the directory until dropped.
#[derive(Debug)]
pub(super) struct Watcher {
    view: watch::Receiver<CurrentView>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to follow, on the caller's runtime.
    pub(super) fn start(directory: Arc<Directory>, listen: Listen) -> Self {
        let (sender, view) = watch::channel(None);
        let follower = Follower {
            directory,
            listen,
            records: Records::default(),
            suspects: SuspectFiles::new(),
            shown: View::default(),
            sender,
        };
        Watcher {
            view,
            task: tokio::spawn(follower.run()),
        }
    }

    /// Whether its runtime still runs it.
    pub(super) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    pub(super) fn view(&self) -> watch::Receiver<CurrentView> {
        let mut view = self.view.clone();
        view.mark_changed();
        view
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    directory: Arc<Directory>,
    listen: Listen,
    records: Records,
    suspects: SuspectFiles,
    shown: View,
    sender: watch::Sender<CurrentView>,
}

/// Why the directory is read.
enum Cause {
    Changes(Changes),
    Doubt,
    Resync,
}

impl Follower {
    async fn run(mut self) {
        let mut wait = FIRST_RETRY;
        loop {
            match self.follow().await {
                Ok(()) => wait = FIRST_RETRY,
                Err(error) => {
                    let since = match &self.shown.stale {
                        Some((since, _)) => {
                            wait = (wait * 2).min(LAST_RETRY);
                            *since
                        }
                        None => {
                            wait = FIRST_RETRY;
                            Instant::now()
                        }
                    };
                    self.shown.stale = Some((since, error));
                    self.send();
                }
            }
            sleep(wait).await;
        }
    }

    /// Publishes the directory until it is removed, or fails.
    async fn follow(&mut self) -> Result<()> {
        let directory = self.directory.clone();
        blocking(move || directory.open()).await?;
        // Listen first, then read, so that no change is missed.
        let mut events = (self.listen)(self.directory.path()).map_err(self.failed())?;
        // What is missing by now may have been lost with a removed directory.
        self.look(|records, directory| records.scan(directory, false))
            .await?;
        let is_news = self.shown.stale.take().is_some() || self.sender.borrow().is_none();
        // In one step: a first view without the records found would look like an empty registry.
        if self.update() || is_news {
            self.send();
        }
        let mut resync = Instant::now() + RESYNC;
        loop {
            let cause = tokio::select! {
                changes = events.next() => Cause::Changes(changes.map_err(self.failed())?),
                () = sleep_until(self.suspects.due), if !self.suspects.names.is_empty() => Cause::Doubt,
                () = sleep_until(resync) => Cause::Resync,
            };
            match cause {
                Cause::Changes(Changes::Vanished) => return Ok(()),
                Cause::Changes(Changes::Files(files)) => self.look_at(files).await?,
                Cause::Doubt => self.look_again().await?,
                Cause::Changes(Changes::Something) | Cause::Resync => {
                    let directory = self.directory.clone();
                    if !blocking(move || directory.exists()).await? {
                        return Ok(());
                    }
                    self.look(|records, directory| records.scan(directory, true))
                        .await?;
                    resync = Instant::now() + RESYNC;
                }
            }
            self.show();
        }
    }

    /// Reads the files that changed.
    async fn look_at(&mut self, files: BTreeMap<String, Change>) -> Result<()> {
        let doubted = self
            .look(move |records, directory| {
                let mut doubted = Vec::new();
                for (name, change) in files {
                    let looked = records.look(directory, &name, change != Change::Deleted);
                    // A file is closed a moment before its lock is released.
                    let is_closing = change == Change::Closed && records.is_mortal(&name);
                    if is_closing || looked.is_err() {
                        doubted.push((name, 0));
                    }
                }
                Ok(doubted)
            })
            .await?;
        self.suspects.add(doubted);
        Ok(())
    }

    /// Reads the suspect files again.
    async fn look_again(&mut self) -> Result<()> {
        let names = std::mem::take(&mut self.suspects.names);
        let doubted = self
            .look(move |records, directory| {
                let mut doubted = Vec::new();
                for (name, round) in names {
                    let looked = records.look(directory, &name, true);
                    let is_doubted = looked.is_err() || records.is_mortal(&name);
                    if is_doubted && round < SuspectFiles::ROUNDS {
                        doubted.push((name, round + 1));
                    }
                }
                Ok(doubted)
            })
            .await?;
        self.suspects.add(doubted);
        Ok(())
    }

    /// Reads the directory, off the threads that must not wait.
    async fn look<T: Send + 'static>(
        &mut self,
        look: impl FnOnce(&mut Records, &Directory) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let directory = self.directory.clone();
        let mut records = std::mem::take(&mut self.records);
        let (records, looked) = blocking(move || {
            let looked = look(&mut records, &directory);
            Ok((records, looked))
        })
        .await?;
        self.records = records;
        looked.map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        let directory = self.directory.clone();
        move |error| directory.unusable(error)
    }

    /// Publishes what has changed.
    fn show(&mut self) {
        if self.update() {
            self.send();
        }
    }

    /// Takes over what has changed. Returns whether anything has.
    fn update(&mut self) -> bool {
        let changed = self.records.take_changed();
        let is_news = !changed.is_empty();
        for (service, by_rule) in changed {
            let nodes = self.records.nodes(&service);
            if nodes.is_empty() && by_rule {
                self.shown.services.remove(&service);
            } else {
                let authoritative = !nodes.is_empty();
                let set = NodeSet::new(nodes, authoritative);
                self.shown.services.insert(service, Arc::new(set));
            }
        }
        is_news
    }

    fn send(&self) {
        self.sender.send_replace(Some(Arc::new(self.shown.clone())));
    }
}

/// Files to read again soon, with the number of tries: closed but still locked, or unreadable for lack
/// of descriptors.
#[derive(Debug)]
struct SuspectFiles {
    names: BTreeMap<String, u32>,
    due: Instant,
}

impl SuspectFiles {
    /// After 1, 2, 4, … ms, four seconds in all: longer than a process takes to end.
    const ROUNDS: u32 = 11;

    fn new() -> Self {
        SuspectFiles {
            names: BTreeMap::new(),
            due: Instant::now(),
        }
    }

    fn add(&mut self, doubted: Vec<(String, u32)>) {
        let Some(round) = doubted.iter().map(|(_, round)| *round).min() else {
            return;
        };
        let due = Instant::now() + Duration::from_millis(1 << round);
        self.due = if self.names.is_empty() {
            due
        } else {
            due.min(self.due)
        };
        self.names.extend(doubted);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::{
        node::Node,
        registry::{Local, Registry},
    };

    async fn until(view: &mut watch::Receiver<CurrentView>, expected: &[&str]) {
        let is_expected = |shown: &CurrentView| {
            let set = shown.as_ref().and_then(|view| view.services.get("a"));
            let nodes = set.map_or(&[][..], |set| &set.nodes);
            nodes
                .iter()
                .map(|node| node.id.as_str())
                .eq(expected.iter().copied())
        };
        let found = tokio::time::timeout(Duration::from_secs(10), view.wait_for(is_expected));
        found
            .await
            .expect("it is shown in time")
            .expect("the task runs");
    }

    #[tokio::test]
    async fn first_view_is_complete() {
        let path = std::env::temp_dir().join(format!("micro-first-{}", std::process::id()));
        let registry = Local::at(&path);
        let ttl = Some(Duration::from_secs(60));
        let node = Node::new("a", "1", "h:1");
        registry.register(&node, ttl).await.unwrap();
        for _ in 0..100 {
            let directory = Arc::new(Directory::new(path.clone(), false));
            let watcher = Watcher::start(directory, |_| Ok(Events::Polled));
            let view = watcher.view();
            // Another thread reads all the time, so that it sees every view in between.
            let looking = tokio::task::spawn_blocking(move || {
                loop {
                    if let Some(view) = &*view.borrow() {
                        return view.services.contains_key("a");
                    }
                }
            });
            assert!(looking.await.unwrap(), "a first view without the node");
        }
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[tokio::test]
    async fn without_events_it_reads_often_enough() {
        let path = std::env::temp_dir().join(format!("micro-polled-{}", std::process::id()));
        let directory = Arc::new(Directory::new(path.clone(), false));
        let watcher = Watcher::start(directory, |_| Ok(Events::Polled));
        let mut view = watcher.view();
        until(&mut view, &[]).await;
        let registry = Local::at(&path);
        let ttl = Some(Duration::from_secs(60));
        registry
            .register(&Node::new("a", "1", "h:1"), ttl)
            .await
            .unwrap();
        registry
            .register(&Node::new("a", "2", "h:2"), None)
            .await
            .unwrap();
        until(&mut view, &["1", "2"]).await;
        drop(registry);
        until(&mut view, &["2"]).await;
        std::fs::remove_dir_all(&path).unwrap();
        until(&mut view, &[]).await;
    }
}
