//! The recorded conversations of `tests/golden`, held again with a real server.

use std::sync::Arc;

use bytes::Bytes;
use micro::{
    Answer, Body, Call, Error, Identity, Outcome, Request, Response, Result, Socket, Streaming,
    transport::{Limits, Transport},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What the server of the recordings did.
struct Recorded {
    identity: Option<Identity>,
}

impl Call for Recorded {
    fn call(&self, request: Request) -> Answer {
        Box::pin(answer(request))
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}

async fn answer(request: Request) -> Result<Response> {
    let endpoint = request.endpoint().to_owned();
    let tenant = request
        .context()
        .metadata()
        .get("tenant")
        .map(str::to_owned);
    let (_, content_type, body) = request.into_parts();
    let fine = |body: Body| Ok(Response::new(content_type.clone(), body));
    match &*endpoint {
        "Greeter.Hello" => {
            let text = String::from_utf8(body.into_bytes()?.to_vec()).unwrap();
            let name = text
                .trim_start_matches(r#"{"name":""#)
                .trim_end_matches(r#""}"#);
            let reply = format!(r#"{{"msg":"Hello {name}"}}"#);
            let mut response = Response::new(content_type.clone(), reply.into_bytes());
            if let Some(tenant) = tenant {
                response.metadata_mut().insert("served-for", &tenant);
            }
            Ok(response)
        }
        "Greeter.Echo" | "Echo.Bidi" => fine(body),
        "Greeter.Fail" => {
            let mut error = Error::unavailable("warming up")
                .with_outcome(Outcome::Rejected)
                .with_origin("greeter/Greeter.Fail")
                .with_retry_after(std::time::Duration::from_millis(1500));
            error.metadata_mut().insert("shard", "4");
            Err(error)
        }
        "Greeter.Sleep" => std::future::pending().await,
        "Count.Down" => {
            let (sender, numbers) = Streaming::<Bytes>::channel(4);
            for number in ["four", "three", "two", "one"] {
                sender.send(Bytes::from(number)).await?;
            }
            fine(Body::stream(numbers))
        }
        "Count.Sum" => {
            let mut messages = body.into_stream();
            let mut bytes = 0;
            while let Some(message) =
                std::future::poll_fn(|cx| messages.as_mut().poll_next(cx)).await
            {
                bytes += message?.len();
            }
            fine(Body::from(bytes.to_string().into_bytes()))
        }
        other => Err(Error::not_found(format!("no endpoint `{other}`"))),
    }
}

/// The turns of a conversation: whether the client speaks, what it means, and the bytes.
fn turns(text: &str) -> Vec<(bool, &str, Vec<u8>)> {
    let mut turns = Vec::new();
    for line in text.lines() {
        let words = line.trim_start_matches('~');
        if let Some(words) = words.strip_prefix("> ") {
            turns.push((true, words, Vec::new()));
        } else if let Some(words) = words.strip_prefix("< ") {
            turns.push((false, words, Vec::new()));
        } else if let Some(digits) = line.strip_prefix("    ") {
            let bytes = (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
            turns.last_mut().unwrap().2.extend(bytes);
        }
    }
    turns
}

async fn replay(name: &str, text: &str) {
    // Most recordings are of a server that does not say who it is.
    let says = text.contains("service=counter node=counter-1");
    let identity = says.then(|| Identity::new("counter", "counter-1"));
    let mut limits = Limits::default();
    limits.max_endpoint_names = 4;
    limits.stream_window = 100;
    let socket = Socket::new().limits(limits);
    let listener = socket
        .listen("127.0.0.1:0", Arc::new(Recorded { identity }))
        .await
        .unwrap();
    let mut socket = TcpStream::connect(listener.address()).await.unwrap();
    for (client, words, bytes) in turns(text) {
        if client {
            socket.write_all(&bytes).await.unwrap();
            continue;
        }
        let mut heard = vec![0; bytes.len()];
        socket.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, bytes, "{name}: {words}");
    }
}

macro_rules! replays {
    ($($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let text = include_str!(concat!("../../../core/tests/golden/", stringify!($name), ".txt"));
            replay(stringify!($name), text).await;
        }
    )*};
}

replays! {
    ping
    unary
    errors
    server_stream
    client_stream
    bidi_stream
    cancel
    withdrawn
    unknown
    wrong_server
    right_server
}
