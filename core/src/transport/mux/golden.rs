//! Conversations recorded in `tests/golden`: every release reads them, and writes the same bytes.
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::{fmt::Write, path::PathBuf};

use super::{
    frame::{self, HEADER, Header, Name, ParsedRequestHead, RequestHead, STREAM, Status, kind},
    preface::{Parsed, Preface},
};
use crate::{Context, Error, Metadata, time::NEVER};

/// One line of a conversation: what the bytes mean, in words, and the bytes.
struct RecordedFrame {
    /// Whether this release writes it too, or only reads it.
    ours: bool,
    text: String,
    bytes: Vec<u8>,
}

/// Every line of every conversation.
fn lines() -> Vec<RecordedFrame> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            if let Some((way @ (">" | "<" | "~>" | "~<"), words)) = line.split_once(' ') {
                all.push(RecordedFrame {
                    ours: !way.starts_with('~'),
                    text: words.to_owned(),
                    bytes: Vec::new(),
                });
            } else if let Some(digits) = line.strip_prefix("    ") {
                let digits = digits.as_bytes().chunks(2);
                let bytes = digits
                    .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
                all.last_mut().unwrap().bytes.extend(bytes);
            }
        }
    }
    all
}

/// The bytes of every conversation, each side's after the other's.
pub(super) fn bytes() -> Vec<Vec<u8>> {
    lines().into_iter().map(|line| line.bytes).collect()
}

/// What the bytes say, in the words of the golden files, and the same written anew.
fn read(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut out = Vec::new();
    if let Ok(Parsed::Complete(preface, names, length)) = Preface::read(bytes) {
        assert_eq!(length, bytes.len());
        preface.write(&names, &mut out);
        let Preface {
            lowest,
            highest,
            message,
            head,
            names: numbers,
            window,
        } = preface;
        let mut text = format!(
            "preface versions={lowest}..{highest} message={message} head={head} names={numbers} \
             window={window}"
        );
        for (word, name) in [
            ("service", &names.identity.service),
            ("node", &names.identity.node),
            ("caller", &names.caller),
        ] {
            if !name.is_empty() {
                write!(text, " {word}={name}").unwrap();
            }
        }
        return (text, out);
    }
    let (first, rest) = bytes.split_first_chunk::<HEADER>().unwrap();
    let header = Header::read(first);
    assert_eq!(header.length as usize, rest.len());
    let (head, body) = rest.split_at(header.head.into());
    let id = header.id;
    let bare = |name: &str, out: &mut Vec<u8>| {
        frame::write_bare(out, header.kind, id, &[]);
        format!("{name} id={id}")
    };
    let text = match header.kind {
        kind::REQUEST => request("request", header, head, body, &mut out),
        kind::WITHDRAWN => {
            let text = request("withdrawn", header, head, body, &mut out);
            out[4] = kind::WITHDRAWN;
            text
        }
        kind::RESPONSE => status("response", header, head, body, &mut out),
        kind::END => status("end", header, head, body, &mut out),
        kind::GO_AWAY if !head.is_empty() => status("go_away", header, head, body, &mut out),
        kind::DATA => {
            frame::write_bare(&mut out, kind::DATA, id, body);
            format!("data id={id} body=\"{}\"", body.escape_ascii())
        }
        kind::CREDIT => {
            frame::write_bare(&mut out, kind::CREDIT, id, body);
            let granted = u32::from_le_bytes(body.try_into().unwrap());
            format!("credit id={id} bytes={granted}")
        }
        kind::CANCEL => bare("cancel", &mut out),
        kind::PING => bare("ping", &mut out),
        kind::PONG => bare("pong", &mut out),
        kind::GO_AWAY => bare("go_away", &mut out),
        other => format!("unknown kind={other} id={id} length={}", header.length),
    };
    (text, out)
}

