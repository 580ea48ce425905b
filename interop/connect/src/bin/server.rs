//! The server under test: one port that speaks all of it, and does as each request says.

use std::{error::Error as StdError, fs, io, path::PathBuf, time::Duration};

use micro::{
    Context, Error, Handler, Plugins, Reply, Result, Router, Service, Socket, Streaming,
    registry::Memory, transport::Tls,
};
use micro_rs_interop_connect::{
    any::Any,
    frame,
    proto::{
        BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse,
        ConformancePayload, IdempotentUnaryRequest, IdempotentUnaryResponse, ServerCompatRequest,
        ServerCompatResponse, ServerStreamRequest, ServerStreamResponse, StreamResponseDefinition,
        UnaryRequest, UnaryResponse, UnaryResponseDefinition,
        conformance_payload::{ConnectGetInfo, RequestInfo},
        unary_response_definition::Response,
    },
    said,
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let asked: ServerCompatRequest = frame::read(&mut io::stdin())?.ok_or("nothing was asked")?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(serve(asked))
}

async fn serve(asked: ServerCompatRequest) -> std::result::Result<(), Box<dyn StdError>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut socket = Socket::new();
    if asked.message_receive_limit > 0 {
        socket =
            socket.limit(|limits| limits.max_message_size = asked.message_receive_limit as usize);
    }
    let mut plugins = Plugins::new().registry(Memory::new()).socket(socket);
    let files = Files::new()?;
    let mut certificate = Vec::new();
    if asked.use_tls {
        let shown = asked.server_creds.ok_or("no certificate was given")?;
        let mut tls = Tls::new()
            .certificate(
                files.put("cert.pem", &shown.cert)?,
                files.put("key.pem", &shown.key)?,
            )
            .require();
        if !asked.client_tls_cert.is_empty() {
            tls = tls.clients(files.put("clients.pem", &asked.client_tls_cert)?);
        }
        plugins = plugins.tls(tls);
        certificate = shown.cert;
    }
    let running = Service::new("conformance")
        .plugins(plugins)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .routes(router())
        .serve()
        .await?;
    let address: std::net::SocketAddr = running.node().address.parse()?;
    let answer = ServerCompatResponse {
        host: address.ip().to_string(),
        port: address.port().into(),
        pem_cert: certificate,
    };
    frame::write(&mut io::stdout(), &answer)?;
    terminated.recv().await;
    Ok(())
}

