//! A watch: reads the whole range, then receives each change after that revision until the server is lost.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::{
    Server,
    client::Client,
    failure::Failure,
    is_of,
    message::{Create, Event, TimeToLive, Watch, WatchResponse},
    nodes, record,
    stream::Stream,
};
use micro_core::registry::{
    join_all,
    remote::{Change, Reconciler},
};

/// Changes that are applied together.
const MAX_BATCH: usize = 1000;
/// Leases queried at the same time.
const MAX_CONCURRENT_QUERIES: usize = 64;
/// The type of a delete event.
const DELETED: i32 = 1;

/// Why a watch ended.
enum End {
    /// The needed history is compacted: everything is read again.
    Behind,
    Lost(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Lost(failure)
    }
}

impl Server {
    pub(super) async fn follow(&self, service: Option<&str>, shown: &Reconciler) -> Failure {
        loop {
            match self.follow_once(service, shown).await {
                End::Behind => {}
                End::Lost(failure) => {
                    Box::pin(self.client.renew_token(&failure)).await;
                    return failure;
                }
            }
        }
    }

    async fn follow_once(&self, service: Option<&str>, shown: &Reconciler) -> End {
        match self.changes(service, shown).await {
            Err(end) => end,
            Ok(()) => End::Lost(Failure::lost("etcd ended the watch")),
        }
    }

    async fn changes(&self, service: Option<&str>, shown: &Reconciler) -> Result<(), End> {
        // Futures that run seldom are boxed: thousands of watches may be idle.
        let (cluster, mut revision, mut stream) = Box::pin(self.begin(service, shown)).await?;
        while let Some(first) = stream.next().await? {
            let mut events = Vec::new();
            let mut said = Some(first);
            while let Some(watched) = said.take() {
                check(&watched, cluster, &mut revision)?;
                events.extend(watched.events);
                if events.len() < MAX_BATCH {
                    said = ready(&mut stream).await?;
                }
            }
            shown.apply(Box::pin(self.told(events, service)).await?);
        }
        Ok(())
    }

    /// Reads and shows everything. Returns the cluster and the revision to watch from.
    async fn begin(
        &self,
        service: Option<&str>,
        shown: &Reconciler,
    ) -> Result<(u64, i64, Stream<WatchResponse>), End> {
        let (key, end) = self.keys.range(service);
        let whole = self
            .seen
            .read(&self.client, (key.clone(), end.clone()), false)
            .await?;
        shown.whole(nodes(&whole.kvs, service));
        let (cluster, revision) = (whole.header.cluster, whole.header.revision);
        drop(whole);
        let create = Create {
            key,
            end,
            revision: revision + 1,
            before: true,
            pieces: true,
        };
        let create = Some(create);
        let stream = self.client.follow(&Watch { create }).await?;
        Ok((cluster, revision, stream))
    }

    /// Applies events, the last of each key.
    async fn told(&self, events: Vec<Event>, service: Option<&str>) -> Result<Vec<Change>, End> {
        let mut latest: HashMap<Bytes, Event> = HashMap::new();
        let mut order = Vec::new();
        for event in events {
            let Some(now) = &event.now else { continue };
            let key = now.key.clone();
            if latest.insert(key.clone(), event).is_none() {
                order.push(key);
            }
        }
        let deleted = latest.values().filter(|event| event.kind == DELETED);
        let leases = deleted.filter_map(|event| Some(event.before.as_ref()?.lease));
        let alive = alive(&self.client, leases.filter(|lease| *lease != 0).collect()).await;
        let mut changes = Vec::new();
        for event in order.iter().filter_map(|key| latest.remove(key)) {
            if event.kind != DELETED {
                let put = event.now.iter().flat_map(record);
                changes.extend(put.filter(|node| is_of(node, service)).map(Change::Put));
                continue;
            }
            let Some(before) = event.before else {
                return Err(End::Behind);
            };
            let expired = before.lease != 0 && !alive.contains(&before.lease);
            for node in record(&before)
                .into_iter()
                .filter(|node| is_of(node, service))
            {
                let (service, id) = (node.service, node.id);
                changes.push(match expired {
                    true => Change::Expired { service, id },
                    false => Change::Gone { service, id },
                });
            }
        }
        Ok(changes)
    }
}

/// The responses that have arrived. Ends without an error at the end of the stream: the next read reports it.
async fn ready(stream: &mut Stream<WatchResponse>) -> Result<Option<WatchResponse>, Failure> {
    stream.ready().await.transpose().map(Option::flatten)
}

/// Checks that the watch continues in the same history.
fn check(watched: &WatchResponse, cluster: u64, revision: &mut i64) -> Result<(), End> {
    if watched.compacted > 0 {
        return Err(End::Behind);
    }
    let header = watched.header.unwrap_or_default();
    if watched.canceled {
        let message = watched.reason.clone();
        let code = micro_core::error::Code::Unavailable;
        return Err(End::Lost(Failure::Refused { code, message }));
    }
    if header.cluster != cluster {
        return Err(End::Lost(Failure::lost("another cluster answers")));
    }
    if !watched.events.is_empty() {
        if header.revision < *revision {
            return Err(End::Behind);
        }
        *revision = header.revision;
    }
    Ok(())
}

/// The leases that are alive: their records were deleted and did not expire.
async fn alive(client: &Client, leases: HashSet<i64>) -> HashSet<i64> {
    let mut alive = HashSet::new();
    let leases: Vec<_> = leases.into_iter().collect();
    for some in leases.chunks(MAX_CONCURRENT_QUERIES) {
        let questions = some.iter().map(|id| async move {
            let lease = client.ask(&TimeToLive { id: *id }).await;
            // Without a response the node becomes a suspect, as if it had expired.
            lease.is_ok_and(|lease| lease.ttl > 0).then_some(*id)
        });
        alive.extend(join_all(questions).await.into_iter().flatten());
    }
    alive
}

#[cfg(test)]
mod tests {
    use super::{super::message::Header, *};

    fn watched(revision: i64) -> WatchResponse {
        let cluster = 1;
        WatchResponse {
            header: Some(Header { cluster, revision }),
            events: vec![Event::default()],
            ..WatchResponse::default()
        }
    }

    #[test]
    fn watch_resumes_only_in_the_same_history() {
        let mut revision = 5;
        assert!(check(&watched(7), 1, &mut revision).is_ok());
        assert_eq!(revision, 7);
        let backwards = check(&watched(6), 1, &mut revision);
        assert!(matches!(backwards, Err(End::Behind)));
        let elsewhere = check(&watched(8), 2, &mut revision);
        assert!(matches!(elsewhere, Err(End::Lost(_))));
        let compacted = WatchResponse {
            canceled: true,
            compacted: 9,
            ..watched(8)
        };
        let compacted = check(&compacted, 1, &mut revision);
        assert!(matches!(compacted, Err(End::Behind)));
        let ended = WatchResponse {
            canceled: true,
            reason: "etcdserver: no leader".into(),
            ..watched(8)
        };
        let Err(End::Lost(failure)) = check(&ended, 1, &mut revision) else {
            panic!("a watch that was ended goes on");
        };
        assert!(failure.says("no leader"));
    }
}
