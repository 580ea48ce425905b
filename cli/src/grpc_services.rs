//! The services of the gRPC server at an address, for `micro get --address`.

use micro::Error;
use prost_reflect::MethodDescriptor;
use serde_json::json;

use crate::{
    address,
    failure::{Failure, Result},
    reflection::{Reflection, fields},
    session::Session,
    table::{Cell, Colour, Table},
};

/// Prints each service with its endpoints.
pub(crate) async fn print(session: &Session, address: &str) -> Result {
    let plugins = address::plugins(session, Some("grpc"), None, address).await?;
    let client = plugins.client()?;
    let failed = |error: Error| Failure::Failed(error.to_string());
    let reflection = Reflection::open(&client, address).await.map_err(failed)?;
    let Some(mut reflection) = reflection else {
        return Err(Failure::Failed(format!(
            "the server at `{address}` has no gRPC reflection; `micro get SERVICE` asks the registry"
        )));
    };
    let mut all = Vec::new();
    for name in reflection.services.clone() {
        let described = reflection.service(&name).await.map_err(failed)?;
        let methods: Vec<_> = described.iter().flat_map(|one| one.methods()).collect();
        if !session.json() {
            session.print(format_args!("service {name}"))?;
            let titles = ["  ENDPOINT", "TAKES", "GIVES"];
            let mut table = Table::new(titles, session.coloured());
            methods.iter().for_each(|method| table.row(row(method)));
            session.print_styled(table)?;
        }
        let endpoints: Vec<_> = methods.iter().map(endpoint_json).collect();
        all.push(json!({"service": name, "endpoints": endpoints}));
    }
    match session.json() {
        true => session.print(json!(all)),
        false => Ok(()),
    }
}

/// The endpoint's name as `micro call` takes it: without the package.
fn endpoint(method: &MethodDescriptor) -> String {
    format!("{}.{}", method.parent_service().name(), method.name())
}

fn row(method: &MethodDescriptor) -> [Cell; 3] {
    let streams = |yes| if yes { "stream of " } else { "" };
    let takes = streams(method.is_client_streaming()).to_owned() + &fields(&method.input());
    let gives = streams(method.is_server_streaming()).to_owned() + &fields(&method.output());
    [
        Cell::from(format!("  {}", endpoint(method))).coloured(Colour::Bold),
        takes.into(),
        gives.into(),
    ]
}

fn endpoint_json(method: &MethodDescriptor) -> serde_json::Value {
    json!({
        "name": endpoint(method),
        "request": method.input().full_name(),
        "response": method.output().full_name(),
        "request_stream": method.is_client_streaming(),
        "response_stream": method.is_server_streaming(),
    })
}
