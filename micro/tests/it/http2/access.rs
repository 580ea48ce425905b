//! Requests that may not come in, whichever dialect they are of.

use super::{Case, End::Status, HEAD, check, request};

/// A request of a dialect with one more field, and its authority.
fn of(content_type: &[u8], authority: &[u8], more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut fields = HEAD.to_vec();
    fields[2].1 = authority;
    fields[4].1 = content_type;
    fields.extend(more);
    request(&fields)
}

#[tokio::test]
async fn http2_refuses_foreign_origins_and_hosts_in_every_dialect() {
    let mut cases: Vec<Case> = Vec::new();
    for dialect in [
        "application/json",
        "application/grpc",
        "application/grpc+json",
        "application/grpc-web+proto",
        "application/connect+json",
        "application/proto",
    ] {
        let name = dialect.as_bytes();
        let origin: (&[u8], &[u8]) = (b"origin", b"http://evil.example");
        for (what, bytes) in [
            ("an origin", of(name, b"localhost", &[origin])),
            ("a null origin", of(name, b"a", &[(b"origin", b"null")])),
            ("a host", of(name, b"evil.example", &[])),
            ("a rebound host", of(name, b"evil.example", &[origin])),
            (
                "a site",
                of(name, b"a", &[(b"sec-fetch-site", b"cross-site")]),
            ),
        ] {
            let what = format!("{dialect} with {what}");
            cases.push(("RFC 9110, 15.5.4", Status(403), what, bytes));
        }
    }
    check(cases, 30).await;
}
