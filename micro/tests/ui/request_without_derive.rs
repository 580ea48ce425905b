//! A request that is no message.

use micro::{Context, Result, Router};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Hello {
    name: String,
}

async fn hello(_: Context, request: Hello) -> Result<String> {
    Ok(request.name)
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
