//! Arbitrary bytes, in any portions, as requests and as responses.

use std::sync::Arc;

use http::Method;

use super::{Body, MessageError, Reader};
use crate::{http::Piece, net::Limits};

/// Small limits, so that they are reached.
fn limits() -> Arc<Limits> {
    Arc::new(Limits {
        max_head_size: 2048,
        max_message_size: 4096,
        ..Limits::default()
    })
}

/// Reads bytes like both sides of a connection: messages with their bodies, to the end. The first
/// byte chooses the portions of the rest, the second the side.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn http1(bytes: &[u8]) {
    let [portion, side, rest @ ..] = bytes else {
        return;
    };
    let info = match side % 3 {
        0 => None,
        1 => Some(Method::GET),
        _ => Some(Method::HEAD),
    };
    let _ = messages(rest, usize::from(*portion) + 1, info.as_ref());
}

/// The messages read from bytes: the first line of each, and its body with `|` before trailers.
pub(super) fn messages(
    bytes: &[u8],
    portion: usize,
    info: Option<&Method>,
) -> Result<Vec<(String, Vec<u8>)>, MessageError> {
    let mut reader = Reader::new(b"", limits());
    let mut portions = bytes.chunks(portion);
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let before = all.len();
        while reader.is_body_done() {
            let head = match info {
                None => reader.take_request()?.map(|(head, _)| {
                    assert!(head.headers.len() <= 100);
                    format!("{} {}", head.method, head.uri)
                }),
                Some(info) => {
                    let taken = reader.take_response(info)?;
                    taken.map(|(head, _)| head.status.as_u16().to_string())
                }
            };
            match head {
                Some(line) => all.push((line, Vec::new())),
                None => break,
            }
        }
        let amid = !reader.is_body_done();
        while !reader.is_body_done() {
            let Some((_, body)) = all.last_mut() else {
                unreachable!("a body follows a head");
            };
            match reader.take_body()? {
                Body::Piece(Piece::Data(data)) => body.extend_from_slice(&data),
                Body::Piece(Piece::Trailers(trailers)) => {
                    body.extend_from_slice(format!("|{trailers:?}").as_bytes());
                }
                Body::Done => {}
                Body::More => break,
            }
        }
        if all.len() > before || (amid && reader.is_body_done()) {
            continue;
        }
        let Some(more) = portions.next() else {
            reader.end()?;
            return Ok(all);
        };
        reader.feed(more);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::random::Rng;
    use std::path::PathBuf;

    fn corpus() -> Vec<Vec<u8>> {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/http1");
        let files = std::fs::read_dir(corpus).unwrap();
        let all: Vec<_> = files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        assert!(all.len() >= 10);
        all
    }

    #[test]
    fn corpus_is_read_without_a_panic() {
        corpus().iter().for_each(|bytes| http1(bytes));
    }

    #[test]
    fn damaged_messages_are_read_without_a_panic() {
        let rng = Rng::seeded(7);
        let corpus = corpus();
        for round in 0..20_000 {
            let mut bytes = corpus[rng.number() as usize % corpus.len()].clone();
            bytes[0] = rng.number() as u8;
            for _ in 0..=round % 4 {
                let at = 2 + rng.number() as usize % (bytes.len() - 2);
                match rng.number() % 4 {
                    0 => bytes[at] = b"\r\n\0 :;,\t"[rng.number() as usize % 8],
                    1 => bytes[at] ^= 1 << (rng.number() % 8),
                    2 => drop(bytes.drain(at..(at + 3).min(bytes.len()))),
                    _ => bytes.insert(at, rng.number() as u8),
                }
                if bytes.len() < 4 {
                    break;
                }
            }
            http1(&bytes);
        }
    }

    #[test]
    fn corpus_entry_is_the_same_in_any_portions() {
        for bytes in corpus() {
            let info = (bytes[1] % 3 != 0).then_some(Method::GET);
            let whole = messages(&bytes[2..], usize::MAX, info.as_ref());
            let whole = whole.map_err(|error| format!("{error:?}"));
            for portion in 1..bytes.len() {
                let cut = messages(&bytes[2..], portion, info.as_ref());
                let cut = cut.map_err(|error| format!("{error:?}"));
                assert_eq!(cut, whole, "in portions of {portion}: {bytes:?}");
            }
        }
    }
}
