//! The origins whose web pages may call a server.

use http::HeaderValue;

use crate::error::{Error, Result};

/// The response header that allows every origin.
pub(super) const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins whose pages may call.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// All origins.
    Any,
    /// These origins, such as `https://shop.example`.
    These(Vec<String>),
}

impl Origins {
    /// Parses `*`, or origins separated by commas.
    ///
    /// # Errors
    /// `InvalidArgument` for a text that is not an origin: a scheme, a host and an optional port.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.trim() == "*" {
            return Ok(Origins::Any);
        }
        let origins = text.split(',').map(|origin| {
            let origin = origin.trim().to_ascii_lowercase();
            match is_origin(&origin) {
                true => Ok(origin),
                false => Err(Error::invalid_argument(format!(
                    "`{origin}` is not an origin; write `*`, or origins such as `https://shop.example`"
                ))),
            }
        });
        origins.collect::<Result<_>>().map(Origins::These)
    }

    /// The response header for a page of this origin; `None` if it may not call.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Origins::Any => Some(ANY),
            Origins::These(all) => {
                let said = all.iter().any(|one| one.as_bytes() == origin.as_bytes());
                said.then(|| origin.clone())
            }
        }
    }
}

fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn origin_has_a_scheme_and_a_host_and_no_more() {
        for fine in [
            "*",
            "https://a",
            "http://a:80, https://b.example",
            "https://[::1]:8",
        ] {
            assert!(Origins::parse(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "a",
            "https://",
            "https://a/",
            "https://a,",
            "*,https://a",
            "https://m@a",
        ] {
            let error = Origins::parse(wrong).unwrap_err();
            assert!(error.message().contains("is not an origin"), "{error}");
        }
    }
}
