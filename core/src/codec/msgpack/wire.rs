//! The form of the common part of MessagePack: a message's bytes, their markers, and the lengths in and behind them.

use super::Uncommon;

/// The marker of up to 255 bytes, their number behind it.
pub(super) const BIN_8: u8 = 0xc4;

/// How the bytes of a value are to be understood.
pub(super) enum Wire<'de> {
    Number(u8),
    Str(&'de [u8]),
    Bin(&'de [u8]),
    Array(u32),
    Map(u32),
}

/// Lists, maps and variants inside each other; what lies deeper is left to rmp-serde, as far as `depth` allows.
const DEPTH: u8 = 64;

/// A deserializer that takes a part of what rmp-serde takes, and makes the same of it.
pub(super) struct Reader<'de> {
    pub(super) rest: &'de [u8],
    depth: u8,
}

impl<'de> Reader<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Reader {
            rest: bytes,
            depth: DEPTH,
        }
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads what lies one level deeper.
    #[inline]
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Uncommon>,
    ) -> Result<T, Uncommon> {
        self.depth = self.depth.checked_sub(1).ok_or(Uncommon)?;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Uncommon> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(Uncommon)?;
        self.rest = rest;
        Ok(*number)
    }

    #[inline]
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'de [u8], Uncommon> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Uncommon)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The length of a value whose marker, from `first` on, has one up to `most` in it.
    #[inline(always)]
    pub(super) fn short(&mut self, first: u8, most: u8) -> Option<u32> {
        let (marker, rest) = self.rest.split_first()?;
        let length = marker.checked_sub(first).filter(|length| *length <= most)?;
        self.rest = rest;
        Some(length.into())
    }

    /// A length of `N` bytes.
    #[inline]
    fn length<const N: usize>(&mut self) -> Result<u32, Uncommon> {
        let bytes = self.fixed::<N>()?;
        Ok(bytes
            .iter()
            .fold(0, |length, byte| length << 8 | u32::from(*byte)))
    }

    #[inline]
    fn text(&mut self, length: u32) -> Result<Wire<'de>, Uncommon> {
        Ok(Wire::Str(self.bytes(length as usize)?))
    }

    #[inline]
    fn binary(&mut self, length: u32) -> Result<Wire<'de>, Uncommon> {
        Ok(Wire::Bin(self.bytes(length as usize)?))
    }

    /// The next value's marker and what belongs to it, but for a number's bytes.
    pub(super) fn next(&mut self) -> Result<Wire<'de>, Uncommon> {
        let [marker] = self.fixed()?;
        match marker {
            0x80..=0x8f => Ok(Wire::Map(u32::from(marker & 0x0f))),
            0x90..=0x9f => Ok(Wire::Array(u32::from(marker & 0x0f))),
            0xa0..=0xbf => self.text(u32::from(marker & 0x1f)),
            BIN_8 => self.length::<1>().and_then(|length| self.binary(length)),
            0xc5 => self.length::<2>().and_then(|length| self.binary(length)),
            0xc6 => self.length::<4>().and_then(|length| self.binary(length)),
            0xd9 => self.length::<1>().and_then(|length| self.text(length)),
            0xda => self.length::<2>().and_then(|length| self.text(length)),
            0xdb => self.length::<4>().and_then(|length| self.text(length)),
            0xdc => self.length::<2>().map(Wire::Array),
            0xdd => self.length::<4>().map(Wire::Array),
            0xde => self.length::<2>().map(Wire::Map),
            0xdf => self.length::<4>().map(Wire::Map),
            _ => Ok(Wire::Number(marker)),
        }
    }

    /// The bytes of a string.
    #[inline(always)]
    pub(super) fn str(&mut self) -> Result<&'de [u8], Uncommon> {
        match self.short(0xa0, 31) {
            Some(length) => self.bytes(length as usize),
            None => match self.next()? {
                Wire::Str(bytes) => Ok(bytes),
                _ => Err(Uncommon),
            },
        }
    }
}
