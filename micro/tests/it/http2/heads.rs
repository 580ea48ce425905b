//! Heads of requests that are malformed: sections 8.2 and 8.3.

use super::{
    Case,
    End::{GoAway, Reset, Status},
    Field, HEAD, check, code, head, instead, kind,
    peer::frame,
    request, with,
};

const MALFORMED: super::End = Reset(code::PROTOCOL);

fn names() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let forbidden = (0..=0x20)
        .chain(b'A'..=b'Z')
        .chain([0x7f, 0x80, 0xc3, 0xff]);
    let delimiters = *b"(),/;<=>?@[\\]{}:";
    for byte in forbidden.chain(delimiters) {
        let name = [b'x', byte, b'y'];
        let what = name.escape_ascii().to_string();
        // A name that cannot be ends the block for whoever reads it, and so the connection.
        cases.push(("8.2.1", GoAway(code::PROTOCOL), what, with(&name, b"1")));
    }
    for name in [&b""[..], b"Content-Type", b"HOST", b" a", b"a "] {
        let what = name.escape_ascii().to_string();
        cases.push(("8.2.1", GoAway(code::PROTOCOL), what, with(name, b"1")));
    }
    cases
}

fn values() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for byte in (0..=0x1f).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let value = [b'a', byte, b'b'];
        let what = value.escape_ascii().to_string();
        cases.push(("8.2.1", GoAway(code::PROTOCOL), what, with(b"x", &value)));
    }
    for value in [
        &b"\0"[..],
        b"\0a",
        b"a\0",
        b"\na",
        b"a\n",
        b"\ra",
        b"a\r",
        b"a\r\nb: c",
    ] {
        let what = value.escape_ascii().to_string();
        cases.push(("8.2.1", GoAway(code::PROTOCOL), what, with(b"x", value)));
    }
    for value in [&b" a"[..], b"\ta", b"a ", b"a\t", b" a ", b" ", b"\t"] {
        let what = value.escape_ascii().to_string();
        cases.push(("8.2.1", MALFORMED, what.clone(), with(b"x", value)));
        cases.push(("8.2.1", MALFORMED, what, with(b"micro-attempts", value)));
    }
    cases
}

fn of_the_connection() -> Vec<Case> {
    let fields: [Field<'_>; 18] = [
        (b"connection", b"close"),
        (b"connection", b"keep-alive"),
        (b"connection", b"te"),
        (b"connection", b"upgrade, http2-settings"),
        (b"connection", b""),
        (b"keep-alive", b"timeout=5"),
        (b"keep-alive", b""),
        (b"proxy-connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"transfer-encoding", b"gzip, chunked"),
        (b"transfer-encoding", b""),
        (b"upgrade", b"h2c"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
        (b"te", b"trailers, gzip"),
        (b"te", b"trailers;q=0.5"),
        (b"te", b""),
    ];
    let case = |(name, value): &Field<'_>| {
        let what = format!("{}: {}", name.escape_ascii(), value.escape_ascii());
        ("8.2.2", MALFORMED, what, with(name, value))
    };
    fields.iter().map(case).collect()
}

fn pseudo() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for at in [0, 1, 3] {
        let mut fields = HEAD.to_vec();
        let (name, value) = fields.remove(at);
        let name_text = name.escape_ascii().to_string();
        cases.push((
            "8.3.1",
            MALFORMED,
            format!("no {name_text}"),
            request(&fields),
        ));
        // A path that is none is refused below, by what it is.
        if name != b":path" {
            let what = format!("{name_text} alone after others");
            fields.push((name, value));
            cases.push(("8.3", MALFORMED, what, request(&fields)));
        }
    }
    for (at, (name, value)) in HEAD[..4].iter().enumerate() {
        let name_text = name.escape_ascii();
        let other: &[u8] = match at {
            0 => b"GET",
            1 => b"https",
            2 => b"b",
            _ => b"/Greeter.Other",
        };
        for second in [value, other] {
            let mut fields = HEAD.to_vec();
            fields.insert(at, (name, second));
            let what = format!("{name_text} twice: {}", second.escape_ascii());
            cases.push(("8.3", MALFORMED, what, request(&fields)));
        }
        let what = format!("{name_text} again after a field");
        cases.push(("8.3", MALFORMED, what, with(name, value)));
    }
    for (name, value) in [(&b":status"[..], &b"200"[..]), (b":protocol", b"websocket")] {
        let mut fields = HEAD.to_vec();
        fields.insert(0, (name, value));
        let what = name.escape_ascii().to_string();
        cases.push(("8.3", MALFORMED, what, request(&fields)));
    }
    for name in [
        &b":"[..],
        b":x",
        b":Path",
        b":PATH",
        b":host",
        b":version",
        b":method ",
        b"::path",
    ] {
        let mut fields = HEAD.to_vec();
        fields.insert(0, (name, b"/"));
        let what = name.escape_ascii().to_string();
        let end = GoAway(code::PROTOCOL);
        cases.push(("8.3", end, what, request(&fields)));
    }
    cases
}

