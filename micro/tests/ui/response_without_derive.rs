//! A response that is no message.

use micro::{Context, Result, Router};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Reply {
    msg: String,
}

async fn hello(_: Context, name: String) -> Result<Reply> {
    Ok(Reply { msg: name })
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
