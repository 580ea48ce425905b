//! A handler that is no `async fn`.

use micro::{Context, Result, Router};

fn hello(_: Context, name: String) -> Result<String> {
    Ok(name)
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
