//! Reads records that go-micro stored.

use bytes::Bytes;

use super::{encoding, key::Keys, message::KeyValue, nodes};

const NEW: &str = include_str!("../../../../interop/captures/v6-registry-etcd.txt");
const OLD: &str = include_str!("../../../../interop/captures/v2-registry-etcd.txt");

/// The keys and values of a capture, each on a line.
fn records(capture: &str) -> Vec<KeyValue> {
    let mut lines = capture.lines();
    let mut records = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("/micro/registry/") {
            let value = lines.next().unwrap();
            records.push(KeyValue {
                key: Bytes::copy_from_slice(line.as_bytes()),
                value: Bytes::copy_from_slice(value.as_bytes()),
                ..KeyValue::default()
            });
        }
    }
    records
}

fn check(capture: &str) {
    let records = records(capture);
    assert!(records.len() > 1);
    let keys = Keys::of("");
    for record in &records {
        let found: Vec<_> = nodes(std::slice::from_ref(record), None).collect();
        let [node] = &found[..] else {
            panic!("one node was expected, not {found:?}");
        };
        assert_eq!(keys.node(&node.service, &node.id), record.key);
        assert_eq!(keys.service(&record.key), Some(Ok(&*node.service)));
        let ours = encoding::encode(node);
        assert_eq!(encoding::decode(&ours).unwrap(), found);
        // Our record, as go-micro would read it, but for the order of keys.
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(json(&ours)["nodes"], json(&record.value)["nodes"]);
        assert_eq!(json(&ours)["name"], json(&record.value)["name"]);
    }
    let greeter: Vec<_> = nodes(&records, Some("greeter")).collect();
    assert_eq!(greeter.len(), 1);
    assert_eq!(greeter[0].id, "greeter-srv1");
    assert_eq!(greeter[0].address, "127.0.0.1:41000");
    assert_eq!(greeter[0].metadata["registry"], "etcd");
    assert!(
        greeter[0]
            .endpoint("Greeter.Hello")
            .unwrap()
            .request
            .is_some()
    );
    assert!(greeter[0].endpoint("Greeter.Chat").unwrap().is_stream());
}

#[test]
fn what_v6_stored_is_read() {
    check(NEW);
}

#[test]
fn what_v2_stored_is_read() {
    check(OLD);
}
