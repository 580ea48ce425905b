//! A registry in a directory, for the processes of one machine, with nothing installed.
//!
//! | event | change of the directory | inotify event |
//! |---|---|---|
//! | register | written and locked as `.new-…`, then renamed to a name never used before | moved to |
//! | change | the same, renamed over the older record, which is then unlocked | moved to |
//! | deregister | renamed to `.gone-…`, deleted, and then unlocked | moved from: authoritative |
//! | death | the kernel closes the file, then frees its lock | closed by a writer: tries the lock |
//! | cleanup | a process that finds an unlocked record removes it | moved from |
//! | `rm` by hand | deleted under its name | deleted: not authoritative |
//!
//! A record is locked before it gets its name, so no reader sees a new one unlocked. Only its own
//! process replaces a record, and unlocks the older one afterwards. Therefore a record that is unlocked **and** still
//! has its name is dead, nothing will take its place, and it can be removed by name. A
//! change is a single rename, so every reader sees the node. Readers take the shared lock, and never lock the files of
//! writers. No lock is ever waited for, so a stopped process blocks no other. Process ids are not
//! used: locks work across containers that share the directory. After a restart of the machine,
//! nothing is locked.

mod directory;
mod events;
mod file_name;
mod own_records;
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

use self::{
    directory::Directory, events::Events, own_records::OwnRecords, records::Records,
    watcher::Watcher,
};
use super::{
    Registry, Updates, validation,
    view::{WatchCursor, updates},
};
use crate::{
    error::{Error, Result},
    node::Node,
    url::{Reads, Url, validate_namespace},
};

/// The wait before a watcher whose runtime has ended is restarted on another.
const RESTART: Duration = Duration::from_millis(25);

/// A registry for the processes of one machine: a directory with a file for each node.
///
/// A node registered with a `ttl`, however long, lives exactly as long as this process and this
/// value (or a clone): its file is locked, and the kernel releases the lock of a killed
/// process. Without a `ttl` it stays until it is deregistered. Nothing is opened before first use.
///
/// If several processes register one id, the newest living one counts, and the others receive an error at their renewals. A
/// process that has registered a node deregisters only its own record; one that has not, any record of that id and address.
///
/// A watch reports a death within milliseconds (25 ms or a little more without inotify). An
/// empty set is authoritative unless somebody deleted files by hand. A deleted directory is created
/// again, and the next renewals write the records anew. A corrupt file is skipped, with one warning.
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
    own_records: OwnRecords,
    /// Held by the watches, and ends with the last one.
    watcher: Mutex<Weak<Watcher>>,
}

impl Local {
    /// Creates the registry of this user: `$XDG_RUNTIME_DIR/micro` or, if that is not set, `micro-UID`
    /// in the directory for temporary files. That of another user is never used.
    pub fn new() -> Self {
        Local::of(Directory::new(place::of_user(), true))
    }

    /// Creates a registry in a directory, which is made private if it is missing. Whoever may write there takes
    /// part, users and containers alike, and reads the records (as far as each one's umask allows). With
    /// the sticky bit, nobody can remove the records of others.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Local::of(Directory::new(path.into(), false))
    }

    /// Opens the registry at the URL `local`, `local:PATH` or `local:PATH?namespace=NAME`; see [`Local::at`] and
    /// [`Local::namespace`].
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for any other key, and an invalid namespace.
    pub fn open(url: &Url) -> Result<Self> {
        // Everything before the `?` is the path of the directory.
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

    /// Uses a subdirectory: that of a fleet, which fleets of other names do not see.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a name with other characters than letters, digits,
    /// `-`, `_` and, not at the beginning, `.`.
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
            own_records: OwnRecords::default(),
            watcher: Mutex::default(),
        }))
    }

    /// The records that may belong to the service of `prefix`, or all.
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
        blocking(move || inner.own_records.register(&inner.directory, node, ttl)).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let (inner, node) = (self.0.clone(), node.clone());
        blocking(move || inner.own_records.deregister(&inner.directory, &node)).await
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

/// Runs disk operations off the threads that must not wait.
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
