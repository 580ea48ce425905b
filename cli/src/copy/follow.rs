//! Keeps a copy up to date.

use std::{future::poll_fn, sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Registry, Update},
};
use tokio::time::{Instant, sleep_until};

use super::Copy;
use crate::{
    failure::{Failure, Result},
    session::Session,
    throttle::ThrottledWarning,
};

/// Delay before a failed write is repeated.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
const MAX_RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

/// Copies all nodes, then each change. Ends when the target registry refuses a write.
pub(crate) async fn follow(session: &Session, from: &dyn Registry, copy: &mut Copy) -> Result {
    let mut updates = from.watch(None).await.map_err(Failure::Registry)?;
    let interval = copy.ttl.map_or(MAX_RENEWAL_INTERVAL, |ttl| {
        MAX_RENEWAL_INTERVAL.min(ttl / 2)
    });
    let (mut retry_at, mut renewal) = (None, Instant::now() + interval);
    let (mut away, mut stale) = (ThrottledWarning::default(), ThrottledWarning::default());
    loop {
        let update = tokio::select! {
            update = poll_fn(|cx| updates.as_mut().poll_next(cx)) => Some(update),
            () = sleep_until(retry_at.unwrap_or(renewal)) => None,
        };
        match update {
            // The registry may have lost its data; copied nodes stay.
            Some(Some(Update::Set {
                nodes,
                authoritative: false,
                ..
            })) if nodes.is_empty() => continue,
            Some(Some(Update::Set { service, nodes, .. })) => {
                copy.want(&service, nodes.into_iter().map(Arc::unwrap_or_clone));
            }
            Some(Some(Update::Stale { error, .. })) => {
                stale.say(
                    session,
                    &format!("warning: the copied nodes may be out of date: {error}"),
                );
                continue;
            }
            Some(Some(_)) => continue,
            Some(None) => {
                return Err(Failure::Failed(
                    "the source registry ended the watch".to_owned(),
                ));
            }
            None => {}
        }
        let now = Instant::now();
        let mut written = copy.write(session).await;
        if written.is_ok() && copy.ttl.is_some() && now >= renewal {
            written = copy.renew().await;
        }
        if now >= renewal && written.is_ok() {
            renewal = now + interval;
        }
        retry_at = match written {
            Ok(()) => None,
            Err(error) if error.code() == Code::Unavailable => {
                away.say(
                    session,
                    &format!("warning: not copied yet, retrying each second: {error}"),
                );
                Some(now + RETRY_INTERVAL)
            }
            Err(error) => return Err(Failure::Registry(error)),
        };
    }
}
