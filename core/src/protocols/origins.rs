//! Whose pages may call: the origins that a server allows.

use http::HeaderValue;

use crate::error::{Error, Result};

/// What an answer says where every origin may call.
pub(super) const ANY: HeaderValue = HeaderValue::from_static("*");

/// Whose pages may call.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// Everybody's.
    Any,
    /// Those of these origins, such as `https://shop.example`.
    These(Vec<String>),
}

impl Origins {
    /// Reads `*`, or origins with commas between them.
    ///
    /// # Errors
    /// `InvalidArgument` where one is no origin: a scheme, a host and a port at most.
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

    /// What an answer to a page of this origin says; `None` where it may not call.
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
    fn an_origin_has_a_scheme_and_a_host_and_no_more() {
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
