//! What clients of every version sent, to our server.

use std::time::Duration;

use micro::{Plugins, Running, Service, registry::Memory};
use micro_rs_interop_greeter::Greeter;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    capture::{self, Section, Step},
    judge,
    wire::{self, Incoming, Message},
};

pub(crate) async fn greeter() -> Running {
    let service = Service::new("greeter")
        .allow_host("*")
        .plugins(Plugins::new().registry(Memory::new()))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO);
    Greeter::new()
        .serve(service)
        .unwrap()
        .serve()
        .await
        .unwrap()
}

/// Files of what clients sent; whoever the server was.
const CLIENTS: [&str; 33] = [
    "2016-05-client-v6-server-json",
    "2016-05-client-v6-server-proto",
    "2016-05-mucp-http-json-error-bad",
    "2016-05-mucp-http-json-metadata",
    "2016-05-mucp-http-json-stream-bidi",
    "2016-05-mucp-http-json-stream-server",
    "2016-05-mucp-http-json-unary",
    "2016-05-mucp-http-json-unknown",
    "2016-05-mucp-http-proto-error",
    "2016-05-mucp-http-proto-stream-server",
    "2016-05-mucp-http-proto-unary",
    "v1-mucp-http-json-sequential",
    "v1.1-mucp-http-json-stream-server",
    "v1.1-mucp-http-json-unary-error",
    "v2-mucp-http-json-metadata",
    "v2-mucp-http-json-types",
    "v6-client-2016-05-server-json",
    "v6-client-2016-05-server-proto",
    "v6-mucp-http-json-error-bad",
    "v6-mucp-http-json-error-plain",
    "v6-mucp-http-json-metadata",
    "v6-mucp-http-json-plain",
    "v6-mucp-http-json-sequential",
    "v6-mucp-http-json-stream-bidi",
    "v6-mucp-http-json-stream-fail",
    "v6-mucp-http-json-stream-server",
    "v6-mucp-http-json-timeout",
    "v6-mucp-http-json-types",
    "v6-mucp-http-json-unary",
    "v6-mucp-http-json-unknown",
    "v6-mucp-http-proto-error",
    "v6-mucp-http-proto-stream-server",
    "v6-mucp-http-proto-unary",
];

#[tokio::test]
async fn clients_of_every_version_get_the_replies_they_got() {
    let running = greeter().await;
    for file in CLIENTS {
        for section in capture::read(file) {
            replay(&running, &section).await;
        }
    }
    running.stop().await;
}

pub(crate) async fn replay(running: &Running, section: &Section) {
    let socket = TcpStream::connect(&running.node().address).await.unwrap();
    let (read, mut write) = socket.into_split();
    let mut incoming = Incoming::new(read);
    let mut requests: Vec<Message> = Vec::new();
    let mut answered = 0;
    for step in &section.steps {
        match step {
            Step::ToServer(bytes) => {
                requests.extend(wire::all(bytes));
                write.write_all(bytes).await.unwrap();
            }
            Step::FromServer(bytes) => {
                for recorded in wire::all(bytes) {
                    let last = requests.last().unwrap();
                    if is_late_end(last, &recorded) {
                        continue;
                    }
                    let ours = incoming.next().await;
                    let ours = ours.unwrap_or_else(|| panic!("{}: closed", section.name));
                    // Pipelined requests are answered in their order; a stream's last one is what counts.
                    let request = match is_stream(last) {
                        true => last,
                        false => &requests[answered],
                    };
                    answered += 1;
                    judge::reply(&section.name, request, &recorded, &ours);
                }
            }
        }
    }
}

fn endpoint(request: &Message) -> String {
    judge::content(request, judge::envelope(request)).endpoint
}

fn is_stream(request: &Message) -> bool {
    ["Greeter.Count", "Greeter.Chat"].contains(&&*endpoint(request))
}

/// Whether a server said that a stream ended whose client had ended it already: ours says nothing then, as
/// later versions do.
fn is_late_end(request: &Message, recorded: &Message) -> bool {
    let content = judge::content(recorded, judge::envelope(request));
    content.error == "EOS" && endpoint(request) == "Greeter.Chat"
}
