//! Middleware: a layer that authenticates, and passes a typed user to the handlers of one group of endpoints.
#![allow(clippy::print_stdout, reason = "the example shows its result")]

use micro::{
    Context, Error, Plugins, Request, Response, Result, Router, Service,
    middleware::{Next, from_fn},
    registry::Memory,
};

struct User {
    name: String,
}

/// Refuses requests without a valid token, and attaches the user to all others.
async fn authenticate(mut request: Request, next: Next) -> Result<Response> {
    let token = request.context().metadata().get("authorization");
    let user = match token {
        Some("Bearer letmein") => User {
            name: "John".into(),
        },
        Some(_) => return Err(Error::unauthenticated("the token is not valid")),
        None => return Err(Error::unauthenticated("`authorization` is missing")),
    };
    request.context_mut().insert(user);
    next.run(request).await
}

async fn whoami(cx: Context, _: ()) -> Result<String> {
    let user = cx.get::<User>();
    let user = user.ok_or_else(|| Error::internal("the layer `authenticate` is missing"))?;
    Ok(user.name.clone())
}

async fn version(_cx: Context, _: ()) -> Result<String> {
    Ok("1.0".into())
}

#[tokio::main]
async fn main() -> Result<()> {
    println!("hello, {}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<String> {
    let private = Router::new()
        .handle("Account.Whoami", whoami)
        .layer(from_fn(authenticate));
    let running = Service::new("account")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Account.Version", version)
        .routes(private)
        .serve()
        .await?;
    let client = running.client();

    let version = client.method::<(), String>("account", "Account.Version");
    version.call(&Context::new(), ()).await?;
    let whoami = client.method::<(), String>("account", "Account.Whoami");
    let refused = whoami.call(&Context::new(), ()).await;
    assert!(refused.is_err(), "no token, no answer");
    let cx = Context::new().with("authorization", "Bearer letmein");
    let name = whoami.call(&cx, ()).await?;
    running.stop().await;
    Ok(name)
}
