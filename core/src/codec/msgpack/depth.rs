//! How deep a message of MessagePack is nested, found without recursion.
//!
//! rmp-serde counts lists and maps, but not the maps of one entry that variants are: a type that contains
//! itself by way of an enum would be read as deep as the message likes, until the stack ends.

use super::{
    Uncommon,
    wire::{Reader, Wire},
};

/// Lists, maps and variants inside each other, as many as serde_json allows.
pub(super) const LIMIT: usize = 127;

/// Whether a message is nested deeper than [`LIMIT`], as far as it is MessagePack.
pub(super) fn is_exceeded(bytes: &[u8]) -> bool {
    follow(&mut Reader::new(bytes)).unwrap_or(false)
}

fn follow(reader: &mut Reader<'_>) -> Result<bool, Uncommon> {
    // How many values are still to come, in each list or map that is not at its end.
    let mut open: Vec<u64> = Vec::new();
    loop {
        let values = match reader.next()? {
            Wire::Number(marker) => {
                reader.bytes(width(marker, reader.rest))?;
                0
            }
            Wire::Str(_) | Wire::Bin(_) => 0,
            Wire::Array(length) => u64::from(length),
            Wire::Map(length) => 2 * u64::from(length),
        };
        if values > 0 {
            if open.len() == LIMIT {
                return Ok(true);
            }
            open.push(values);
            continue;
        }
        loop {
            let Some(left) = open.last_mut() else {
                return Ok(false);
            };
            *left -= 1;
            if *left > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// How many bytes belong to a marker that is none of a string, bytes, list or map.
fn width(marker: u8, rest: &[u8]) -> usize {
    let length = |bytes: usize| {
        let bytes = rest.iter().take(bytes);
        bytes.fold(0, |length, byte| length << 8 | usize::from(*byte))
    };
    match marker {
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        0xcb | 0xcf | 0xd3 => 8,
        // Extensions: their type behind their length.
        0xd4..=0xd8 => 1 + (1 << (marker - 0xd4)),
        0xc7 => 2 + length(1),
        0xc8 => 3 + length(2),
        0xc9 => 5 + length(4),
        _ => 0,
    }
}
