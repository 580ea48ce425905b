//! What a connection may cost, with defaults.

use std::time::Duration;

/// Limits of every connection. Each error that one of them causes names it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Largest message, in bytes. 4 MiB, as gRPC's: larger things belong in a stream.
    pub max_message_size: usize,
    /// Largest head of a message (metadata, names), in bytes. 16 KiB: twice what web servers allow
    /// a line; at most 65,535.
    pub max_head_size: usize,
    /// Names of endpoints remembered a connection. 1,024: more than any one service has.
    pub max_endpoint_names: u16,
    /// Bytes of one stream under way before its reader has taken them. 256 KiB: fills 2 Gbit/s at a
    /// round trip of 1 ms.
    pub stream_window: u32,
    /// Bytes queued on one connection before callers wait. 8 MiB: two messages of the largest size.
    pub max_queued_bytes: usize,
    /// Bytes that a server holds for one connection before it refuses its requests: bodies until their calls have ended,
    /// messages of streams that are not read, answers that are not taken. 32 MiB: eight messages of the largest size.
    /// Bodies of up to 4 KiB are not counted.
    pub max_buffered_bytes: usize,
    /// The same for all connections of a server. 256 MiB: eight connections at their limit, and half of the memory that a
    /// small container has.
    pub max_server_buffered_bytes: usize,
    /// Calls at work on one connection before more are refused. 10,000.
    pub max_concurrent_calls: usize,
    /// Requests at work on one HTTP/2 connection; a caller holds more back. 1,000: ten times what
    /// RFC 9113 holds to be the least.
    pub max_concurrent_streams: u32,
    /// How long a new connection may take to introduce itself, the TLS handshake included. 5 s.
    pub handshake_timeout: Duration,
    /// How long a frame once begun may take to come whole. 15 s. It is also how long a body may bring less than 16 KiB,
    /// and how long the reader of an answer may take less than that.
    pub frame_timeout: Duration,
    /// Silence after which the other side is asked for a sign of life. 10 s.
    pub keepalive_interval: Duration,
    /// How long that sign may take. 10 s.
    pub keepalive_timeout: Duration,
    /// How long a connection without calls is kept by a client. 90 s.
    pub idle_timeout: Duration,
    /// How long a client waits to be connected and greeted, the TLS handshake included. 1 s.
    pub connect_timeout: Duration,
    /// For how long after a write a thread stays awake for what comes back, while few calls are out
    /// and answers come that soon. `None`, the default, always sleeps: staying awake pays where the
    /// other side has a core of its own, and costs dearly where the core is shared. 50 µs is a good
    /// value.
    pub busy_poll: Option<Duration>,
    /// Connections a client holds in all. 8,192.
    pub max_connections: usize,
    /// Connections a server accepts at a time. 60,000; also bounded by the process's descriptors.
    pub max_accepted_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_message_size: 4 << 20,
            max_head_size: 16 << 10,
            max_endpoint_names: 1024,
            stream_window: 256 << 10,
            max_queued_bytes: 8 << 20,
            max_buffered_bytes: 32 << 20,
            max_server_buffered_bytes: 256 << 20,
            max_concurrent_calls: 10_000,
            max_concurrent_streams: 1_000,
            handshake_timeout: Duration::from_secs(5),
            frame_timeout: Duration::from_secs(15),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            connect_timeout: Duration::from_secs(1),
            busy_poll: None,
            max_connections: 8_192,
            max_accepted_connections: 60_000,
        }
    }
}

impl Limits {
    pub(crate) fn message_u32(&self) -> u32 {
        // A frame's length is a u32 and counts the head too.
        const MAX: u32 = u32::MAX - u16::MAX as u32;
        u32::try_from(self.max_message_size).map_or(MAX, |message| message.min(MAX))
    }

    /// The head as HTTP/2 counts it: 32 bytes more for each field, and fields of its own.
    #[cfg(feature = "grpc")]
    pub(crate) fn head_list_u32(&self) -> u32 {
        const PSEUDO_HEADERS_SIZE: u32 = 4 << 10;
        self.head_u32() * 2 + PSEUDO_HEADERS_SIZE
    }

    /// The queue as a window of HTTP/2, which has 31 bits.
    #[cfg(feature = "grpc")]
    pub(crate) fn queue_u32(&self) -> u32 {
        const MAX: u32 = (1 << 31) - 1;
        u32::try_from(self.max_queued_bytes).map_or(MAX, |queue| queue.min(MAX))
    }

    pub(crate) fn head_u32(&self) -> u32 {
        u32::try_from(self.max_head_size.min(u16::MAX.into())).unwrap_or(u32::MAX)
    }
}
