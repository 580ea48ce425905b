//! A registry that is a directory: for the processes of one machine, with nothing installed.
//!
//! | moment | what happens in the directory | what a watch hears |
//! |---|---|---|
//! | register | written and locked as `.new-…`, then renamed to a name never used before | moved to |
//! | change | the same, renamed over the older record, which is then unlocked | moved to |
//! | deregister | renamed to `.gone-…`, deleted, and then unlocked | moved from: emptied by rule |
//! | death | the kernel closes the file, then frees its lock | closed by a writer: tries the lock |
//! | burial | whoever finds a record unlocked takes it out | moved from |
//! | a stranger's `rm` | deleted under its name | deleted: not to be believed |
//!
//! Since a record has its lock before its name, no reader meets a newborn unlocked. Only its own
//! process replaces a record, and frees the older one afterwards: so one found unlocked **and** still
//! under its name is dead, nothing will ever come in its place, and it can be removed by name. A
//! change is one renaming, so no reader misses the node. Scope lock shared, and never the files of
//! writers. No lock is ever waited for, so a stopped process stops nobody else. Process ids are not
//! looked at: locks reach across containers that share the directory. After a restart of the machine
//! nothing is locked.

mod directory;
mod events;
mod file_name;
mod held;
mod place;
mod record;
mod records;
mod watcher;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::sleep;

use self::{directory::Directory, events::Events, held::Held, records::Records, watcher::Watcher};
use super::{
    Registry, Updates, validation,
    view::{WatchCursor, updates},
};
use crate::{
    error::{Error, Result},
    node::Node,
    url::{Reads, Url, validate_namespace},
};

/// The wait before a watcher whose runtime ended is started on another.
const RESTART: Duration = Duration::from_millis(25);

/// A registry for the processes of one machine: a directory with one file a node.
///
/// A node registered with a `ttl`, however long, lives exactly as long as this process and this
/// value (or a clone) do: its file is locked, and the kernel frees the lock of a process that is
/// killed. Without a `ttl` it stays until it is deregistered. Nothing is opened before first use.
///
/// Where several processes register one id, the newest that lives is shown, and the others are told at their renewals. A
/// process that has registered a node deregisters its own record alone; one that has not, any of that id and address.
///
/// A watch shows a death within milliseconds (25 ms or a little more where there is no inotify). An
/// emptied set is authoritative unless somebody deleted files by hand; a deleted directory is made
/// again, and the next renewal writes the records anew. A corrupt file is skipped, with one warning.
///
/// ```
/// use micro::registry::{Local, Node, Registry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("micro-doc-{}", std::process::id()));
/// let registry = Local::at(&directory);
/// let node = Node::new("greeter", "greeter-1", "127.0.0.1:4000");
/// registry.register(&node, Some(std::time::Duration::from_secs(60))).await?;
/// assert_eq!(Local::at(&directory).get("greeter").await?, [node]);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: Arc<Directory>,
    held: Held,
    /// Held by the watches, so that it ends with the last.
    watcher: Mutex<Weak<Watcher>>,
}

impl Local {
    /// The registry of this user: `$XDG_RUNTIME_DIR/micro` or, where that is not set, `micro-UID`
    /// in the directory for temporary files. No other user's is ever used.
    pub fn new() -> Self {
        Local::of(Directory::new(place::of_user(), true))
    }

    /// A registry in a directory of choice, made private if it is missing; whoever may write there takes
    /// part, users and containers alike, and reads the records (as far as each one's umask allows). With
    /// the sticky bit nobody can remove another's.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Local::of(Directory::new(path.into(), false))
    }

    /// The registry at the URL `local`, `local:PATH` or `local:PATH?namespace=NAME`; see [`Local::at`] and
    /// [`Local::namespace`].
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for any other key, and a name that is no namespace.
    pub fn open(url: &Url) -> Result<Self> {
        // All before the `?` is the path of the directory.
        url.query_alone()
            .check(&Reads::new().keys(&["namespace"]))?;
        let (path, _) = url.address().split_once('?').unwrap_or((url.address(), ""));
        let registry = match path {
            "" => Local::new(),
            path => Local::at(path),
        };
        match url.query("namespace") {
            Some(name) => registry.namespace(&name),
            None => Ok(registry),
        }
    }

    /// The same in a directory within: one of a fleet's own, which those of other names do not see.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a name of other characters than letters, digits,
    /// `-`, `_` and, not in front, `.`.
    pub fn namespace(&self, name: &str) -> Result<Self> {
        validate_namespace(name)?;
        Ok(match name {
            "" => self.clone(),
            name => Local::of(self.0.directory.within(name)),
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.0.directory.path()
    }

    fn of(directory: Directory) -> Self {
        Local(Arc::new(Inner {
            directory: Arc::new(directory),
            held: Held::default(),
            watcher: Mutex::default(),
        }))
    }

    /// The records that may be of the service that `prefix` is of, or all.
    async fn records(&self, prefix: String) -> Result<Records> {
        let directory = self.0.directory.clone();
        blocking(move || {
            let mut records = Records::default();
            if !directory.exists()? {
                return Ok(records);
            }
            let failed = |error| directory.unusable(error);
            for name in directory.names().map_err(failed)? {
                if prefix.is_empty() || file_name::may_begin(&name, &prefix) {
                    records.look(&directory, &name, true).map_err(failed)?;
                }
            }
            Ok(records)
        })
        .await
    }
}

impl Default for Local {
    fn default() -> Self {
        Local::new()
    }
}

#[async_trait]
impl Registry for Local {
    fn name(&self) -> &str {
        "local"
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        validation::validate_local(node).map_err(|error| error.context("registry `local`"))?;
        let (inner, node) = (self.0.clone(), node.clone());
        blocking(move || inner.held.register(&inner.directory, node, ttl)).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let (inner, node) = (self.0.clone(), node.clone());
        blocking(move || inner.held.deregister(&inner.directory, &node)).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let records = self.records(file_name::service_prefix(service)).await?;
        Ok(records.nodes(service))
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.records(String::new()).await?.services())
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let directory = self.0.directory.clone();
        blocking(move || directory.open()).await?;
        let watcher = self.0.watcher();
        let view = watcher.view();
        let state = (self.0.clone(), watcher, view, WatchCursor::new(service));
        Ok(updates(
            state,
            |(inner, mut watcher, mut view, mut cursor)| async move {
                loop {
                    if let Some(update) = cursor.next_update() {
                        return ((inner, watcher, view, cursor), update);
                    }
                    if view.changed().await.is_ok() {
                        let shown = view.borrow_and_update().clone();
                        if let Some(shown) = shown {
                            cursor.observe(&shown);
                        }
                    } else {
                        sleep(RESTART).await;
                        watcher = inner.watcher();
                        view = watcher.view();
                    }
                }
            },
        ))
    }
}

impl Inner {
    /// The watcher of all watches; started on the caller's runtime if there is none.
    fn watcher(&self) -> Arc<Watcher> {
        let mut running = self.watcher.lock();
        if let Some(watcher) = running.upgrade().filter(|watcher| watcher.is_running()) {
            return watcher;
        }
        let watcher = Arc::new(Watcher::start(self.directory.clone(), Events::open));
        *running = Arc::downgrade(&watcher);
        watcher
    }
}

/// Runs what may wait for the disk off the threads that must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::unavailable(
            "registry `local` is not usable while the runtime ends",
        )),
    }
}
