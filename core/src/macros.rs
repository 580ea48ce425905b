//! The macros, where their users find them.

/// Makes a type a message: its codecs, its field tree and its JSON form.
///
/// It stands beside serde's derives or beside prost's, and sees which by prost's attributes.
///
/// # Serde types
/// Structs and enums, also with type parameters that are messages themselves. They go as MessagePack with
/// field names unless asked for otherwise. A field of bytes is cheap as [`bytes::Bytes`]; a `Vec<u8>`
/// needs `#[serde(with = "serde_bytes")]`.
///
/// ```
/// use micro::{Codecs, ContentType, Message};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
/// struct Hello {
///     name: String,
///     #[serde(default)]
///     times: u32,
/// }
///
/// let codecs = Codecs::default();
/// let hello = Hello::decode(&ContentType::Json, &codecs, r#"{"name":"John"}"#.into())?;
/// assert_eq!(hello, Hello { name: "John".into(), times: 0 });
/// # Ok::<(), micro::Error>(())
/// ```
///
/// # Prost types
/// Messages, oneofs and enumerations, written by hand or generated. They go as Protobuf unless asked for
/// otherwise; in all other content types they have [Protobuf's JSON form], which this derive implements as
/// serde's traits: names are written in camel case and read in either spelling, fields that are not known
/// are skipped. A message without fields needs `#[message(prost)]` to be told from a serde type.
///
/// The names of an enumeration's values are those that prost's generated code has; one written by hand gets
/// them from this derive with `#[message(prost)]`, in upper snake case or as `#[message(name = "…")]` says. Without
/// either its values are written as numbers. Beside prost's generated functions, `#[message(prost, named)]` adds
/// the values to the field tree. On a field, `#[message(name = "…")]` is Protobuf's `json_name`, and
/// `#[message(original = "…")]` its name in the `.proto` if Rust has it otherwise.
///
/// Fields may also have the types of [`prost_types`] and the wrapped values that prost has for Protobuf's
/// [well-known types]: a `Timestamp` or `Duration` is text in JSON, a `Struct` or `Value` JSON as it is. Of an
/// `Any`, JSON can only show well-known types; others stand in it as `@value`, their bytes in Base64.
///
/// ```
/// use micro::{Codecs, ContentType, Message};
///
/// #[derive(Clone, PartialEq, prost::Message, micro::Message)]
/// struct Paint {
///     #[prost(string, tag = "1")]
///     brand_name: String,
///     #[prost(enumeration = "Colour", tag = "2")]
///     colour: i32,
/// }
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, micro::Message)]
/// #[message(prost)]
/// enum Colour {
///     Unspecified = 0,
///     DarkRed = 1,
/// }
///
/// let paint = Paint { brand_name: "Acme".into(), colour: Colour::DarkRed.into() };
/// let json = paint.encode(&ContentType::Json, &Codecs::default())?;
/// assert_eq!(json, r#"{"brandName":"Acme","colour":"DARK_RED"}"#);
/// # Ok::<(), micro::Error>(())
/// ```
///
/// Where `micro` has another name, `#[message(crate = "…")]` says which.
///
/// [well-known types]: https://protobuf.dev/reference/protobuf/google.protobuf/
/// [Protobuf's JSON form]: https://protobuf.dev/programming-guides/json/
pub use micro_rs_macros::Message;

/// Makes a service of a trait: the trait itself, a server that answers with it and a client that calls it.
///
/// Every method is an endpoint, `async fn name(&self, cx: Context, request: T) -> Result<U>`, where `T`
/// and `U` are a [message](trait@crate::Message) or [`Streaming`](crate::Streaming) of one. Endpoint
/// names are the trait's name and the method's in upper camel case: `Greeter.SayHello`. What follows
/// is made of `trait Greeter`:
///
/// - `Greeter`, `Send + Sync + 'static`, its futures `Send`; an implementation writes `async fn`;
/// - `GreeterServer::new(implementation)`, the [`Routes`](crate::Routes) to add to a service or router;
/// - `GreeterClient::new(&client, "service")`, a method an endpoint, each giving a
///   [`RequestBuilder`](crate::client::RequestBuilder) to set options on and await.
///
/// `#[idempotent]` on a method says, to both sides, that its work may be done twice without harm, and
/// `#[read_only]` that it changes nothing: browsers and caches may ask for it by Connect's GET. The first
/// line of a method's documentation is registered as the endpoint's `description`.
/// `#[name = "GetURL"]` on a method gives it a name that its own in upper camel case is not.
/// `#[micro::service(name = "Say")]` gives the endpoints another first name; `crate = "…"` says where
/// `micro` is, if not at `::micro`.
///
/// A service of a `.proto` file, which `micro gen` and the crate `micro-rs-build` write as such a trait, says
/// two things more. `package = "greeter"` is its Protobuf package, which gives each endpoint its gRPC path, in the
/// registry as `path=/greeter.Greeter/SayHello`. `descriptors = FILE_DESCRIPTOR_SET` names the encoded
/// descriptors of its files, which the router keeps for reflection.
///
/// ```
/// use micro::{Client, Context, Result, Router, Streaming};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, micro::Message)]
/// pub struct Hello {
///     name: String,
/// }
///
/// #[derive(Serialize, Deserialize, micro::Message)]
/// pub struct Reply {
///     msg: String,
/// }
///
/// /// Greets people.
/// #[micro::service]
/// pub trait Greeter {
///     /// Greets one.
///     #[idempotent]
///     async fn hello(&self, cx: Context, request: Hello) -> Result<Reply>;
///
///     /// Greets each as they come.
///     async fn hello_all(&self, cx: Context, names: Streaming<Hello>) -> Result<Streaming<Reply>>;
/// }
///
/// struct Polite;
///
/// impl Greeter for Polite {
///     async fn hello(&self, _: Context, request: Hello) -> Result<Reply> {
///         Ok(Reply { msg: format!("Hello {}", request.name) })
///     }
///
///     async fn hello_all(&self, cx: Context, mut names: Streaming<Hello>) -> Result<Streaming<Reply>> {
///         let (replies, stream) = Streaming::channel(8);
///         while let Some(hello) = names.next().await {
///             replies.send(Polite.hello(cx.clone(), hello?).await?).await?;
///         }
///         Ok(stream)
///     }
/// }
///
/// let router = Router::new().merge(GreeterServer::new(Polite));
///
/// async fn greet(client: &Client) -> Result<String> {
///     let greeter = GreeterClient::new(client, "greeter");
///     let reply = greeter.hello(&Context::new(), Hello { name: "John".into() }).await?;
///     Ok(reply.msg)
/// }
/// ```
pub use micro_rs_macros::service;

#[cfg(test)]
mod tests;
