//! Bytes that are no protocol, or only the beginning of it.

use std::time::Duration;

use super::Under;
use crate::raw::{Raw, field, frame, head, preface, request};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn frame_of_4_gib_closes_the_connection_with_the_reason() {
    let under = Under::start(|_| {}).await;
    let mut raw = Raw::greeted(under.address()).await;
    let mut bytes = frame(1, 0, 1, &[], b"");
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    raw.send(&bytes).await;
    let why = raw.farewell().await;
    assert!(why.contains("4294967295 bytes is over the limit"), "{why}");
    assert!(why.contains("`max_message_size`"), "{why}");
}

#[tokio::test]
async fn garbage_ends_the_connection_at_once() {
    let under = Under::start(|_| {}).await;
    let mut raw = Raw::connect(under.address()).await;
    raw.send(&[0x99; 100]).await;
    raw.ends().await;

    let mut raw = Raw::greeted(under.address()).await;
    raw.send(&frame(1, 0, 1, b"not a head", b"")).await;
    assert_eq!(raw.farewell().await, "a frame could not be read");

    let mut raw = Raw::greeted(under.address()).await;
    raw.send(&[0xff; 300 * 1024]).await;
    assert!(raw.farewell().await.contains("is over the limit"));
}

#[tokio::test]
async fn partial_frame_closes_the_connection_after_its_timeout() {
    let under = Under::start(|limits| limits.frame_timeout = SHORT).await;
    let whole = request(1, "Limits.Echo", &[7; 20_000]);
    for cut in [1, 15, 16, 40, 9_000] {
        let mut raw = Raw::greeted(under.address()).await;
        raw.send(&whole[..cut]).await;
        let why = raw.farewell().await;
        assert!(why.contains("did not come whole within 200ms"), "{why}");
        // The same right behind the preface.
        let mut raw = Raw::connect(under.address()).await;
        raw.send(&[&preface(1), &whole[..cut]].concat()).await;
        raw.greeting().await;
        let why = raw.farewell().await;
        assert!(why.contains("did not come whole within 200ms"), "{why}");
    }
}

#[tokio::test]
async fn connection_without_a_preface_closes_after_the_timeout() {
    let under = Under::start(|limits| limits.handshake_timeout = SHORT).await;
    let mut silent = Raw::connect(under.address()).await;
    silent.ends().await;
    let mut half = Raw::connect(under.address()).await;
    half.send(&preface(1)[..10]).await;
    half.greeting().await;
    half.ends().await;
}

#[tokio::test]
async fn incompatible_versions_close_after_both_prefaces_are_sent() {
    let under = Under::start(|_| {}).await;
    let mut raw = Raw::connect(under.address()).await;
    let mut later = preface(1);
    later[4..6].copy_from_slice(&[7, 9]);
    raw.send(&later).await;
    assert_eq!(raw.greeting().await[4..6], [1, 1]);
    raw.ends().await;
}

#[tokio::test]
async fn name_over_the_limit_closes_the_connection_with_the_reason() {
    let under = Under::start(|limits| limits.max_endpoint_names = 2).await;
    for (number, name) in [(3u16, "Limits.Echo".to_owned()), (1, "x".repeat(2000))] {
        let mut raw = Raw::greeted(under.address()).await;
        let head = head(&name, &field(3, &number.to_le_bytes()));
        raw.send(&frame(1, 0, 1, &head, b"x")).await;
        let why = raw.farewell().await;
        assert!(
            why.contains("over the limit `max_endpoint_names` of 2"),
            "{why}"
        );
    }
}
