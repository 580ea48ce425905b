//! `micro health SERVICE`.

use clap::Args;
use micro::Code;
use serde_json::{Value, json};

use crate::{
    failure::{Failure, Result},
    nodes::{NodeAnswer, Nodes},
    session::Session,
    table::{Cell, Colour, Table},
};

/// Show the health of every node of a service
#[derive(Args)]
pub(crate) struct Health {
    #[command(flatten)]
    nodes: Nodes,
}

impl Health {
    pub(crate) fn run(self, session: &Session) -> Result {
        let answers = session.block_on(self.nodes.ask(session, "Debug.Health"))?;
        if session.json() {
            let rows = answers.iter().map(|answered| {
                let mut row = answered.json();
                row["status"] = json!(state(answered).0);
                row
            });
            session.print(json!(rows.collect::<Vec<_>>()))?;
        } else {
            let mut table = Table::new(
                ["NODE", "VERSION", "ADDRESS", "STATUS", "REASON"],
                session.coloured(),
            );
            for answered in &answers {
                let (status, reason) = state(answered);
                let colour = if status == "ok" {
                    Colour::Green
                } else {
                    Colour::Red
                };
                table.row([
                    answered.node.id.as_str().into(),
                    answered.node.version.as_str().into(),
                    answered.node.address.as_str().into(),
                    Cell::from(status).coloured(colour),
                    reason.into(),
                ]);
            }
            session.print_styled(table)?;
        }
        let ill = answers
            .iter()
            .filter(|answered| state(answered).0 != "ok")
            .count();
        if ill > 0 {
            let all = answers.len();
            return Err(Failure::Failed(format!("{ill} of {all} nodes not healthy")));
        }
        Ok(())
    }
}

/// What a healthy node warns of.
fn warnings(health: &Value) -> String {
    let warnings = health.get("warnings").and_then(Value::as_array);
    let warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
    warnings.collect::<Vec<_>>().join("; ")
}

/// `ok`, `leaving`, `not ready`, `unregistered`, `replaced` or `failed`, and why.
fn state(answered: &NodeAnswer) -> (&'static str, String) {
    let health = match &answered.answer {
        Ok(health) => health,
        Err(error) if error.reason().as_deref() == Some("WRONG_SERVER") => {
            return ("replaced", format!("another server answers here: {error}"));
        }
        Err(error) if error.code() == Code::NotFound => {
            let why = "it does not serve `Debug.Health` at this address; see its `--ops` and `--ops-address`";
            return ("hidden", why.to_owned());
        }
        Err(error) => return ("failed", error.to_string()),
    };
    // Nodes of go-micro send `status` only.
    let is = |name: &str| health.get(name).and_then(Value::as_bool).unwrap_or(true);
    let reason = health
        .get("reason")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match health.get("status").and_then(Value::as_str) {
        Some("ok") if !is("ready") => match failed_checks(health) {
            checks if checks.is_empty() => {
                ("leaving", "it drains and takes no new calls".to_owned())
            }
            checks => ("not ready", format!("failed health checks: {checks}")),
        },
        Some("ok") if !is("registered") => ("unregistered", reason.to_owned()),
        Some("ok") => match reason {
            "" => ("ok", warnings(health)),
            reason => ("ok", reason.to_owned()),
        },
        _ => ("failed", health.to_string()),
    }
}

/// The names of the health checks that failed.
fn failed_checks(health: &Value) -> String {
    let checks = health.get("checks").and_then(Value::as_object);
    let failed = checks.into_iter().flatten();
    let failed = failed.filter(|(_, result)| !["ok", "not run"].map(Value::from).contains(result));
    let names: Vec<_> = failed.map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}
