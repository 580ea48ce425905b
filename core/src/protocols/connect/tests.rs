//! HTTP requests passed to the dialect, without sockets.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request as HttpRequest, StatusCode};
use serde_json::{Value, json};

use super::Server;
use crate::{
    call::{Answer, Call, Listing, Shape},
    error::{Error, Result},
    http::{HttpBody, body_of},
    message::{Body, Request, Response},
    net::{Limits, io::Io},
    protocols::{
        access::Access,
        connection_context::ConnectionContext,
        dialect::Dialect,
        envelope::{Envelopes, encode},
    },
};

/// `Echo.Say` returns its input, `Echo.Look` reports the HTTP method, `Echo.Each` returns each message of a
/// stream, `Echo.Fail` fails, and `Echo.Wait` never ends.
struct Echo;

impl Call for Echo {
    fn call(&self, mut request: Request) -> Answer {
        let content_type = request.content_type().clone();
        let body = request.body_mut().take();
        Box::pin(async move {
            let mut response = match request.endpoint() {
                "Echo.Say" | "Echo.Each" => Response::new(content_type, body),
                "Echo.Look" => {
                    let said = request.context().metadata().get(":method");
                    let said = json!(said.unwrap_or("not"));
                    Response::new(content_type, Bytes::from(said.to_string()))
                }
                "Echo.Fail" => return Err(fault()),
                "Echo.Wait" => Response::new(content_type, Body::stream(tokio_stream::pending())),
                other => return Err(Error::not_found(format!("no `{other}`"))),
            };
            response.metadata_mut().append("lead", "1");
            response.metadata_mut().append("trailer-tail", "2");
            Ok(response)
        })
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let shape = Shape {
            read_only: endpoint == "Echo.Look",
            request_stream: endpoint == "Echo.Each",
            response_stream: matches!(endpoint, "Echo.Each" | "Echo.Wait"),
            ..Shape::default()
        };
        let known = [
            "Echo.Say",
            "Echo.Look",
            "Echo.Each",
            "Echo.Fail",
            "Echo.Wait",
        ];
        known.contains(&endpoint).then_some(shape)
    }

    fn listing(&self) -> Option<Listing> {
        Some(Listing::default())
    }
}

fn fault() -> Error {
    let mut error = Error::failed_precondition("not yet").with_detail("x/shop.Book", b"\x08");
    error.metadata_mut().append("why", "early");
    error
}

type RawResponse = (StatusCode, http::HeaderMap, Bytes);

async fn ask(
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: HttpBody,
) -> Result<RawResponse> {
    let mut request = HttpRequest::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let limits = Arc::new(Limits::default());
    let call: Arc<dyn Call> = Arc::new(Echo);
    let (io, _) = tokio::io::duplex(1);
    let access = Access::new(None, &Io::Other(Box::new(io)), call.clone());
    let connection = ConnectionContext::new(call, limits, access);
    let (head, body) = request.into_parts();
    assert!(Server.speaks(&head), "{uri}");
    let answer = Server.answer(HttpRequest::from_parts(head, body), &connection);
    let (head, body) = answer.await.into_parts();
    let (body, trailers) = body.collect(1 << 20).await?;
    assert!(trailers.is_none(), "Connect has none");
    Ok((head.status, head.headers, body))
}

async fn post(path: &str, content_type: &str, body: HttpBody) -> RawResponse {
    let headers = [
        ("content-type", content_type),
        ("connect-protocol-version", "1"),
        ("connect-timeout-ms", "1000"),
    ];
    ask(Method::POST, path, &headers, body).await.unwrap()
}

/// The messages of a stream, and its end.
async fn messages(body: Bytes) -> (Vec<Bytes>, Value) {
    let mut envelopes = Envelopes::new(HttpBody::Whole(body), 1 << 20);
    let mut all = Vec::new();
    while let Some(envelope) = envelopes.message().await {
        let envelope = envelope.unwrap();
        if envelope.flags & 2 != 0 {
            assert!(
                envelopes.message().await.is_none(),
                "nothing follows the end"
            );
            return (all, serde_json::from_slice(&envelope.message).unwrap());
        }
        all.push(envelope.message);
    }
    panic!("the stream has no end");
}

