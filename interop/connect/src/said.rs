//! Metadata and errors of Micro as messages of the suite, and back.

use micro::{Code, Error, Metadata};

use crate::{
    any::Any,
    proto::{self, Header},
};

/// What stands before the names of metadata that comes after the last message.
const TRAILER: &str = "trailer-";

/// Adds what the suite wants beside an answer: before its messages, and after them.
pub fn add(headers: &[Header], trailers: &[Header], into: &mut Metadata) {
    for header in headers {
        for value in &header.value {
            into.append(&header.name.to_lowercase(), value);
        }
    }
    for trailer in trailers {
        for value in &trailer.value {
            into.append(&format!("{TRAILER}{}", trailer.name.to_lowercase()), value);
        }
    }
}

/// Metadata as headers and trailers of the suite's.
pub fn split(metadata: &Metadata) -> (Vec<Header>, Vec<Header>) {
    let (mut headers, mut trailers) = (Vec::new(), Vec::new());
    for (name, value) in metadata.iter().filter(|(name, _)| !name.starts_with(':')) {
        let (name, into) = match name.strip_prefix(TRAILER) {
            Some(bare) => (bare, &mut trailers),
            None => (name, &mut headers),
        };
        append(name, value, into);
    }
    (headers, trailers)
}

fn append(name: &str, value: &str, into: &mut Vec<Header>) {
    let value = value.to_owned();
    match into.iter_mut().find(|header| header.name == name) {
        Some(header) => header.value.push(value),
        None => into.push(Header {
            name: name.to_owned(),
            value: vec![value],
        }),
    }
}

/// An error that the suite wants.
pub fn error(wanted: &proto::Error) -> Error {
    let code = u8::try_from(wanted.code).map_or(Code::Unknown, Code::from_number);
    let error = Error::new(code, wanted.message.clone().unwrap_or_default());
    let details = wanted.details.iter();
    details.fold(error, |error, detail| {
        error.with_detail(detail.type_url.clone(), &detail.value)
    })
}

/// An error as the suite is told of it.
pub fn told(error: &Error) -> proto::Error {
    let details = error.details().into_iter();
    let details = details.map(|(type_url, value)| Any { type_url, value });
    proto::Error {
        code: error.code().number().into(),
        message: Some(error.message().to_owned()),
        details: details.collect(),
    }
}
