//! Header blocks (RFC 7541): written as literals, read as anybody writes them.

use std::collections::VecDeque;

use super::frame::Fields;

/// A block of literals that no table remembers: section 6.2.2.
pub(crate) fn block(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer of which seven bits are in the first byte: section 5.1.
fn length(length: usize, into: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(127) else {
        return into.push(u8::try_from(length).unwrap());
    };
    into.push(127);
    while rest >= 128 {
        into.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    into.push(u8::try_from(rest).unwrap());
}

/// Reads the blocks of one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The newest first; never more than the default size allows, so that none is evicted here.
    table: VecDeque<(String, String)>,
    size: usize,
}

/// The size of the dynamic table where nothing else was agreed: section 4.2.
const TABLE: usize = 4096;

impl Decoder {
    pub(crate) fn read(&mut self, block: &[u8]) -> Fields {
        let mut rest = block;
        let mut fields = Vec::new();
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7);
                fields.push(self.entry(index));
                continue;
            }
            if first & 0xe0 == 0x20 {
                assert_eq!(integer(&mut rest, 5), TABLE, "the table keeps its size");
                continue;
            }
            let remembered = first & 0x40 != 0;
            let name = match integer(&mut rest, if remembered { 6 } else { 4 }) {
                0 => text(&mut rest),
                index => self.entry(index).0,
            };
            let field = (name, text(&mut rest));
            if remembered {
                self.remember(field.clone());
            }
            fields.push(field);
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, String) {
        match index.checked_sub(STATIC.len() + 1) {
            Some(dynamic) => self.table[dynamic].clone(),
            None => {
                let (name, value) = STATIC[index - 1];
                (name.to_owned(), value.to_owned())
            }
        }
    }

    fn remember(&mut self, field: (String, String)) {
        let size = |field: &(String, String)| field.0.len() + field.1.len() + 32;
        self.size += size(&field);
        self.table.push_front(field);
        while self.size > TABLE {
            let oldest = self.table.pop_back().unwrap();
            self.size -= size(&oldest);
        }
    }
}

fn integer(rest: &mut &[u8], bits: u32) -> usize {
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(rest[0]) & most;
    *rest = &rest[1..];
    if value < most {
        return value;
    }
    let mut shift = 0;
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        value += usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn text(rest: &mut &[u8]) -> String {
    let is_huffman = rest[0] & 0x80 != 0;
    let length = integer(rest, 7);
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    match is_huffman {
        true => huffman(bytes),
        false => String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// Appendix B by length: bits, the first code, and the characters in the order of their codes. Only what is
/// in printable ASCII can be read.
const CODES: [(u32, u32, &str); 11] = [
    (5, 0x0, "012aceiost"),
    (6, 0x14, " %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, "&*,;XZ"),
    (10, 0x3f8, "!\"()?"),
    (11, 0x7fa, "'+|"),
    (12, 0xffa, "#>"),
    (13, 0x1ff8, "\0$@[]~"),
    (14, 0x3ffc, "^}"),
    (15, 0x7ffc, "<`{"),
    (19, 0x7fff0, "\\"),
];

fn huffman(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut code, mut length) = (0_u32, 0);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let row = CODES.iter().find(|(bits, ..)| *bits == length);
            let found = row.and_then(|(_, first, all)| {
                let at = code.checked_sub(*first)?;
                all.chars().nth(at as usize)
            });
            if let Some(found) = found {
                text.push(found);
                (code, length) = (0, 0);
            }
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "padded by ones");
    text
}

/// Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The examples of appendix C.4 and C.6: Huffman codes, and entries of the dynamic table.
#[test]
fn blocks_are_read_as_their_standard_does() {
    let bytes = |hex: &str| -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    };
    let mut decoder = Decoder::default();
    let first = "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff";
    let second = "8286 84be 5886 a8eb 1064 9cbf";
    let authority = (":authority".to_owned(), "www.example.com".to_owned());
    assert_eq!(decoder.read(&bytes(first))[3], authority);
    let fields = decoder.read(&bytes(second));
    assert_eq!(fields[3], authority);
    assert_eq!(fields[4], ("cache-control".into(), "no-cache".into()));
    let long = vec![("name".to_owned(), "x".repeat(300))];
    assert_eq!(decoder.read(&block(&long)), long);
}
