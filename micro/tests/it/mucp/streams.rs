//! Streams between our own client and server, in which the client may end its side first.

use micro::{Code, Context, Streaming};

use super::{Pair, Text, text};

#[tokio::test]
async fn server_streams_more_than_any_buffer_holds() {
    for old in [false, true] {
        let pair = Pair::with(|_| {}, old).await;
        let method = pair
            .client
            .method::<Text, Streaming<Text>>("text", "Text.Count");
        let mut numbers = method.call(&Context::new(), text("5000")).await.unwrap();
        for number in 0..5000 {
            let next = numbers.next().await.unwrap().unwrap();
            assert_eq!(next.text, number.to_string(), "old: {old}");
        }
        assert!(numbers.next().await.is_none(), "the end");
        pair.running.stop().await;
    }
}

#[tokio::test]
async fn client_streams_and_is_answered_after_its_end() {
    for old in [false, true] {
        let pair = Pair::with(|_| {}, old).await;
        let method = pair
            .client
            .method::<Streaming<Text>, Text>("text", "Text.Join");
        let (sender, words) = Streaming::channel(1);
        let feeding = async move {
            for number in 0..300 {
                sender.send(text(&number.to_string())).await.unwrap();
            }
        };
        let cx = Context::new();
        let (answer, ()) = tokio::join!(method.call(&cx, words), feeding);
        let all: Vec<_> = (0..300).map(|number| number.to_string()).collect();
        assert_eq!(answer.unwrap().text, all.join(" "), "old: {old}");
        pair.running.stop().await;
    }
}

#[tokio::test]
async fn both_stream_and_the_server_says_the_end_after_the_client_s() {
    let pair = Pair::new().await;
    let method = pair
        .client
        .method::<Streaming<Text>, Streaming<Text>>("text", "Text.Chat");
    let (sender, words) = Streaming::channel(1);
    let mut answers = method.call(&Context::new(), words).await.unwrap();
    for number in 0..100 {
        let said = text(&number.to_string());
        sender.send(said.clone()).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), said);
    }
    let began = tokio::time::Instant::now();
    drop(sender);
    assert!(answers.next().await.is_none());
    let took = began.elapsed();
    assert!(
        took.as_millis() < 1500,
        "the end is said, not waited for: {took:?}"
    );
    pair.running.stop().await;
}

#[tokio::test]
async fn error_of_the_clients_stream_reaches_the_handler() {
    let pair = Pair::new().await;
    let method = pair
        .client
        .method::<Streaming<Text>, Streaming<Text>>("text", "Text.Chat");
    let (sender, words) = Streaming::channel(1);
    let mut answers = method.call(&Context::new(), words).await.unwrap();
    sender.send(text("one")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().text, "one");
    sender
        .fail(micro::Error::not_found("the tape tore"))
        .await
        .unwrap();
    let error = answers.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert!(error.message().contains("the tape tore"), "{error}");
    assert!(answers.next().await.is_none(), "nothing after an error");
    pair.running.stop().await;
}

#[tokio::test]
async fn stream_that_is_not_there_is_an_error_of_the_call() {
    let pair = Pair::new().await;
    let method = pair
        .client
        .method::<Text, Streaming<Text>>("text", "Text.Nothing");
    let error = method.call(&Context::new(), text("")).await.err().unwrap();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    pair.running.stop().await;
}
