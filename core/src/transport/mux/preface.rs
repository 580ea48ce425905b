//! The first bytes each side of a native connection sends: versions and settings.

use crate::{
    call::Identity,
    error::{Error, Recovery, Result},
    net::Limits,
    transport::addressee::Addressee,
};

/// The first four bytes. The first is above 0x7f, so that it is neither HTTP nor TLS nor text.
pub(super) const MAGIC: [u8; 4] = [0xd5, b'M', b'I', b'C'];

/// The lowest and highest version that this release supports.
pub(super) const VERSIONS: (u8, u8) = (1, 1);

/// Bytes before the settings: magic, lowest, highest, length of the settings (u16).
pub(super) const FIXED_SIZE: usize = 8;

/// The largest size of a preface's settings.
const MAX_SETTINGS_SIZE: usize = 1024;

/// Settings: number (u16), length (u16), value. Unknown numbers are skipped.
mod setting {
    pub(super) const MESSAGE: u16 = 1;
    pub(super) const HEAD: u16 = 2;
    pub(super) const NAMES: u16 = 3;
    pub(super) const WINDOW: u16 = 4;
    pub(super) const SERVICE: u16 = 5;
    pub(super) const NODE: u16 = 6;
    pub(super) const CALLER: u16 = 7;
}

/// The settings of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preface {
    pub(super) lowest: u8,
    pub(super) highest: u8,
    /// The largest accepted body of a message, in bytes.
    pub(super) message: u32,
    /// The largest accepted head, in bytes.
    pub(super) head: u32,
    /// How many names can be numbered.
    pub(super) names: u32,
    /// The initial credit of each stream, in bytes.
    pub(super) window: u32,
}

/// From a client: the intended server and the caller; from a server, its identity. Empty if unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PeerIdentity {
    pub(super) identity: Identity,
    /// The calling service.
    pub(super) caller: Box<str>,
}

impl PeerIdentity {
    /// A client's settings.
    pub(super) fn of_client(addressee: &Addressee) -> Self {
        PeerIdentity {
            identity: addressee.meant.clone(),
            caller: (*addressee.caller).into(),
        }
    }

    /// A server's settings.
    pub(super) fn of_server(identity: Option<&Identity>) -> Self {
        PeerIdentity {
            identity: identity.cloned().unwrap_or_default(),
            caller: Box::default(),
        }
    }
}

/// The settings of a side before its preface has arrived; requests may be sent to it before that.
pub(super) const DEFAULT_PREFACE: Preface = Preface {
    lowest: VERSIONS.0,
    highest: VERSIONS.0,
    message: 4 << 20,
    head: 16 << 10,
    names: 0,
    window: 64 << 10,
};

/// The result of reading a preface from a buffer.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Incomplete.
    Incomplete,
    /// Complete, with this many bytes.
    Complete(Preface, PeerIdentity, usize),
}

impl Preface {
    pub(super) fn of(limits: &Limits) -> Self {
        Preface {
            lowest: VERSIONS.0,
            highest: VERSIONS.1,
            message: limits.message_u32(),
            head: limits.head_u32(),
            names: limits.max_endpoint_names.into(),
            window: limits.stream_window,
        }
    }

    /// The highest version that both sides support.
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