fn targets() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for path in [
        &b""[..],
        b"*",
        b"**",
        b"Greeter.Hello",
        b"Greeter/Hello",
        b"?a=b",
        b"a:80",
        b"http://a/Greeter.Hello",
        b"//a b",
        b"/Greeter.Hello HTTP/1.1",
        b"/a\"b",
        b"/a<b",
        b"/a>b",
        b"/\0",
        b"/a\r\nb: c",
        b"/a\tb",
        b"/a\x7f",
        b" /Greeter.Hello",
        b"\\Greeter.Hello",
    ] {
        let what = format!(":path {}", path.escape_ascii());
        cases.push(("8.3.1", MALFORMED, what, instead(b":path", path)));
    }
    for scheme in [
        &b""[..],
        b"ht tp",
        b"http:",
        b"http://",
        b"1http",
        b"ht\0tp",
        b"h_p",
    ] {
        let what = format!(":scheme {}", scheme.escape_ascii());
        cases.push(("8.3.1", MALFORMED, what, instead(b":scheme", scheme)));
    }
    for authority in [
        &b""[..],
        b"me@a",
        b"me:secret@a",
        b"@a",
        b"a b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a,b\"",
        b"a\0",
        b"a\r\n",
        b"[::1",
        b"http://a",
        b"a:80:80",
        b"a\\b",
    ] {
        let what = format!(":authority {}", authority.escape_ascii());
        cases.push(("8.3.1", MALFORMED, what, instead(b":authority", authority)));
    }
    for host in [&b"b"[..], b"a:81", b"a, b", b"me@a", b""] {
        let what = format!("host {} beside :authority a", host.escape_ascii());
        cases.push(("8.3.1", MALFORMED, what, with(b"host", host)));
    }
    let hosts: [Field<'_>; 2] = [(b"host", b"a"), (b"host", b"a")];
    let two = request(&[&HEAD[..], &hosts].concat());
    cases.push(("8.3.1", MALFORMED, "two hosts".into(), two));
    cases
}

fn methods() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for method in [
        &b""[..],
        b"PO ST",
        b" POST",
        b"POST ",
        b"PO\0ST",
        b"PO\r\nST",
        b"PO(ST",
        b"PO/ST",
        b"PO:ST",
        b"PO\"ST",
        b"PO\xf6ST",
        b"POST\t",
    ] {
        let what = format!(":method {}", method.escape_ascii());
        let end = GoAway(code::PROTOCOL);
        cases.push(("8.3.1", end, what, instead(b":method", method)));
    }
    // Well-formed, but of no use here.
    for method in [&b"post"[..], b"PUT", b"DELETE", b"PATCH", b"BREW", b"TRACE"] {
        let what = format!(":method {}", method.escape_ascii());
        cases.push((
            "RFC 9110, 9.1",
            Status(405),
            what,
            instead(b":method", method),
        ));
    }
    let connect: Field<'_> = (b":method", b"CONNECT");
    let of = |fields: &[Field<'_>]| head(&[&[connect], fields].concat());
    let (scheme, authority, path) = (HEAD[1], HEAD[2], HEAD[3]);
    let websocket: Field<'_> = (b":protocol", b"websocket");
    for (what, fields) in [
        ("with a scheme and a path", vec![scheme, authority, path]),
        ("with a scheme", vec![scheme, authority]),
        ("with a path", vec![authority, path]),
        ("without an authority", vec![]),
        (
            "extended, without a path",
            vec![websocket, scheme, authority],
        ),
        (
            "extended, without a scheme",
            vec![websocket, authority, path],
        ),
        (
            "extended, unasked",
            vec![websocket, scheme, authority, path],
        ),
    ] {
        cases.push(("8.5", MALFORMED, format!("CONNECT {what}"), of(&fields)));
    }
    cases.push(("8.5", Status(501), "CONNECT".into(), of(&[authority])));
    cases
}

fn lengths() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for length in [
        "0",
        "13",
        "15",
        "1000000",
        "18446744073709551616",
        "99999999999999999999",
        "",
        "+14",
        "-14",
        "14.0",
        "0x0e",
        "14;",
        "14, 14",
        "14,15",
        "1 4",
        "a",
    ] {
        let what = format!("content-length {length} of 14");
        let bytes = with(b"content-length", length.as_bytes());
        cases.push(("8.1.1", MALFORMED, what, bytes));
    }
    let two: [Field<'_>; 2] = [(b"content-length", b"14"), (b"content-length", b"15")];
    let two = request(&[&HEAD[..], &two].concat());
    cases.push(("8.1.1", MALFORMED, "two lengths".into(), two));
    // None of it follows.
    let length: Field<'_> = (b"content-length", b"14");
    let block = super::block(&[&HEAD[..], &[length]].concat());
    let bytes = frame(kind::HEADERS, 5, 1, &block);
    cases.push(("8.1.1", MALFORMED, "a length, and no content".into(), bytes));
    cases
}

#[tokio::test]
async fn invalid_field_names_are_refused() {
    check(names(), 80).await;
}

#[tokio::test]
async fn invalid_field_values_are_refused() {
    check(values(), 45).await;
}

#[tokio::test]
async fn connection_specific_fields_are_refused() {
    check(of_the_connection(), 18).await;
}

#[tokio::test]
async fn missing_repeated_or_misplaced_pseudo_headers_are_refused() {
    check(pseudo(), 25).await;
}

#[tokio::test]
async fn wrong_targets_are_refused() {
    check(targets(), 45).await;
}

#[tokio::test]
async fn wrong_methods_are_refused() {
    check(methods(), 25).await;
}

#[tokio::test]
async fn content_length_that_differs_from_the_body_is_refused() {
    check(lengths(), 18).await;
}
