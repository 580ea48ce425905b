//! The order in which the parts of a service are said does not matter.

use std::time::Duration;

use micro::{
    Client, Codec, Context, Handler, Plugins, Result, Running, Service, Settings, Socket,
    registry::{self, Memory},
    transport::{self, Limits},
};

struct Cbor;

impl Codec for Cbor {
    fn content_type(&self) -> &str {
        "application/cbor"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(value).unwrap())
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))
    }
}

fn echo() -> Service {
    Service::new("text")
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Text.Echo", async |_: Context, text: String| {
            Ok::<_, micro::Error>(text)
        })
}

async fn call(plugins: Plugins) -> Result<String> {
    let client = plugins.client().unwrap();
    let method = client.method::<String, String>("text", "Text.Echo");
    let cbor = micro::ContentType::parse("application/cbor");
    let context = Context::new().with_timeout(Duration::from_secs(2));
    method.content_type(cbor).call(&context, "x".into()).await
}

#[tokio::test]
async fn codec_counts_before_and_after_the_plugins() {
    for before in [true, false] {
        let plugins = Plugins::new().registry(Memory::new());
        let service = match before {
            true => echo().codec(Cbor).plugins(plugins.clone()),
            false => echo().plugins(plugins.clone()).codec(Cbor),
        };
        let _running: Running = service.serve().await.unwrap();
        assert_eq!(call(plugins.codec(Cbor)).await.unwrap(), "x", "{before}");
    }
}

#[tokio::test]
async fn settings_count_where_runtimes_are_given() {
    let arguments = ["--server-name=other", "--server-version=7"];
    let settings = Settings::new().args(arguments).unwrap();
    let plugins = Plugins::new().registry(Memory::new());
    let service = echo().plugins(plugins).settings(settings);
    let runtime = tokio::runtime::Handle::current();
    let running = service.serve_on(vec![runtime]).await.unwrap();
    assert_eq!(running.node().service, "other");
    assert_eq!(running.node().version, "7");
}

#[tokio::test]
async fn limit_of_connections_counts_however_it_is_said() {
    let mut limits = Limits::default();
    limits.max_connections = 0;
    let ways = [
        Socket::new().limits(limits),
        Socket::new().limit(|limits| limits.max_connections = 0),
    ];
    for socket in ways {
        let registry = Memory::new();
        let service = echo().plugins(Plugins::new().registry(registry.clone()));
        let _running = service.serve().await.unwrap();
        let client = Plugins::new().registry(registry).socket(socket).client();
        let client = client.unwrap();
        let method = client.method::<String, String>("text", "Text.Echo");
        let context = Context::new().with_timeout(Duration::from_millis(100));
        let error = method.call(&context, "x".into()).await.unwrap_err();
        assert!(
            error.to_string().contains("`max_connections` of 0"),
            "{error}"
        );
    }
}

#[cfg(feature = "tls")]
mod tls {
    use micro::transport::{Memory as InProcess, Tls};

    use super::*;

    #[tokio::test]
    async fn tls_counts_before_and_after_the_plugins() {
        let tls = || Tls::new().certificate("/nowhere.pem", "/nowhere-key.pem");
        let plugins = || Plugins::new().registry(Memory::new());
        let ways = [
            echo().tls(tls()).plugins(plugins()),
            echo().plugins(plugins()).tls(tls()),
            echo().plugins(plugins().tls(tls()).socket(Socket::new())),
            echo().plugins(plugins().socket(Socket::new()).tls(tls())),
            echo().plugins(plugins().socket(Socket::new().tls(tls()))),
        ];
        for (number, way) in ways.into_iter().enumerate() {
            let error = way.serve().await.err().unwrap();
            assert!(
                error.to_string().contains("/nowhere.pem"),
                "{number}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn tls_beside_a_transport_that_does_not_follow_it_is_an_error() {
        let plugins = || Plugins::new().registry(Memory::new()).tls(Tls::new());
        let error = plugins()
            .transport(InProcess::new())
            .client()
            .err()
            .unwrap();
        assert!(error.message().contains("transport `memory`"), "{error}");
        let service = echo().plugins(plugins().transport(InProcess::new()));
        assert!(service.serve().await.is_err());
    }
}

#[tokio::test]
async fn default_broker_subscribes_over_the_transport_in_memory() {
    let plugins = Plugins::new()
        .registry(Memory::new())
        .transport(micro::transport::Memory::new());
    let (sender, mut events) = tokio::sync::mpsc::channel(1);
    let service = Service::new("listener").plugins(plugins.clone()).subscribe(
        "news",
        move |_: Context, text: String| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(text).await;
                Ok::<_, micro::Error>(())
            }
        },
    );
    let _running = service.serve().await.unwrap();
    let client = plugins.client().unwrap();
    let news = "x".to_owned();
    assert_eq!(
        client
            .publish(&Context::new(), "news", &news)
            .await
            .unwrap(),
        1
    );
    assert_eq!(events.recv().await.unwrap(), "x");
}

#[tokio::test]
async fn client_builder_takes_its_calls_in_any_order() {
    let registry = registry::Memory::new();
    let transport = transport::Memory::new();
    let plugins = Plugins::new()
        .registry(registry.clone())
        .transport(transport.clone());
    async fn slow(cx: Context, _: ()) -> micro::Result<u64> {
        Ok(cx
            .time_left()
            .map_or(0, |left| left.as_secs_f64().ceil() as u64))
    }
    let service = Service::new("slow").plugins(plugins);
    let service = service.handle("Slow.Left", slow.idempotent());
    let running = service.serve().await.unwrap();
    let timeout = Duration::from_secs(2);
    let builders = [
        Client::builder()
            .timeout(timeout)
            .attempts(2)
            .plugins(|plugins| plugins.balance(|balance| balance.retry_share = 0.5))
            .registry(registry.clone())
            .transport(transport.clone()),
        Client::builder()
            .transport(transport)
            .registry(registry)
            .plugins(|plugins| plugins.balance(|balance| balance.timeout = Duration::from_secs(9)))
            .timeout(timeout),
    ];
    for builder in builders {
        let client = builder.build().unwrap();
        let left = client.method::<(), u64>("slow", "Slow.Left");
        assert_eq!(left.call(&Context::new(), ()).await.unwrap(), 2);
    }
    let error = Client::builder().attempts(0).build().err().unwrap();
    assert!(error.message().contains("`attempts`"), "{error}");
    let error = Client::builder().timeout(Duration::ZERO).build().err();
    assert!(error.unwrap().message().contains("`timeout`"));
    running.stop().await;
}
