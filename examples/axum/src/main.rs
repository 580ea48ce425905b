//! A web server by axum and a service of Micro in one process, with one graceful shutdown.
//!
//! The web server is a background task of the service. Its handlers call services through the service's client, which
//! is axum's state. When the process receives SIGTERM, the web server stops accepting, both finish their requests, and
//! the process ends.
//!
//! ```sh
//! cargo run -p micro-rs-example-axum
//! curl localhost:3000/hello/John
//! micro call web Greeter.Hello '"John"'
//! ```

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use micro::{Client, Code, Context, Handler, Result, Service, Settings, client::Method};
use serde::Serialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let service = service(listener).settings(Settings::from_env_and_args()?);
    service.serve().await?.until_signal().await
}

/// The service, with the web server as its background task.
fn service(listener: TcpListener) -> Service {
    let service = Service::new("web").handle("Greeter.Hello", hello.idempotent());
    let app = app(&service.client());
    service.task("http", async move |leaving| {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { leaving.wait().await })
            .await
    })
}

async fn hello(_cx: Context, name: String) -> Result<String> {
    if name.is_empty() {
        return Err(micro::Error::invalid_argument("the name is empty"));
    }
    Ok(format!("Hello {name}"))
}

/// The routes, each of which calls a service.
fn app(client: &Client) -> Router {
    let greeter = client.method::<String, String>("web", "Greeter.Hello");
    Router::new()
        .route("/hello/{name}", get(greet))
        .with_state(greeter)
}

#[derive(Serialize)]
struct Greeting {
    msg: String,
}

async fn greet(
    State(greeter): State<Method<String, String>>,
    Path(name): Path<String>,
) -> std::result::Result<Json<Greeting>, Failure> {
    let cx = Context::new().with_timeout(Duration::from_secs(1));
    let msg = greeter.call(&cx, name.trim().to_owned()).await?;
    Ok(Json(Greeting { msg }))
}

/// An error of a call as a response of axum: the status of its code, and for faults of the caller its message.
struct Failure(micro::Error);

impl From<micro::Error> for Failure {
    fn from(error: micro::Error) -> Self {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self.0.code() {
            Code::InvalidArgument | Code::NotFound => {
                (status, self.0.message().to_owned()).into_response()
            }
            _ => status.into_response(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use micro::{Plugins, registry::Memory};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// The response to a request, with its head.
    async fn get(address: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn web_server_calls_the_service_and_stops_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let plugins = Plugins::new().registry(Memory::new());
        let running = service(listener).plugins(plugins).serve().await.unwrap();

        let response = get(&address, "/hello/John").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.ends_with(r#"{"msg":"Hello John"}"#), "{response}");
        let response = get(&address, "/hello/%20").await;
        assert!(response.starts_with("HTTP/1.1 400"), "{response}");
        assert!(response.ends_with("the name is empty"), "{response}");

        running.stop().await;
        TcpStream::connect(&address).await.unwrap_err();
    }
}
