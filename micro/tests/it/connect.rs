//! Our clients of Connect and gRPC-Web call our server, over both versions of HTTP. What others make of either the
//! conformance suite says: `interop/connect/run`.

use std::time::Duration;

use micro::{
    Client, Code, Context, Error, Handler, Plugins, Reply, Result, Running, Service, Socket,
    Streaming, registry::Memory,
};

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Word {
    #[prost(string, tag = "1")]
    text: String,
}

fn word(text: &str) -> Word {
    Word { text: text.into() }
}

#[cfg(feature = "grpc")]
const SPOKEN: [&str; 4] = ["connect", "connect-h2", "grpc-web", "grpc-web-h2"];
#[cfg(not(feature = "grpc"))]
const SPOKEN: [&str; 1] = ["connect"];

const DETAIL: &str = "type.googleapis.com/shop.Book";

async fn say(cx: Context, asked: Word) -> Result<Reply<Word>> {
    let said = cx.metadata().get("tenant").unwrap_or("nobody").to_owned();
    let method = cx.metadata().get(":method").unwrap_or("POST");
    let reply = Reply::new(word(&format!("{} {said}", asked.text)));
    Ok(reply.with("by", method).with("trailer-cost", "1"))
}

async fn fail(_: Context, asked: Word) -> Result<Word> {
    let mut error = Error::failed_precondition(asked.text).with_detail(DETAIL, b"\x08\x07");
    error.metadata_mut().insert("why", "early");
    Err(error)
}

async fn each(_: Context, mut words: Streaming<Word>) -> Result<Reply<Streaming<Word>>> {
    let (sender, stream) = Streaming::channel(32);
    let mut all = Vec::new();
    while let Some(word) = words.next().await {
        all.push(word?);
    }
    for word in all {
        sender.send(word).await?;
    }
    Ok(Reply::new(stream)
        .with("lead", "1")
        .with("trailer-tail", "2"))
}

async fn begin(spoken: &str) -> (Running, Client) {
    let registry = Memory::new();
    let running = Service::new("shop")
        .plugins(Plugins::new().registry(registry.clone()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Shop.Say", say)
        .handle("Shop.Look", say.read_only())
        .handle("Shop.Fail", fail)
        .handle("Shop.Each", each)
        .serve()
        .await
        .unwrap();
    let socket = Socket::new().client_protocol(spoken).unwrap();
    #[cfg(feature = "gzip")]
    let socket = socket.compression("gzip").unwrap();
    let plugins = Plugins::new().registry(registry).socket(socket);
    (running, plugins.client().unwrap())
}

#[tokio::test]
async fn messages_metadata_and_trailers_go_both_ways() {
    for spoken in SPOKEN {
        let (_running, client) = begin(spoken).await;
        let cx = Context::new().with("tenant", "acme");
        let long = "x".repeat(10_000);
        let method = client.method::<Word, Reply<Word>>("shop", "Shop.Say");
        let reply = method.call(&cx, word(&long)).await.unwrap();
        assert_eq!(reply.metadata().get("by"), Some("POST"), "{spoken}");
        assert_eq!(reply.metadata().get("trailer-cost"), Some("1"), "{spoken}");
        assert_eq!(reply.into_inner().text, format!("{long} acme"), "{spoken}");
        let json = method.content_type(micro::ContentType::Json);
        let reply = json.call(&cx, word("a")).await.unwrap();
        assert_eq!(reply.into_inner().text, "a acme", "{spoken}");
    }
}

#[tokio::test]
async fn what_changes_nothing_is_asked_for_by_get_where_that_is_known() {
    for spoken in SPOKEN {
        let (_running, client) = begin(spoken).await;
        let method = client.method::<Word, Reply<Word>>("shop", "Shop.Look");
        let reply = method.call(&Context::new(), word("ä&b=c+d")).await.unwrap();
        let by = if spoken.starts_with("connect") {
            "GET"
        } else {
            "POST"
        };
        assert_eq!(reply.metadata().get("by"), Some(by), "{spoken}");
        assert_eq!(reply.into_inner().text, "ä&b=c+d nobody", "{spoken}");
    }
}

#[tokio::test]
async fn error_comes_with_its_details() {
    for spoken in SPOKEN {
        let (_running, client) = begin(spoken).await;
        let method = client.method::<Word, Word>("shop", "Shop.Fail");
        let error = method
            .call(&Context::new(), word("not: 100 %"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{spoken}");
        assert_eq!(error.message(), "not: 100 %", "{spoken}");
        assert_eq!(error.metadata().get("why"), Some("early"), "{spoken}");
        let details = [(DETAIL.to_owned(), b"\x08\x07".to_vec())];
        assert_eq!(error.details(), details, "{spoken}");
    }
}

#[tokio::test]
async fn streams_go_both_ways_and_end_with_trailers() {
    for spoken in SPOKEN {
        let (_running, client) = begin(spoken).await;
        let (sender, words) = Streaming::channel(2);
        let feeding = tokio::spawn(async move {
            for number in 0..20 {
                sender.send(word(&number.to_string())).await?;
            }
            Ok::<_, Error>(())
        });
        let method = client.method::<Streaming<Word>, Reply<Streaming<Word>>>("shop", "Shop.Each");
        let mut reply = method.call(&Context::new(), words).await.unwrap();
        feeding.await.unwrap().unwrap();
        assert_eq!(reply.metadata().get("lead"), Some("1"), "{spoken}");
        let mut all = Vec::new();
        while let Some(word) = reply.get_mut().next().await {
            all.push(word.unwrap().text);
        }
        assert_eq!(all.len(), 20, "{spoken}");
        assert_eq!(reply.trailers().get("tail"), Some("2"), "{spoken}");
    }
}
