//! Streams in a server's counts.

use micro::{Client, Context, Error, Plugins, Service, Socket, Streaming, registry::Memory};
use serde_json::Value;

/// What the service says of its endpoint: executed, failed, in flight.
async fn counts(client: &Client) -> [u64; 3] {
    let stats = client.method::<Value, Value>("tape", "Debug.Stats");
    let stats = stats.call(&Context::new(), Value::Null).await.unwrap();
    let rows = stats["endpoints"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "Tape.Play").unwrap();
    ["executed", "failed", "in_flight"].map(|name| row[name].as_u64().unwrap())
}

async fn counts_become(client: &Client, expected: [u64; 3]) {
    let become_so = async {
        while counts(client).await != expected {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(5);
    if tokio::time::timeout(limit, become_so).await.is_err() {
        panic!("{:?} instead of {expected:?}", counts(client).await);
    }
}

#[tokio::test]
async fn stream_is_counted_when_it_ends() {
    for protocol in ["native", "grpc", "connect"] {
        let socket = Socket::new().client_protocol(protocol).unwrap();
        let plugins = Plugins::new().registry(Memory::new()).socket(socket);
        let (feed, feeds) = tokio::sync::mpsc::channel(1);
        let feeds = std::sync::Arc::new(tokio::sync::Mutex::new(feeds));
        let play = move |_: Context, _: String| {
            let feeds = feeds.clone();
            async move { Ok::<Streaming<String>, Error>(feeds.lock().await.recv().await.unwrap()) }
        };
        let service = Service::new("tape").plugins(plugins.clone());
        let _running = service.handle("Tape.Play", play).serve().await.unwrap();
        let client = plugins.client().unwrap();
        let play = client.method::<String, Streaming<String>>("tape", "Tape.Play");
        let next = || {
            let (sender, stream) = Streaming::<String>::channel(4);
            feed.try_send(stream).unwrap();
            sender
        };

        let sender = next();
        let mut stream = play.call(&Context::new(), "x".into()).await.unwrap();
        sender.send("a".into()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "a", "{protocol}");
        assert_eq!(counts(&client).await, [0, 0, 1], "{protocol}");
        drop(sender);
        assert!(stream.next().await.is_none(), "{protocol}");
        counts_become(&client, [1, 0, 0]).await;

        let sender = next();
        let mut stream = play.call(&Context::new(), "x".into()).await.unwrap();
        sender.send("a".into()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        sender
            .fail(Error::data_loss("the tape tore"))
            .await
            .unwrap();
        assert!(stream.next().await.unwrap().is_err(), "{protocol}");
        counts_become(&client, [2, 1, 0]).await;

        let sender = next();
        let mut stream = play.call(&Context::new(), "x".into()).await.unwrap();
        sender.send("a".into()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        counts_become(&client, [3, 2, 0]).await;
    }
}
