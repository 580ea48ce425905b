//! Errors of messages that cannot be encoded or decoded.

use std::{any::type_name, fmt::Display};

use crate::{
    error::{Code, Error},
    message::ContentType,
};

/// The error for bytes that are not a `T`.
#[cold]
pub(super) fn read<T>(content_type: &ContentType, why: impl Display) -> Error {
    let name = short(type_name::<T>());
    Error::invalid_argument(format!("cannot read `{name}` from {content_type}: {why}"))
}

/// The error for a `T` that is nested too deep.
#[cold]
pub(super) fn too_deep<T>(content_type: &ContentType, limit: usize) -> Error {
    read::<T>(
        content_type,
        format_args!("it is nested deeper than the limit of {limit}"),
    )
}

/// The error for a `T` that cannot be encoded.
#[cold]
pub(super) fn write<T>(content_type: &ContentType, why: impl Display) -> Error {
    let name = short(type_name::<T>());
    Error::internal(format!("cannot write `{name}` as {content_type}: {why}"))
}

/// The error for a response that cannot be decoded: the server's fault, and the work was done.
#[cold]
pub(crate) fn in_answer(error: Error) -> Error {
    match error.code() {
        Code::InvalidArgument | Code::Unimplemented => {
            Error::internal(format!("the answer is not understood: {}", error.message()))
        }
        _ => error,
    }
}

/// The error for a content type that `T` does not support.
#[cold]
pub(super) fn unsupported<T>(content_type: &ContentType, instead: &str) -> Error {
    let name = short(type_name::<T>());
    Error::unimplemented(format!(
        "`{name}` has no form in {content_type}; use {instead}"
    ))
}

/// The name of a type without its modules and parameters.
fn short(name: &str) -> &str {
    let bare = name.split('<').next().unwrap_or(name);
    bare.rsplit("::").next().unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_is_named_without_its_modules() {
        assert_eq!(short(type_name::<Vec<String>>()), "Vec");
        assert_eq!(short(type_name::<ContentType>()), "ContentType");
        assert_eq!(short(type_name::<u8>()), "u8");
    }
}
