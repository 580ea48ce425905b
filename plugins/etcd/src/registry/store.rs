//! Paged reads of the store.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Duration, timeout};

use super::{
    client::Client,
    failure::Failure,
    key,
    message::{Header, KeyValue, Range},
};

/// Records in a page, usually about 1 MB.
const PAGE_SIZE: i64 = 500;
/// Keys in a page without values.
const KEYS_PAGE_SIZE: i64 = 10_000;
/// How long to wait for a consistent read before a member without a leader may respond.
const LEADER_TIMEOUT: Duration = Duration::from_millis(2400);

/// The records of a key range at one revision.
pub(super) struct RangeSnapshot {
    pub(super) header: Header,
    pub(super) kvs: Vec<KeyValue>,
}

/// The newest header received: data of a member that lags behind is rejected.
pub(super) struct NewestHeader(Mutex<Header>);

impl NewestHeader {
    pub(super) fn new() -> Self {
        NewestHeader(Mutex::new(Header::default()))
    }

    /// Reads a whole range, or only its keys.
    ///
    /// The read is consistent. Without a leader the member responds with its own data, which must not be older than
    /// what was read before.
    pub(super) async fn read(
        &self,
        client: &Client,
        (key, end): (Bytes, Bytes),
        keys_only: bool,
    ) -> Result<RangeSnapshot, Failure> {
        let limit = if keys_only { KEYS_PAGE_SIZE } else { PAGE_SIZE };
        let mut range = Range {
            key,
            end,
            limit,
            revision: 0,
            serializable: false,
            keys_only,
        };
        let mut whole = RangeSnapshot {
            header: Header::default(),
            kvs: Vec::new(),
        };
        loop {
            let asked = timeout(LEADER_TIMEOUT, client.ask(&range)).await;
            let late = |_| {
                client.doubt();
                Err(Failure::Lost(format!("no answer in {LEADER_TIMEOUT:?}")))
            };
            let page = match asked.unwrap_or_else(late) {
                Err(Failure::TooLarge) if range.limit > 1 => {
                    range.limit = (range.limit / 8).max(1);
                    continue;
                }
                Err(failure) if failure.is_passing() && !range.serializable => {
                    // Without any connection there is no member to ask.
                    if client.now().is_none() {
                        return Err(failure);
                    }
                    range.serializable = true;
                    continue;
                }
                page => page?,
            };
            let header = page.header.unwrap_or_default();
            if range.revision == 0 {
                self.see(header, range.serializable)?;
                whole.header = header;
                range.revision = header.revision;
            } else if header.cluster != whole.header.cluster {
                return Err(Failure::lost("another cluster answers"));
            }
            let last = page.kvs.last().map(|kv| key::after(&kv.key));
            whole.kvs.extend(page.kvs);
            match last {
                Some(next) if page.more => range.key = next,
                _ => return Ok(whole),
            }
        }
    }

    fn see(&self, header: Header, may_lag: bool) -> Result<(), Failure> {
        let mut newest = self.0.lock();
        let behind = header.cluster == newest.cluster && header.revision < newest.revision;
        if may_lag && behind {
            return Err(Failure::lost(
                "the cluster has no leader, and the member that answers is behind; are most members up?",
            ));
        }
        *newest = header;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_member_is_rejected_without_a_leader() {
        let seen = NewestHeader::new();
        let at = |cluster, revision| Header { cluster, revision };
        assert!(seen.see(at(1, 7), false).is_ok());
        assert!(seen.see(at(1, 6), true).is_err());
        assert!(seen.see(at(1, 8), true).is_ok());
        assert!(seen.see(at(2, 1), true).is_ok());
        assert!(seen.see(at(2, 5), false).is_ok());
        assert!(seen.see(at(2, 1), false).is_ok(), "restored from a backup");
    }
}
