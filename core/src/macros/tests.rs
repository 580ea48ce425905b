//! Servers and clients made of traits, wired to each other without a wire.

use std::sync::{Arc, Mutex};

use crate::{
    Answer, Call, Client, Code, Codecs, ContentType, Context, Error, Request, Result, Router,
    Routes, Streaming, node::Endpoint,
};

/// Says things.
#[crate::service(crate = "crate")]
trait Speech {
    /// Says it louder.
    ///
    /// With an exclamation mark.
    #[idempotent]
    async fn say_loudly(&self, cx: Context, text: String) -> Result<String>;

    async fn letters(&self, _: Context, text: String) -> Result<Streaming<String>>;

    async fn joined(&self, cx: Context, words: Streaming<String>) -> Result<String>;

    /// Says nothing new.
    #[read_only]
    async fn repeat(&self, _: Context, text: String) -> Result<String> {
        Ok(text)
    }

    /// Says every word as it comes.
    async fn echo(&self, cx: Context, words: Streaming<String>) -> Result<Streaming<String>> {
        let _ = cx;
        Ok(words)
    }

    #[cfg(any())]
    async fn not_here(&self, cx: Context, text: NoSuchType) -> Result<String>;
}

struct Mouth;

impl Speech for Mouth {
    async fn say_loudly(&self, cx: Context, text: String) -> Result<String> {
        let mark = cx.metadata().get("mark").unwrap_or("!");
        Ok(text.to_uppercase() + mark)
    }

    async fn letters(&self, _: Context, text: String) -> Result<Streaming<String>> {
        if text.is_empty() {
            return Err(Error::invalid_argument("nothing to spell"));
        }
        let (letters, stream) = Streaming::channel(text.len());
        for letter in text.chars() {
            letters.send(letter.to_string()).await?;
        }
        Ok(stream)
    }

    async fn joined(&self, _: Context, mut words: Streaming<String>) -> Result<String> {
        let mut text = String::new();
        while let Some(word) = words.next().await {
            text += &word?;
        }
        Ok(text)
    }
}

/// Passes requests on, and remembers which endpoint was called how.
struct Wire {
    server: Box<dyn Call>,
    seen: Arc<Mutex<Vec<(String, bool, ContentType)>>>,
}

impl Call for Wire {
    fn call(&self, request: Request) -> Answer {
        self.seen
            .lock()
            .expect("no test panics while it holds it")
            .push((
                request.target().to_string(),
                request.is_idempotent(),
                request.content_type().clone(),
            ));
        self.server.call(request)
    }
}

type Seen = Arc<Mutex<Vec<(String, bool, ContentType)>>>;

fn served(routes: impl Routes) -> (Client, Vec<Endpoint>, Seen) {
    let codecs = Codecs::default();
    let (table, endpoints) = Router::new()
        .merge(routes)
        .build("speech", &codecs)
        .expect("no endpoint is there twice");
    let seen = Seen::default();
    let wire = Wire {
        server: Box::new(table),
        seen: seen.clone(),
    };
    (Client::with_codecs(Arc::new(wire), codecs), endpoints, seen)
}

fn words<const N: usize>(words: [&str; N]) -> Streaming<String> {
    let mut words = words.map(|word| Some(Ok(word.to_string()))).into_iter();
    Streaming::new(Iterated(move || words.next().flatten()))
}

struct Iterated<F>(F);

impl<F: FnMut() -> Option<Result<String>> + Unpin> futures_core::Stream for Iterated<F> {
    type Item = Result<String>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready((self.0)())
    }
}

async fn all(mut stream: Streaming<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(word) = stream.next().await {
        all.push(word.expect("every word arrives"));
    }
    all
}

#[tokio::test]
async fn call_of_each_shape_reaches_the_method_and_comes_back() {
    let (client, ..) = served(SpeechServer::new(Mouth));
    let speech = SpeechClient::new(&client, "speech");
    let cx = Context::new();

    let loud = speech
        .say_loudly(&cx, "hey".into())
        .metadata("mark", "?")
        .await;
    assert_eq!(loud.expect("an answer"), "HEY?");
    let letters = speech.letters(&cx, "abc".into()).await.expect("a stream");
    assert_eq!(all(letters).await, ["a", "b", "c"]);
    let joined = speech
        .joined(&cx, words(["x", "y"]))
        .await
        .expect("an answer");
    assert_eq!(joined, "xy");
    let echo = speech.echo(&cx, words(["p", "q"])).await.expect("a stream");
    assert_eq!(all(echo).await, ["p", "q"]);
}

