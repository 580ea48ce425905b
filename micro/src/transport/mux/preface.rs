//! The first bytes each side of a native connection sends: versions and settings.

use crate::{
    error::{Error, Recovery, Result},
    transport::limits::Limits,
};

/// The first four bytes. Above 0x7f first, so that it is neither HTTP nor TLS nor text.
pub(super) const MAGIC: [u8; 4] = [0xd5, b'M', b'I', b'C'];

/// The lowest and highest version that this release speaks.
pub(super) const VERSIONS: (u8, u8) = (1, 1);

/// Bytes up to the settings: magic, lowest, highest, length of the settings (u16).
pub(super) const FIXED: usize = 8;

/// The most that a preface's settings may take.
const MOST_SETTINGS: usize = 1024;

/// Settings: number (u16), length (u16), value. Unknown numbers are skipped.
mod setting {
    pub(super) const MESSAGE: u16 = 1;
    pub(super) const HEAD: u16 = 2;
    pub(super) const NAMES: u16 = 3;
    pub(super) const WINDOW: u16 = 4;
}

/// What a side says of itself: what it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preface {
    pub(super) lowest: u8,
    pub(super) highest: u8,
    /// Largest body of a message it takes, in bytes.
    pub(super) message: u32,
    /// Largest head it takes, in bytes.
    pub(super) head: u32,
    /// How many names may be numbered.
    pub(super) names: u32,
    /// Bytes of each stream that may be under way before it grants more.
    pub(super) window: u32,
}

/// What is taken of a side that has not said otherwise; requests may be sent by it before it has.
pub(super) const UNSAID: Preface = Preface {
    lowest: VERSIONS.0,
    highest: VERSIONS.0,
    message: 4 << 20,
    head: 16 << 10,
    names: 0,
    window: 64 << 10,
};

/// What stands in a buffer that should begin with a preface.
#[derive(Debug)]
pub(super) enum Read {
    /// Not all of it yet.
    More,
    /// All of it, in so many bytes.
    Done(Preface, usize),
}

impl Preface {
    pub(super) fn of(limits: &Limits) -> Self {
        Preface {
            lowest: VERSIONS.0,
            highest: VERSIONS.1,
            message: limits.message_u32(),
            head: limits.head_u32(),
            names: limits.names.into(),
            window: limits.window,
        }
    }

    /// The highest version both sides speak.
    pub(super) fn version(&self) -> Result<u8> {
        let highest = self.highest.min(VERSIONS.1);
        if highest < self.lowest.max(VERSIONS.0) {
            return Err(Error::failed_precondition(format!(
                "the other side speaks versions {} to {} of the native protocol, this one {} to {}",
                self.lowest, self.highest, VERSIONS.0, VERSIONS.1
            )));
        }
        Ok(highest)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let settings = [
            (setting::MESSAGE, self.message),
            (setting::HEAD, self.head),
            (setting::NAMES, self.names),
            (setting::WINDOW, self.window),
        ];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.lowest, self.highest]);
        out.extend_from_slice(&((settings.len() * 8) as u16).to_le_bytes());
        for (number, value) in settings {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&4u16.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Read> {
        let garbage = || {
            Error::data_loss("the other side does not speak the native protocol")
                .with_recovery(Recovery::Never)
        };
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            return Err(garbage());
        }
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
            return Ok(Read::More);
        };
        let length = usize::from(u16::from_le_bytes([fixed[6], fixed[7]]));
        if length > MOST_SETTINGS {
            return Err(garbage());
        }
        let Some(mut settings) = rest.get(..length) else {
            return Ok(Read::More);
        };
        let mut preface = Preface {
            lowest: fixed[4],
            highest: fixed[5],
            ..UNSAID
        };
        while let Some((prefix, after)) = settings.split_first_chunk::<4>() {
            let length = usize::from(u16::from_le_bytes([prefix[2], prefix[3]]));
            let value = after.get(..length).ok_or_else(garbage)?;
            settings = &after[length..];
            let Ok(value) = value.try_into().map(u32::from_le_bytes) else {
                continue;
            };
            match u16::from_le_bytes([prefix[0], prefix[1]]) {
                setting::MESSAGE => preface.message = value,
                setting::HEAD => preface.head = value,
                setting::NAMES => preface.names = value,
                setting::WINDOW => preface.window = value,
                _ => {}
            }
        }
        Ok(Read::Done(preface, FIXED + length))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        Preface::of(&Limits::default()).write(&mut bytes);
        bytes
    }

    #[test]
    fn a_preface_is_read_as_soon_as_it_is_whole_and_no_sooner() {
        let mut bytes = written();
        let whole = bytes.len();
        bytes.extend_from_slice(b"frames");
        for length in 0..whole {
            let read = Preface::read(&bytes[..length]).unwrap();
            assert!(matches!(read, Read::More), "at {length} bytes");
        }
        let Read::Done(preface, length) = Preface::read(&bytes).unwrap() else {
            panic!("it is whole");
        };
        assert_eq!((preface, length), (Preface::of(&Limits::default()), whole));
    }

    #[test]
    fn what_is_not_a_preface_is_known_by_the_first_byte_that_is_wrong() {
        assert!(Preface::read(b"GET / HTTP/1.1").is_err());
        assert!(Preface::read(&[0xd5, b'M', b'I', b'X']).is_err());
        let mut long = written();
        long[6..8].copy_from_slice(&2000u16.to_le_bytes());
        assert!(Preface::read(&long).is_err(), "settings over their limit");
        let mut torn = written();
        torn[10] = 0xff;
        assert!(Preface::read(&torn).is_err(), "a setting past the end");
    }

    #[test]
    fn the_highest_version_that_both_speak_is_spoken() {
        let versions = |lowest, highest| Preface {
            lowest,
            highest,
            ..UNSAID
        };
        assert_eq!(versions(1, 9).version().unwrap(), 1);
        let error = versions(2, 9).version().unwrap_err();
        assert!(error.message().contains("versions 2 to 9"), "{error}");
    }
}
