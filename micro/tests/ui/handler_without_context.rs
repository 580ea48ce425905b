//! A handler that takes no context.

use micro::{Result, Router};

async fn hello(name: String) -> Result<String> {
    Ok(name)
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