#[tokio::test]
async fn unary_call_has_its_trailers_among_its_headers() {
    for body in [
        HttpBody::Whole("[1]".into()),
        body_of(vec!["[".into(), "1]".into()]),
    ] {
        let (status, headers, body) = post("/x.Echo/Say", "application/json", body).await;
        assert_eq!((status, &*body), (StatusCode::OK, &b"[1]"[..]));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["lead"], "1");
        assert_eq!(headers["trailer-tail"], "2");
    }
}

#[tokio::test]
async fn error_has_its_details_in_unary_calls_and_streams() {
    let expected = json!({
        "code": "failed_precondition",
        "message": "not yet",
        "details": [{ "type": "shop.Book", "value": "CA" }],
    });
    let (status, headers, body) =
        post("/x.Echo/Fail", "application/proto", HttpBody::empty()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(headers["why"], "early");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}

#[tokio::test]
async fn stream_ends_with_its_trailers() {
    let encoded = [encode(0, b"a").unwrap(), encode(0, b"b").unwrap()];
    let body = body_of(encoded.to_vec());
    let (status, headers, body) = post("/x.Echo/Each", "application/connect+proto", body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["lead"], "1");
    assert!(!headers.contains_key("trailer-tail"));
    let (all, end) = messages(body).await;
    assert_eq!(all, ["a", "b"]);
    assert_eq!(end, json!({ "metadata": { "tail": ["2"] } }));
}

#[tokio::test(start_paused = true)]
async fn stream_ends_at_the_deadline() {
    let began = tokio::time::Instant::now();
    let body = HttpBody::Whole(encode(0, b"{}").unwrap());
    let (_, _, body) = post("/x.Echo/Wait", "application/connect+json", body).await;
    let (_, end) = messages(body).await;
    assert_eq!(end["error"]["code"], "deadline_exceeded");
    assert!(began.elapsed() < Duration::from_millis(1100));
}

#[tokio::test]
async fn only_read_only_endpoints_are_called_by_get() {
    let query = "connect=v1&encoding=json&message=%7B%7D";
    let get = async |endpoint: &str| {
        let uri = format!("/x.Echo/{endpoint}?{query}");
        ask(Method::GET, &uri, &[], HttpBody::empty())
            .await
            .unwrap()
    };
    let (status, _, body) = get("Look").await;
    assert_eq!((status, &*body), (StatusCode::OK, &b"\"GET\""[..]));
    let (status, headers, _) = get("Say").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers["allow"], "POST");
    let plain = post("/x.Echo/Look", "application/json", HttpBody::empty()).await;
    assert_eq!(plain.2, "\"not\"");
}

#[tokio::test]
async fn other_requests_are_refused_by_their_status() {
    let empty = HttpBody::empty;
    let (status, _, body) = post("/x.Echo/Nothing", "application/proto", empty()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], "unimplemented");
    for (path, content_type) in [
        ("/x.Echo/Say", "application/connect+json"),
        ("/x.Echo/Each", "application/json"),
        ("/x.Echo/Say", "application/foo"),
    ] {
        let (status, headers, _) = post(path, content_type, empty()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        assert!(headers.contains_key("accept-post"));
    }
    let json = [("content-type", "application/proto")];
    let deleted = ask(Method::DELETE, "/x.Echo/Say", &json, empty()).await;
    assert_eq!(deleted.unwrap().0, StatusCode::METHOD_NOT_ALLOWED);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn messages_are_compressed_if_both_sides_support_it() {
    use crate::http::compression::Encoding;
    let message = "x".repeat(10_000);
    let packed = Encoding::Gzip.compress(message.as_bytes()).unwrap();
    let headers = [
        ("content-type", "application/proto"),
        ("content-encoding", "gzip"),
        ("accept-encoding", "br, gzip"),
    ];
    let body = HttpBody::Whole(packed);
    let (_, headers, body) = ask(Method::POST, "/x.Echo/Say", &headers, body)
        .await
        .unwrap();
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(body.len() < 1000);
    assert_eq!(Encoding::Gzip.decompress(&body, 1 << 20).unwrap(), message);
    let headers = [
        ("content-type", "application/proto"),
        ("content-encoding", "br"),
    ];
    let answer = ask(Method::POST, "/x.Echo/Say", &headers, HttpBody::empty()).await;
    assert_eq!(answer.unwrap().0, StatusCode::NOT_IMPLEMENTED);
}
