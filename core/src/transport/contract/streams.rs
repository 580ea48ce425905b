//! Streams of every shape.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Pair, Subject, bytes, feed, next, request, response, soon, text};
use crate::{
    Code, Error, Result,
    message::{Body, BodyStream, Request, Response},
};

fn stream(answer: Result<Response>) -> BodyStream {
    let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
    assert!(answer.body().is_stream(), "the answer is a stream");
    answer.into_parts().1.into_stream()
}

async fn message(stream: &mut BodyStream) -> bytes::Bytes {
    match next(stream).await {
        Some(Ok(message)) => message,
        Some(Err(error)) => panic!("a message, not an error: {error}"),
        None => panic!("a message, not the end"),
    }
}

pub(super) async fn a_server_streams(subject: Subject) {
    let pair = Pair::new(subject, async |_: Request| {
        let (feed, body) = feed(1);
        tokio::spawn(async move {
            for number in 0..1000 {
                if feed.send(Ok(bytes(&number.to_string()))).await.is_err() {
                    return;
                }
            }
        });
        Ok(response(body))
    })
    .await;
    let mut numbers = stream(pair.call(request("Contract.Count", vec![])).await);
    for number in 0..1000 {
        assert_eq!(message(&mut numbers).await, number.to_string());
    }
    assert!(next(&mut numbers).await.is_none(), "the end");
    pair.close().await;
}

pub(super) async fn a_client_streams(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        assert!(request.body().is_stream(), "the request is a stream");
        let mut numbers = request.into_parts().2.into_stream();
        let mut sum = 0;
        while let Some(number) = next(&mut numbers).await {
            sum += usize::from(number?[0]);
        }
        Ok(response(bytes(&sum.to_string())))
    })
    .await;
    let (feed, body) = feed(1);
    let feeding = async move {
        for number in 0..=255 {
            if feed.send(Ok(vec![number].into())).await.is_err() {
                return;
            }
        }
    };
    let (answer, ()) = tokio::join!(pair.call(request("Contract.Sum", body)), feeding);
    let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
    assert_eq!(text(answer), "32640");
    pair.close().await;
}

/// A handler that answers a stream with itself.
async fn echo(request: Request) -> Result<Response> {
    Ok(response(Body::stream(request.into_parts().2.into_stream())))
}

pub(super) async fn both_stream_one_for_one(subject: Subject) {
    let pair = Pair::new(subject, echo).await;
    let (feed, body) = feed(1);
    let mut answers = stream(pair.call(request("Contract.Echo", body)).await);
    for number in 0..1000 {
        let number = bytes(&number.to_string());
        assert!(soon(feed.send(Ok(number.clone()))).await.is_ok());
        assert_eq!(message(&mut answers).await, number);
    }
    drop(feed);
    assert!(next(&mut answers).await.is_none(), "the end");
    pair.close().await;
}

pub(super) async fn a_stream_may_end_with_an_error(subject: Subject) {
    let pair = Pair::new(subject, echo).await;
    let (feed, body) = feed(2);
    let mut answers = stream(pair.call(request("Contract.Echo", body)).await);
    assert!(feed.send(Ok(bytes("one"))).await.is_ok());
    let failure = Error::data_loss("the tape tore");
    assert!(feed.send(Err(failure)).await.is_ok());
    assert_eq!(message(&mut answers).await, "one");
    match next(&mut answers).await {
        Some(Err(error)) => {
            assert_eq!(error.code(), Code::DataLoss);
            assert!(error.message().contains("the tape tore"), "{error}");
        }
        _ => panic!("the error of the stream"),
    }
    assert!(next(&mut answers).await.is_none(), "nothing after an error");
    pair.close().await;
}

pub(super) async fn a_reader_that_rests_holds_the_writer_up(subject: Subject) {
    const MESSAGES: usize = 4096;
    const SIZE: usize = 16 << 10;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let pair = Pair::new(subject, move |_: Request| {
        let count = count.clone();
        async move {
            let (feed, body) = feed(1);
            tokio::spawn(async move {
                for _ in 0..MESSAGES {
                    if feed.send(Ok(vec![0; SIZE].into())).await.is_err() {
                        return;
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            Ok(response(body))
        }
    })
    .await;
    let mut answers = stream(pair.call(request("Contract.Flood", vec![])).await);
    // Until the writer waits.
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(before < MESSAGES / 2, "{before} messages were sent unread");
    for _ in 0..MESSAGES {
        assert_eq!(message(&mut answers).await.len(), SIZE);
    }
    assert!(next(&mut answers).await.is_none(), "the end");
    pair.close().await;
}
