//! Reads a response.

use http::{Response as HttpResponse, header};

use super::{LINES, lines::Messages};
use crate::{
    error::{Error, Outcome, Result},
    http::HttpBody,
    message::{Body, ContentType, Response},
    protocols::{failure, propagation},
};

/// Converts an HTTP response; messages of more than `most` bytes are refused.
pub(crate) async fn answer(response: HttpResponse<HttpBody>, most: usize) -> Result<Response> {
    let (head, body) = response.into_parts();
    let headers = &head.headers;
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|named| named.to_str().ok());
    let content_type = named.map_or(ContentType::Json, ContentType::parse);
    if !head.status.is_success() {
        return Err(failure::read(head.status, headers, body, most).await);
    }
    let mut response = match content_type.as_str() {
        LINES => Response::new(ContentType::Json, Body::stream(Messages::new(body, most))),
        _ => {
            let unknown = |error: Error| error.with_outcome(Outcome::Unknown);
            let (data, _) = body.collect(most).await.map_err(unknown)?;
            Response::new(content_type, data)
        }
    };
    response.load = propagation::read_load(headers);
    for (name, value) in headers {
        if !is_of_http(name.as_str())
            && let Ok(value) = value.to_str()
        {
            response.metadata_mut().append(name.as_str(), value);
        }
    }
    Ok(response)
}

/// Whether a header describes the HTTP message, and is no metadata of the handler.
fn is_of_http(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "content-length" | "date" | "server" | "connection" | "transfer-encoding"
    ) || name == propagation::LOAD.as_str()
        || name == propagation::OUTCOME.as_str()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn response_has_load_and_metadata() {
        let mut told = HttpResponse::new(HttpBody::Whole("{}".into()));
        for (name, value) in [
            ("content-type", "application/json; charset=utf-8"),
            ("micro-load", "250"),
            ("tenant", "acme"),
        ] {
            told.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = answer(told, 100).await.unwrap();
        assert_eq!(
            (answer.load, answer.content_type()),
            (250, &ContentType::Json)
        );
        let metadata: Vec<_> = answer.metadata().iter().collect();
        assert_eq!(metadata, [("tenant", "acme")]);
    }
}
