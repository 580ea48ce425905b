#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod pooled;

use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode, Version};

use super::*;
use crate::{http::Piece, net::Limits};

fn reader(first: &[u8]) -> Reader {
    Reader::new(first, Arc::new(Limits::default()))
}

/// Every message of some bytes, as text: method, target, body.
async fn requests(mut io: &[u8]) -> Result<Vec<(String, String)>, MessageError> {
    let mut reader = reader(b"");
    let mut all = Vec::new();
    while let Some((head, _)) = reader.request(&mut io).await? {
        let (body, trailers) = reader.whole(&mut io, 100).await?;
        let mut line = format!("{} {}", head.method, head.uri);
        if let Some(trailers) = trailers {
            line += &format!(" {trailers:?}");
        }
        all.push((line, String::from_utf8(body.to_vec()).unwrap()));
    }
    Ok(all)
}

#[tokio::test]
async fn several_messages_of_one_read_are_separated() {
    let bytes = b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
        2;x=y\r\nde\r\nA\r\n0123456789\r\n0\r\nEnd: 1\r\nHost: b\r\n\r\n\
        POST /d HTTP/1.0\r\n\r\n";
    let all = requests(bytes).await.unwrap();
    let expected = [
        ("GET /a", ""),
        ("POST /b", "abc"),
        ("POST /c {\"end\": \"1\"}", "de0123456789"),
        ("POST /d", ""),
    ];
    assert_eq!(all, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[tokio::test]
async fn messages_are_the_same_however_they_are_delivered() {
    let bytes = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        2;x=y\r\nde\r\nA\r\n0123456789\r\n0\r\nEnd: 1\r\n\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\n";
    for portion in 1..bytes.len() {
        let (mut ours, theirs) = tokio::io::duplex(portion);
        let write = async move {
            let mut theirs = theirs;
            tokio::io::AsyncWriteExt::write_all(&mut theirs, bytes)
                .await
                .unwrap();
        };
        let read = async {
            let mut reader = reader(b"");
            let (head, framing) = reader.request(&mut ours).await.unwrap().unwrap();
            assert_eq!((head.uri.path(), framing), ("/c", BodyFraming::Chunked));
            let (body, trailers) = reader.whole(&mut ours, 12).await.unwrap();
            assert_eq!(body, "de0123456789");
            assert_eq!(trailers.unwrap()["end"], "1");
            let (head, _) = reader.request(&mut ours).await.unwrap().unwrap();
            assert_eq!(head.uri.path(), "/e");
            assert!(reader.request(&mut ours).await.unwrap().is_none());
        };
        tokio::join!(write, read);
    }
}

async fn refusal(bytes: &[u8]) -> Option<StatusCode> {
    match requests(bytes).await {
        Err(MessageError::Refused(status, _)) => Some(status),
        _ => None,
    }
}

#[tokio::test]
async fn limits_are_named_by_their_status() {
    let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let long = "x".repeat(20_000);
    for (bytes, status) in [
        (format!("GET /{long} HTTP/1.1\r\n"), 414),
        (head(&format!("A: {long}\r\n")), 431),
        (head(&"A: b\r\n".repeat(120)), 431),
        (head("Content-Length: 101\r\n"), 413),
        (
            head("Transfer-Encoding: chunked\r\n") + "65\r\n" + &"x".repeat(101),
            413,
        ),
        (
            head("Transfer-Encoding: chunked\r\n") + "0\r\n" + &long,
            431,
        ),
        (head("Content-Length: 18446744073709551616\r\n"), 400),
        (
            head("Transfer-Encoding: chunked\r\n") + "10000000000000000\r\n",
            400,
        ),
        (head("Expect: more\r\n"), 417),
        ("GET / HTTP/2.0\r\n".to_owned(), 505),
    ] {
        let got = refusal(bytes.as_bytes()).await;
        let start = &bytes[..bytes.len().min(80)];
        assert_eq!(got.map(|status| status.as_u16()), Some(status), "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn partial_message_must_complete_within_the_timeout() {
    let (mut ours, mut theirs) = tokio::io::duplex(100);
    let mut reader = reader(b"");
    tokio::io::AsyncWriteExt::write_all(&mut theirs, b"GET / HT")
        .await
        .unwrap();
    let error = reader.request(&mut ours).await.unwrap_err();
    assert!(matches!(error, MessageError::Refused(status, _) if status == 408));
}

#[tokio::test]
async fn final_response_is_read_whole_after_interim_ones() {
    let mut bytes: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab\
        HTTP/1.1 204\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.0 200 Fine\r\n\r\nrest";
    let mut reader = reader(b"");
    for (info, expected) in [
        (Method::POST, "ab"),
        (Method::POST, ""),
        (Method::HEAD, ""),
        (Method::GET, "rest"),
    ] {
        let head = reader.response(&mut bytes, &info).await.unwrap().unwrap();
        assert!(head.0.status.is_success());
        let (body, _) = reader.whole(&mut bytes, 100).await.unwrap();
        assert_eq!(body, expected);
    }
    assert!(matches!(
        reader.response(&mut bytes, &Method::GET).await,
        Ok(None)
    ));
}

#[tokio::test]
async fn written_messages_parse_back() {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    headers.insert("content-length", "999".parse().unwrap());
    headers.insert("connection", "upgrade".parse().unwrap());
    let mut out = BytesMut::new();
    let (status, chunked) = (StatusCode::OK, BodyFraming::Chunked);
    write_response(&mut out, status, &headers, chunked, Version::HTTP_11, true);
    write_chunk_size(&mut out, 10);
    out.extend_from_slice(b"0123456789\r\n");
    write_last_chunk(&mut out, Some(&headers));
    write_response(
        &mut out,
        StatusCode::NOT_FOUND,
        &headers,
        BodyFraming::Length(1),
        Version::HTTP_11,
        false,
    );
    out.extend_from_slice(b"x");
    let mut io: &[u8] = &out;
    let mut reader = reader(b"");
    let (head, framing) = reader
        .response(&mut io, &Method::GET)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (head.status, framing),
        (StatusCode::OK, BodyFraming::Chunked)
    );
    assert!(head.headers.contains_key("date"));
    assert!(is_kept(head.version, &head.headers));
    let (body, trailers) = reader.whole(&mut io, 100).await.unwrap();
    assert_eq!(body, "0123456789");
    assert_eq!(trailers.unwrap().len(), 1);
    let (head, framing) = reader
        .response(&mut io, &Method::GET)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(framing, BodyFraming::Length(1));
    assert!(!is_kept(head.version, &head.headers));
    assert_eq!(reader.whole(&mut io, 1).await.unwrap().0, "x");
}

#[tokio::test]
async fn outbox_writes_small_and_large_in_order() {
    let large = bytes::Bytes::from(vec![7; 20_000]);
    let mut outbox = Outbox::default();
    outbox.tail().extend_from_slice(b"head");
    outbox.push(large.clone());
    outbox.push("small".into());
    let (mut ours, mut theirs) = tokio::io::duplex(1000);
    let read = async {
        let mut all = vec![0; 20_009];
        tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut all)
            .await
            .unwrap();
        all
    };
    let (flushed, all) = tokio::join!(outbox.flush(&mut ours), read);
    flushed.unwrap();
    assert_eq!((&all[..4], &all[20_004..]), (&b"head"[..], &b"small"[..]));
    assert_eq!(&all[4..20_004], &large[..]);
    assert!(matches!(reader(b"").take_body(), Ok(Body::Done)));
    drop(Piece::Data(large));
}
