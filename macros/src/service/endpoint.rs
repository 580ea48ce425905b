//! A method of the trait, and its errors.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, Lit, Meta, Pat, Path, PathArguments,
    Result, ReturnType, TraitItemFn, Type, ext::IdentExt, parse_quote, spanned::Spanned,
};

use crate::{
    case::upper_camel,
    options::{error, named},
};

pub(super) const FORM: &str = "an endpoint has the form `async fn name(&self, cx: Context, request: Request) -> Result<Response>`";

/// Whether the work of a method may be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// It may do harm.
    Unsafe,
    /// `#[idempotent]`: it does no harm.
    Idempotent,
    /// `#[read_only]`: the method changes nothing.
    ReadOnly,
}

/// One method of the trait.
pub(super) struct Endpoint {
    pub(super) function: Ident,
    /// Such as `Greeter.Hello`.
    pub(super) name: String,
    /// Such as `/greeter.Greeter/Hello`, if its Protobuf package is known.
    pub(super) path: Option<String>,
    pub(super) repeats: Repeats,
    pub(super) docs: Vec<Attribute>,
    /// Whether the parameter exists at all.
    pub(super) conditions: Vec<Attribute>,
    pub(super) context: Type,
    pub(super) request: Type,
    pub(super) response: Type,
}

impl Endpoint {
    /// Parses a method, and replaces it with one that can be implemented by `async fn`.
    pub(super) fn take(
        function: &mut TraitItemFn,
        prefix: &str,
        package: Option<&str>,
    ) -> Result<Self> {
        let signature = &mut function.sig;
        if signature.asyncness.take().is_none() {
            return Err(error(
                &signature.fn_token,
                &format!("{FORM}; this one is not `async`"),
            ));
        }
        if !signature.generics.params.is_empty() {
            return Err(error(
                &signature.generics,
                &format!("{FORM}, without type parameters"),
            ));
        }
        if signature.ident.unraw() == "new" {
            let text = "`new` is what makes the client; give the endpoint another name";
            return Err(error(&signature.ident, text));
        }
        let (context, request) = arguments(signature)?;
        let response = response(signature)?;
        let output = match &signature.output {
            ReturnType::Type(_, ty) => ty.clone(),
            ReturnType::Default => return Err(error(signature, FORM)),
        };
        signature.output = parse_quote! {
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
        };
        if let Some(body) = &mut function.default {
            *body = parse_quote!({ async move #body });
        }

        let says = |name| named(&function.attrs, name).next().is_some();
        let repeats = match (says("read_only"), says("idempotent")) {
            (true, _) => Repeats::ReadOnly,
            (false, true) => Repeats::Idempotent,
            (false, false) => Repeats::Unsafe,
        };
        let method = given_name(function)?
            .unwrap_or_else(|| upper_camel(&function.sig.ident.unraw().to_string()));
        function.attrs.retain(|attribute| {
            let ours = ["idempotent", "read_only", "name"];
            !ours.iter().any(|name| attribute.path().is_ident(name))
        });
        let attributes = |name| named(&function.attrs, name).cloned().collect();
        let ident = function.sig.ident.clone();
        Ok(Endpoint {
            name: format!("{prefix}.{method}"),
            path: package.map(|package| match package {
                "" => format!("/{prefix}/{method}"),
                package => format!("/{package}.{prefix}/{method}"),
            }),
            function: ident,
            repeats,
            docs: attributes("doc"),
            conditions: attributes("cfg"),
            context,
            request,
            response,
        })
    }

    /// Reports wrong types at their own positions.
    pub(super) fn check(&self, krate: &Path) -> TokenStream {
        let Endpoint {
            conditions,
            context,
            request,
            response,
            ..
        } = self;
        let context_is_one = quote_spanned! {context.span()=>
            let _ = |cx: #krate::Context| -> #context { cx };
        };
        let request_is_payload = quote_spanned!(request.span()=> payload::<#request>(););
        let response_is_payload = quote_spanned!(response.span()=> payload::<#response>(););
        quote! {
            #(#conditions)*
            const _: fn() = || {
                fn payload<T: #krate::Payload>() {}
                #context_is_one
                #request_is_payload
                #response_is_payload
            };
        }
    }

    /// The first line of its documentation.
    pub(super) fn description(&self) -> Option<String> {
        self.docs.iter().find_map(|attribute| {
            let line = text(attribute)?.trim().to_string();
            (!line.is_empty()).then_some(line)
        })
    }
}

/// The value of `#[name = "…"]`.
fn given_name(function: &TraitItemFn) -> Result<Option<String>> {
    let Some(attribute) = named(&function.attrs, "name").next() else {
        return Ok(None);
    };
    match text(attribute) {
        Some(name) if !name.is_empty() => Ok(Some(name)),
        _ => Err(error(
            attribute,
            "write the method's name as `#[name = \"GetURL\"]`",
        )),
    }
}

/// The `text` of `#[attribute = "text"]`.
fn text(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let Expr::Lit(literal) = &pair.value else {
        return None;
    };
    let Lit::Str(text) = &literal.lit else {
        return None;
    };
    Some(text.value())
}

/// The types of context and request.
fn arguments(signature: &syn::Signature) -> Result<(Type, Type)> {
    let mut inputs = signature.inputs.iter();
    let receiver = inputs.next();
    let by_reference = matches!(
        receiver,
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() && receiver.mutability.is_none()
    );
    if !by_reference {
        let text = format!("{FORM}; it takes `&self`");
        return match receiver {
            Some(receiver) => Err(error(receiver, &text)),
            None => Err(error(&signature.ident, &text)),
        };
    }
    let types: Vec<_> = inputs
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .collect();
    match types[..] {
        [context, request] => {
            for argument in [context, request] {
                if !matches!(*argument.pat, Pat::Ident(_) | Pat::Wild(_)) {
                    return Err(error(&argument.pat, "give this argument a plain name"));
                }
            }
            Ok(((*context.ty).clone(), (*request.ty).clone()))
        }
        [only] if is_context(&only.ty) => Err(Error::new(
            only.span(),
            format!("{FORM}; the request is missing: write `_: ()` if there is nothing to say"),
        )),
        [only] => Err(Error::new(
            only.span(),
            format!("{FORM}; the context is missing: write `cx: Context` before the request"),
        )),
        _ => Err(error(
            &signature.inputs,
            &format!("{FORM}; put what it needs into one request"),
        )),
    }
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context"))
}

/// The `T` of `Result<T>`.
fn response(signature: &syn::Signature) -> Result<Type> {
    let missing = |at: &dyn quote::ToTokens| {
        Err(error(
            &at.to_token_stream(),
            &format!("{FORM}; it returns a `micro::Result`"),
        ))
    };
    let ReturnType::Type(_, ty) = &signature.output else {
        return missing(&signature.ident);
    };
    let Type::Path(path) = &**ty else {
        return missing(ty);
    };
    let Some(last) = path.path.segments.last() else {
        return missing(ty);
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return missing(ty);
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(response)) if last.ident.to_string().ends_with("Result") => {
            Ok(response.clone())
        }
        _ => missing(ty),
    }
}
