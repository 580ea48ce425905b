//! The outages.

use super::Times;
use crate::real::{Backend, Proxy, Servers};
use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// An outage.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scenario {
    /// Killed for the whole outage, while a node dies as well.
    Killed,
    /// Stopped for half of the outage.
    Hung,
    /// Killed, and restarted without data.
    Emptied,
    /// Killed and restarted, in turn.
    Flapping,
    /// Each request is delayed by 2 s.
    Slow,
    /// Started after the services.
    Late,
    /// The leader of three is killed.
    LeaderKilled,
    /// The leader of three is stopped.
    LeaderHung,
    /// A client starts while connections are refused.
    ColdRefused,
    /// A client starts while the server hangs.
    ColdSilent,
}

const ALL: [Scenario; 10] = [
    Scenario::Killed,
    Scenario::Hung,
    Scenario::Emptied,
    Scenario::Flapping,
    Scenario::Slow,
    Scenario::Late,
    Scenario::LeaderKilled,
    Scenario::LeaderHung,
    Scenario::ColdRefused,
    Scenario::ColdSilent,
];

/// The scenarios of these names, or all.
pub(super) fn named(names: &[String]) -> Result<Vec<Scenario>> {
    for name in names {
        if !ALL.iter().any(|scenario| scenario.name() == name) {
            let known: Vec<_> = ALL.iter().map(|scenario| scenario.name()).collect();
            bail!("no outage `{name}`; there are: {}", known.join(", "));
        }
    }
    let is_meant =
        |scenario: &Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name());
    Ok(ALL.into_iter().filter(is_meant).collect())
}

impl Scenario {
    pub(super) fn name(self) -> &'static str {
        match self {
            Scenario::Killed => "killed",
            Scenario::Hung => "hung",
            Scenario::Emptied => "emptied",
            Scenario::Flapping => "flapping",
            Scenario::Slow => "slow",
            Scenario::Late => "late",
            Scenario::LeaderKilled => "leader-killed",
            Scenario::LeaderHung => "leader-hung",
            Scenario::ColdRefused => "cold-refused",
            Scenario::ColdSilent => "cold-silent",
        }
    }

    pub(super) fn is_cluster(self) -> bool {
        matches!(self, Scenario::LeaderKilled | Scenario::LeaderHung)
    }

    pub(super) fn is_for(self, backend: &Backend) -> bool {
        !self.is_cluster() || backend.cluster.is_some()
    }

    /// Injects the outage, and returns once the server is healthy again.
    pub(super) async fn inject(self, servers: &Servers, slow: &Proxy, times: Times) -> Result<()> {
        let name = servers.name(self.is_cluster());
        let outage = times.outage;
        match self {
            Scenario::Killed => {
                servers.signal(name, "KILL").await?;
                sleep(outage).await;
                servers.up(name).await
            }
            Scenario::Hung => {
                servers.signal(name, "STOP").await?;
                sleep(outage / 2).await;
                servers.signal(name, "CONT").await
            }
            Scenario::Emptied => {
                servers.signal(name, "KILL").await?;
                servers.up_empty(name).await
            }
            Scenario::Flapping => {
                let end = Instant::now() + outage;
                let half = Duration::from_secs(2).min(outage / 6);
                while Instant::now() < end {
                    servers.signal(name, "KILL").await?;
                    sleep(half).await;
                    servers.up(name).await?;
                    sleep(half).await;
                }
                Ok(())
            }
            Scenario::Slow => {
                slow.delay(Duration::from_secs(2));
                sleep(outage).await;
                slow.delay(Duration::ZERO);
                Ok(())
            }
            Scenario::LeaderKilled => {
                let leader = servers.leader(name).await?;
                servers.signal(&leader, "KILL").await?;
                sleep(outage / 2).await;
                servers.up(&leader).await
            }
            Scenario::LeaderHung => {
                let leader = servers.leader(name).await?;
                servers.signal(&leader, "STOP").await?;
                sleep(outage / 2).await;
                servers.signal(&leader, "CONT").await
            }
            Scenario::Late | Scenario::ColdRefused | Scenario::ColdSilent => Ok(()),
        }
    }
}
