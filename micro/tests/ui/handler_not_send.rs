//! A value that cannot move between threads, held over an await.

use std::rc::Rc;

use micro::{Context, Result, Router};

async fn hello(_: Context, name: String) -> Result<String> {
    let name = Rc::new(name);
    std::future::ready(()).await;
    Ok(name.to_string())
}

fn main() {
    let _ = Router::new().handle("Greeter.Hello", hello);
}
