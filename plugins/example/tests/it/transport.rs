//! The transport in its suite.

use std::sync::Arc;

use micro_core::transport::{Transport, contract};

use micro_example::in_process;

#[tokio::test]
async fn in_process_passes_the_suite_of_transports() {
    contract::all(async |limits| {
        let transport = Arc::new(in_process(limits)) as Arc<dyn Transport>;
        (transport, "in-process".to_owned())
    })
    .await;
}
