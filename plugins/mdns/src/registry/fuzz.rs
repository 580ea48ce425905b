//! Any bytes as what comes by multicast.

use super::{entry, message::Message};
use micro_core::registry::{Scope, validation};

/// Reads bytes as a message, and what it tells of nodes. Nothing may panic, and a node that is let in must be told of so
/// that the same is heard, unless it is too large for that.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn messages(bytes: &[u8]) {
    let Some(message) = Message::read(bytes) else {
        return;
    };
    for domain in ["micro", "local"] {
        let (nodes, _) = entry::read(&message.records, domain);
        for node in nodes.into_iter().map(|heard| heard.node) {
            if validation::validate(&node, Scope::Machine).is_err() {
                continue;
            }
            let Ok(records) = entry::records(&node, domain, 120, false) else {
                continue;
            };
            let told = Message {
                response: true,
                questions: Vec::new(),
                records,
            };
            let read = Message::read(&told.write()).expect("what was written is read");
            let (again, _) = entry::read(&read.records, domain);
            let [again] = &again[..] else {
                panic!("one node was told of, not {}", again.len());
            };
            let parts = |of: &micro_core::node::Node| {
                let metadata = of.metadata.clone();
                (
                    of.service.clone(),
                    of.id.clone(),
                    of.version.clone(),
                    metadata,
                )
            };
            assert_eq!(parts(&again.node), parts(&node));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    #[test]
    fn corpus_is_read_whole_truncated_and_damaged() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/mdns");
        for file in fs::read_dir(corpus).expect("the corpus is there") {
            let path = file.expect("it can be read").path();
            let bytes = fs::read(path).expect("it can be read");
            for end in 0..=bytes.len() {
                super::messages(&bytes[..end]);
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] = damaged[at].wrapping_add(1);
                super::messages(&damaged);
            }
        }
    }
}
