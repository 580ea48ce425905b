//! What is said to ZooKeeper and what it answers: numbers are big-endian, texts and buffers have their length in
//! front, and each packet is in a frame with its length.
//!
//! Source: `zookeeper.jute` and the class `ZooDefs.OpCode` of ZooKeeper 3.8.

use bytes::{Buf, Bytes};

/// Kinds of requests.
pub(super) mod op {
    pub(crate) const CREATE: i32 = 1;
    pub(crate) const DELETE: i32 = 2;
    pub(crate) const GET_DATA: i32 = 4;
    pub(crate) const SET_DATA: i32 = 5;
    pub(crate) const GET_CHILDREN: i32 = 8;
    pub(crate) const PING: i32 = 11;
    pub(crate) const MULTI: i32 = 14;
    pub(crate) const REMOVE_WATCHES: i32 = 18;
    pub(crate) const CREATE_CONTAINER: i32 = 19;
    pub(crate) const AUTH: i32 = 100;
    pub(crate) const ADD_WATCH: i32 = 106;
}

/// Numbers of what is no answer to an ordinary request.
pub(super) mod xid {
    pub(crate) const EVENT: i32 = -1;
    pub(crate) const PING: i32 = -2;
    pub(crate) const AUTH: i32 = -4;
}

/// How long a node of the tree lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Until it is deleted.
    Lasting,
    /// As long as the session that created it.
    Session,
    /// Until its last child has gone.
    Container,
}

/// Who may do what with a node that is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone anything, as go-micro has it.
    All,
    /// Who is authenticated as we are anything, others may read.
    Own,
}

/// A packet in the making.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn int(mut self, number: i32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn flag(mut self, flag: bool) -> Self {
        self.0.push(u8::from(flag));
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        let length = i32::try_from(bytes.len()).expect("what we write is far below 2 GiB");
        self = self.int(length);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// What is written, to go on in another writer.
    pub(super) fn packet(mut self, packet: &[u8]) -> Self {
        self.0.extend_from_slice(packet);
        self
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0
    }
}

pub(super) fn create(path: &str, data: &[u8], life: Life, access: Access) -> Vec<u8> {
    const READ: i32 = 1;
    const ANYTHING: i32 = 31;
    let flags = match life {
        Life::Lasting => 0,
        Life::Session => 1,
        Life::Container => 4,
    };
    let begun = Writer::default().text(path).bytes(data);
    let listed = match access {
        Access::All => begun.int(1).int(ANYTHING).text("world").text("anyone"),
        Access::Own => {
            let own = begun.int(2).int(ANYTHING).text("auth").text("");
            own.int(READ).text("world").text("anyone")
        }
    };
    listed.int(flags).end()
}

/// A request for what is at a path, without a watch.
pub(super) fn read(path: &str) -> Vec<u8> {
    Writer::default().text(path).flag(false).end()
}

/// Whatever its version is, without one.
pub(super) fn delete(path: &str, version: Option<i32>) -> Vec<u8> {
    let version = version.unwrap_or(-1);
    Writer::default().text(path).int(version).end()
}

/// Whatever its version is, without one.
pub(super) fn set_data(path: &str, data: &[u8], version: Option<i32>) -> Vec<u8> {
    let version = version.unwrap_or(-1);
    Writer::default().text(path).bytes(data).int(version).end()
}

/// All of these or none.
pub(super) fn multi(requests: &[(i32, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (op, request) in requests {
        writer = writer.int(*op).flag(false).int(-1).packet(request);
    }
    writer.int(-1).flag(true).int(-1).end()
}

/// What comes to be, changes and goes at a path and below it.
pub(super) fn watch_below(path: &str) -> Vec<u8> {
    const RECURSIVE: i32 = 1;
    Writer::default().text(path).int(RECURSIVE).end()
}

pub(super) fn unwatch(path: &str) -> Vec<u8> {
    const ANY: i32 = 3;
    Writer::default().text(path).int(ANY).end()
}

pub(super) fn authenticate(scheme: &str, secret: &[u8]) -> Vec<u8> {
    Writer::default().int(0).text(scheme).bytes(secret).end()
}

/// Asks for a session, or with the id and password of an old one for that.
pub(super) fn connect(timeout_ms: i32, session: i64, password: &[u8]) -> Vec<u8> {
    // The last change that was seen is not said: a server that was restored from less would refuse us for ever.
    let begun = Writer::default().int(0).long(0).int(timeout_ms);
    begun.long(session).bytes(password).flag(false).end()
}

/// A packet that was read, from the front; `None` where it ends too early.
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

    /// One of length -1 is empty.
    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.int()?).unwrap_or(0);
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(super) fn texts(&mut self) -> Option<Vec<String>> {
        let count = usize::try_from(self.int()?).unwrap_or(0);
        // Each takes four bytes at least: a number that is made up costs nothing.
        let mut texts = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            texts.push(self.text()?);
        }
        Some(texts)
    }
}

/// The answer to a request for a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Connected {
    /// None where the old session has expired.
    pub(super) timeout_ms: Option<u32>,
    pub(super) session: i64,
    pub(super) password: Bytes,
}

impl Connected {
    pub(super) fn read(packet: Bytes) -> Option<Self> {
        let mut reader = Reader(packet);
        let _protocol = reader.int()?;
        let timeout = reader.int()?;
        Some(Connected {
            timeout_ms: u32::try_from(timeout).ok().filter(|timeout| *timeout > 0),
            session: reader.long()?,
            password: reader.bytes()?,
        })
    }
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) data: Bytes,
    /// How often the data were changed.
    pub(super) version: i32,
    /// The session that it ends with; 0 if it is lasting.
    pub(super) owner: i64,
}

impl Found {
    pub(super) fn read(packet: Bytes) -> Option<Self> {
        let mut reader = Reader(packet);
        let data = reader.bytes()?;
        for _ in 0..4 {
            let _changes_and_times = reader.long()?;
        }
        let version = reader.int()?;
        let _versions_of_children_and_access = (reader.int()?, reader.int()?);
        let owner = reader.long()?;
        Some(Found {
            data,
            version,
            owner,
        })
    }
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Created,
    Deleted,
    Changed,
}

/// The path that something happened to; nothing for what is of no interest here.
pub(super) fn event(packet: Bytes) -> Option<(Happened, String)> {
    let mut reader = Reader(packet);
    let happened = match reader.int()? {
        1 => Happened::Created,
        2 => Happened::Deleted,
        3 => Happened::Changed,
        _ => return None,
    };
    let _state_of_session = reader.int()?;
    Some((happened, reader.text()?))
}

/// The first error in the answers to requests that are done together, if they were not done.
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
        // Should the packet end early, what was found counts.
        if reader.0.len() < 9 {
            return first;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_the_protocol_has_it() {
        let bytes = create("/a", b"x", Life::Session, Access::All);
        let expected =
            b"\0\0\0\x02/a\0\0\0\x01x\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\x01";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_answer_that_ends_early_is_none() {
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
        let found = Found::read(Bytes::from(whole.clone())).unwrap();
        assert_eq!(
            (&*found.data, found.version, found.owner),
            (&b"data"[..], 7, 99)
        );
        for end in 0..whole.len() {
            assert_eq!(Found::read(Bytes::copy_from_slice(&whole[..end])), None);
        }
        let texts = Writer::default().int(i32::MAX).text("a").end();
        assert_eq!(Reader(texts.into()).texts(), None);
    }

    #[test]
    fn the_culprit_among_requests_done_together_is_found() {
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
