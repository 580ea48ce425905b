//! Encoding of requests: numbers are big-endian, texts and buffers have a length in front, and each packet is in a
//! frame with its length.
//!
//! Source: `zookeeper.jute` and the class `ZooDefs.OpCode` of ZooKeeper 3.8.

/// Request types.
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

/// Reserved request numbers.
pub(super) mod xid {
    pub(crate) const EVENT: i32 = -1;
    pub(crate) const PING: i32 = -2;
    pub(crate) const AUTH: i32 = -4;
}

/// The mode of a new znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CreateMode {
    /// Until it is deleted.
    Persistent,
    /// Until the session that created it ends.
    Ephemeral,
    /// Until its last child is deleted.
    Container,
}

/// The access list of a new znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acl {
    /// Everyone may do everything, as in go-micro.
    All,
    /// Our user may do everything, others may read.
    Own,
}

/// Writes a packet.
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

    /// The packet, for another writer.
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

/// Reads a znode without a watch.
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

/// A transaction.
pub(super) fn multi(requests: &[(i32, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (op, request) in requests {
        writer = writer.int(*op).flag(false).int(-1).packet(request);
    }
    writer.int(-1).flag(true).int(-1).end()
}

/// Watches a path recursively.
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

/// Requests a new session, or resumes one by its id and password.
pub(super) fn connect(timeout_ms: i32, session: i64, password: &[u8]) -> Vec<u8> {
    // The last seen zxid is not sent: a server restored from an older state would refuse us for ever.
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
