//! The protocol of the port in its suite.

use micro_core::protocols::contract;

use micro_example::Lines;

#[tokio::test]
async fn lines_passes_the_suite_of_protocols() {
    contract::all(
        || Lines,
        async |address, endpoint, body| Lines::call(&address, &endpoint, body).await,
    )
    .await;
}
