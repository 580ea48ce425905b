//! A copy that is kept up.

use std::{future::poll_fn, sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Registry, Update},
};
use tokio::time::{Instant, sleep_until};

use super::Copy;
use crate::{
    failure::{Failure, Result},
    quiet::Quiet,
    session::Session,
};

/// Until what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Between renewals at most.
const RENEWAL: Duration = Duration::from_secs(30);

/// Copies what is there and what becomes of it. Ends when the copy is refused.
pub(crate) async fn follow(session: &Session, from: &dyn Registry, copy: &mut Copy) -> Result {
    let mut updates = from.watch(None).await.map_err(Failure::Registry)?;
    let between = copy.ttl.map_or(RENEWAL, |ttl| RENEWAL.min(ttl / 2));
    let (mut again, mut renewal) = (None, Instant::now() + between);
    let (mut away, mut stale) = (Quiet::default(), Quiet::default());
    loop {
        let update = tokio::select! {
            update = poll_fn(|cx| updates.as_mut().poll_next(cx)) => Some(update),
            () = sleep_until(again.unwrap_or(renewal)) => None,
        };
        match update {
            // An empty set may come of a registry that forgot; what was copied stays.
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
                    &format!("warning: what is copied may be out of date: {error}"),
                );
                continue;
            }
            Some(Some(_)) => continue,
            Some(None) => {
                return Err(Failure::Failed(
                    "the registry that is copied ended the watch".to_owned(),
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
            renewal = now + between;
        }
        again = match written {
            Ok(()) => None,
            Err(error) if error.code() == Code::Unavailable => {
                away.say(
                    session,
                    &format!("warning: not copied yet, trying again each second: {error}"),
                );
                Some(now + AGAIN)
            }
            Err(error) => return Err(Failure::Registry(error)),
        };
    }
}
