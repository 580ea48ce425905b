use micro::{Code, Codec, Codecs, ContentType, Error, Message, Payload, Result, Streaming};
use serde::{Deserialize, Serialize};

/// JSON from right to left.
struct Backwards;

impl Codec for Backwards {
    fn content_type(&self) -> &str {
        "application/backwards"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec(value).map_err(|e| Error::internal(e.to_string()))?;
        json.reverse();
        Ok(json)
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()> {
        let json: Vec<u8> = bytes.iter().rev().copied().collect();
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(
            &mut deserializer,
        ))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Hello {
    name: String,
}

fn john() -> Hello {
    Hello {
        name: "John".into(),
    }
}

fn backwards() -> (ContentType, Codecs) {
    (
        ContentType::parse("application/backwards"),
        Codecs::default().with(Backwards),
    )
}

#[test]
fn users_own_codec_carries_messages_both_ways() {
    let (content_type, codecs) = backwards();
    let bytes = john().encode(&content_type, &codecs).unwrap();
    assert_eq!(bytes, r#"}"nhoJ":"eman"{"#);
    assert_eq!(
        Hello::decode(&content_type, &codecs, bytes).unwrap(),
        john()
    );
    assert_eq!(().encode(&content_type, &codecs).unwrap(), "llun");
}

#[test]
fn mistake_in_a_users_own_format_names_message_and_format() {
    let (content_type, codecs) = backwards();
    let error = Hello::decode(&content_type, &codecs, "}{".into()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(
        error
            .message()
            .starts_with("cannot read `Hello` from application/backwards: missing field `name`"),
        "{error}"
    );
}

#[test]
fn unknown_content_type_is_named() {
    let error = john()
        .encode(&ContentType::parse("application/avro"), &Codecs::default())
        .unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.message().contains("`application/avro`"), "{error}");
}

#[tokio::test]
async fn stream_is_encoded_and_decoded_message_by_message() {
    let (backwards, codecs) = backwards();
    for content_type in [ContentType::MsgPack, ContentType::Json, backwards] {
        let (sender, stream) = Streaming::channel(2);
        sender.send(john()).await.unwrap();
        sender.clone().fail(Error::aborted("enough")).await.unwrap();
        drop(sender);

        let body = stream.into_body(&content_type, &codecs).unwrap();
        let mut read = Streaming::<Hello>::from_body(&content_type, &codecs, body).unwrap();
        assert_eq!(read.next().await.unwrap().unwrap(), john());
        assert_eq!(
            read.next().await.unwrap().unwrap_err().code(),
            Code::Aborted
        );
        assert!(read.next().await.is_none());
    }
}

#[tokio::test]
async fn stream_that_came_in_one_content_type_goes_out_in_another() {
    let codecs = Codecs::default();
    let (sender, stream) = Streaming::channel(1);
    sender.send(john()).await.unwrap();
    drop(sender);
    let body = stream.into_body(&ContentType::Json, &codecs).unwrap();
    let passed = Streaming::<Hello>::from_body(&ContentType::Json, &codecs, body).unwrap();
    let body = passed.into_body(&ContentType::MsgPack, &codecs).unwrap();
    let mut read = Streaming::<Hello>::from_body(&ContentType::MsgPack, &codecs, body).unwrap();
    assert_eq!(read.next().await.unwrap().unwrap(), john());
    assert!(read.next().await.is_none());
}

#[test]
fn prost_message_uses_a_users_codec_in_its_json_form() {
    #[derive(Clone, PartialEq, prost::Message, micro::Message)]
    struct Count {
        #[prost(int64, tag = "1")]
        so_far: i64,
    }

    let (content_type, codecs) = backwards();
    let bytes = Count { so_far: 12 }.encode(&content_type, &codecs).unwrap();
    assert_eq!(bytes, r#"}"21":"raFos"{"#);
    assert_eq!(
        Count::decode(&content_type, &codecs, bytes).unwrap(),
        Count { so_far: 12 }
    );
}

#[tokio::test]
async fn wrong_message_in_a_stream_is_an_error_in_its_place() {
    let (sender, stream) = Streaming::channel(4);
    for text in ["good", "bad", "good"] {
        sender.send(text.to_string()).await.unwrap();
    }
    drop(sender);
    let codecs = Codecs::default();
    let body = stream.into_body(&ContentType::Json, &codecs).unwrap();
    let mut read = Streaming::<Word>::from_body(&ContentType::Json, &codecs, body).unwrap();
    assert!(read.next().await.unwrap().is_ok());
    assert_eq!(
        read.next().await.unwrap().unwrap_err().code(),
        Code::InvalidArgument
    );
    assert!(read.next().await.unwrap().is_ok());
    assert!(read.next().await.is_none());
}

#[derive(Debug, Serialize, Deserialize, micro::Message)]
#[serde(rename_all = "lowercase")]
enum Word {
    Good,
}
