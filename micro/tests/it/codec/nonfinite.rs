//! Numbers that are not finite, in types of serde.

use std::collections::BTreeMap;

use micro::{Code, ContentType};
use serde::{Deserialize, Serialize};

use super::{decode, encode};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Readings {
    one: f64,
    small: f32,
    maybe: Option<f64>,
    all: Vec<f32>,
    by_name: BTreeMap<String, f64>,
    pair: (f64, u8),
    shapes: Vec<Shape>,
    wrapped: Degrees,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Degrees(f64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
enum Shape {
    None,
    Circle(f64),
    Box { width: f32 },
    Pair(f64, f64),
}

/// What serde buffers before it knows what is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Buffered {
    #[serde(flatten)]
    inner: Inner,
    tagged: Tagged,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Inner {
    height: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
#[serde(tag = "kind")]
enum Tagged {
    Level { depth: f32 },
}

fn readings(number: f64) -> Readings {
    let small = number as f32;
    Readings {
        one: number,
        small,
        maybe: Some(number),
        all: vec![small, 1.5],
        by_name: BTreeMap::from([("a".into(), number)]),
        pair: (number, 7),
        shapes: vec![
            Shape::None,
            Shape::Circle(number),
            Shape::Box { width: small },
            Shape::Pair(0.0, number),
        ],
        wrapped: Degrees(number),
        text: "NaN".into(),
    }
}

const SPECIAL: [(f64, &str); 3] = [
    (f64::NAN, "NaN"),
    (f64::INFINITY, "Infinity"),
    (f64::NEG_INFINITY, "-Infinity"),
];

#[test]
fn nonfinite_numbers_survive_json_in_every_shape_of_type() {
    for (number, name) in SPECIAL {
        let json = encode(&readings(number), ContentType::Json);
        let expected = format!(
            r#"{{"one":"{name}","small":"{name}","maybe":"{name}","all":["{name}",1.5],"by_name":{{"a":"{name}"}},"pair":["{name}",7],"shapes":["None",{{"Circle":"{name}"}},{{"Box":{{"width":"{name}"}}}},{{"Pair":[0.0,"{name}"]}}],"wrapped":"{name}","text":"NaN"}}"#
        );
        assert_eq!(json, expected);
        let again: Readings = decode(ContentType::Json, json).unwrap();
        // By its debug form, as NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{:?}", readings(number)));
    }
}

#[test]
fn nonfinite_numbers_survive_where_serde_buffers() {
    for (number, _) in SPECIAL {
        let buffered = Buffered {
            inner: Inner { height: number },
            tagged: Tagged::Level {
                depth: number as f32,
            },
        };
        let json = encode(&buffered, ContentType::Json);
        let again: Buffered = decode(ContentType::Json, json).unwrap();
        assert_eq!(format!("{again:?}"), format!("{buffered:?}"));
    }
}

#[test]
fn other_text_is_no_number() {
    for json in [r#""1.5""#, r#""nan""#, r#""""#, "null"] {
        let error = decode::<f64>(ContentType::Json, json).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{json}");
    }
    let json = r#"{"one":"NaN","small":"x"}"#;
    let error = decode::<Readings>(ContentType::Json, json).unwrap_err();
    let text = r#"invalid type: string "x", expected f32 at line 1 column 24"#;
    assert!(error.message().contains(text), "{error}");
    let error = decode::<f64>(ContentType::Json, r#""NaN" 1"#).unwrap_err();
    assert!(error.message().contains("trailing characters"), "{error}");
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn nonfinite_numbers_are_the_same_over_every_transport() {
    use micro::{Context, Plugins, Result, Router, Service, Socket, protocols::Grpc, registry};

    async fn echo(_: Context, readings: Readings) -> Result<Readings> {
        Ok(readings)
    }

    let running = Service::new("readings")
        .plugins(Plugins::new().registry(registry::Memory::new()))
        .routes(Router::new().handle("Readings.Echo", echo))
        .serve()
        .await
        .unwrap();
    let address = running.node().address.clone();
    let plugins = || Plugins::new().registry(registry::Memory::new());
    let native = plugins().transport(Socket::new()).client().unwrap();
    let grpc = plugins().transport(Grpc::new()).client().unwrap();
    let cx = Context::new();
    for (number, _) in SPECIAL {
        let sent = readings(number);
        for (client, content_type) in [
            (&native, ContentType::MsgPack),
            (&native, ContentType::Json),
            (&grpc, ContentType::MsgPack),
            (&grpc, ContentType::Json),
        ] {
            let echo = client
                .method::<Readings, Readings>("readings", "Readings.Echo")
                .content_type(content_type);
            let call = echo.call(&cx, sent.clone()).address(&address);
            let answer = call.await.unwrap();
            assert_eq!(format!("{answer:?}"), format!("{sent:?}"));
        }
    }
    running.stop().await;
}
