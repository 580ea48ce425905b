//! One round of questions: what the servers have of a service, and for how long.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig,
    },
    lookup::Lookup,
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType, rdata::SRV},
};
use tokio::task::JoinSet;

use super::config::{Config, Port, is_name};
use micro_core::{Error, Result, node::Node, registry::static_list};

/// For how long it is believed that there is nothing, where the zone does not say.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);
/// How long one question to one server may take; it is asked twice.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Most questions at once.
const MAX_CONCURRENT_QUERIES: usize = 16;

/// The nodes of a service, and how long that holds.
pub(super) struct QueryResult {
    pub(super) nodes: Vec<Node>,
    pub(super) ttl: Duration,
}

/// What one question gave.
struct Answers<T> {
    records: Vec<T>,
    ttl: Duration,
}

/// Asks for a service. What cannot be a name has no nodes.
pub(super) async fn find(config: &Config, service: &str) -> Result<QueryResult> {
    if !is_name(service) {
        return Ok(QueryResult {
            nodes: Vec::new(),
            ttl: Duration::MAX,
        });
    }
    // New for each round: sockets belong to the runtime they were opened on, and the system's servers may change.
    let resolver = resolver(config)?;
    match &config.port {
        Port::Number(port) => {
            let said = addresses(&resolver, config.name(service)).await?;
            let addresses = said.records.into_iter();
            let nodes = addresses.map(|ip| node(config, service, SocketAddr::new(ip, *port), None));
            Ok(QueryResult {
                nodes: nodes.collect(),
                ttl: said.ttl,
            })
        }
        Port::Named(port) => {
            let name = config.name(&format!("_{port}._tcp.{service}"));
            targets(&resolver, config, service, services(&resolver, name).await?).await
        }
        Port::FromSrv => {
            let common = services(&resolver, config.name(&format!("_{service}._tcp")));
            let plain = services(&resolver, config.name(service));
            // One of them is enough, and which of them there are may differ by the service.
            let said = match tokio::join!(common, plain) {
                (Ok(said), _) | (_, Ok(said)) if !said.records.is_empty() => said,
                (Ok(first), Ok(second)) => match second.records.is_empty() {
                    true => Answers {
                        ttl: first.ttl.min(second.ttl),
                        ..first
                    },
                    false => second,
                },
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            targets(&resolver, config, service, said).await
        }
    }
}

/// The nodes that SRV records lead to: of those with the best priority, with their weights where they differ.
async fn targets(
    resolver: &TokioResolver,
    config: &Config,
    service: &str,
    said: Answers<SRV>,
) -> Result<QueryResult> {
    let mut ttl = said.ttl;
    let best = said.records.iter().map(|srv| srv.priority).min();
    let mut best: Vec<_> = said
        .records
        .into_iter()
        .filter(|srv| Some(srv.priority) == best)
        .collect();
    // The root stands for a service that is decidedly not there (RFC 2782).
    best.retain(|srv| !srv.target.is_root() && srv.port > 0);
    let differ = best.windows(2).any(|two| two[0].weight != two[1].weight);
    let names: BTreeSet<String> = best.iter().map(|srv| srv.target.to_ascii()).collect();
    let mut hosts = BTreeMap::new();
    let mut asked = JoinSet::new();
    let mut names = names.into_iter();
    loop {
        while asked.len() < MAX_CONCURRENT_QUERIES
            && let Some(name) = names.next()
        {
            let resolver = resolver.clone();
            asked.spawn(async move {
                let said = addresses(&resolver, name.clone()).await;
                (name, said)
            });
        }
        let Some(answer) = asked.join_next().await else {
            break;
        };
        let (name, said) = answer.map_err(|error| {
            Error::unavailable("a question was given up with its runtime").with_source(error)
        })?;
        let said = said?;
        ttl = ttl.min(said.ttl);
        hosts.insert(name, said.records);
    }
    let mut nodes = BTreeMap::new();
    for srv in best {
        // A weight of 0 is little, not nothing (RFC 2782).
        let weight = differ.then(|| srv.weight.max(1));
        for ip in hosts.get(&srv.target.to_ascii()).into_iter().flatten() {
            let address = SocketAddr::new(*ip, srv.port);
            nodes.insert(address, node(config, service, address, weight));
        }
    }
    let nodes = nodes.into_values().collect();
    Ok(QueryResult { nodes, ttl })
}

fn node(config: &Config, service: &str, address: SocketAddr, weight: Option<u16>) -> Node {
    let mut node = static_list::node_at(service, &address.to_string(), &config.metadata);
    if let Some(weight) = weight {
        node.metadata_mut()
            .insert("weight".into(), weight.to_string());
    }
    node
}

async fn services(resolver: &TokioResolver, name: String) -> Result<Answers<SRV>> {
    let answer = resolver.lookup(name, RecordType::SRV).await;
    said(answer, |data| match data {
        RData::SRV(srv) => Some(srv.clone()),
        _ => None,
    })
}

async fn addresses(resolver: &TokioResolver, name: String) -> Result<Answers<IpAddr>> {
    let answer = resolver.lookup_ip(name).await;
    let mut said = said(answer.map(Lookup::from), RData::ip_addr)?;
    said.records.sort_unstable();
    said.records.dedup();
    Ok(said)
}

/// The records of an answer. That there are none is an answer; that a server failed is not.
fn said<T>(
    answer: std::result::Result<Lookup, NetError>,
    of: impl Fn(&RData) -> Option<T>,
) -> Result<Answers<T>> {
    match answer {
        Ok(lookup) => {
            let records = lookup.answers().iter();
            let ttl = records.clone().map(|record| record.ttl).min().unwrap_or(0);
            Ok(Answers {
                records: records.filter_map(|record| of(&record.data)).collect(),
                ttl: Duration::from_secs(u64::from(ttl)),
            })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { negative_ttl, .. }))) => {
            let seconds = negative_ttl.map(|ttl| Duration::from_secs(u64::from(ttl)));
            Ok(Answers {
                records: Vec::new(),
                ttl: seconds.unwrap_or(NEGATIVE_TTL),
            })
        }
        Err(error) => Err(Error::unavailable("the name was not answered").with_source(error)),
    }
}

fn resolver(config: &Config) -> Result<TokioResolver> {
    let mut builder = match config.servers.as_slice() {
        [] => TokioResolver::builder_tokio().map_err(|error| {
            Error::unavailable(
                "the system's name servers are not known; name one: `dns://SERVER/DOMAIN`",
            )
            .with_source(error)
        })?,
        servers => {
            let servers = servers.iter().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = ATTEMPT_TIMEOUT;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    builder
        .build()
        .map_err(|error| Error::unavailable("name servers cannot be asked").with_source(error))
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(connection);
    NameServerConfig::new(address.ip(), true, connections.into())
}
