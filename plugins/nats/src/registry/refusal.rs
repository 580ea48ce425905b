//! What a server refuses: it says so by itself, some time after what it refuses was sent.

use tokio::{sync::watch, time::Instant};

use super::wire::Subjects;
use micro_core::Error;

/// What the server has said of a connection.
#[derive(Clone, Default)]
pub(super) struct ServerState {
    /// Why the connection is lost, or of no use.
    pub(super) lost: Option<Error>,
    /// The last refusal of each kind.
    pub(super) refused: [Option<(Instant, Error)>; 3],
}

/// What was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// To ask, or to hear the answers.
    Question,
    /// To say what became of a node.
    Notice,
    /// To answer somebody.
    Answer,
}

impl ServerState {
    /// The refusal of a kind that came after a time.
    pub(super) fn since(&self, kind: Kind, begun: Instant) -> Option<Error> {
        let (at, error) = self.refused[kind as usize].as_ref()?;
        (*at >= begun).then(|| error.clone())
    }
}

/// Notes what the server says of itself, if it is a refusal.
pub(super) fn note(server_state: &watch::Sender<ServerState>, subjects: &Subjects, said: &str) {
    let Some((kind, error)) = read(subjects, said) else {
        return;
    };
    match kind {
        Some(kind) => server_state.send_modify(|server_state| {
            server_state.refused[kind as usize] = Some((Instant::now(), error));
        }),
        None => lose(server_state, error),
    }
}

/// Notes why the connection is lost; the first reason counts.
pub(super) fn lose(server_state: &watch::Sender<ServerState>, error: Error) {
    server_state.send_if_modified(|server_state| {
        let is_first = server_state.lost.is_none();
        server_state.lost.get_or_insert(error);
        is_first
    });
}

/// A refusal, and of what it is; of the whole connection where there is no kind.
fn read(subjects: &Subjects, said: &str) -> Option<(Option<Kind>, Error)> {
    let lower = said.to_lowercase();
    if lower.contains("maximum") && lower.contains("exceeded") {
        let error =
            Error::resource_exhausted(format!("the server is at a limit of its own: {said}"));
        return Some((None, error));
    }
    if !lower.contains("permissions violation") {
        return None;
    }
    // NATS has no other form for it: `Permissions Violation for Publish to "SUBJECT"`.
    let subject = said.split('"').nth(1).unwrap_or_default();
    let is_publish = lower.contains("for publish");
    let is_ours = |ours: &[String]| ours.iter().any(|our| our == subject);
    let kind = match is_publish {
        true if is_ours(&subjects.query) => Some(Kind::Question),
        true if is_ours(&subjects.watch) => Some(Kind::Notice),
        true => Some(Kind::Answer),
        false if is_ours(&subjects.query) || is_ours(&subjects.watch) => None,
        false => Some(Kind::Question),
    };
    let verb = if is_publish {
        "publish to"
    } else {
        "subscribe to"
    };
    let shown = match subject.starts_with("_INBOX.") {
        true => "_INBOX.>",
        false => subject,
    };
    let error = Error::permission_denied(format!(
        "permission to {verb} `{shown}` is missing: grant it to this user (the server says: {said})"
    ));
    Some((kind, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use micro_core::Code;

    #[test]
    fn refusals_name_the_missing_permission() {
        let subjects = Subjects::of("blue");
        let cases = [
            (
                "Publish to \"blue.micro.nats.query\"",
                Some(Kind::Question),
                "publish to `blue.micro.nats.query`",
            ),
            (
                "Publish to \"blue.micro.nats.watch\"",
                Some(Kind::Notice),
                "publish to `blue.micro.nats.watch`",
            ),
            (
                "Publish to \"_INBOX.abc.1\"",
                Some(Kind::Answer),
                "publish to `_INBOX.>`",
            ),
            (
                "Subscription to \"_INBOX.abc.1\"",
                Some(Kind::Question),
                "subscribe to `_INBOX.>`",
            ),
            (
                "Subscription to \"blue.micro.nats.query\"",
                None,
                "subscribe to `blue.micro.nats.query`",
            ),
        ];
        for (what, kind, text) in cases {
            let said = format!("nats: Permissions Violation for {what}");
            let read = read(&subjects, &said);
            let (of, error) = read.expect("it is a refusal");
            assert_eq!((of, error.code()), (kind, Code::PermissionDenied));
            assert!(error.message().contains(text), "{error}");
        }
        let (of, error) = read(&subjects, "maximum subscriptions exceeded").expect("it is one");
        assert_eq!((of, error.code()), (None, Code::ResourceExhausted));
        assert!(read(&subjects, "Invalid Subject").is_none());
    }
}
