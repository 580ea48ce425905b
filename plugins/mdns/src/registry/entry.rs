//! A node as records of DNS, in go-micro's form, both ways.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use super::message::{Data, Record, fits};
use micro_core::{
    Error, Result,
    hash::fnv1a,
    node::{Endpoint, Node, null_is_empty},
};

/// The type under which services themselves are listed.
const SERVICES: &str = "_services";
/// The port that go-micro lists them with.
const LIST_PORT: u16 = 9999;
/// What one text may unpack to.
const MAX_TEXT_SIZE: u64 = 1 << 20;
/// What one record may hold.
const MAX_RECORD_SIZE: usize = 60_000;

/// What go-micro says of a node beside its address, under its names; `Id` and `Address` are ours, where
/// records of DNS cannot say them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Text {
    #[serde(deserialize_with = "null_is_empty")]
    metadata: BTreeMap<String, String>,
    service: String,
    version: String,
    #[serde(deserialize_with = "null_is_empty")]
    endpoints: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Of a goodbye: it is not the node's own, who registered it shall take it out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dismissed: bool,
}

/// A node that was heard of.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) node: Node,
    /// Seconds; 0 says that it is gone.
    pub(super) ttl: u32,
    pub(super) dismissed: bool,
}

/// A label that stands for a name that is none of DNS.
fn label(name: &str) -> String {
    format!("x-{:016x}", fnv1a(name))
}

/// The names to ask for a service by: its own, where it can have one, and that of nodes that are odd.
pub(super) fn service_names(service: &str, domain: &str) -> Vec<String> {
    let own = format!("{service}.{domain}");
    let odd = format!("{}.{domain}", label(service));
    if fits(&own) {
        vec![own, odd]
    } else {
        vec![odd]
    }
}

/// The name that all services are listed under; `odd` are those whose names are none of DNS.
pub(super) fn list_name(domain: &str, odd: bool) -> String {
    match odd {
        false => format!("{SERVICES}.{domain}"),
        true => format!("x-{SERVICES}.{domain}"),
    }
}

/// An address that records of DNS can say.
fn plain_address(node: &Node) -> Option<SocketAddr> {
    let address: SocketAddr = node.address.parse().ok()?;
    // A zone, as in `[fe80::1%2]:80`, is of one machine and cannot be said to others.
    let same = SocketAddr::new(address.ip(), address.port()).to_string() == node.address;
    (address.port() != 0 && same).then_some(address)
}

/// A node's own names: of its service, and of itself.
pub(super) fn names(node: &Node, domain: &str) -> (String, String) {
    let service = format!("{}.{domain}", node.service);
    let instance = format!("{}.{service}", node.id);
    match fits(&instance) && plain_address(node).is_some() {
        true => (service, instance),
        false => {
            let service = format!("{}.{domain}", label(&node.service));
            let instance = format!("{}.{service}", label(&node.id));
            (service, instance)
        }
    }
}

/// A node's records, without the pointer to it. An error says that it is too large for them.
pub(super) fn records(node: &Node, domain: &str, ttl: u32, dismissed: bool) -> Result<Vec<Record>> {
    let (service, name) = names(node, domain);
    let odd = service != format!("{}.{domain}", node.service);
    let address = plain_address(node).filter(|_| !odd);
    let text = Text {
        metadata: (*node.metadata).clone(),
        service: node.service.clone(),
        version: node.version.clone(),
        endpoints: node.endpoints.to_vec(),
        id: odd.then(|| node.id.clone()),
        address: odd.then(|| node.address.clone()),
        dismissed,
    };
    let text = pack(&text);
    if text.len() > MAX_RECORD_SIZE {
        let (id, long) = (&node.id, text.len());
        return Err(Error::invalid_argument(format!(
            "the record of node `{id}` takes {long} bytes, of which registry `mdns` can tell {MAX_RECORD_SIZE}; it needs less \
             metadata or fewer endpoints"
        )));
    }
    let of = |data| Record {
        name: name.clone(),
        ttl,
        data,
    };
    let mut records = vec![of(Data::Srv {
        port: address.map_or(0, |address| address.port()),
        target: name.clone(),
    })];
    records.extend(address.map(|address| of(Data::Address(address.ip()))));
    records.push(of(Data::Txt(text)));
    Ok(records)
}

/// The records that list a service.
pub(super) fn listing(service: &str, domain: &str, ttl: u32) -> Vec<Record> {
    let plain = format!("{service}.{}", list_name(domain, false));
    let odd = !fits(&plain);
    let (name, text) = match odd {
        false => (plain, Vec::new()),
        true => {
            let text = Text {
                service: service.to_owned(),
                ..Text::default()
            };
            let name = format!("{}.{}", label(service), list_name(domain, true));
            (name, pack(&text))
        }
    };
    let of = |data| Record {
        name: name.clone(),
        ttl,
        data,
    };
    let pointer = Record {
        name: list_name(domain, odd),
        ttl,
        data: Data::Ptr(name.clone()),
    };
    let address = IpAddr::from([0, 0, 0, 0]);
    vec![
        pointer,
        of(Data::Srv {
            port: LIST_PORT,
            target: name.clone(),
        }),
        of(Data::Address(address)),
        of(Data::Txt(text)),
    ]
}

