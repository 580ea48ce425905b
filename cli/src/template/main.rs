//! The `{name}` service.

use micro::{Context, Handler, Message, Result, Service};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Message)]
struct Hello {
    name: String,
}

#[derive(Serialize, Deserialize, Message)]
struct Greeting {
    msg: String,
}

async fn hello(_: Context, hello: Hello) -> Result<Greeting> {
    let msg = format!("Hello {}", hello.name);
    Ok(Greeting { msg })
}

fn main() -> Result<()> {
    Service::new("{name}")
        // Saying it twice does no harm, so a caller may ask another node when one has died.
        .handle("{type}.Hello", hello.idempotent())
        .run()
}
