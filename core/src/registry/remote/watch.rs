//! One watch of a remote registry: it follows, loses the server, waits and follows again, all inside the stream.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Driver, Reconciler, scope};
use crate::{
    error::Error,
    registry::{
        Update, Updates,
        view::{WatchCursor, updates},
    },
    wait::{Backoff, until},
};

/// The longest wait between two tries, so that a recovered server is found soon.
const MAX_WAIT: Duration = Duration::from_secs(3);
/// How long the first report is waited for.
const FIRST: Duration = Duration::from_secs(10);

/// A failure before this is a refusal; a later one, such as a failure to connect, counts as silence.
const REFUSAL: Duration = Duration::from_millis(500);

type Following = Pin<Box<dyn Future<Output = Error> + Send>>;

/// A watch, which ends when dropped.
pub(super) struct Watch<D> {
    driver: Arc<D>,
    service: Option<String>,
    shown: Arc<Reconciler>,
    cursor: WatchCursor,
    /// With its start.
    following: Option<(Following, Instant)>,
    backoff: Backoff,
    /// Until when silence is tolerated, before the first report.
    silence_until: Option<Instant>,
    /// Since when there is no report.
    lost: Option<Instant>,
    /// When the next try is due.
    again: Instant,
}

enum Next {
    Changed,
    Settled,
    Lost(Error),
    Again,
}

impl<D: Driver> Watch<D> {
    pub(super) fn begin(driver: Arc<D>, service: Option<&str>) -> Updates {
        let watch = Watch {
            shown: Arc::new(Reconciler::new(driver.name(), scope(&*driver))),
            driver,
            service: service.map(str::to_owned),
            cursor: WatchCursor::new(service),
            following: None,
            backoff: Backoff::up_to(MAX_WAIT),
            silence_until: Some(Instant::now() + FIRST),
            lost: None,
            again: Instant::now(),
        };
        updates(watch, Watch::step)
    }

    async fn step(mut self) -> (Self, Update) {
        loop {
            if let Some(update) = self.cursor.next_update() {
                return (self, update);
            }
            match self.next().await {
                Next::Changed => self.hear(),
                Next::Settled => self.shown.look(|view| self.cursor.observe(view)),
                Next::Lost(error) => self.lose(error),
                Next::Again => self.follow(),
            }
        }
    }

    async fn next(&mut self) -> Next {
        let Some((following, begun)) = &mut self.following else {
            sleep_until(self.again).await;
            return Next::Again;
        };
        // Suspicions end only while the server responds, since its reports could end them otherwise.
        let (settled, silent) = match self.shown.is_heard() {
            true => (self.shown.settle(), None),
            false => (None, Some(*begun + FIRST)),
        };
        tokio::select! {
            biased;
            () = self.shown.changed() => Next::Changed,
            error = following => Next::Lost(error),
            () = until(settled) => Next::Settled,
            () = until(silent) => Next::Lost(Error::unavailable(format!("no answer in {FIRST:?}"))),
        }
    }

    fn follow(&mut self) {
        self.shown.ask();
        let following = self
            .driver
            .clone()
            .follow(self.service.clone(), self.shown.clone());
        self.following = Some((following, Instant::now()));
    }

    fn hear(&mut self) {
        if self.shown.is_heard() {
            self.backoff.reset();
            self.silence_until = None;
            self.lost = None;
            self.shown.look(|view| self.cursor.observe(view));
        }
    }

