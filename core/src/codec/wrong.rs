//! What a message that cannot be read or written is told.

use std::{any::type_name, fmt::Display};

use crate::{
    error::{Code, Error},
    message::ContentType,
};

/// An encoded form that is not one of a `T`.
#[cold]
pub(super) fn read<T>(content_type: &ContentType, why: impl Display) -> Error {
    let name = short(type_name::<T>());
    Error::invalid_argument(format!("cannot read `{name}` from {content_type}: {why}"))
}

/// An encoded form of a `T` that is nested too deep.
#[cold]
pub(super) fn too_deep<T>(content_type: &ContentType, limit: usize) -> Error {
    read::<T>(
        content_type,
        format_args!("it is nested deeper than the limit of {limit}"),
    )
}

/// A `T` that has no encoded form.
#[cold]
pub(super) fn write<T>(content_type: &ContentType, why: impl Display) -> Error {
    let name = short(type_name::<T>());
    Error::internal(format!("cannot write `{name}` as {content_type}: {why}"))
}

/// An answer that cannot be read: the fault is not the caller's, and the work was done.
#[cold]
pub(crate) fn in_answer(error: Error) -> Error {
    match error.code() {
        Code::InvalidArgument | Code::Unimplemented => {
            Error::internal(format!("the answer is not understood: {}", error.message()))
        }
        _ => error,
    }
}

/// A `T` that does not speak a content type at all.
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
