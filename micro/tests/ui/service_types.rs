//! A service whose request is no message, and one whose context is none.

use micro::{Context, Result};

struct Hello;

#[micro::service]
trait NoMessage {
    async fn hello(&self, cx: Context, request: Hello) -> Result<String>;
}

#[micro::service]
trait NoContext {
    async fn hello(&self, cx: u32, request: String) -> Result<String>;
}

fn main() {}