    fn lose(&mut self, error: Error) {
        let begun = self.following.take().map(|(_, begun)| begun);
        // The last report before the loss.
        self.hear();
        let now = Instant::now();
        let since = *self.lost.get_or_insert(now);
        self.again = now + self.backoff.next_wait();
        let was_silent = begun.is_some_and(|begun| now - begun >= REFUSAL);
        if was_silent && self.silence_until.is_some_and(|until| now < until) {
            return;
        }
        let (name, place) = (self.driver.name(), self.driver.place());
        let error = error.context(format_args!("registry `{name}` at {place}"));
        self.shown.lose(since, error);
        self.shown.look(|view| self.cursor.observe(view));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::{
        collections::VecDeque,
        future::{pending, poll_fn},
    };

    use async_trait::async_trait;
    use parking_lot::Mutex;

    use super::*;
    use crate::{
        error::Result,
        node::Node,
        registry::{Registry, remote::Remote},
    };

    /// What each attempt to follow does: shows these nodes, if any, and ends, unless it hangs.
    type Try = (Option<Vec<&'static str>>, bool);

    /// What is tried, and how long a try takes to fail.
    struct Script(Mutex<VecDeque<Try>>, Duration);

    #[async_trait]
    impl Driver for Script {
        fn name(&self) -> &str {
            "script"
        }

        fn place(&self) -> String {
            "here".into()
        }

        async fn register(&self, _: &Node, _: Option<Duration>) -> Result<()> {
            pending().await
        }

        async fn deregister(&self, _: &Node) -> Result<()> {
            Ok(())
        }

        async fn get(&self, _: &str) -> Result<Vec<Node>> {
            Ok(Vec::new())
        }

        async fn list(&self) -> Result<Vec<String>> {
            Ok(vec!["b".into(), "a".into(), "b".into()])
        }

        async fn follow(self: Arc<Self>, _: Option<String>, shown: Arc<Reconciler>) -> Error {
            let (ids, hangs) = self.0.lock().pop_front().unwrap_or((None, true));
            if let Some(ids) = ids {
                shown.whole(ids.into_iter().map(|id| Node::new("a", id, "h:1")));
            }
            if hangs {
                pending::<()>().await;
            }
            tokio::time::sleep(self.1).await;
            Error::unavailable("cut off")
        }
    }

    fn registry(tries: impl IntoIterator<Item = Try>) -> Remote<Script> {
        slow(Duration::ZERO, tries)
    }

    fn slow(to_fail: Duration, tries: impl IntoIterator<Item = Try>) -> Remote<Script> {
        Remote::new(Script(Mutex::new(tries.into_iter().collect()), to_fail))
    }

    async fn said(updates: &mut Updates) -> String {
        match poll_fn(|cx| updates.as_mut().poll_next(cx)).await.unwrap() {
            Update::Set { nodes, .. } => nodes.iter().map(|node| node.id.as_str()).collect(),
            Update::Stale { error, .. } => error.to_string(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn loss_is_reported_and_recovered() {
        let registry = registry([
            (Some(vec!["1"]), false),
            (None, false),
            (Some(vec!["1", "2"]), true),
        ]);
        let mut updates = registry.watch(Some("a")).await.unwrap();
        assert_eq!(said(&mut updates).await, "1");
        for _ in 0..2 {
            let error = said(&mut updates).await;
            assert!(
                error.contains("registry `script` at here: cut off"),
                "{error}"
            );
        }
        assert_eq!(said(&mut updates).await, "12");
    }

    #[tokio::test(start_paused = true)]
    async fn server_without_a_first_report_is_left_after_ten_seconds() {
        let registry = registry([(None, true), (Some(vec!["1"]), true)]);
        let mut updates = registry.watch(Some("a")).await.unwrap();
        let begun = Instant::now();
        let error = said(&mut updates).await;
        assert!(error.contains("no answer in 10s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(11));
        assert_eq!(said(&mut updates).await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn failure_to_connect_is_silence_and_no_refusal() {
        let registry = slow(Duration::from_secs(2), (0..9).map(|_| (None, false)));
        let mut updates = registry.watch(Some("a")).await.unwrap();
        let begun = Instant::now();
        assert!(said(&mut updates).await.contains("cut off"));
        assert!(begun.elapsed() >= FIRST, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn missing_response_is_an_error_that_names_the_registry() {
        let node = Node::new("a", "1", "h:1");
        let error = registry([]).register(&node, None).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("registry `script` at here: no answer in 5s"),
            "{error}"
        );
        assert_eq!(registry([]).list().await.unwrap(), ["a", "b"]);
    }
}
