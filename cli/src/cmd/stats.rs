//! `micro stats SERVICE`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    failure::{Failure, Result},
    nodes::Nodes,
    session::Session,
    table::{Cell, Colour, Table},
};

/// Show the requests and latencies of every node of a service, by endpoint
#[derive(Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    nodes: Nodes,
}

const HEADERS: [&str; 8] = [
    "NODE",
    "ENDPOINT",
    "EXECUTED",
    "FAILED",
    "IN FLIGHT",
    "P50",
    "P99",
    "P99.9",
];

impl Stats {
    pub(crate) fn run(self, session: &Session) -> Result {
        let answers = session.block_on(self.nodes.ask(session, "Debug.Stats"))?;
        if session.json() {
            let rows: Vec<_> = answers.iter().map(|answered| answered.json()).collect();
            session.print(json!(rows))?;
        } else {
            let mut table = Table::new(HEADERS, session.coloured());
            for answered in &answers {
                let id = answered.node.id.as_str();
                match &answered.answer {
                    Ok(stats) => rows(&mut table, id, stats),
                    Err(error) => {
                        let error = Cell::from(error).coloured(Colour::Red);
                        let [.., a, b, c, d, e, f] = [(); 6].map(|()| Cell::from(""));
                        table.row([id.into(), error, a, b, c, d, e, f]);
                    }
                }
            }
            session.print_styled(table)?;
        }
        let silent = answers
            .iter()
            .filter(|answered| answered.answer.is_err())
            .count();
        if silent > 0 {
            let all = answers.len();
            return Err(Failure::Failed(format!(
                "{silent} of {all} nodes did not answer"
            )));
        }
        Ok(())
    }
}

/// A row for each endpoint; one row of sums for a node that does not count by endpoint, such as one of go-micro.
fn rows(table: &mut Table, node: &str, stats: &Value) {
    let count = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or(0);
    let endpoints = stats.get("endpoints").and_then(Value::as_array);
    for endpoint in endpoints.into_iter().flatten() {
        let name = endpoint.get("name").and_then(Value::as_str);
        table.row([
            node.into(),
            name.unwrap_or("?").into(),
            count(endpoint, "executed").into(),
            count(endpoint, "failed").into(),
            count(endpoint, "in_flight").into(),
            latency(endpoint, "p50_us").into(),
            latency(endpoint, "p99_us").into(),
            latency(endpoint, "p999_us").into(),
        ]);
    }
    if endpoints.is_none_or(Vec::is_empty) {
        let (requests, errors) = (count(stats, "requests"), count(stats, "errors"));
        let dash = || Cell::from("-");
        table.row([
            node.into(),
            dash(),
            requests.into(),
            errors.into(),
            dash(),
            dash(),
            dash(),
            dash(),
        ]);
    }
}

/// A latency; `-` if there is none.
fn latency(endpoint: &Value, name: &str) -> String {
    match endpoint.get(name).and_then(Value::as_f64) {
        Some(us) if us > 0.0 => format!("{:.1?}", Duration::from_secs_f64(us / 1e6)),
        _ => "-".to_owned(),
    }
}
