//! The files of `interop/captures` that list HTTP/2 frames.

use std::{fs, path::Path};

use super::frame::{Content, Frame};
use crate::capture::unescaped;

/// One connection.
#[derive(Debug)]
pub(crate) struct Section {
    /// What the file says of it.
    pub(crate) name: String,
    pub(crate) frames: Vec<(Way, Frame)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    FromServer,
}

/// The connections of a file.
pub(crate) fn read(file: &str) -> Vec<Section> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let text = fs::read_to_string(directory.join(format!("{file}.txt"))).unwrap();
    let mut sections = Vec::new();
    let mut section = Section {
        name: file.to_owned(),
        frames: Vec::new(),
    };
    for line in text.lines() {
        if let Some(connection) = line.strip_prefix("# connection") {
            let name = format!("{file}:{connection}");
            let frames = Vec::new();
            sections.push(std::mem::replace(&mut section, Section { name, frames }));
            continue;
        }
        let way = match line.get(..2) {
            Some("> ") => Way::ToServer,
            Some("< ") => Way::FromServer,
            _ => {
                assert!(line.starts_with('#'), "{file}: {line}");
                continue;
            }
        };
        match line[2..].strip_prefix("  ") {
            None => section.frames.push((way, frame(&line[2..]))),
            Some(field) => {
                let (_, frame) = section.frames.last_mut().unwrap();
                let Content::Headers(fields) = &mut frame.content else {
                    panic!("{file}: {line} is not below HEADERS");
                };
                // A pseudo-header's name begins with a colon of its own.
                let colon = field[1..].find(": ").unwrap() + 1;
                fields.push((field[..colon].to_owned(), field[colon + 2..].to_owned()));
            }
        }
    }
    sections.push(section);
    sections.retain(|section| !section.frames.is_empty());
    sections
}

/// `KIND stream=N flags=0xN REST`.
fn frame(line: &str) -> Frame {
    if line == "preface" {
        return Frame {
            stream: 0,
            flags: 0,
            content: Content::Preface,
        };
    }
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, stream, flags, rest) = (word(), word(), word(), word());
    let code = |name: &str| match name {
        "NO_ERROR" => 0,
        "CANCEL" => 8,
        other => panic!("`{other}` is no code that was recorded"),
    };
    let content = match kind {
        "SETTINGS" => Content::Settings(rest.contains("MAX_FRAME_SIZE = 16384").then_some(16384)),
        "HEADERS" => Content::Headers(Vec::new()),
        "DATA" => Content::Data(unescaped(rest)),
        "WINDOW_UPDATE" => Content::WindowUpdate(rest.strip_prefix('+').unwrap().parse().unwrap()),
        "PING" => Content::Ping,
        "RST_STREAM" => Content::Reset(code(rest)),
        "GOAWAY" => Content::GoAway(code(rest)),
        other => panic!("`{other}` is no kind of frame"),
    };
    let flags = u8::from_str_radix(flags.strip_prefix("flags=0x").unwrap(), 16).unwrap();
    Frame {
        stream: stream.strip_prefix("stream=").unwrap().parse().unwrap(),
        flags,
        content,
    }
}
