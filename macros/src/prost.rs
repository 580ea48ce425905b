//! Prost types.
use proc_macro2::TokenStream;
use syn::{DataEnum, DataStruct, DeriveInput, Path, Result};
pub(crate) fn message(input: &DeriveInput, _: &DataStruct, _: &Path) -> Result<TokenStream> {
    Err(crate::options::error(&input.ident, "not yet"))
}
pub(crate) fn oneof(input: &DeriveInput, _: &DataEnum, _: &Path) -> Result<TokenStream> {
    Err(crate::options::error(&input.ident, "not yet"))
}
