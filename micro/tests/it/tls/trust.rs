//! Who is trusted, on both sides, and what is said to those who are not.

use std::time::Duration;

use bytes::Bytes;
use micro::{Code, Context, registry::Memory, transport::Tls};

use super::{
    certificates::{Authority, Pki},
    client, greeter, hello, not_sent,
};

/// Why a client with this TLS cannot call a greeter that has another. It is known to have done nothing.
async fn refusal(server: Tls, caller: Tls) -> String {
    let registry = Memory::new();
    let _running = greeter(&registry, server.require()).await;
    not_sent(&client(&registry, caller), None).await
}

#[tokio::test]
async fn server_of_an_unknown_authority_is_refused_by_default() {
    let why = refusal(Pki::new().server(), Tls::new()).await;
    assert!(why.contains("`--tls-ca`"), "{why}");
    let other = Pki::new();
    let why = refusal(Pki::new().server(), other.client()).await;
    assert!(why.contains("no authority that is trusted"), "{why}");
    assert!(why.contains("`--tls-ca`"), "{why}");
}

#[tokio::test]
async fn server_of_another_name_is_refused_unless_the_name_is_set() {
    let pki = Pki::of("greeter.example");
    let why = refusal(pki.server(), pki.client()).await;
    assert!(why.contains("not for `127.0.0.1`"), "{why}");
    assert!(why.contains("`--tls-server-name`"), "{why}");
    let registry = Memory::new();
    let _running = greeter(&registry, pki.server().require()).await;
    let named = pki.client().server_name("greeter.example");
    assert!(hello(&client(&registry, named)).await.is_ok());
}

#[tokio::test]
async fn insecure_client_accepts_any_certificate() {
    let (pki, registry) = (Pki::of("elsewhere"), Memory::new());
    let _running = greeter(&registry, pki.server().require()).await;
    let insecure = client(&registry, Tls::new().insecure());
    assert_eq!(hello(&insecure).await.unwrap(), "John");
}

#[tokio::test]
async fn client_certificate_of_another_authority_is_refused() {
    let pki = Pki::new();
    let server = pki.server().clients(&pki.ca);
    let why = refusal(server.clone(), pki.client()).await;
    assert!(why.contains("only clients with a certificate"), "{why}");
    assert!(why.contains("`--tls-cert`"), "{why}");
    let stranger = pki.client_of(&Authority::new("pki"));
    let why = refusal(server.clone(), stranger).await;
    assert!(why.contains("refused the client's certificate"), "{why}");
    let registry = Memory::new();
    let _running = greeter(&registry, server.require()).await;
    let known = client(&registry, pki.client_of(&pki.authority));
    assert_eq!(hello(&known).await.unwrap(), "John");
}

#[tokio::test]
async fn optional_client_certificate_is_verified_if_presented() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let server = pki.server().clients(&pki.ca).clients_optional();
    let _running = greeter(&registry, server.clone().require()).await;
    assert!(hello(&client(&registry, pki.client())).await.is_ok());
    let stranger = pki.client_of(&Authority::new("other"));
    let why = refusal(server, stranger).await;
    assert!(why.contains("refused the client's certificate"), "{why}");
}

#[tokio::test]
async fn refused_certificate_fails_the_call_within_a_second() {
    let (pki, other, elsewhere) = (Pki::new(), Pki::new(), Pki::of("elsewhere"));
    let strict = pki.server().clients(&pki.ca);
    let ways = [
        (pki.server(), other.client()),
        (elsewhere.server(), elsewhere.client()),
        (strict, pki.client()),
    ];
    for (number, (server, caller)) in ways.into_iter().enumerate() {
        let registry = Memory::new();
        let running = greeter(&registry, server.require()).await;
        let client = client(&registry, caller.always());
        let method = client.method::<Bytes, Bytes>("greeter", "Greeter.Hello");
        for address in [None, Some(&*running.node().address)] {
            let began = tokio::time::Instant::now();
            let context = Context::new();
            let mut call = method.call(&context, Bytes::new());
            if let Some(address) = address {
                call = call.address(address);
            }
            let error = call.await.unwrap_err();
            let took = began.elapsed();
            assert!(took < Duration::from_secs(1), "{number}: {took:?} {error}");
            assert_eq!(error.code(), Code::Unavailable, "{number}: {error}");
            assert!(
                error.to_string().contains("certificate"),
                "{number}: {error}"
            );
        }
    }
}
