//! What happens in a directory: told by inotify, or found by looking every 25 ms where there is none.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// How often to look where nothing tells.
const POLL: Duration = Duration::from_millis(25);

/// What happened since last asked.
#[derive(Debug)]
pub(super) enum Happened {
    /// Something with these files, each with the last that did.
    Files(BTreeMap<String, Change>),
    /// Too much, or it cannot be known: look at everything.
    Something,
    /// The directory is gone or is not under its path any more.
    Vanished,
}

/// What happened with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It got its name.
    Came,
    /// It was closed by one who could write to it: of a mortal record, its process has ended.
    Closed,
    /// It lost its name by a renaming, as we take records out.
    Left,
    /// It was deleted under its name, as we never do.
    Deleted,
}

/// Tells what happens in one directory.
#[derive(Debug)]
pub(super) enum Events {
    #[cfg(target_os = "linux")]
    Told(inotify::Inotify),
    Polled,
}

impl Events {
    /// Begins: what happens from now on is told. Fails if the directory is not there.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        match inotify::Inotify::open(directory) {
            Ok(inotify) => return Ok(Events::Told(inotify)),
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

    /// Waits for something to happen. Nothing is lost if it is dropped before.
    pub(super) async fn next(&mut self) -> io::Result<Happened> {
        match self {
            #[cfg(target_os = "linux")]
            Events::Told(inotify) => inotify.next().await,
            Events::Polled => {
                tokio::time::sleep(POLL).await;
                Ok(Happened::Something)
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod inotify {
    use std::{collections::BTreeMap, io, mem::MaybeUninit, os::fd::OwnedFd, path::Path};

    use rustix::fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags};
    use tokio::io::unix::AsyncFd;

    use super::{super::file_name, Change, Happened};

    /// The most events taken at once, so that a busy directory still shows now and then.
    const BATCH: usize = 4096;

    /// One inotify descriptor, watching one directory.
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

        pub(super) async fn next(&mut self) -> io::Result<Happened> {
            loop {
                let mut guard = self.0.readable().await?;
                let (happened, is_drained) = drain(guard.get_inner())?;
                if is_drained {
                    guard.clear_ready();
                }
                if let Some(happened) = happened {
                    return Ok(happened);
                }
            }
        }
    }

    /// What has happened, if anything of interest, and whether that was all.
    fn drain(descriptor: &OwnedFd) -> io::Result<(Option<Happened>, bool)> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(descriptor, &mut buffer);
        let mut files = BTreeMap::new();
        let mut whole = None;
        let mut is_drained = false;
        let mut count = 0;
        // What the reader has buffered would be lost with it.
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
                whole = Some(Happened::Vanished);
            } else if flags.contains(ReadFlags::QUEUE_OVERFLOW) && whole.is_none() {
                whole = Some(Happened::Something);
            } else if let Some(name) = record_name(&event) {
                let change = change(flags);
                // A file deleted under its name is closed later still.
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
        let happened = whole.or_else(|| (!files.is_empty()).then_some(Happened::Files(files)));
        Ok((happened, is_drained))
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
