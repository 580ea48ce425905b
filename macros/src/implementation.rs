//! The implementation of `Message`, which is the same for every kind of type except two names.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Ident, Path};

use crate::schema;

/// `Message` for a type, with its default content type and the module of
/// the functions `encode` and `decode` for its kind.
pub(crate) fn message(
    name: &Ident,
    generics: &Generics,
    krate: &Path,
    content_type: &TokenStream,
    functions: &Path,
) -> TokenStream {
    let derived = schema::derived(krate);
    let (sent, parameters, condition) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #sent #krate::Message for #name #parameters #condition {
            fn content_type() -> #derived::ContentType {
                #derived::ContentType::#content_type
            }

            #[inline]
            fn encode(
                &self,
                content_type: &#derived::ContentType,
                codecs: &#derived::Codecs,
            ) -> #derived::Result<#derived::Bytes> {
                #functions::encode(self, content_type, codecs)
            }

            #[inline]
            fn decode(
                content_type: &#derived::ContentType,
                codecs: &#derived::Codecs,
                bytes: #derived::Bytes,
            ) -> #derived::Result<Self> {
                #functions::decode(content_type, codecs, bytes)
            }

            fn schema() -> #derived::Value {
                #derived::root::<Self>()
            }
        }
    }
}
