//! Watches one service with a single blocking query of its health.

use std::sync::Arc;

use super::{
    Server,
    query::Query,
    record::{Health, ServiceEntry},
    tags::Reader,
};
use micro_core::{
    Error, Result,
    http::client::{Answer, escape},
    registry::remote::Reconciler,
};

impl Server {
    /// The path of the health of a service.
    pub(super) fn health_of(&self, service: &str) -> String {
        let name = escape(&self.names.outer(service));
        format!("/v1/health/service/{name}?stale=")
    }

    /// The nodes in a response of [`Server::health_of`].
    pub(super) fn health(
        &self,
        service: &str,
        answer: &Answer,
        reader: &mut Reader,
    ) -> Result<Health> {
        let entries: Vec<ServiceEntry> = answer.json()?;
        Ok(self.names.read(service, entries, reader))
    }

    /// Follows one service until its host is lost.
    pub(super) async fn follow_one(&self, service: &str, shown: &Arc<Reconciler>) -> Error {
        let followed = async {
            let mut reader = Reader::default();
            let mut query = Query::new(self, self.health_of(service));
            let answer = query.next().await?.answer;
            self.permitted(&answer).await?;
            let health = self.health(service, &answer, &mut reader)?;
            shown.whole(health.nodes);
            loop {
                let changed = query.next().await?;
                let health = self.health(service, &changed.answer, &mut reader)?;
                match changed.is_continuous {
                    true => shown.set(service, health.nodes, health.expired),
                    false => shown.again(service, health.nodes),
                }
            }
        };
        let followed: Result<std::convert::Infallible> = followed.await;
        match followed {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }
}
