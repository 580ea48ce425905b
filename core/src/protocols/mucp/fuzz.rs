//! Arbitrary bytes from a client or a server, with framing and envelopes.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::{envelope::Envelope, fault, names};
use crate::{
    http::h1::{Body, Reader},
    net::Limits,
};

/// Reads bytes like a server, like a client, and as each envelope. Nothing may panic, and what is read
/// must be the same after writing and reading.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn messages(bytes: &[u8]) {
    requests(bytes);
    responses(bytes);
    let bytes = Bytes::copy_from_slice(bytes);
    for envelope in [Envelope::Json, Envelope::Proto] {
        if let Ok(Some(asked)) = envelope.read_request(&bytes) {
            let again = envelope.write_request(&asked.endpoint, 7, asked.body.clone());
            let read = envelope.read_request(&again).ok().flatten();
            let read = read.expect("what was written is read");
            assert_eq!(
                (read.endpoint, read.body),
                (asked.endpoint.clone(), asked.body.clone())
            );
            let reply = envelope.write_reply(&asked.endpoint, &asked.id, Ok(asked.body));
            let told = envelope
                .read_reply(reply)
                .expect("what was written is read");
            assert_eq!(told.error, None);
        }
        let _ = envelope.read_reply(bytes.clone());
    }
    let error = fault::read(&String::from_utf8_lossy(&bytes));
    if !error.message().is_empty() {
        let again = fault::read(&fault::write(&error));
        assert_eq!(again.message(), error.message());
    }
}

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(bytes, Arc::new(Limits::default()))
}

fn requests(bytes: &[u8]) {
    let mut reader = reader(bytes);
    while let Ok(Some((head, _))) = reader.take_request() {
        let (envelope, _) = names::format(&head.headers);
        let _ = names::is_ours(&head);
        let Some(body) = body(&mut reader) else {
            return;
        };
        let _ = envelope.read_request(&body);
    }
}

fn responses(bytes: &[u8]) {
    let mut reader = reader(bytes);
    while let Ok(Some(_)) = reader.take_response(&Method::POST) {
        let Some(body) = body(&mut reader) else {
            return;
        };
        let _ = Envelope::Json.read_reply(body);
    }
}

/// A body, if it is complete.
fn body(reader: &mut Reader) -> Option<Bytes> {
    let mut whole = Vec::new();
    loop {
        match reader.take_body().ok()? {
            Body::Done => return Some(whole.into()),
            Body::More => return None,
            Body::Piece(crate::http::Piece::Data(data)) => whole.extend_from_slice(&data),
            Body::Piece(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn corpus_and_its_neighbours_are_read_without_a_panic() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/mucp");
        let mut state = 7_u64;
        let mut random = || {
            // Numerical Recipes' generator, which is deterministic.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        let mut files = 0;
        for file in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            messages(&bytes);
            for _ in 0..200 {
                let mut near = bytes.clone();
                for _ in 0..1 + random() % 4 {
                    let at = random() % near.len().max(1);
                    match random() % 4 {
                        0 => near.truncate(at),
                        1 => near.insert(at.min(near.len()), random() as u8),
                        2 if at < near.len() => near[at] = random() as u8,
                        _ => near.drain(..at.min(near.len())).for_each(drop),
                    }
                }
                messages(&near);
            }
            files += 1;
        }
        assert_eq!(files, 19);
    }
}
