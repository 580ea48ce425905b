//! A service of ours with an endpoint of each shape.

use std::{pin::Pin, task::Poll, time::Duration};

use micro::{
    Code, Context, Error, Handler, Plugins, Result, Router, Running, Service, Socket, Streaming,
    registry::Memory, transport::Limits,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub(super) struct Hello {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub(super) struct Greeting {
    #[prost(string, tag = "1")]
    pub(super) msg: String,
}

pub(super) fn hello(name: impl Into<String>) -> Hello {
    Hello { name: name.into() }
}

pub(super) fn greeting(msg: impl Into<String>) -> Greeting {
    Greeting { msg: msg.into() }
}

/// The service, and what it tells of calls that were dropped unanswered.
pub(super) struct Greeter {
    pub(super) running: Running,
    pub(super) dropped: mpsc::Receiver<()>,
    pub(super) begun: mpsc::Receiver<()>,
}

impl Greeter {
    /// Where it is reached.
    pub(super) fn address(&self) -> String {
        self.running.node().address.clone()
    }
}

/// Says that it was dropped.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

/// Starts it.
pub(super) async fn serve() -> Greeter {
    serve_with(|_| {}).await
}

/// Starts it with other limits.
pub(super) async fn serve_with(change: impl FnOnce(&mut Limits)) -> Greeter {
    serve_by(Socket::new().limit(change)).await
}

/// Starts it on this transport.
pub(super) async fn serve_by(socket: Socket) -> Greeter {
    let (tell_dropped, dropped) = mpsc::channel(1000);
    let (tell_begun, begun) = mpsc::channel(1000);
    let hang = move |_: Context, _: Hello| {
        let told = Told(tell_dropped.clone());
        let _ = tell_begun.try_send(());
        async move {
            let _told = told;
            std::future::pending::<Result<Greeting>>().await
        }
    };
    let described = Router::new().with_descriptors(descriptors());
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()).socket(socket))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .routes(described)
        .handle("Greeter.Hello", one.idempotent())
        .handle("Greeter.Fail", fail)
        .handle("Greeter.Told", told)
        .handle("Greeter.Hang", hang)
        .handle("Greeter.Count", count)
        .handle("Greeter.Join", join)
        .handle("Greeter.Echo", echo);
    Greeter {
        running: service.serve().await.unwrap(),
        dropped,
        begun,
    }
}

async fn one(_: Context, hello: Hello) -> Result<Greeting> {
    Ok(greeting(format!("Hello {}", hello.name)))
}

/// Fails with the code of that number.
async fn fail(_: Context, hello: Hello) -> Result<Greeting> {
    let code = Code::from_number(hello.name.parse().unwrap());
    let mut error = Error::new(code, "no `tea` left: 100 %\n☃").with_origin("kitchen");
    error.metadata_mut().insert("kettle", "cold");
    error
        .metadata_mut()
        .insert("grpc-status-details-bin", "CAUSBWhlbGxv");
    Err(error.with_retry_after(Duration::from_millis(250)))
}

/// What came as metadata under that name, and the time left in seconds.
async fn told(cx: Context, hello: Hello) -> Result<Greeting> {
    let left = cx.time_left().map_or(0, |left| left.as_secs());
    let value = cx.metadata().get(&hello.name).unwrap_or("nothing");
    Ok(greeting(format!("{value} {left}")))
}

/// As many greetings as the name's number.
async fn count(_: Context, hello: Hello) -> Result<Streaming<Greeting>> {
    let many: u32 = hello.name.parse().unwrap();
    let mut next = 0;
    Ok(Streaming::new(from_fn(move || {
        next += 1;
        match next > many {
            true if many == 3 => Some(Err(Error::data_loss("three is one too many"))),
            true => None,
            false => Some(Ok(greeting(next.to_string()))),
        }
    })))
}

async fn join(_: Context, mut names: Streaming<Hello>) -> Result<Greeting> {
    let mut all = Vec::new();
    while let Some(name) = names.next().await {
        all.push(name?.name);
    }
    Ok(greeting(all.join(", ")))
}

async fn echo(_: Context, mut names: Streaming<Hello>) -> Result<Streaming<Greeting>> {
    let (sender, greetings) = Streaming::channel(1);
    tokio::spawn(async move {
        while let Some(Ok(name)) = names.next().await {
            if sender.send(greeting(name.name)).await.is_err() {
                return;
            }
        }
    });
    Ok(greetings)
}

/// The `.proto` file of it all, as a compiler would describe it.
fn descriptors() -> &'static [u8] {
    use prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
        MethodDescriptorProto, ServiceDescriptorProto,
        field_descriptor_proto::{Label, Type},
    };
    let message = |name: &str, field: &str| DescriptorProto {
        name: Some(name.to_owned()),
        field: vec![FieldDescriptorProto {
            name: Some(field.to_owned()),
            number: Some(1),
            label: Some(Label::Optional.into()),
            r#type: Some(Type::String.into()),
            ..FieldDescriptorProto::default()
        }],
        ..DescriptorProto::default()
    };
    let method = |name: &str, client, server| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".greeter.Hello".to_owned()),
        output_type: Some(".greeter.Greeting".to_owned()),
        client_streaming: Some(client),
        server_streaming: Some(server),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("greeter.proto".to_owned()),
        package: Some("greeter".to_owned()),
        message_type: vec![message("Hello", "name"), message("Greeting", "msg")],
        service: vec![ServiceDescriptorProto {
            name: Some("Greeter".to_owned()),
            method: vec![
                method("Hello", false, false),
                method("Fail", false, false),
                method("Count", false, true),
                method("Join", true, false),
                method("Echo", true, true),
            ],
            options: None,
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] };
    prost::Message::encode_to_vec(&set).leak()
}

/// A stream of what a function gives until it gives nothing, or an error.
pub(super) fn from_fn<T>(
    next: impl FnMut() -> Option<Result<T>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<T>> + Send + 'static
where
    T: Send + 'static,
{
    struct Next<F>(F, bool);
    impl<T, F: FnMut() -> Option<Result<T>> + Unpin> Stream for Next<F> {
        type Item = Result<T>;
        fn poll_next(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Self::Item>> {
            if self.1 {
                return Poll::Ready(None);
            }
            let next = (self.0)();
            self.1 = !matches!(next, Some(Ok(_)));
            Poll::Ready(next)
        }
    }
    Next(next, false)
}
