//! Errors: a service with an error type of its own, and a caller that decides by code and outcome.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use micro::{Code, Context, Error, Outcome, Plugins, Result, Service, registry::Memory};

enum OrderError {
    OutOfStock(String),
    NoSuchArticle(String),
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::OutOfStock(article) => {
                Error::failed_precondition(format!("`{article}` is out of stock"))
            }
            OrderError::NoSuchArticle(article) => {
                Error::not_found(format!("there is no article `{article}`"))
            }
        }
    }
}

async fn order(_cx: Context, article: String) -> Result<String, OrderError> {
    match article.as_str() {
        "tea" => Ok("ordered".into()),
        "milk" => Err(OrderError::OutOfStock(article)),
        _ => Err(OrderError::NoSuchArticle(article)),
    }
}

/// What to tell the customer.
fn explain(result: &Result<String>) -> &'static str {
    let Err(error) = result else {
        return "done";
    };
    match (error.outcome(), error.code()) {
        (Outcome::NotSent | Outcome::Rejected, _) => "nothing happened, try again",
        (Outcome::Unknown, _) => "it may have happened, check before you try again",
        (_, Code::FailedPrecondition) => "come back tomorrow",
        _ => "no",
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}

pub(crate) async fn run() -> Result<Vec<String>> {
    let running = Service::new("shop")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Shop.Order", order)
        .serve()
        .await?;
    let mut lines = Vec::new();
    let shop = running
        .client()
        .method::<String, String>("shop", "Shop.Order");
    for article in ["tea", "milk", "gold"] {
        let result = shop.call(&Context::new(), article.to_owned()).await;
        lines.push(format!("{article}: {}", explain(&result)));
    }
    // A service without nodes: the request was not sent.
    let nobody = running
        .client()
        .method::<String, String>("nobody", "No.Body");
    let result = nobody.call(&Context::new(), "tea".to_owned()).await;
    lines.push(format!("nobody: {}", explain(&result)));
    running.stop().await;
    Ok(lines)
}
