//! Messages of DNS, as far as discovery has them: RFC 1035, section 4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
/// A question for records of every kind.
pub(super) const ANY: u16 = 255;

const CLASS_IN: u16 = 1;
/// Of a question's class: an answer to the asker alone is welcome (RFC 6762, section 5.4).
const UNICAST_BIT: u16 = 1 << 15;
/// A response that comes from whoever knows.
const RESPONSE_FLAGS: u16 = 0x8400;
/// The longest name, in bytes.
const MAX_NAME_LENGTH: usize = 253;
/// Pointers that are followed in one name.
const MAX_POINTERS: usize = 16;
/// The limit of questions in one message; a message with more is refused. A packet of Ethernet has room for fewer.
const MAX_QUESTIONS: u16 = 128;
/// Records that are read of one message.
const MAX_RECORDS: usize = 1024;

/// A query or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) response: bool,
    pub(super) questions: Vec<Question>,
    /// Of all sections.
    pub(super) records: Vec<Record>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) unicast: bool,
}

impl Question {
    /// Asks who has a name.
    pub(super) fn new(name: String) -> Self {
        Question {
            name,
            kind: PTR,
            unicast: false,
        }
    }
}

/// What is known of a name, for some seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Ptr(String),
    Srv { port: u16, target: String },
    Txt(Vec<u8>),
    Address(IpAddr),
}

/// Whether a name may stand in a message, and means the same to go-micro, which escapes the rest.
pub(super) fn fits(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"'@;()\"\\".contains(&byte);
    name.len() <= MAX_NAME_LENGTH
        && name
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain))
}

impl Message {
    /// The bytes of it.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let count = |many: usize| u16::try_from(many).unwrap_or(u16::MAX).to_be_bytes();
        out.extend([0, 0]);
        out.extend(if self.response { RESPONSE_FLAGS } else { 0 }.to_be_bytes());
        out.extend(count(self.questions.len()));
        out.extend(count(self.records.len()));
        out.extend([0; 4]);
        for question in &self.questions {
            write_name(&question.name, &mut out);
            let class = CLASS_IN | if question.unicast { UNICAST_BIT } else { 0 };
            out.extend([question.kind.to_be_bytes(), class.to_be_bytes()].concat());
        }
        for record in &self.records {
            record.write(&mut out);
        }
        out
    }

    /// The message of some bytes; `None` where they are none. Records of other kinds are left out.
    pub(super) fn read(bytes: &[u8]) -> Option<Message> {
        let mut reader = Reader { bytes, at: 2 };
        let flags = reader.number()?;
        // Only plain queries and their answers, as RFC 6762 has it in section 18.
        if flags & 0x780f != 0 {
            return None;
        }
        let questions = reader.number()?;
        if questions > MAX_QUESTIONS {
            return None;
        }
        let mut records = 0;
        for _ in 0..3 {
            records += usize::from(reader.number()?);
        }
        let mut message = Message {
            response: flags & 0x8000 != 0,
            ..Message::default()
        };
        for _ in 0..questions {
            let name = reader.name()?;
            let (kind, class) = (reader.number()?, reader.number()?);
            message.questions.push(Question {
                name,
                kind,
                unicast: class & UNICAST_BIT != 0,
            });
        }
        for _ in 0..records.min(MAX_RECORDS) {
            message.records.extend(reader.record()?);
        }
        Some(message)
    }
}

impl Record {
    fn write(&self, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        let kind = match &self.data {
            Data::Ptr(name) => {
                write_name(name, &mut data);
                PTR
            }
            Data::Srv { port, target } => {
                // Priority and weight are go-micro's.
                data.extend([0, 10, 0, 1]);
                data.extend(port.to_be_bytes());
                write_name(target, &mut data);
                SRV
            }
            Data::Txt(text) => {
                for piece in text.chunks(255) {
                    data.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
                    data.extend(piece);
                }
                TXT
            }
            Data::Address(IpAddr::V4(address)) => {
                data.extend(address.octets());
                A
            }
            Data::Address(IpAddr::V6(address)) => {
                data.extend(address.octets());
                AAAA
            }
        };
        write_name(&self.name, out);
        out.extend([kind.to_be_bytes(), CLASS_IN.to_be_bytes()].concat());
        out.extend(self.ttl.to_be_bytes());
        // `entry` sees to it that a record is no longer.
        out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(data);
    }
}

