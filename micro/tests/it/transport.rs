//! Every transport keeps the same contract.

use std::sync::Arc;

#[cfg(feature = "grpc")]
use micro::protocols::Grpc;
use micro::{
    Plugins, Service, Socket,
    registry::Memory as Registered,
    transport::{Limits, Memory, contract},
};

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract::all(async |limits: Limits| {
        let transport = Memory::new().limits(limits);
        (Arc::new(transport) as _, "memory:".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract_on_two_threads() {
    contract::all(async |limits: Limits| {
        let transport = Memory::new().limits(limits);
        (Arc::new(transport) as _, "memory:place".to_owned())
    })
    .await;
}

#[tokio::test]
async fn native_keeps_the_contract_over_tcp() {
    contract::all(async |limits: Limits| {
        let transport = Socket::new().limits(limits);
        (Arc::new(transport) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_keeps_the_contract_on_two_threads() {
    contract::all(async |limits: Limits| {
        let transport = Socket::new().limits(limits);
        (Arc::new(transport) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_keeps_the_contract() {
    contract::all(async |limits: Limits| {
        let transport = Grpc::new().limits(limits);
        (Arc::new(transport) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[cfg(feature = "grpc")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_keeps_the_contract_on_two_threads() {
    contract::all(async |limits: Limits| {
        let transport = Grpc::new().limits(limits);
        (Arc::new(transport) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_web_keeps_the_contract() {
    contract::all(async |limits: Limits| {
        let transport = Socket::new().limits(limits).client_protocol("grpc-web-h2");
        (Arc::new(transport.unwrap()) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn native_keeps_the_contract_over_unix_sockets() {
    let directory = std::env::temp_dir().join(format!("micro-contract-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let number = std::sync::atomic::AtomicUsize::new(0);
    contract::all(async |limits: Limits| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = directory.join(number.to_string());
        let transport = Socket::new().limits(limits);
        (Arc::new(transport) as _, format!("unix:{}", path.display()))
    })
    .await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn name_in_memory_is_given_once_and_only_to_its_own_handle() {
    use micro::{Answer, Call, Request, registry::Node, transport::Transport};

    struct Nobody;
    impl Call for Nobody {
        fn call(&self, _: Request) -> Answer {
            Box::pin(std::future::pending())
        }
    }

    let memory = Memory::new();
    let here = memory.listen("memory:a", Arc::new(Nobody)).await.unwrap();
    assert_eq!(here.address(), "memory:a");
    assert!(
        memory
            .clone()
            .listen("memory:a", Arc::new(Nobody))
            .await
            .is_err()
    );
    let node = Node::new("a", "a-1", "memory:a");
    assert!(memory.clone().open(&node).unwrap().probe().await.is_ok());
    assert!(Memory::new().open(&node).unwrap().probe().await.is_err());
    drop(here);
    assert!(memory.open(&node).unwrap().probe().await.is_err());
    assert!(memory.listen("memory:a", Arc::new(Nobody)).await.is_ok());
    let wrong = memory.listen("127.0.0.1:0", Arc::new(Nobody)).await;
    let wrong = wrong.err().unwrap().to_string();
    assert!(wrong.contains("memory:NAME"), "{wrong}");
}

#[tokio::test]
async fn record_says_what_its_transport_speaks() {
    let plugins = || Plugins::new().registry(Registered::new());
    let native = Service::new("a").plugins(plugins()).serve().await.unwrap();
    let memory = plugins().transport(Memory::new());
    let memory = Service::new("a").plugins(memory).serve().await.unwrap();
    let spoken = |service: &micro::Running| service.node().metadata["protocols"].clone();
    let native = spoken(&native);
    assert!(native.split(',').any(|one| one == "native/1"), "{native}");
    assert_eq!(spoken(&memory), "memory");
}
