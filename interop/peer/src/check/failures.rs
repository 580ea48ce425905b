//! Calls that must fail, and how.

use micro::{Code, Error, Result};
use micro_rs_interop_greeter::messages::{Empty, FailRequest, HelloReply, HelloRequest};

use super::subject::{Checked, Subject, Verdict, same};

/// What a kind of failure looks like: its code, the status that go-micro calls the code, its text.
const KINDS: [(&str, Code, u16, &str); 7] = [
    (
        "bad",
        Code::InvalidArgument,
        400,
        "bad <input> & \"quotes\"",
    ),
    ("unauthorized", Code::Unauthenticated, 401, "who are you"),
    ("forbidden", Code::PermissionDenied, 403, "not you"),
    ("notfound", Code::NotFound, 404, "no such thing"),
    ("conflict", Code::AlreadyExists, 409, "twice"),
    ("internal", Code::Internal, 500, "broken"),
    ("teapot", Code::Unknown, 418, "short and stout"),
];

async fn fail(subject: &Subject, kind: &str) -> Result<Empty> {
    let kind = kind.to_owned();
    subject.call("Greeter.Fail", FailRequest { kind }).await
}

/// Passes where an error is that of a kind.
pub(super) fn is_of_kind(error: &Error, kind: &str) -> Result<(), Verdict> {
    let found = KINDS.iter().find(|(known, ..)| *known == kind);
    let (_, code, status, text) = *found.expect("the cases name kinds of the table");
    same("the code", error.code(), code)?;
    same("the status", error.http_status(), status)?;
    same("the text", error.message(), text)?;
    same("the id", error.origin(), "greeter.fail")
}

pub(super) async fn fails(subject: &Subject, kind: &str) -> Checked {
    match fail(subject, kind).await {
        Ok(_) => Err(Verdict::Wrong("it went well".into())),
        Err(error) => is_of_kind(&error, kind).map(|()| String::new()),
    }
}

async fn text_of(subject: &Subject, kind: &str) -> Result<String, Verdict> {
    match fail(subject, kind).await {
        Ok(_) => Err(Verdict::Wrong("it went well".into())),
        Err(error) => {
            let known = [Code::Unknown, Code::Internal].contains(&error.code());
            same("whether the code says nothing more", known, true)?;
            Ok(error.message().to_owned())
        }
    }
}

pub(super) async fn plain(subject: &Subject) -> Checked {
    let text = text_of(subject, "plain").await?;
    same("the text", &*text, "plain failure")?;
    Ok(String::new())
}

pub(super) async fn newline(subject: &Subject) -> Checked {
    let text = text_of(subject, "newline").await?;
    // Go's text of a plain error is a line of a header, where the end of a line becomes a space.
    same("the text", &*text.replace('\n', " "), "line one line two")?;
    Ok(format!("{text:?}"))
}

pub(super) async fn none(subject: &Subject) -> Checked {
    fail(subject, "").await?;
    Ok(String::new())
}

pub(super) async fn unknown(subject: &Subject, endpoint: &str) -> Checked {
    let name = "John".to_owned();
    let answer: Result<HelloReply> = subject.call(endpoint, HelloRequest { name }).await;
    match answer {
        Ok(_) => Err(Verdict::Wrong("it went well".into())),
        Err(error) => {
            let known = [Code::NotFound, Code::Unimplemented].contains(&error.code());
            match known {
                true => Ok(error.code().to_string()),
                false => Err(error.into()),
            }
        }
    }
}