#[tokio::test]
async fn error_of_the_method_reaches_the_caller() {
    let (client, ..) = served(SpeechServer::from(Arc::new(Mouth)));
    let speech = SpeechClient::new(&client, "speech").clone();
    let Err(error) = speech.letters(&Context::new(), String::new()).await else {
        panic!("spelling nothing should fail");
    };
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn both_sides_know_what_may_be_repeated() {
    let (client, endpoints, seen) = served(SpeechServer::new(Mouth).clone());
    let declared: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let shape = endpoint.shape();
            (endpoint.name.as_str(), shape.idempotent, shape.read_only)
        })
        .collect();
    assert_eq!(
        declared,
        [
            ("Speech.Echo", false, false),
            ("Speech.Joined", false, false),
            ("Speech.Letters", false, false),
            ("Speech.Repeat", true, true),
            ("Speech.SayLoudly", true, false),
        ]
    );

    let speech = SpeechClient::new(&client, "mouth");
    speech
        .say_loudly(&Context::new(), "a".into())
        .await
        .expect("an answer");
    speech
        .letters(&Context::new(), "a".into())
        .await
        .expect("a stream");
    speech
        .repeat(&Context::new(), "a".into())
        .await
        .expect("an answer");
    assert_eq!(
        *seen.lock().expect("nobody else holds it"),
        [
            (
                "mouth/Speech.SayLoudly".to_string(),
                true,
                ContentType::MsgPack
            ),
            (
                "mouth/Speech.Letters".to_string(),
                false,
                ContentType::MsgPack
            ),
            (
                "mouth/Speech.Repeat".to_string(),
                true,
                ContentType::MsgPack
            ),
        ]
    );
}

#[test]
fn endpoints_carry_shape_description_and_trees() {
    let (_, endpoints, _) = served(SpeechServer::new(Mouth));
    let property = |name: &str, property: &str| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.name == name);
        endpoint
            .and_then(|endpoint| endpoint.metadata.get(property))
            .map(String::as_str)
    };
    assert_eq!(
        property("Speech.SayLoudly", "description"),
        Some("Says it louder.")
    );
    assert_eq!(property("Speech.Letters", "description"), None);
    assert_eq!(property("Speech.SayLoudly", "stream_shape"), None);
    assert_eq!(property("Speech.Letters", "stream_shape"), Some("server"));
    assert_eq!(property("Speech.Joined", "stream_shape"), Some("client"));
    assert_eq!(property("Speech.Echo", "stream_shape"), Some("bidi"));
    assert!(endpoints.iter().all(|endpoint| {
        endpoint
            .request
            .as_ref()
            .is_some_and(|tree| tree.kind == "string")
            && endpoint
                .response
                .as_ref()
                .is_some_and(|tree| tree.kind == "string")
    }));
}

#[crate::service(
    name = "Other",
    package = "of.others",
    descriptors = b"what reflection tells"
)]
trait Renamed {
    async fn r#match(&self, cx: Context, request: ()) -> Result<()>;

    #[name = "GetURL"]
    async fn get_url(&self, cx: Context, request: ()) -> Result<()>;
}

struct Nothing;

impl Renamed for Nothing {
    async fn r#match(&self, _: Context, (): ()) -> Result<()> {
        Ok(())
    }

    async fn get_url(&self, _: Context, (): ()) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn service_may_have_another_name_than_its_trait() {
    let (client, endpoints, _) = served(RenamedServer::new(Nothing));
    assert_eq!(endpoints[1].name, "Other.Match");
    let renamed = RenamedClient::new(&client, "speech");
    renamed
        .r#match(&Context::new(), ())
        .await
        .expect("an answer");
}

#[tokio::test]
async fn method_may_have_another_name_than_its_function() {
    let (client, endpoints, _) = served(RenamedServer::new(Nothing));
    assert_eq!(endpoints[0].name, "Other.GetURL");
    let renamed = RenamedClient::new(&client, "speech");
    renamed
        .get_url(&Context::new(), ())
        .await
        .expect("an answer");
}

#[test]
fn package_gives_endpoints_their_grpc_path() {
    let router = RenamedServer::new(Nothing).routes();
    assert_eq!(router.descriptors(), [b"what reflection tells"]);
    let (_, endpoints, _) = served(router);
    let paths: Vec<_> = endpoints
        .iter()
        .map(|endpoint| endpoint.metadata["path"].as_str())
        .collect();
    assert_eq!(paths, ["/of.others.Other/GetURL", "/of.others.Other/Match"]);
    let (_, endpoints, _) = served(SpeechServer::new(Mouth));
    assert!(!endpoints[0].metadata.contains_key("path"));
}