fn request(word: &str, header: Header, head: &[u8], body: &[u8], out: &mut Vec<u8>) -> String {
    let read: ParsedRequestHead<'_> = frame::read_request(head).unwrap();
    let mut text = format!("{word} id={}", header.id);
    if header.flags & STREAM != 0 {
        text += " stream";
    }
    let name = match (read.service, read.endpoint) {
        (Some(service), Some(endpoint)) => {
            write!(text, " name={service}/{endpoint}").unwrap();
            Name::New {
                number: read.define.unwrap_or(0),
                service,
                endpoint,
            }
        }
        _ => {
            write!(text, " known={}", read.number).unwrap();
            Name::Numbered(read.number)
        }
    };
    if let Some(number) = read.define {
        write!(text, " number={number}").unwrap();
    }
    let left = match read.left {
        NEVER => "never".to_owned(),
        left => left.to_string(),
    };
    let content_type = read.content_type.unwrap();
    write!(
        text,
        " left={left} attempts={} criticality={} type={content_type}",
        read.attempts,
        read.criticality.as_str()
    )
    .unwrap();
    if read.trace.is_some() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let trace = read.trace;
        write!(
            text,
            " trace={}-{}-{:02x}",
            hex(&trace.trace_id),
            hex(&trace.span_id),
            trace.flags
        )
        .unwrap();
    }
    write_metadata(&mut text, &read.metadata);
    write!(text, " body=\"{}\"", body.escape_ascii()).unwrap();
    let mut context = Context::new()
        .with_criticality(read.criticality)
        .with_trace(read.trace);
    *context.metadata_mut() = read.metadata.clone();
    let written = RequestHead {
        name,
        left: read.left,
        attempts: read.attempts,
        content_type: &content_type,
        context: &context,
    };
    let most = u16::MAX.into();
    frame::write_request(out, header.id, header.flags, &written, body.len(), most).unwrap();
    out.extend_from_slice(body);
    text
}

fn status(word: &str, header: Header, head: &[u8], body: &[u8], out: &mut Vec<u8>) -> String {
    let mut text = format!("{word} id={}", header.id);
    if header.flags & STREAM != 0 {
        text += " stream";
    }
    let read = match frame::read_status(head).unwrap() {
        frame::ParsedStatus::Fine {
            content_type,
            metadata,
            load,
        } => {
            write!(text, " type={content_type} load={load}").unwrap();
            write_metadata(&mut text, &metadata);
            write!(text, " body=\"{}\"", body.escape_ascii()).unwrap();
            Ok((content_type, metadata, load))
        }
        frame::ParsedStatus::Failed(error) => {
            text += &failure(&error);
            Err(error)
        }
    };
    let written = match &read {
        Ok((content_type, metadata, load)) => Status::Fine {
            content_type,
            metadata,
            load: *load,
        },
        Err(error) => Status::Failed(error),
    };
    frame::write_status(
        out,
        header.kind,
        header.flags,
        header.id,
        &written,
        body.len(),
        u16::MAX.into(),
    )
    .unwrap();
    out.extend_from_slice(body);
    text
}

fn failure(error: &Error) -> String {
    let mut text = format!(
        " code={} outcome=\"{}\" message=\"{}\"",
        error.code(),
        error.outcome(),
        error.message()
    );
    if !error.origin().is_empty() {
        write!(text, " origin=\"{}\"", error.origin()).unwrap();
    }
    if let Some(after) = error.retry_after() {
        write!(text, " retry_after={}", after.as_nanos()).unwrap();
    }
    write_metadata(&mut text, error.metadata());
    text
}

fn write_metadata(text: &mut String, metadata: &Metadata) {
    if !metadata.is_empty() {
        write!(text, " metadata={metadata:?}").unwrap();
    }
}

#[test]
fn recorded_bytes_decode_and_encode_unchanged() {
    let lines = lines();
    assert!(lines.len() > 60, "conversations are missing");
    for line in lines {
        let (text, written) = read(&line.bytes);
        assert_eq!(text, line.text);
        if line.ours {
            assert_eq!(written, line.bytes, "{text}");
        }
    }
}

#[test]
fn every_frame_kind_is_recorded() {
    let recorded: Vec<u8> = bytes()
        .iter()
        .filter(|bytes| !bytes.starts_with(&super::preface::MAGIC))
        .map(|bytes| bytes[4])
        .collect();
    for kind in kind::REQUEST..=kind::WITHDRAWN {
        assert!(recorded.contains(&kind), "kind {kind}");
    }
}
