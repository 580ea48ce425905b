//! Well-known types at their edges.

use micro::{Code, Codecs, ContentType, Message};
use prost_types::{Any, Duration, FieldMask, Struct, Timestamp, Value as Dynamic, value::Kind};
use serde_json::{Value, json};

use crate::{
    golden::everything::All,
    json::{from_json, to_json},
};

fn timestamp(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

#[test]
fn times_of_other_zones_are_read() {
    for (text, expected) in [
        ("1970-01-01T01:00:00+01:00", timestamp(0, 0)),
        ("1970-01-01T00:00:00.1Z", timestamp(0, 100_000_000)),
        ("1969-12-31T23:59:59.5-00:00", timestamp(-1, 500_000_000)),
    ] {
        assert_eq!(from_json::<Timestamp>(&json!(text)).unwrap(), expected);
    }
}

#[test]
fn what_is_no_time_duration_or_mask_is_told_by_its_name() {
    for (json, text) in [
        (
            json!({"timestamp": "1970-01-01"}),
            "field `timestamp`: `1970-01-01` is not a time",
        ),
        (
            json!({"timestamp": "1970-01-01 00:00:00Z"}),
            "is not a time",
        ),
        (json!({"timestamp": "1970-01-01T00:00:00"}), "is not a time"),
        (
            json!({"timestamp": "1970-01-01t00:00:00z"}),
            "is not a time",
        ),
        (
            json!({"timestamp": "0000-01-01T00:00:00Z"}),
            "is not a time",
        ),
        (
            json!({"timestamp": "ärger und kein Zeitpunkt"}),
            "is not a time",
        ),
        (json!({"timestamp": 5}), "expected a time such as"),
        (
            json!({"duration": "1"}),
            "field `duration`: `1` is not a duration",
        ),
        (json!({"duration": "315576000001s"}), "is not a duration"),
        (
            json!({"mask": "display_name"}),
            "field `mask`: `display_name` is not a field's path",
        ),
        (json!({"structure": []}), "field `structure`"),
        (
            json!({"any": {"value": 1}}),
            "field `any`: an any needs `@type`",
        ),
        (
            json!({"any": {"@type": "x.org/a.B", "name": "c"}}),
            "any of `x.org/a.B`: its type is not known here",
        ),
        (json!({"null": 1}), "field `null`"),
    ] {
        let error = from_json::<All>(&json).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(text), "{error}");
    }
}

#[test]
fn what_has_no_form_in_json_is_not_written() {
    let refused = |all: All| {
        let written = all.encode(&ContentType::Json, &Codecs::default());
        assert_eq!(written.unwrap_err().code(), Code::Internal);
        // Protobuf takes it all the same.
        assert!(
            all.encode(&ContentType::Protobuf, &Codecs::default())
                .is_ok()
        );
    };
    let all = All::default;
    for wrong in [
        timestamp(i64::MAX, 0),
        timestamp(0, -1),
        timestamp(0, 1_000_000_000),
    ] {
        refused(All {
            timestamp: Some(wrong),
            ..all()
        });
    }
    let duration = Duration {
        seconds: 1,
        nanos: -1,
    };
    refused(All {
        duration: Some(duration),
        ..all()
    });
    let mask = FieldMask {
        paths: vec!["displayName".into()],
    };
    refused(All {
        mask: Some(mask),
        ..all()
    });
    let value = Dynamic {
        kind: Some(Kind::NumberValue(f64::NAN)),
    };
    refused(All {
        value: Some(value),
        ..all()
    });
}

#[test]
fn any_of_a_users_type_keeps_its_bytes() {
    let any = Any {
        type_url: "type.googleapis.com/everything.Nothing".into(),
        value: vec![1, 2, 3],
    };
    let json = json!({"@type": any.type_url, "@value": "AQID"});
    assert_eq!(to_json(&any), json);
    assert_eq!(from_json::<Any>(&json).unwrap(), any);
}

#[test]
fn well_known_types_are_messages_themselves() {
    fn same<T: Message + PartialEq + std::fmt::Debug>(message: T, json: Value) {
        assert_eq!(to_json(&message), json);
        for content_type in [
            ContentType::Json,
            ContentType::MsgPack,
            ContentType::Protobuf,
        ] {
            let bytes = message.encode(&content_type, &Codecs::default()).unwrap();
            assert_eq!(
                T::decode(&content_type, &Codecs::default(), bytes).unwrap(),
                message
            );
        }
    }
    same(timestamp(1, 0), json!("1970-01-01T00:00:01Z"));
    same(
        Duration {
            seconds: 0,
            nanos: 1,
        },
        json!("0.000000001s"),
    );
    same(Struct::default(), json!({}));
    same(Dynamic::from("text"), json!("text"));
    same("text".to_owned(), json!("text"));
    same(5u64, json!(5));
    same((), json!({}));
}

#[test]
fn what_is_wrapped_has_the_form_it_has_unwrapped() {
    let json = json!({"wrappedDouble": "Infinity", "wrappedFloat": "NaN", "wrappedBytes": "_-8"});
    let all: All = from_json(&json).unwrap();
    assert_eq!(all.wrapped_double, Some(f64::INFINITY));
    let written =
        json!({"wrappedDouble": "Infinity", "wrappedFloat": "NaN", "wrappedBytes": "/+8="});
    assert_eq!(to_json(&all), written);
}