/// Files for as long as the server lives.
struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Self> {
        let name = format!("micro-conformance-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Files(folder))
    }

    fn put(&self, name: &str, text: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left is a few files in the folder for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn router() -> Router {
    Router::new()
        .handle("ConformanceService.Unary", unary)
        .handle("ConformanceService.IdempotentUnary", idempotent.read_only())
        .handle("ConformanceService.ServerStream", server_stream)
        .handle("ConformanceService.ClientStream", client_stream)
        .handle("ConformanceService.BidiStream", bidi_stream)
}

async fn unary(cx: Context, request: UnaryRequest) -> Result<Reply<UnaryResponse>> {
    let requests = vec![Any::of("UnaryRequest", &request)];
    let reply = one(&cx, request.response_definition, requests).await?;
    Ok(reply.map(|payload| UnaryResponse {
        payload: Some(payload),
    }))
}

async fn idempotent(
    cx: Context,
    request: IdempotentUnaryRequest,
) -> Result<Reply<IdempotentUnaryResponse>> {
    let requests = vec![Any::of("IdempotentUnaryRequest", &request)];
    let reply = one(&cx, request.response_definition, requests).await?;
    Ok(reply.map(|payload| IdempotentUnaryResponse {
        payload: Some(payload),
    }))
}

async fn client_stream(
    cx: Context,
    mut stream: Streaming<ClientStreamRequest>,
) -> Result<Reply<ClientStreamResponse>> {
    let mut definition = None;
    let mut requests = Vec::new();
    while let Some(request) = stream.next().await {
        let request = request?;
        requests.push(Any::of("ClientStreamRequest", &request));
        if requests.len() == 1 {
            definition = request.response_definition;
        }
    }
    let reply = one(&cx, definition, requests).await?;
    Ok(reply.map(|payload| ClientStreamResponse {
        payload: Some(payload),
    }))
}

/// The one answer that is wanted.
async fn one(
    cx: &Context,
    definition: Option<UnaryResponseDefinition>,
    requests: Vec<Any>,
) -> Result<Reply<ConformancePayload>> {
    let info = info(cx, requests);
    let definition = definition.unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    let (headers, trailers) = (&definition.response_headers, &definition.response_trailers);
    let data = match definition.response {
        Some(Response::Error(wanted)) => {
            let mut error = with_info(said::error(&wanted), &info);
            said::add(headers, trailers, error.metadata_mut());
            return Err(error);
        }
        Some(Response::ResponseData(data)) => data,
        None => Vec::new(),
    };
    let mut reply = Reply::new(ConformancePayload {
        data,
        request_info: Some(info),
    });
    said::add(headers, trailers, reply.metadata_mut());
    Ok(reply)
}

/// What is told of a request.
fn info(cx: &Context, requests: Vec<Any>) -> RequestInfo {
    let (headers, trailers) = said::split(cx.metadata());
    let by_get = cx.metadata().get(":method") == Some("GET");
    RequestInfo {
        request_headers: headers.into_iter().chain(trailers).collect(),
        timeout_ms: cx.time_left().map(|left| left.as_millis() as i64),
        requests,
        connect_get_info: by_get.then(ConnectGetInfo::default),
    }
}

fn with_info(error: Error, info: &RequestInfo) -> Error {
    let detail = Any::of("ConformancePayload.RequestInfo", info);
    error.with_detail(detail.type_url, &detail.value)
}

async fn server_stream(
    cx: Context,
    request: ServerStreamRequest,
) -> Result<Reply<Streaming<ServerStreamResponse>>> {
    let requests = vec![Any::of("ServerStreamRequest", &request)];
    let info = info(&cx, requests);
    let answers = Answers::new(request.response_definition.unwrap_or_default());
    Ok(answers.reply(|answers, sender| async move {
        answers.rest(Some(info), &sender, server_response).await?;
        drop(sender);
        Ok(())
    }))
}

fn server_response(payload: ConformancePayload) -> ServerStreamResponse {
    ServerStreamResponse {
        payload: Some(payload),
    }
}

fn bidi_response(payload: ConformancePayload) -> BidiStreamResponse {
    BidiStreamResponse {
        payload: Some(payload),
    }
}

async fn bidi_stream(
    cx: Context,
    mut stream: Streaming<BidiStreamRequest>,
) -> Result<Reply<Streaming<BidiStreamResponse>>> {
    let Some(first) = stream.next().await.transpose()? else {
        return Ok(Reply::new(Streaming::channel(1).1));
    };
    let mut requests = vec![Any::of("BidiStreamRequest", &first)];
    let full_duplex = first.full_duplex;
    let answers = Answers::new(first.response_definition.unwrap_or_default());
    if !full_duplex {
        while let Some(request) = stream.next().await.transpose()? {
            requests.push(Any::of("BidiStreamRequest", &request));
        }
        let info = info(&cx, requests);
        return Ok(answers.reply(|answers, sender| async move {
            answers.rest(Some(info), &sender, bidi_response).await
        }));
    }
    let mut info = Some(info(&cx, requests));
    Ok(answers.reply(|mut answers, sender| async move {
        while info.is_some() && !answers.definition.response_data.is_empty() {
            let payload = answers.next(info.take()).await;
            sender.send(bidi_response(payload)).await?;
            if let Some(request) = stream.next().await.transpose()? {
                info = Some(RequestInfo {
                    requests: vec![Any::of("BidiStreamRequest", &request)],
                    ..RequestInfo::default()
                });
            }
        }
        answers.rest(info, &sender, bidi_response).await
    }))
}

/// The answers that are wanted of a stream.
struct Answers {
    definition: StreamResponseDefinition,
    /// Whether one was given.
    begun: bool,
}

impl Answers {
    fn new(mut definition: StreamResponseDefinition) -> Self {
        definition.response_data.reverse();
        Answers {
            definition,
            begun: false,
        }
    }

    /// A stream with its headers and trailers, which `work` feeds.
    fn reply<T, Work, Ended>(self, work: Work) -> Reply<Streaming<T>>
    where
        T: micro::Message,
        Work: FnOnce(Self, micro::codec::Sender<T>) -> Ended,
        Ended: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, stream) = Streaming::channel(1);
        let mut reply = Reply::new(stream);
        let definition = &self.definition;
        let (headers, trailers) = (&definition.response_headers, &definition.response_trailers);
        said::add(headers, trailers, reply.metadata_mut());
        let working = work(self, sender.clone());
        tokio::spawn(async move {
            if let Err(error) = working.await {
                // Nobody is left to be told.
                let _ = sender.fail(error).await;
            }
        });
        reply
    }

    /// The next payload.
    async fn next(&mut self, info: Option<RequestInfo>) -> ConformancePayload {
        let delay = self.definition.response_delay_ms.into();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        self.begun = true;
        ConformancePayload {
            data: self.definition.response_data.pop().unwrap_or_default(),
            request_info: info,
        }
    }

    /// Sends what is left, and fails if that is wanted.
    async fn rest<T>(
        mut self,
        mut info: Option<RequestInfo>,
        sender: &micro::codec::Sender<T>,
        of: fn(ConformancePayload) -> T,
    ) -> Result<()> {
        while !self.definition.response_data.is_empty() {
            let payload = self.next(info.take()).await;
            sender.send(of(payload)).await?;
        }
        match (&self.definition.error, info) {
            (None, _) => Ok(()),
            (Some(wanted), Some(info)) if !self.begun => Err(with_info(said::error(wanted), &info)),
            (Some(wanted), _) => Err(said::error(wanted)),
        }
    }
}
