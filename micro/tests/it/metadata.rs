//! Which metadata of a request reaches the services that its handler calls.

use std::sync::{Arc, Mutex};

use micro::{Context, Plugins, Result, Running, Service, Socket, registry::Memory};

type Seen = Arc<Mutex<Vec<String>>>;

fn names(cx: &Context) -> Vec<String> {
    let names = cx.metadata().iter().map(|(name, _)| name.to_lowercase());
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with("x-") && name != "x-grpc-web" || PRIVATE.contains(&&**name))
        .collect();
    names.sort();
    names
}

const PRIVATE: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "baggage"];

/// `front` calls `back`; what each saw. `front` relays `x-tenant` and adds `x-own`.
async fn chain(plugins: &Plugins) -> (Seen, Seen, [Running; 2]) {
    let (front, back) = (Seen::default(), Seen::default());
    let seen = back.clone();
    let last = Service::new("back").plugins(plugins.clone()).handle(
        "Back.Go",
        move |cx: Context, text: String| {
            *seen.lock().unwrap() = names(&cx);
            async { Ok::<_, micro::Error>(text) }
        },
    );
    let first = Service::new("front").plugins(plugins.clone());
    let next = first.client().method::<String, String>("back", "Back.Go");
    let seen = front.clone();
    let first = first.handle("Front.Go", move |cx: Context, text: String| {
        *seen.lock().unwrap() = names(&cx);
        let next = next.clone();
        async move {
            let cx = cx.relay("X-Tenant").with("x-own", "1");
            next.call(&cx, text).await
        }
    });
    let running = [last.serve().await.unwrap(), first.serve().await.unwrap()];
    (front, back, running)
}

async fn go(plugins: &Plugins) -> Result<String> {
    let cx = Context::new()
        .with("Authorization", "Bearer x")
        .with("Cookie", "c")
        .with("Proxy-Authorization", "p")
        .with("X-Forwarded-For", "10.0.0.1")
        .with("X-Tenant", "t")
        .with("X-Other", "o")
        .with("Baggage", "b=1");
    let client = plugins.client().unwrap();
    client
        .method("front", "Front.Go")
        .call(&cx, "x".to_owned())
        .await
}

#[tokio::test]
async fn only_marked_metadata_reaches_the_second_hop() {
    for protocol in Socket::CLIENT_PROTOCOLS {
        let socket = Socket::new().client_protocol(protocol).unwrap();
        let plugins = Plugins::new().registry(Memory::new()).socket(socket);
        let (front, back, _running) = chain(&plugins).await;
        go(&plugins).await.unwrap();
        let all = [
            "authorization",
            "baggage",
            "cookie",
            "proxy-authorization",
            "x-forwarded-for",
            "x-other",
            "x-tenant",
        ];
        assert_eq!(*front.lock().unwrap(), all, "{protocol}");
        assert_eq!(
            *back.lock().unwrap(),
            ["baggage", "x-own", "x-tenant"],
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn listed_metadata_and_all_of_it_travel_where_a_setting_says_so() {
    let plugins = Plugins::new()
        .registry(Memory::new())
        .relay("x-other, cookie");
    let (_, back, running) = chain(&plugins).await;
    go(&plugins).await.unwrap();
    assert_eq!(
        *back.lock().unwrap(),
        ["baggage", "cookie", "x-other", "x-own", "x-tenant"]
    );
    drop(running);
    let settings = micro::Settings::new().args(["--metadata=all"]).unwrap();
    let plugins = settings
        .apply(Plugins::new().registry(Memory::new()))
        .unwrap();
    let (_, back, _running) = chain(&plugins).await;
    go(&plugins).await.unwrap();
    let back = back.lock().unwrap();
    assert_eq!(back.len(), 8, "{back:?}");
}

#[tokio::test]
async fn metadata_of_an_event_stays_with_its_subscriber() {
    let plugins = Plugins::new().registry(Memory::new());
    let seen = Seen::default();
    let last = {
        let seen = seen.clone();
        Service::new("back").plugins(plugins.clone()).handle(
            "Back.Go",
            move |cx: Context, text: String| {
                *seen.lock().unwrap() = names(&cx);
                async { Ok::<_, micro::Error>(text) }
            },
        )
    };
    let _last = last.serve().await.unwrap();
    let first = Service::new("front").plugins(plugins.clone());
    let next = first.client().method::<String, String>("back", "Back.Go");
    let first = first.subscribe("news", move |cx: Context, text: String| {
        let next = next.clone();
        async move {
            assert_eq!(cx.metadata().get("cookie"), Some("c"));
            next.call(&cx, text).await.map(drop)
        }
    });
    let _first = first.serve().await.unwrap();
    let cx = Context::new().with("cookie", "c").with("baggage", "b=1");
    let client = plugins.client().unwrap();
    assert_eq!(
        client.publish(&cx, "news", &"x".to_owned()).await.unwrap(),
        1
    );
    assert_eq!(*seen.lock().unwrap(), ["baggage"]);
}
