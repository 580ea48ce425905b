//! The watches of a connection.

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

use super::response::{EventKind, event};

/// An event and when it arrived.
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) path: String,
    pub(super) at: Instant,
}

/// The receiver of the events at a path and below.
pub(super) struct Watch {
    pub(super) path: String,
    /// `None` after the receiver was too slow.
    pub(super) events: Option<mpsc::Sender<Event>>,
}

/// The watches of a connection.
#[derive(Default)]
pub(super) struct Watches(Vec<Watch>);

impl Watches {
    pub(super) fn add(&mut self, watch: Watch) {
        self.0.push(watch);
    }

    /// Ends the watches of a path that ZooKeeper refuses.
    pub(super) fn end(&mut self, path: &str) {
        self.0.retain(|watch| watch.path != path);
    }

    /// Sends an event to its watches. Ends a watch that is too slow.
    pub(super) fn tell(&mut self, packet: Bytes) {
        let Some((kind, path)) = event(packet) else {
            return;
        };
        let at = Instant::now();
        for watch in &mut self.0 {
            let below = path.strip_prefix(&*watch.path);
            if let Some(events) = &watch.events
                && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            {
                let path = path.clone();
                let event = Event { kind, path, at };
                if events.try_send(event).is_err() {
                    watch.events = None;
                }
            }
        }
    }

    /// Removes watches without a receiver. Returns the paths that no watch is left for.
    pub(super) fn left(&mut self) -> Vec<String> {
        let is_heard = |watch: &Watch| {
            let events = watch.events.as_ref();
            events.is_some_and(|events| !events.is_closed())
        };
        let (kept, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(is_heard);
        self.0 = kept;
        let mut paths: Vec<_> = left.into_iter().map(|watch| watch.path).collect();
        paths.sort();
        paths.dedup();
        paths.retain(|path| !self.0.iter().any(|watch| watch.path == *path));
        paths
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::{super::packet::Writer, *};

    fn watch(watches: &mut Watches, path: &str) -> mpsc::Receiver<Event> {
        let (events, received) = mpsc::channel(1);
        watches.add(Watch {
            path: path.to_owned(),
            events: Some(events),
        });
        received
    }

    fn deleted(path: &str) -> Bytes {
        Writer::default().int(2).int(3).text(path).end().into()
    }

    #[tokio::test]
    async fn event_is_told_to_those_above_it_who_keep_up() {
        let mut watches = Watches::default();
        let mut above = watch(&mut watches, "/a");
        let mut beside = watch(&mut watches, "/a/bc");
        watches.tell(deleted("/a/b"));
        assert_eq!(above.try_recv().unwrap().path, "/a/b");
        assert!(beside.try_recv().is_err());
        for _ in 0..2 {
            watches.tell(deleted("/a"));
        }
        assert_eq!(above.recv().await.unwrap().path, "/a");
        assert!(above.recv().await.is_none(), "it fell behind");
        assert_eq!(watches.left(), ["/a"]);
    }

    #[test]
    fn path_is_unwatched_after_its_last_watch() {
        let mut watches = Watches::default();
        let first = watch(&mut watches, "/a");
        let second = watch(&mut watches, "/a");
        drop(first);
        assert!(watches.left().is_empty());
        drop(second);
        assert_eq!(watches.left(), ["/a"]);
    }
}
