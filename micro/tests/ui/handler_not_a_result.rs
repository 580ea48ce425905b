//! A handler that cannot fail.

use micro::{Context, Router};

async fn hello(_: Context, name: String) -> String {
    name
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
