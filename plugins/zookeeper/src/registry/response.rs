//! Decoding of responses; see [`packet`](super::packet) for the format.

use bytes::{Buf, Bytes};

/// Reads a packet from the front; `None` if it ends early.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn int(&mut self) -> Option<i32> {
        self.0.try_get_i32().ok()
    }

    pub(super) fn long(&mut self) -> Option<i64> {
        self.0.try_get_i64().ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.0.try_get_u8().ok().map(|byte| byte != 0)
    }

    /// Length -1 means empty.
    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.int()?).unwrap_or(0);
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(super) fn texts(&mut self) -> Option<Vec<String>> {
        let count = usize::try_from(self.int()?).unwrap_or(0);
        // Each text takes at least four bytes: a false count allocates nothing.
        let mut texts = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            texts.push(self.text()?);
        }
        Some(texts)
    }
}

/// The response to a session request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConnectResponse {
    /// `None` if the old session has expired.
    pub(super) timeout_ms: Option<u32>,
    pub(super) session: i64,
    pub(super) password: Bytes,
}

impl ConnectResponse {
    pub(super) fn read(packet: Bytes) -> Option<Self> {
        let mut reader = Reader(packet);
        let _protocol = reader.int()?;
        let timeout = reader.int()?;
        Some(ConnectResponse {
            timeout_ms: u32::try_from(timeout).ok().filter(|timeout| *timeout > 0),
            session: reader.long()?,
            password: reader.bytes()?,
        })
    }
}

/// A znode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Znode {
    pub(super) data: Bytes,
    /// How often the data changed.
    pub(super) version: i32,
    /// The session of an ephemeral znode; 0 for a persistent one.
    pub(super) owner: i64,
}

impl Znode {
    pub(super) fn read(packet: Bytes) -> Option<Self> {
        let mut reader = Reader(packet);
        let data = reader.bytes()?;
        for _ in 0..4 {
            let _changes_and_times = reader.long()?;
        }
        let version = reader.int()?;
        let _versions_of_children_and_access = (reader.int()?, reader.int()?);
        let owner = reader.long()?;
        Some(Znode {
            data,
            version,
            owner,
        })
    }
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Created,
    Deleted,
    Changed,
}

/// The type and path of an event; `None` for other events.
pub(super) fn event(packet: Bytes) -> Option<(EventKind, String)> {
    let mut reader = Reader(packet);
    let kind = match reader.int()? {
        1 => EventKind::Created,
        2 => EventKind::Deleted,
        3 => EventKind::Changed,
        _ => return None,
    };
    let _state_of_session = reader.int()?;
    Some((kind, reader.text()?))
}

/// The error of a failed transaction.
pub(super) fn multi_error(packet: Bytes) -> Option<i32> {
    const NOT_THE_CULPRIT: i32 = -2;
    const ERROR: i32 = -1;
    let mut reader = Reader(packet);
    let mut first = None;
    loop {
        let (kind, done, _) = (reader.int()?, reader.flag()?, reader.int()?);
        if done || kind != ERROR {
            return first;
        }
        match reader.int()? {
            0 | NOT_THE_CULPRIT => {}
            error => first = first.or(Some(error)),
        }
        // If the packet ends early, the error found so far counts.
        if reader.0.len() < 9 {
            return first;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::{super::packet::Writer, *};

    #[test]
    fn truncated_response_is_rejected() {
        let whole = Writer::default()
            .bytes(b"data")
            .long(1)
            .long(2)
            .long(3)
            .long(4)
            .int(7)
            .int(0)
            .int(0)
            .long(99)
            .end();
        let found = Znode::read(Bytes::from(whole.clone())).unwrap();
        assert_eq!(
            (&*found.data, found.version, found.owner),
            (&b"data"[..], 7, 99)
        );
        for end in 0..whole.len() {
            assert_eq!(Znode::read(Bytes::copy_from_slice(&whole[..end])), None);
        }
        let texts = Writer::default().int(i32::MAX).text("a").end();
        assert_eq!(Reader(texts.into()).texts(), None);
    }

    #[test]
    fn failed_request_of_a_multi_is_found() {
        let error = |code| {
            Writer::default()
                .int(-1)
                .flag(false)
                .int(code)
                .int(code)
                .end()
        };
        let end = Writer::default().int(-1).flag(true).int(-1).end();
        let answer = [error(0), error(-101), error(-2), end.clone()].concat();
        assert_eq!(multi_error(answer.into()), Some(-101));
        let deleted = Writer::default().int(2).flag(false).int(0).end();
        assert_eq!(multi_error([deleted, end].concat().into()), None);
    }
}
