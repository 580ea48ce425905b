//! Changes of a directory, reported by inotify, or found by reading it every 25 ms where there is no inotify.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// How often the directory is read without inotify.
const POLL: Duration = Duration::from_millis(25);

/// The changes since the last call.
#[derive(Debug)]
pub(super) enum Changes {
    /// Changes of these files, with the last one of each.
    Files(BTreeMap<String, Change>),
    /// Too many changes, or unknown ones: read everything.
    Something,
    /// The directory was removed, or moved away from its path.
    Vanished,
}

/// A change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The file received its name.
    Came,
    /// The file was closed by a process that could write to it: the process of a mortal record has ended.
    Closed,
    /// The file lost its name by a rename, as when we remove records.
    Left,
    /// The file was deleted under its name, which we never do.
    Deleted,
}

/// Reports the changes of one directory.
#[derive(Debug)]
pub(super) enum Events {
    #[cfg(target_os = "linux")]
    Inotify(inotify::Inotify),
    Polled,
}

impl Events {
    /// Reports changes from now on. Fails if the directory does not exist.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        match inotify::Inotify::open(directory) {
            Ok(inotify) => return Ok(Events::Inotify(inotify)),
            Err(error) if !directory.is_dir() => return Err(error),
            Err(error) => {
                tracing::warn!(
                    directory = %directory.display(), %error,
                    "no inotify for the registry, looking every 25 ms; raise `fs.inotify.max_user_instances`"
                );
            }
        }
        std::fs::read_dir(directory)?;
        Ok(Events::Polled)
    }

    /// Waits for a change. Cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Changes> {
        match self {
            #[cfg(target_os = "linux")]
            Events::Inotify(inotify) => inotify.next().await,
            Events::Polled => {
                tokio::time::sleep(POLL).await;
                Ok(Changes::Something)
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod inotify {
    use std::{collections::BTreeMap, io, mem::MaybeUninit, os::fd::OwnedFd, path::Path};

    use rustix::fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags};
    use tokio::io::unix::AsyncFd;

    use super::{super::file_name, Change, Changes};

    /// The largest number of events read at once, so that a busy directory is still reported now and then.
    const BATCH: usize = 4096;

    /// An inotify descriptor that watches one directory.
    #[derive(Debug)]
    pub(in super::super) struct Inotify(AsyncFd<OwnedFd>);

    impl Inotify {
        pub(super) fn open(directory: &Path) -> io::Result<Self> {
            let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let flags = WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            inotify::add_watch(&descriptor, directory, flags)?;
            #[allow(
                deprecated,
                reason = "sound for an `OwnedFd`; what replaces it is unsafe, for types that own nothing"
            )]
            let descriptor = AsyncFd::new(descriptor)?;
            Ok(Inotify(descriptor))
        }

        pub(super) async fn next(&mut self) -> io::Result<Changes> {
            loop {
                let mut guard = self.0.readable().await?;
                let (changes, is_drained) = drain(guard.get_inner())?;
                if is_drained {
                    guard.clear_ready();
                }
                if let Some(changes) = changes {
                    return Ok(changes);
                }
            }
        }
    }

    /// The changes so far, if any matter, and whether there are no more.
    fn drain(descriptor: &OwnedFd) -> io::Result<(Option<Changes>, bool)> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(descriptor, &mut buffer);
        let mut files = BTreeMap::new();
        let mut whole = None;
        let mut is_drained = false;
        let mut count = 0;
        // Events that the reader has buffered would be lost with it.
        while count < BATCH || !reader.is_buffer_empty() {
            count += 1;
            let event = match reader.next() {
                Ok(event) => event,
                Err(error) if error == rustix::io::Errno::AGAIN => {
                    is_drained = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.intersects(
                ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF
                    | ReadFlags::UNMOUNT
                    | ReadFlags::IGNORED,
            ) {
                whole = Some(Changes::Vanished);
            } else if flags.contains(ReadFlags::QUEUE_OVERFLOW) && whole.is_none() {
                whole = Some(Changes::Something);
            } else if let Some(name) = record_name(&event) {
                let change = change(flags);
                // A file that is deleted under its name is closed later.
                files
                    .entry(name)
                    .and_modify(|last| {
                        if *last != Change::Deleted || change == Change::Came {
                            *last = change;
                        }
                    })
                    .or_insert(change);
            }
        }
        let changes = whole.or_else(|| (!files.is_empty()).then_some(Changes::Files(files)));
        Ok((changes, is_drained))
    }

    fn record_name(event: &Event<'_>) -> Option<String> {
        let name = event.file_name()?.to_str().ok()?;
        file_name::may_be_record(name).then(|| name.to_owned())
    }

    fn change(flags: ReadFlags) -> Change {
        if flags.contains(ReadFlags::MOVED_TO) {
            Change::Came
        } else if flags.contains(ReadFlags::MOVED_FROM) {
            Change::Left
        } else if flags.contains(ReadFlags::DELETE) {
            Change::Deleted
        } else {
            Change::Closed
        }
    }
}
