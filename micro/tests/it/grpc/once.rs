//! What has been handed to a connection may be done: nobody else is asked for it, and nobody says it was not
//! sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{
    Client, Code, Context, Outcome, Plugins, Running, Service, protocols::Grpc, registry::Memory,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    greeter::{Greeting, Hello, greeting, hello},
    soon,
};

/// A node of `greeter`, whose handler counts the slow calls it begins.
async fn node(registry: &Memory, begun: &Arc<AtomicUsize>) -> Running {
    let begun = begun.clone();
    let handler = move |_: Context, hello: Hello| {
        let begun = begun.clone();
        async move {
            if hello.name == "slow" {
                begun.fetch_add(1, Relaxed);
                // Many times what the calls before it took.
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            Ok::<_, micro::Error>(greeting(hello.name))
        }
    };
    Service::new("greeter")
        .plugins(Plugins::new().registry(registry.clone()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Greeter.Hello", handler)
        .serve()
        .await
        .unwrap()
}

fn client(registry: Memory) -> Client {
    let plugins = Plugins::new().registry(registry).transport(Grpc::new());
    plugins.client().unwrap()
}

#[tokio::test]
async fn call_that_takes_longer_than_others_is_not_asked_for_twice() {
    let (registry, begun) = (Memory::new(), Arc::default());
    let nodes = [node(&registry, &begun).await, node(&registry, &begun).await];
    let client = client(registry);
    let method = client.method::<Hello, Greeting>("greeter", "Greeter.Hello");
    let cx = Context::new().with_timeout(Duration::from_secs(9));
    for _ in 0..100 {
        method.call(&cx, hello("quick")).await.unwrap();
    }
    let answer = method.call(&cx, hello("slow")).await.unwrap();
    assert_eq!(answer, greeting("slow"));
    assert_eq!(begun.load(Relaxed), 1, "it is not idempotent");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn call_given_up_before_its_server_read_it_may_have_been_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = client(Memory::new());
    let method = client.method::<Hello, Greeting>("greeter", "Greeter.Hello");
    let cx = Context::new().with_timeout(Duration::from_millis(300));
    let call = method.call(&cx, hello("John")).address(&address);
    let accepted = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        // SETTINGS, and for now no more.
        socket
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        socket
    };
    let (error, mut socket) = soon(async { tokio::join!(call.into_future(), accepted) }).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    // The late server finds the whole request.
    let mut read = Vec::new();
    while !read.windows(6).any(|part| part == b"\n\x04John") {
        let more = soon(socket.read_buf(&mut read)).await.unwrap();
        assert!(more > 0, "{}", read.escape_ascii());
    }
}
