//! Testing: the handler of a shop, and unit tests of it without a network. Run them with `cargo test --example testing`.

use micro::{Client, Context, Error, Result, Service};

/// Orders an article if the stock service has it, and tells everyone.
async fn order(cx: Context, article: String, client: Client) -> Result<String> {
    let left = client.method::<String, u32>("stock", "Stock.Left");
    if left.call(&cx, article.clone()).await? == 0 {
        return Err(Error::failed_precondition(format!(
            "`{article}` is sold out"
        )));
    }
    client.publish(&cx, "orders.placed", &article).await?;
    Ok(format!("{article} ordered"))
}

fn main() -> Result<()> {
    let shop = Service::new("shop");
    let client = shop.client();
    let order = move |cx: Context, article: String| order(cx, article, client.clone());
    shop.handle("Shop.Order", order).run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use micro::{Code, Mock};

    /// A stock with three packets of tea, and nothing else.
    fn stock() -> Mock {
        Mock::new().on(
            "stock",
            "Stock.Left",
            async |_: Context, article: String| {
                Ok::<_, Error>(if article == "tea" { 3_u32 } else { 0 })
            },
        )
    }

    #[tokio::test]
    async fn order_is_published() {
        let stock = stock();
        let answer = order(Context::new(), "tea".into(), stock.client()).await;
        assert_eq!(answer.unwrap(), "tea ordered");
        assert_eq!(stock.events::<String>("orders.placed").unwrap(), ["tea"]);
    }

    #[tokio::test]
    async fn what_is_sold_out_is_not_ordered() {
        let stock = stock();
        let answer = order(Context::new(), "milk".into(), stock.client()).await;
        assert_eq!(answer.unwrap_err().code(), Code::FailedPrecondition);
        assert_eq!(
            stock.requests::<String>("stock", "Stock.Left").unwrap(),
            ["milk"]
        );
        assert!(stock.events::<String>("orders.placed").unwrap().is_empty());
    }

    #[tokio::test]
    async fn unexpected_call_names_the_endpoint() {
        let answer = order(Context::new(), "tea".into(), Mock::new().client()).await;
        let error = answer.unwrap_err();
        assert!(error.message().contains("`Stock.Left`"), "{error}");
    }
}
