//! Compiles files to descriptors, and descriptors to a constant.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use prost::Message;
use prost_build::Module;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::Error;

/// The files with all imports, imports first.
pub(crate) fn read(protos: &[PathBuf], includes: &[PathBuf]) -> Result<FileDescriptorSet, Error> {
    let compiled = protox::Compiler::new(includes).and_then(|mut compiler| {
        compiler.include_source_info(true);
        compiler.include_imports(true);
        compiler.open_files(protos)?;
        Ok(compiler.file_descriptor_set())
    });
    // Its debug form has the position.
    compiled.map_err(|error| Error::new(format!("{error:?}")))
}

/// The files that are in one of the directories, which cargo watches.
pub(crate) fn sources(set: &FileDescriptorSet, includes: &[PathBuf]) -> Vec<PathBuf> {
    let find = |file: &FileDescriptorProto| {
        let paths = includes.iter().map(|include| include.join(file.name()));
        paths.into_iter().find(|path| path.is_file())
    };
    set.file.iter().filter_map(find).collect()
}

/// A constant with the descriptors of a package's files and all their imports.
pub(crate) fn constant(set: &FileDescriptorSet, module: &Module, package: &str) -> String {
    let encoded = with_imports(set, module).encode_to_vec();
    format!(
        "/// The descriptors of `{package}` and of all it imports: an encoded\n\
         /// `google.protobuf.FileDescriptorSet`, for reflection.\n\
         pub const FILE_DESCRIPTOR_SET: &[u8] = {};\n",
        literal(&encoded)
    )
}

fn with_imports(set: &FileDescriptorSet, module: &Module) -> FileDescriptorSet {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    // Imports precede their importers.
    for file in set.file.iter().rev() {
        if Module::from_protobuf_package_name(file.package()) == *module
            || wanted.contains(file.name())
        {
            wanted.insert(file.name());
            wanted.extend(file.dependency.iter().map(String::as_str));
        }
    }
    let files = set
        .file
        .iter()
        .filter(|file| wanted.contains(file.name()))
        .map(|file| FileDescriptorProto {
            source_code_info: None,
            ..file.clone()
        });
    FileDescriptorSet {
        file: files.collect(),
    }
}

/// Bytes as a literal of lines that fit a page.
fn literal(bytes: &[u8]) -> String {
    const WIDTH: usize = 96;
    let mut text = String::from("b\"");
    let mut column = WIDTH;
    for &byte in bytes {
        let mut escaped = escape(byte);
        if column + escaped.len() > WIDTH {
            text.push_str("\\\n");
            column = 0;
            if byte == b' ' {
                // Unescaped, it would be taken for the next line's indentation.
                escaped = "\\x20".to_owned();
            }
        }
        column += escaped.len();
        text.push_str(&escaped);
    }
    text.push('"');
    text
}

fn escape(byte: u8) -> String {
    match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// The name of a file without directory and extension.
pub(crate) fn stem(proto: &Path) -> &str {
    proto
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("proto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_has_every_byte_and_short_lines() {
        let bytes: Vec<u8> = (0..=255).chain([b' '; 300]).collect();
        let text = literal(&bytes);
        assert!(text.lines().all(|line| line.len() <= 100));
        let syn::Lit::ByteStr(read) = syn::parse_str(&text).unwrap() else {
            panic!("{text} is not a byte string");
        };
        assert_eq!(read.value(), bytes);
    }
}
