//! Questions to all processes, and their answers.

use std::{future::poll_fn, pin::Pin, time::Duration};

use async_nats::StatusCode;
use futures_core::Stream;
use tokio::time::{Instant, timeout_at};

use super::{connection::Connection, refusal::Kind, wire::Subjects};
use micro_core::{
    Error, Result,
    registry::{encoding::Service, validation},
};

/// How long an answer is waited for, from the question or the last answer; go-micro's.
const QUIET_WINDOW: Duration = Duration::from_millis(100);
/// How long all of them are.
const MAX_QUERY_TIME: Duration = Duration::from_secs(1);

/// What all processes answer to these questions.
///
/// Nobody knows how many there are: so it waits until there was no answer for 100 ms, unless the server says that
/// there is nobody to ask.
///
/// Fails with what the server does not permit.
pub(super) async fn ask(
    connection: &Connection,
    subjects: &Subjects,
    questions: &[Vec<u8>],
) -> Result<Vec<Service>> {
    let lost = |_| Error::unavailable("the connection was lost");
    let (client, begun) = (&connection.client, Instant::now());
    let inbox = client.new_inbox();
    let mut answers = client
        .subscribe(inbox.clone())
        .await
        .map_err(|_| lost(()))?;
    let mut unanswered = 0;
    for question in questions {
        for subject in &subjects.query {
            let (subject, question) = (subject.clone(), question.clone().into());
            let sent = client
                .publish_with_reply(subject, inbox.clone(), question)
                .await;
            sent.map_err(|error| lost(()).with_source(error))?;
            unanswered += 1;
        }
    }
    client
        .flush()
        .await
        .map_err(|error| lost(()).with_source(error))?;
    let end = Instant::now() + MAX_QUERY_TIME;
    let mut services = Vec::new();
    let mut until = Instant::now() + QUIET_WINDOW;
    while unanswered > 0 {
        let next = poll_fn(|cx| Pin::new(&mut answers).poll_next(cx));
        let Ok(answer) = timeout_at(until.min(end), next).await else {
            break;
        };
        let answer = answer.ok_or_else(|| lost(()))?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            unanswered -= 1;
            continue;
        }
        until = Instant::now() + QUIET_WINDOW;
        match serde_json::from_slice(&answer.payload) {
            Ok(service) => services.push(service),
            Err(error) => {
                let wrong = Error::invalid_argument("an answer is not the JSON of a service");
                validation::warn_rejected("nats", &wrong.with_source(error));
            }
        }
    }
    match connection
        .server_state
        .borrow()
        .since(Kind::Question, begun)
    {
        Some(refused) => Err(refused),
        None => Ok(services),
    }
}
