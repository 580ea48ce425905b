//! `Content-Encoding` of requests: RFC 9110, section 8.4. Connect has its own.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::compression::Encoding;
use crate::error::{Code, Error, Result};

/// The supported codings, as in `accept-encoding`.
pub(crate) const ACCEPTED: HeaderValue =
    HeaderValue::from_static(match (cfg!(feature = "gzip"), cfg!(feature = "zstd")) {
        (true, true) => "gzip, zstd",
        (true, false) => "gzip",
        (false, true) => "zstd",
        (false, false) => "identity",
    });

/// The coding of a body with these headers; `None` if it has none.
///
/// # Errors
/// `Unimplemented` for an unknown coding, and for several.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Encoding>> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for name in text.split(',').map(str::trim) {
            let name = if name == "x-gzip" { "gzip" } else { name };
            let Some(compression) = Encoding::named(name).map_err(|_| unknown(name))? else {
                continue;
            };
            if found.replace(compression).is_some() {
                return Err(Error::unimplemented(
                    "a body has one content encoding at most here, not several",
                ));
            }
        }
    }
    Ok(found)
}

fn unknown(name: &str) -> Error {
    let known = ACCEPTED;
    let known = known.to_str().unwrap_or_default();
    Error::unimplemented(format!(
        "content encoding `{}` is not taken; use one of {known}",
        name.escape_debug()
    ))
}

/// Decodes a body. An empty one stays empty.
///
/// # Errors
/// `ResourceExhausted` as soon as it exceeds `most` bytes, `InvalidArgument` if it is damaged.
pub(crate) fn decode(coding: Option<Encoding>, body: Bytes, most: usize) -> Result<Bytes> {
    let Some(coding) = coding.filter(|_| !body.is_empty()) else {
        return Ok(body);
    };
    let decoded = coding.decompress(&body, most);
    decoded.map_err(|error| match error.code() {
        Code::ResourceExhausted => error,
        _ => Error::invalid_argument(format!(
            "the body is not of its content encoding `{}`",
            coding.as_str()
        ))
        .with_source(error),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn named(values: &[&str]) -> Result<Option<&'static str>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
        }
        of(&headers).map(|coding| coding.map(Encoding::as_str))
    }

    #[test]
    fn codings_are_known_by_name_in_any_case() {
        assert_eq!(named(&[]).unwrap(), None);
        for none in ["", "identity", "Identity, identity"] {
            assert_eq!(named(&[none]).unwrap(), None, "{none}");
        }
        for wrong in ["br", "deflate", "gzip br", "gzip;q=1", "*"] {
            let error = named(&[wrong]).unwrap_err();
            assert_eq!(error.code(), Code::Unimplemented, "{wrong}");
        }
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn one_coding_is_accepted_and_several_are_refused() {
        for gzip in ["gzip", "GZIP", "x-gzip", "identity, gzip", " gzip ,"] {
            assert_eq!(named(&[gzip]).unwrap(), Some("gzip"), "{gzip}");
        }
        for several in [&["gzip, gzip"][..], &["gzip", "x-gzip"]] {
            let error = named(several).unwrap_err();
            assert!(error.message().contains("not several"), "{error}");
        }
    }
}
