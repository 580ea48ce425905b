//! What goes on while nobody calls: questions answered, announcements heard, time passing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{sleep, sleep_until},
};

use super::{
    entry,
    message::{A, AAAA, ANY, Data, Message, PTR, Question, Record, SRV, TXT},
    sockets::{PORT, Sockets, Source},
    state::{PendingWork, State},
};
use micro_core::{
    Result,
    node::Node,
    registry::{Scope, validation},
};

/// How long to leave sockets alone that could not be read.
const READ_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Most messages that one datagram with questions is answered by: a process has fewer nodes.
const MAX_ANSWERS: usize = 1024;

/// What a handle shares with its task.
pub(super) struct Shared {
    pub(super) domains: Vec<String>,
    pub(super) state: Mutex<State>,
    /// Wakes the task: work may be due earlier than before.
    pub(super) work_added: Notify,
}

impl Shared {
    /// Tells everyone of a node, for so many seconds; of its end with 0, and then twice, as nobody repeats it.
    pub(super) fn announce(
        &self,
        sockets: &Sockets,
        node: &Node,
        ttl: u32,
        dismissed: bool,
    ) -> Result<()> {
        for domain in &self.domains {
            let message = Message {
                response: true,
                questions: Vec::new(),
                records: entry::records(node, domain, ttl, dismissed)?,
            };
            let bytes = message.write();
            for _ in 0..if ttl == 0 { 2 } else { 1 } {
                sockets.multicast(Source::GroupPort, &bytes);
            }
        }
        Ok(())
    }

    /// Asks everyone for the nodes of a service.
    pub(super) fn ask(&self, sockets: &Sockets, service: &str) {
        for domain in &self.domains {
            for name in entry::service_names(service, domain) {
                query(sockets, name);
            }
        }
    }

    /// Asks everyone for their services.
    pub(super) fn list(&self, sockets: &Sockets) {
        for domain in &self.domains {
            for odd in [false, true] {
                query(sockets, entry::list_name(domain, odd));
            }
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self: Arc<Self>, sockets: Arc<Sockets>) {
        let mut buffer = Vec::new();
        loop {
            let (due, next) = self.state.lock().due();
            self.run_pending(&sockets, &due);
            tokio::select! {
                from = sockets.receive(&mut buffer) => match from {
                    Ok(from) => {
                        if let Some(message) = Message::read(&buffer) {
                            self.handle(&sockets, &message, from);
                        }
                    }
                    // An interface that has gone, say: another may do.
                    Err(error) => {
                        tracing::warn!(%error, "registry `mdns` could not read a message");
                        sleep(READ_RETRY_INTERVAL).await;
                    }
                },
                () = sleep_until(next) => {}
                () = self.work_added.notified() => {}
            }
        }
    }

    fn run_pending(&self, sockets: &Sockets, due: &PendingWork) {
        if due.round {
            sockets.join();
        }
        for (node, ttl) in &due.announce {
            // It has been announced before, so it can be.
            let _ = self.announce(sockets, node, *ttl, false);
        }
        for service in &due.ask {
            self.ask(sockets, service);
        }
        if due.list {
            self.list(sockets);
        }
    }

    fn handle(&self, sockets: &Sockets, message: &Message, from: SocketAddr) {
        if message.response {
            // Who does not answer from there is none of the group (RFC 6762, section 11).
            if from.port() == PORT {
                self.learn(sockets, message);
            }
            return;
        }
        let mut left = MAX_ANSWERS;
        for (index, question) in message.questions.iter().enumerate() {
            if message.questions[..index].contains(question) {
                continue;
            }
            let answers = self.answers(question, left);
            left -= answers.len();
            for records in answers {
                let answer = Message {
                    response: true,
                    // go-micro takes only what repeats its question.
                    questions: vec![question.clone()],
                    records,
                };
                sockets.answer(from, question.unicast, &answer.write());
            }
        }
    }

    fn learn(&self, sockets: &Sockets, message: &Message) {
        for domain in &self.domains {
            let (nodes, services) = entry::read(&message.records, domain);
            for heard in nodes {
                if !validation::accept("mdns", &heard.node, Scope::Network) {
                    continue;
                }
                let dismissed = self.state.lock().hear(heard);
                if let Some(node) = dismissed {
                    // It has been announced before, so it can be.
                    let _ = self.announce(sockets, &node, 0, false);
                }
            }
            for service in services {
                let ask = self.state.lock().list(service.clone());
                if ask {
                    self.ask(sockets, &service);
                }
            }
        }
    }

    /// What answers a question, of each node or service by itself: go-micro reads one of a message.
    fn answers(&self, question: &Question, most: usize) -> Vec<Vec<Record>> {
        if ![PTR, ANY, SRV, TXT, A, AAAA].contains(&question.kind) {
            return Vec::new();
        }
        let state = self.state.lock();
        let mut answers = Vec::new();
        for domain in &self.domains {
            if [false, true]
                .map(|odd| entry::list_name(domain, odd))
                .contains(&question.name)
            {
                let mut last = None;
                for (node, ttl) in state.own() {
                    if last != Some(&node.service) {
                        let records = entry::listing(&node.service, domain, ttl);
                        answers.extend((records[0].name == question.name).then_some(records));
                        last = Some(&node.service);
                    }
                }
                continue;
            }
            for (node, ttl) in state.own() {
                let (service, instance) = entry::names(node, domain);
                let of_service = question.name.eq_ignore_ascii_case(&service);
                if !of_service && !question.name.eq_ignore_ascii_case(&instance) {
                    continue;
                }
                // It has been announced before, so it can be.
                let Ok(mut records) = entry::records(node, domain, ttl, false) else {
                    continue;
                };
                if of_service {
                    let pointer = Record {
                        name: service,
                        ttl,
                        data: Data::Ptr(instance),
                    };
                    records.insert(0, pointer);
                }
                answers.push(records);
            }
        }
        answers.truncate(most);
        answers
    }
}

fn query(sockets: &Sockets, name: String) {
    let message = Message {
        response: false,
        questions: vec![Question::new(name)],
        records: Vec::new(),
    };
    sockets.multicast(Source::OwnPort, &message.write());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn number_of_answers_to_one_question_is_bounded() {
        let shared = Shared {
            domains: vec!["micro".to_owned()],
            state: Mutex::default(),
            work_added: Notify::new(),
        };
        for number in 0..20 {
            let node = Node::new("greeter", format!("greeter-{number}"), "127.0.0.1:4000");
            let registered = shared.state.lock().register(&node, None);
            registered.expect("no other instance has its id");
        }
        let question = Question::new("greeter.micro".into());
        assert_eq!(shared.answers(&question, MAX_ANSWERS).len(), 20);
        assert_eq!(shared.answers(&question, 8).len(), 8);
        assert!(shared.answers(&question, 0).is_empty());
    }
}
