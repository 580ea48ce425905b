//! The files of `interop/captures`.

use std::{fs, path::Path};

/// One connection.
#[derive(Debug)]
pub(crate) struct Section {
    /// What the file says of it.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// What went one way without a pause.
#[derive(Debug)]
pub(crate) enum Step {
    ToServer(Vec<u8>),
    FromServer(Vec<u8>),
}

/// The connections of a file.
pub(crate) fn read(file: &str) -> Vec<Section> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let text = fs::read_to_string(directory.join(format!("{file}.txt"))).unwrap();
    let mut sections = vec![Section {
        name: file.to_owned(),
        steps: Vec::new(),
    }];
    for line in text.lines() {
        let section = sections.last_mut().unwrap();
        if let Some(bytes) = line.strip_prefix("> ") {
            let bytes = unescaped(bytes);
            match section.steps.last_mut() {
                Some(Step::ToServer(all)) => all.extend(bytes),
                _ => section.steps.push(Step::ToServer(bytes)),
            }
        } else if let Some(bytes) = line.strip_prefix("< ") {
            let bytes = unescaped(bytes);
            match section.steps.last_mut() {
                Some(Step::FromServer(all)) => all.extend(bytes),
                _ => section.steps.push(Step::FromServer(bytes)),
            }
        } else if line.starts_with("# connection") || line.starts_with("# ---") {
            sections.push(Section {
                name: format!("{file}: {}", line.trim_start_matches(['#', ' ', '-'])),
                steps: Vec::new(),
            });
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{file}: {line}");
        }
    }
    sections.retain(|section| !section.steps.is_empty());
    assert!(!sections.is_empty(), "{file} has no bytes");
    sections
}

/// The bytes that a line stands for.
pub(crate) fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("`\\{}` in `{line}`", char::from(other)),
            },
            byte => byte,
        });
    }
    bytes
}
