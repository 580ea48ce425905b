//! What is said to ZooKeeper: numbers are big-endian, texts and buffers have their length in front, and each packet is
//! in a frame with its length.
//!
//! Source: `zookeeper.jute` and the class `ZooDefs.OpCode` of ZooKeeper 3.8.

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
pub(super) enum CreateMode {
    /// Until it is deleted.
    Persistent,
    /// As long as the session that created it.
    Ephemeral,
    /// Until its last child has gone.
    Container,
}

/// Who may do what with a node that is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acl {
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

pub(super) fn create(path: &str, data: &[u8], life: CreateMode, access: Acl) -> Vec<u8> {
    const READ: i32 = 1;
    const ANYTHING: i32 = 31;
    let flags = match life {
        CreateMode::Persistent => 0,
        CreateMode::Ephemeral => 1,
        CreateMode::Container => 4,
    };
    let begun = Writer::default().text(path).bytes(data);
    let listed = match access {
        Acl::All => begun.int(1).int(ANYTHING).text("world").text("anyone"),
        Acl::Own => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_encoded_as_the_protocol_specifies() {
        let bytes = create("/a", b"x", CreateMode::Ephemeral, Acl::All);
        let expected =
            b"\0\0\0\x02/a\0\0\0\x01x\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\x01";
        assert_eq!(bytes, expected);
    }
}
