//! Methods of a service that are no endpoints.

#![allow(unused_imports)]

use micro::{Context, Result};

#[micro::service]
trait NoContext {
    async fn hello(&self, request: String) -> Result<String>;
}

#[micro::service]
trait NoRequest {
    async fn hello(&self, cx: Context) -> Result<String>;
}

#[micro::service]
trait NoResult {
    async fn hello(&self, cx: Context, request: String) -> String;
}

#[micro::service]
trait Nothing {
    async fn hello(&self, cx: Context, request: String);
}

#[micro::service]
trait NotAsync {
    fn hello(&self, cx: Context, request: String) -> Result<String>;
}

#[micro::service]
trait ByValue {
    async fn hello(self, cx: Context, request: String) -> Result<String>;
}

#[micro::service]
trait TooMany {
    async fn hello(&self, cx: Context, first: String, second: String) -> Result<String>;
}

#[micro::service]
trait Generic<T> {
    async fn hello(&self, cx: Context, request: T) -> Result<String>;
}

#[micro::service]
trait Constant {
    const NAME: &'static str;
}

#[micro::service(names = "Say")]
trait Misspelt {
    async fn hello(&self, cx: Context, request: String) -> Result<String>;
}

fn main() {}