/// Writes a name that [`fits`].
fn write_name(name: &str, out: &mut Vec<u8>) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend(label);
    }
    out.push(0);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, many: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(many)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    /// A name, which may go on where a pointer points.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut after = None;
        let mut pointers = 0;
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.take(length.into())?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label));
                }
                0xc0.. => {
                    let low = *self.take(1)?.first()?;
                    pointers += 1;
                    if pointers > MAX_POINTERS {
                        return None;
                    }
                    after.get_or_insert(self.at);
                    self.at = usize::from(length & 0x3f) << 8 | usize::from(low);
                }
                _ => return None,
            }
            if name.len() > MAX_NAME_LENGTH {
                return None;
            }
        }
        self.at = after.unwrap_or(self.at);
        Some(name)
    }

    /// A record; `Some(None)` for one of a kind that says nothing here.
    fn record(&mut self) -> Option<Option<Record>> {
        let name = self.name()?;
        let (kind, _class) = (self.number()?, self.number()?);
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = usize::from(self.number()?);
        let (begin, bytes) = (self.at, self.take(length)?);
        let mut inside = Reader {
            bytes: self.bytes,
            at: begin,
        };
        let data = match kind {
            PTR => Data::Ptr(inside.name()?),
            SRV => {
                inside.take(4)?;
                Data::Srv {
                    port: inside.number()?,
                    target: inside.name()?,
                }
            }
            TXT => Data::Txt(text(bytes)?),
            A => Data::Address(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
            AAAA => Data::Address(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
            _ => return Some(None),
        };
        Some(Some(Record { name, ttl, data }))
    }
}

/// The strings of a text, joined.
fn text(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    while let Some((length, rest)) = bytes.split_first() {
        let (piece, rest) = rest.split_at_checked(usize::from(*length))?;
        text.extend(piece);
        bytes = rest;
    }
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn every_kind() -> Message {
        let of = |data| Record {
            name: "greeter-1.greeter.micro".into(),
            ttl: 120,
            data,
        };
        Message {
            response: true,
            questions: vec![Question::new("greeter.micro".into())],
            records: vec![
                of(Data::Ptr("greeter-1.greeter.micro".into())),
                of(Data::Srv {
                    port: 4000,
                    target: "vm".into(),
                }),
                of(Data::Address([127, 0, 0, 1].into())),
                of(Data::Address(Ipv6Addr::LOCALHOST.into())),
                of(Data::Txt(vec![b'a'; 700])),
                of(Data::Txt(Vec::new())),
            ],
        }
    }

    #[test]
    fn message_round_trips() {
        let message = every_kind();
        assert_eq!(Message::read(&message.write()), Some(message));
    }

    #[test]
    fn truncated_or_circular_message_is_rejected() {
        let bytes = every_kind().write();
        for end in 0..bytes.len() {
            assert_eq!(Message::read(&bytes[..end]), None, "{end}");
        }
        let circle = b"\0\0\0\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x0c\0\x01";
        assert_eq!(Message::read(circle), None);
    }

    #[test]
    fn message_with_too_many_questions_is_rejected() {
        let asking = |count: u16| {
            let mut bytes = [&[0; 4][..], &count.to_be_bytes(), &[0; 6]].concat();
            bytes.extend((0..count).flat_map(|_| *b"\x01a\0\0\x0c\0\x01"));
            Message::read(&bytes).map(|message| message.questions.len())
        };
        assert_eq!(asking(128), Some(128));
        assert_eq!(asking(129), None);
    }

    #[test]
    fn compressed_name_is_read() {
        let pointing =
            b"\0\0\0\0\0\x02\0\0\0\0\0\0\x01a\x05micro\0\0\x0c\0\x01\x01b\xc0\x0e\0\x0c\x80\x01";
        let message = Message::read(pointing).unwrap();
        assert_eq!(message.questions[1].name, "b.micro");
        assert!(message.questions[1].unicast);
    }

    #[test]
    fn plain_names_fit_and_others_do_not() {
        assert!(fits("greeter-1.greeter.micro") && fits("topic:a/b"));
        let long = "n".repeat(64);
        for odd in ["", "a..b", "ünï", "a b", "a\\b", &long, &"n.".repeat(200)] {
            assert!(!fits(odd), "{odd}");
        }
    }
}
