//! A service whose implementation holds over an await what cannot move between threads.

use std::rc::Rc;

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, cx: Context, request: String) -> Result<String>;
}

struct Local;

impl Greeter for Local {
    async fn hello(&self, _: Context, request: String) -> Result<String> {
        let request = Rc::new(request);
        std::future::ready(()).await;
        Ok(request.to_string())
    }
}

fn main() {}
