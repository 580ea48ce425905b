//! A service in fifteen lines. Run it, and in another terminal
//! `micro call greeter Greeter.Hello '{"name":"John"}'`.

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
    let greeter = Service::new("greeter");
    greeter.handle("Greeter.Hello", hello.idempotent()).run()
}