/// The nodes that records tell of, and the services that they list in a domain.
pub(super) fn read(records: &[Record], domain: &str) -> (Vec<Announcement>, Vec<String>) {
    let (mut nodes, mut services) = (Vec::new(), Vec::new());
    let plain_list = format!(".{}", list_name(domain, false));
    let odd_list = format!(".{}", list_name(domain, true));
    for record in records {
        let Data::Txt(text) = &record.data else {
            continue;
        };
        if let Some(service) = record.name.strip_suffix(&plain_list) {
            services.extend((record.ttl > 0).then(|| service.to_owned()));
        } else if let Some(text) = unpack(text) {
            match record.name.ends_with(&odd_list) {
                true => services.extend((record.ttl > 0).then_some(text.service)),
                false => nodes.extend(node(record, text, records, domain)),
            }
        }
    }
    (nodes, services)
}

fn node(of: &Record, text: Text, records: &[Record], domain: &str) -> Option<Announcement> {
    let id = match text.id {
        Some(id) => id,
        None => {
            let after = format!(".{}.{domain}", text.service);
            of.name.strip_suffix(&after)?.to_owned()
        }
    };
    let address = match text.address {
        Some(address) => address,
        None => address(&of.name, records)?.to_string(),
    };
    let mut node = Node::new(text.service, id, address)
        .with_version(text.version)
        .with_endpoints(text.endpoints);
    node.metadata = text.metadata.into();
    Some(Announcement {
        ttl: of.ttl,
        dismissed: text.dismissed,
        node,
    })
}

/// Where an instance is reached: IPv4 rather than IPv6, as go-micro has it.
fn address(name: &str, records: &[Record]) -> Option<SocketAddr> {
    let (port, target) = records.iter().find_map(|record| match &record.data {
        Data::Srv { port, target } if record.name == name => Some((*port, target)),
        _ => None,
    })?;
    let addresses = records.iter().filter_map(|record| match record.data {
        Data::Address(address) if record.name == name || record.name == *target => Some(address),
        _ => None,
    });
    let ip = addresses.min_by_key(IpAddr::is_ipv6)?;
    Some(SocketAddr::new(ip, port))
}

/// JSON, compressed, in hexadecimal digits.
fn pack(text: &Text) -> Vec<u8> {
    let json = serde_json::to_vec(text).expect("text, lists and maps of text are always JSON");
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = packed.write_all(&json).and_then(|()| packed.finish());
    let packed = packed.expect("memory takes what is written to it");
    let digit = |value: u8| char::from_digit(value.into(), 16).map_or(b'0', |digit| digit as u8);
    let digits = packed
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

fn unpack(text: &[u8]) -> Option<Text> {
    let text = std::str::from_utf8(text).ok()?;
    let pairs = text.as_bytes().chunks(2);
    let packed: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let packed = packed.filter(|packed| !packed.is_empty())?;
    let mut json = Vec::new();
    let unpacked = ZlibDecoder::new(&*packed)
        .take(MAX_TEXT_SIZE)
        .read_to_end(&mut json);
    unpacked.ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn there_and_back(node: &Node) -> Node {
        let records = records(node, "micro", 120, false).unwrap();
        let (mut heard, services) = read(&records, "micro");
        assert!(services.is_empty());
        assert_eq!((heard.len(), heard[0].ttl), (1, 120));
        heard.remove(0).node
    }

    #[test]
    fn node_round_trips_through_records() {
        let hello = Endpoint::new("Greeter.Hello");
        for address in [
            "127.0.0.1:4000",
            "[::1]:4000",
            "host:4000",
            "unix:/run/x",
            "[::1%1]:1",
        ] {
            let node = Node::new("greeter", "greeter-1", address)
                .with_version("1.2")
                .with_metadata("zone", "west \"1\"")
                .with_endpoints([hello.clone()]);
            assert_eq!(there_and_back(&node), node);
        }
        let odd = Node::new("topic:a..b ü", "n".repeat(300), "10.0.0.1:1");
        assert_eq!(there_and_back(&odd), odd);
    }

    #[test]
    fn services_with_any_name_are_listed() {
        for service in ["greeter", "a..b ü", &"n".repeat(300)] {
            let (nodes, services) = read(&listing(service, "micro", 120), "micro");
            assert!(nodes.is_empty());
            assert_eq!(services, [service]);
        }
        assert!(read(&listing("greeter", "micro", 0), "micro").1.is_empty());
    }

    #[test]
    fn node_without_an_address_is_ignored() {
        let node = Node::new("greeter", "greeter-1", "127.0.0.1:4000");
        let mut records = records(&node, "micro", 120, false).unwrap();
        records.retain(|record| !matches!(record.data, Data::Address(_)));
        assert!(read(&records, "micro").0.is_empty());
    }

    #[test]
    fn damaged_text_is_ignored() {
        for text in ["", "7", "zz", "00", "789c", "78"] {
            assert!(unpack(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn oversized_record_is_refused_with_advice() {
        let mut node = Node::new("greeter", "greeter-1", "127.0.0.1:4000");
        for number in 0..20_000_u64 {
            let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            node = node.with_metadata(number.to_string(), format!("{value:x}"));
        }
        let error = records(&node, "micro", 120, false).unwrap_err();
        assert!(error.message().contains("less metadata"), "{error}");
    }
}
