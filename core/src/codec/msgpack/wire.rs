//! The bytes of a message: the marker of each value, and the length in or behind the marker.

use std::marker::PhantomData;

use super::Pass;

/// The marker of up to 255 bytes, followed by their number.
pub(super) const BIN_8: u8 = 0xc4;

/// Arrays, maps and variants inside each other; as many as serde_json allows.
const MAX_DEPTH: u8 = 127;

/// A value, as its marker says.
pub(super) enum Wire<'de> {
    /// A number, a boolean or nil; what follows the marker is not read yet.
    Number(u8),
    Str(&'de [u8]),
    Bin(&'de [u8]),
    Array(u32),
    Map(u32),
    /// An extension of a type, whose content is skipped.
    Extension(i8),
}

/// A deserializer over the bytes of a message.
pub(in crate::codec) struct Reader<'de, P> {
    pub(super) rest: &'de [u8],
    depth: u8,
    pass: PhantomData<P>,
}

impl<'de, P: Pass> Reader<'de, P> {
    #[inline]
    pub(in crate::codec) fn new(bytes: &'de [u8]) -> Self {
        Reader {
            rest: bytes,
            depth: MAX_DEPTH,
            pass: PhantomData,
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
        read: impl FnOnce(&mut Self) -> Result<T, P>,
    ) -> Result<T, P> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(P::new("it is nested deeper than the limit of 127"));
        };
        self.depth = depth;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], P> {
        let Some((number, rest)) = self.rest.split_first_chunk() else {
            return Err(P::new(CUT_OFF));
        };
        self.rest = rest;
        Ok(*number)
    }

    #[inline]
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'de [u8], P> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(P::new(CUT_OFF));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// The length in a marker between `first` and `first + max`. Any other marker is left where it is.
    #[inline(always)]
    pub(super) fn short(&mut self, first: u8, max: u8) -> Option<u32> {
        let (marker, rest) = self.rest.split_first()?;
        let length = marker.checked_sub(first).filter(|length| *length <= max)?;
        self.rest = rest;
        Some(length.into())
    }

    /// The length in the `N` bytes behind a marker.
    #[inline]
    fn length<const N: usize>(&mut self) -> Result<u32, P> {
        let bytes = self.fixed::<N>()?;
        Ok(bytes
            .iter()
            .fold(0, |length, byte| length << 8 | u32::from(*byte)))
    }

    #[inline]
    fn text(&mut self, length: u32) -> Result<Wire<'de>, P> {
        Ok(Wire::Str(self.bytes(length as usize)?))
    }

    #[inline]
    fn binary(&mut self, length: u32) -> Result<Wire<'de>, P> {
        Ok(Wire::Bin(self.bytes(length as usize)?))
    }

    #[cold]
    fn extension(&mut self, length: u32) -> Result<Wire<'de>, P> {
        let kind = i8::from_be_bytes(self.fixed()?);
        self.bytes(length as usize)?;
        Ok(Wire::Extension(kind))
    }

    /// Reads the marker of the next value, and the content of a text or bytes.
    pub(super) fn next(&mut self) -> Result<Wire<'de>, P> {
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
            0xc7 if P::FULL => self.length::<1>().and_then(|length| self.extension(length)),
            0xc8 if P::FULL => self.length::<2>().and_then(|length| self.extension(length)),
            0xc9 if P::FULL => self.length::<4>().and_then(|length| self.extension(length)),
            0xd4..=0xd8 if P::FULL => self.extension(1 << (marker - 0xd4)),
            _ => Ok(Wire::Number(marker)),
        }
    }

    /// The bytes of a text.
    #[inline(always)]
    pub(super) fn str(&mut self) -> Result<&'de [u8], P> {
        match self.short(0xa0, 31) {
            Some(length) => self.bytes(length as usize),
            None => match self.next()? {
                Wire::Str(bytes) => Ok(bytes),
                _ => Err(P::new("a text was expected")),
            },
        }
    }
}

const CUT_OFF: &str = "it ends too early";
