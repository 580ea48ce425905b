//! Messages and services with names that Rust has another use for.

use std::sync::LazyLock;

use micro::{Codecs, ContentType, Context, Message, Plugins, Result, Service, registry::Memory};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value as Dynamic};
use serde_json::{Value, json};

use crate::{
    golden::{
        acme::acme::{self, Cluster, cluster},
        names::names::{
            Alias, Aliases, Choices, FILE_DESCRIPTOR_SET, GameClient, GameServer, GameService,
            GameServiceClient, GameServiceServer, Types, Underscores, Words,
        },
        reflected::{google::protobuf, reflected::Reflected},
    },
    json::{from_json, to_json},
};

fn other(name: &str) -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());
    POOL.get_message_by_name(name).unwrap()
}

/// That each field alone goes by the names and numbers that another implementation has for it.
fn holds<T: Message + prost::Message + Default>(name: &str) {
    for field in other(name).fields() {
        let value = match field.kind() {
            _ if field.is_list() || field.is_map() => continue,
            Kind::String => Dynamic::String("text".into()),
            Kind::Message(message) => Dynamic::Message(DynamicMessage::new(message)),
            _ => continue,
        };
        let mut theirs = DynamicMessage::new(other(name));
        theirs.set_field(&field, value);
        let json = serde_json::to_value(&theirs).unwrap();
        let ours: T = from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(to_json(&ours), json);
        let bytes = ours.encode_to_vec();
        assert_eq!(
            bytes,
            prost_reflect::prost::Message::encode_to_vec(&theirs),
            "{json}"
        );
        let value = json.as_object().unwrap().values().next().unwrap().clone();
        let by_name = Value::Object([(field.name().to_owned(), value)].into_iter().collect());
        assert_eq!(to_json(&from_json::<T>(&by_name).unwrap()), json);
    }
}

#[test]
fn every_name_of_a_field_is_that_of_the_file() {
    holds::<Words>("names.Words");
    holds::<Choices>("names.Choices");
    holds::<Types>("names.Types");
    holds::<Underscores>("names.Underscores");
}

#[test]
fn every_name_of_an_enumerations_value_is_read() {
    for name in ["ALIAS_RUNNING", "ALIAS_STARTED", "RUNNING"] {
        assert_eq!(Alias::from_str_name(name), Some(Alias::Running), "{name}");
        let json = json!({"one": name, "many": [name], "byName": {"a": name}, "chosen": name});
        let first = "ALIAS_RUNNING";
        let written =
            json!({"one": first, "many": [first], "byName": {"a": first}, "chosen": first});
        assert_eq!(to_json(&from_json::<Aliases>(&json).unwrap()), written);
    }
    for name in ["ALIAS_UNSPECIFIED", "NOTHING"] {
        assert_eq!(
            Alias::from_str_name(name),
            Some(Alias::Unspecified),
            "{name}"
        );
    }
    let nested = from_json::<Aliases>(&json!({"inner": "NULL"})).unwrap();
    assert_eq!(to_json(&nested), json!({"inner": "ZERO"}));
}

struct Player;

impl GameService for Player {
    async fn play(&self, _: Context, _: GameServer) -> Result<GameClient> {
        Ok(GameClient {})
    }
}

#[tokio::test]
async fn service_beside_messages_of_its_ends_is_called_service() {
    let running = Service::new("game")
        .plugins(Plugins::new().registry(Memory::new()))
        .routes(GameServiceServer::new(Player))
        .serve()
        .await
        .unwrap();
    let client = running.client();
    let game = GameServiceClient::new(&client, "game");
    let answer = game.play(&Context::new(), GameServer {}).await.unwrap();
    assert_eq!(answer, GameClient {});
    let method = client.method::<GameServer, GameClient>("game", "Game.Play");
    method.call(&Context::new(), GameServer {}).await.unwrap();
    running.stop().await;
}

#[test]
fn packages_within_messages_and_of_crates_are_reached() {
    let cluster = Cluster {
        policy: Some(cluster::Policy { name: "p".into() }),
        endpoint: Some(cluster::Endpoint {
            host: "h".into(),
            path: Some(cluster::v1::String { text: "t".into() }),
        }),
        things: [("a".to_owned(), acme::std::Thing::default())].into(),
        micro: Some(acme::micro::Thing::default()),
        ..Cluster::default()
    };
    let json = json!({
        "policy": {"name": "p"}, "endpoint": {"host": "h", "path": {"text": "t"}}, "things": {"a": {}},
        "micro": {},
    });
    assert_eq!(to_json(&cluster), json);
    assert_eq!(from_json::<Cluster>(&json).unwrap(), cluster);
}

#[test]
fn plain_types_of_protobuf_are_messages_as_others() {
    let json = json!({
        "api": {"name": "a", "methods": [{"name": "m"}], "syntax": "SYNTAX_PROTO3"},
        "type": {"name": "t", "fields": [{"kind": "TYPE_BOOL"}], "sourceContext": {"fileName": "f"}},
        "context": {"fileName": "f"},
        "files": {"file": [{"name": "x", "messageType": [{"name": "M"}]}]},
        "enums": [{"name": "e"}],
        "options": {"o": {"value": {"@type": "type.googleapis.com/google.protobuf.Int32Value", "value": 1}}},
        "syntax": "SYNTAX_EDITIONS",
        "kind": "TYPE_STRING",
        "message": {"name": "m", "enumType": [{"name": "E"}]},
    });
    let ours: Reflected = from_json(&json).unwrap();
    assert_eq!(to_json(&ours), json);
    let set = protobuf::FileDescriptorSet::decode(
        &ContentType::Protobuf,
        &Codecs::default(),
        FILE_DESCRIPTOR_SET.into(),
    )
    .unwrap();
    assert_eq!(set.file[0].package(), "names");
}