    pub(super) fn write(&self, names: &PeerIdentity, out: &mut Vec<u8>) {
        let settings = [
            (setting::MESSAGE, self.message),
            (setting::HEAD, self.head),
            (setting::NAMES, self.names),
            (setting::WINDOW, self.window),
        ];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.lowest, self.highest]);
        let length = out.len();
        out.extend_from_slice(&[0; 2]);
        let begin = out.len();
        for (number, value) in settings {
            write_setting(number, &value.to_le_bytes(), out);
        }
        for (number, name) in [
            (setting::SERVICE, &names.identity.service),
            (setting::NODE, &names.identity.node),
            (setting::CALLER, &names.caller),
        ] {
            // A setting that does not fit is left out: otherwise nobody would read the preface.
            if !name.is_empty() && out.len() - begin + 4 + name.len() <= MAX_SETTINGS_SIZE {
                write_setting(number, name.as_bytes(), out);
            }
        }
        let settings = (out.len() - begin) as u16;
        out[length..begin].copy_from_slice(&settings.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Parsed> {
        let garbage = || {
            Error::data_loss("the other side does not speak the native protocol")
                .with_recovery(Recovery::Never)
        };
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            return Err(garbage());
        }
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_SIZE>() else {
            return Ok(Parsed::Incomplete);
        };
        let length = usize::from(u16::from_le_bytes([fixed[6], fixed[7]]));
        if length > MAX_SETTINGS_SIZE {
            return Err(garbage());
        }
        let Some(mut settings) = rest.get(..length) else {
            return Ok(Parsed::Incomplete);
        };
        let mut preface = Preface {
            lowest: fixed[4],
            highest: fixed[5],
            ..DEFAULT_PREFACE
        };
        let mut names = PeerIdentity::default();
        while let Some((prefix, after)) = settings.split_first_chunk::<4>() {
            let length = usize::from(u16::from_le_bytes([prefix[2], prefix[3]]));
            let value = after.get(..length).ok_or_else(garbage)?;
            settings = &after[length..];
            let number = u16::from_le_bytes([prefix[0], prefix[1]]);
            let name = match number {
                setting::SERVICE => Some(&mut names.identity.service),
                setting::NODE => Some(&mut names.identity.node),
                setting::CALLER => Some(&mut names.caller),
                _ => None,
            };
            if let Some(name) = name {
                *name = std::str::from_utf8(value).map_err(|_| garbage())?.into();
                continue;
            }
            let Ok(value) = value.try_into().map(u32::from_le_bytes) else {
                continue;
            };
            match number {
                setting::MESSAGE => preface.message = value,
                setting::HEAD => preface.head = value,
                setting::NAMES => preface.names = value,
                setting::WINDOW => preface.window = value,
                _ => {}
            }
        }
        Ok(Parsed::Complete(preface, names, FIXED_SIZE + length))
    }
}

fn write_setting(number: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        Preface::of(&Limits::default()).write(&greeter(), &mut bytes);
        bytes
    }

    fn greeter() -> PeerIdentity {
        PeerIdentity {
            identity: Identity::new("greeter", "greeter-1"),
            caller: "edge".into(),
        }
    }

    #[test]
    fn preface_is_read_once_it_is_complete() {
        let mut bytes = written();
        let whole = bytes.len();
        bytes.extend_from_slice(b"frames");
        for length in 0..whole {
            let read = Preface::read(&bytes[..length]).unwrap();
            assert!(matches!(read, Parsed::Incomplete), "at {length} bytes");
        }
        let Parsed::Complete(preface, names, length) = Preface::read(&bytes).unwrap() else {
            panic!("it is whole");
        };
        assert_eq!((preface, length), (Preface::of(&Limits::default()), whole));
        assert_eq!(names, greeter());
    }

    #[test]
    fn names_over_the_size_limit_are_omitted() {
        let mut names = greeter();
        names.identity.node = "n".repeat(MAX_SETTINGS_SIZE).into();
        let mut bytes = Vec::new();
        Preface::of(&Limits::default()).write(&names, &mut bytes);
        let Parsed::Complete(_, read, _) = Preface::read(&bytes).unwrap() else {
            panic!("it is whole");
        };
        names.identity.node = Box::default();
        assert_eq!(read, names);
    }

    #[test]
    fn unknown_settings_of_any_length_are_skipped() {
        let mut bytes = Vec::new();
        Preface::of(&Limits::default()).write(&PeerIdentity::default(), &mut bytes);
        write_setting(99, b"echo", &mut bytes);
        write_setting(100, b"a longer one", &mut bytes);
        let length = (bytes.len() - FIXED_SIZE) as u16;
        bytes[6..8].copy_from_slice(&length.to_le_bytes());
        let Parsed::Complete(preface, names, _) = Preface::read(&bytes).unwrap() else {
            panic!("it is whole");
        };
        assert_eq!(preface, Preface::of(&Limits::default()));
        assert_eq!(names, PeerIdentity::default());
    }

    #[test]
    fn invalid_preface_is_refused_at_its_first_wrong_byte() {
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
    fn highest_common_version_is_negotiated() {
        let versions = |lowest, highest| Preface {
            lowest,
            highest,
            ..DEFAULT_PREFACE
        };
        assert_eq!(versions(1, 9).version().unwrap(), 1);
        let error = versions(2, 9).version().unwrap_err();
        assert!(error.message().contains("versions 2 to 9"), "{error}");
    }
}
