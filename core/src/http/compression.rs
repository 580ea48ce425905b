//! Compression of single messages, by the names that gRPC and Connect use.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::Read;

use bytes::Bytes;

use super::too_large;
use crate::error::{Error, Result};

/// An algorithm for compressing single messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Gzip, RFC 1952.
    #[cfg(feature = "gzip")]
    Gzip,
    /// Zstandard, RFC 8878.
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The supported algorithms, as in `grpc-accept-encoding`.
pub(crate) const ACCEPTED: &str = match (cfg!(feature = "gzip"), cfg!(feature = "zstd")) {
    (true, true) => "gzip,zstd,identity",
    (true, false) => "gzip,identity",
    (false, true) => "zstd,identity",
    (false, false) => "identity",
};

#[cfg_attr(
    not(any(feature = "gzip", feature = "zstd")),
    allow(unused_variables, reason = "there is nothing to compress with")
)]
impl Encoding {
    /// The algorithm with a name; `None` for `identity`. Fails for an unknown name.
    pub(crate) fn named(name: &str) -> Result<Option<Self>> {
        match name.trim() {
            "" | "identity" => Ok(None),
            #[cfg(feature = "gzip")]
            "gzip" => Ok(Some(Encoding::Gzip)),
            #[cfg(feature = "zstd")]
            "zstd" => Ok(Some(Encoding::Zstd)),
            other => Err(Error::unimplemented(format!(
                "compression `{other}` is not known here; use one of {ACCEPTED}"
            ))),
        }
    }

    /// The first known algorithm of a list separated by commas.
    pub(crate) fn chosen(accepted: &str) -> Option<Self> {
        accepted
            .split(',')
            .find_map(|name| Self::named(name).ok().flatten())
    }

    /// The name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Encoding::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Encoding::Zstd => "zstd",
        }
    }

    /// Compresses a message, as fast as possible, since it is sent once.
    pub(crate) fn compress(self, message: &[u8]) -> Result<Bytes> {
        let failed = |error: std::io::Error| {
            Error::internal("a message could not be compressed").with_source(error)
        };
        match self {
            #[cfg(feature = "gzip")]
            Encoding::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::read::GzEncoder::new(message, level);
                let mut compressed = Vec::with_capacity(message.len() / 2 + 32);
                encoder.read_to_end(&mut compressed).map_err(failed)?;
                Ok(compressed.into())
            }
            #[cfg(feature = "zstd")]
            Encoding::Zstd => {
                const FAST: i32 = 1;
                let compressed = zstd::stream::encode_all(message, FAST).map_err(failed)?;
                Ok(compressed.into())
            }
        }
    }

    /// Decompresses a message.
    ///
    /// # Errors
    /// `ResourceExhausted` as soon as it exceeds `most` bytes, `Internal` if it is damaged, as
    /// in other implementations of gRPC.
    pub(crate) fn decompress(self, message: &[u8], most: usize) -> Result<Bytes> {
        match self {
            #[cfg(feature = "gzip")]
            Encoding::Gzip => read(flate2::read::MultiGzDecoder::new(message), most),
            #[cfg(feature = "zstd")]
            Encoding::Zstd => {
                // A frame may ask for a window of any size: no more than the limit of a message, or the 8 MiB
                // that every decoder should take (RFC 8878, 3.1.1.1.2), whatever the message is.
                let mut decoder = zstd::stream::read::Decoder::new(message).map_err(damaged)?;
                let window = usize::BITS - most.leading_zeros();
                decoder
                    .window_log_max(window.clamp(23, 27))
                    .map_err(damaged)?;
                read(decoder, most)
            }
        }
    }
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
fn read(decoder: impl Read, most: usize) -> Result<Bytes> {
    let mut plain = Vec::new();
    let mut bounded = decoder.take(most as u64 + 1);
    bounded.read_to_end(&mut plain).map_err(damaged)?;
    if plain.len() > most {
        return Err(too_large(most));
    }
    Ok(plain.into())
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
fn damaged(error: std::io::Error) -> Error {
    Error::internal("a compressed message is damaged").with_source(error)
}

#[cfg(all(test, feature = "gzip"))]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::error::Code;

    fn all() -> Vec<Encoding> {
        let named = ACCEPTED.split(',').map(Encoding::named);
        named.filter_map(Result::unwrap).collect()
    }

    #[test]
    fn compressed_message_round_trips() {
        let message = b"hello, ".repeat(1000);
        for compression in all() {
            let compressed = compression.compress(&message).unwrap();
            assert!(compressed.len() < message.len() / 10, "{compression:?}");
            let plain = compression.decompress(&compressed, message.len());
            assert_eq!(plain.unwrap(), message, "{compression:?}");
        }
    }

    #[test]
    fn decompression_refuses_damaged_or_too_large_data() {
        let message = vec![0; 1 << 20];
        for compression in all() {
            let compressed = compression.compress(&message).unwrap();
            let error = compression.decompress(&compressed, 1 << 16).unwrap_err();
            assert_eq!(error.code(), Code::ResourceExhausted, "{compression:?}");
            let cut = &compressed[..compressed.len() / 2];
            let error = compression.decompress(cut, 1 << 20).unwrap_err();
            assert_eq!(error.code(), Code::Internal, "{compression:?}");
        }
    }

    #[test]
    fn first_known_algorithm_of_a_list_is_chosen() {
        assert_eq!(Encoding::chosen("br, gzip"), Some(Encoding::Gzip));
        assert_eq!(Encoding::chosen("identity"), None);
        let error = Encoding::named("br").unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented);
    }
}
