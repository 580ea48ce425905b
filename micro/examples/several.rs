//! Several services in one process, each with its own port; one calls the other. Later they can move to processes of their
//! own without a change of their handlers.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use micro::{Client, Context, Error, Handler, Plugins, Result, Service, registry::Memory};

async fn price(_cx: Context, article: String) -> Result<u32> {
    match article.as_str() {
        "tea" => Ok(3),
        "milk" => Ok(1),
        other => Err(Error::not_found(format!("there is no article `{other}`"))),
    }
}

async fn total(cx: Context, articles: Vec<String>, client: Client) -> Result<u32> {
    let price = client.method::<String, u32>("catalog", "Catalog.Price");
    let mut sum = 0;
    for article in articles {
        // The caller's context: the deadline is that of the whole call tree.
        sum += price.call(&cx, article).await?;
    }
    Ok(sum)
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("the total is {}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<u32> {
    let plugins = Plugins::new().registry(Memory::new());
    let catalog = Service::new("catalog")
        .plugins(plugins.clone())
        .handle("Catalog.Price", price.idempotent());
    let shop = Service::new("shop").plugins(plugins);
    let client = shop.client();
    let shop = shop.handle("Shop.Total", move |cx: Context, articles: Vec<String>| {
        total(cx, articles, client.clone())
    });
    let (catalog, shop) = (catalog.serve().await?, shop.serve().await?);

    let total = shop
        .client()
        .method::<Vec<String>, u32>("shop", "Shop.Total");
    let articles = vec!["tea".to_owned(), "tea".to_owned(), "milk".to_owned()];
    let total = total.call(&Context::new(), articles).await?;
    shop.stop().await;
    catalog.stop().await;
    Ok(total)
}
