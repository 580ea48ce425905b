//! The client under test: makes each call as it is told, and tells what came of it.

use std::{
    error::Error as StdError,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use micro::{
    Client, Codecs, ContentType, Context, Error, Message, Metadata, Plugins, Reply, Socket,
    Streaming,
    client::RequestBuilder,
    registry::{Endpoint, Memory, Node, Registry},
    transport::Tls,
};
use micro_rs_interop_connect::{
    any::Any,
    frame,
    proto::{
        BidiStreamRequest, BidiStreamResponse, ClientCompatRequest, ClientCompatResponse,
        ClientErrorResult, ClientResponseResult, ClientStreamRequest, ClientStreamResponse, Codec,
        Compression, ConformancePayload, HttpVersion, IdempotentUnaryRequest,
        IdempotentUnaryResponse, Protocol, ServerStreamRequest, ServerStreamResponse, StreamType,
        UnaryRequest, UnaryResponse, UnimplementedRequest, UnimplementedResponse,
        client_compat_request::cancel::CancelTiming, client_compat_response::Result as Told,
    },
    said,
};
use tokio::{sync::Semaphore, task::JoinSet, time};

type Failed = Box<dyn StdError + Send + Sync>;

/// Calls made at once.
const AT_ONCE: usize = 8;

fn main() -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Failed> {
    let files = Arc::new(Files::new()?);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let output = Arc::new(Mutex::new(io::stdout()));
    let mut tasks = JoinSet::new();
    loop {
        let read = tokio::task::spawn_blocking(|| {
            frame::read::<ClientCompatRequest>(&mut io::stdin().lock())
        });
        let Some(asked) = read.await?? else {
            break;
        };
        let place = room.clone().acquire_owned().await?;
        let (files, output) = (files.clone(), output.clone());
        tasks.spawn(async move {
            let _place = place;
            let test_name = asked.test_name.clone();
            let result = match make(asked, &files).await {
                Ok(result) => Told::Response(result),
                Err(error) => Told::Error(ClientErrorResult {
                    message: error.to_string(),
                }),
            };
            let answer = ClientCompatResponse {
                test_name,
                result: Some(result),
            };
            let mut output = output.lock().map_err(|error| error.to_string())?;
            frame::write(&mut *output, &answer).map_err(|error| error.to_string())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Files for as long as the client lives, each of another content.
struct Files(PathBuf, Mutex<Vec<(Vec<u8>, PathBuf)>>);

impl Files {
    fn new() -> io::Result<Self> {
        let name = format!("micro-conformance-client-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Files(folder, Mutex::default()))
    }

    fn of(&self, text: &[u8]) -> Result<PathBuf, Failed> {
        let mut known = self.1.lock().map_err(|error| error.to_string())?;
        if let Some((_, path)) = known.iter().find(|(other, _)| other == text) {
            return Ok(path.clone());
        }
        let path = self.0.join(format!("{}.pem", known.len()));
        fs::write(&path, text)?;
        known.push((text.to_vec(), path.clone()));
        Ok(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left is a few files in the folder for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client for one call.
async fn client(asked: &ClientCompatRequest, files: &Files) -> Result<Client, Failed> {
    let two = asked.http_version() == HttpVersion::HttpVersion2;
    let protocol = match asked.protocol() {
        Protocol::Connect if two => "connect-h2",
        Protocol::Connect => "connect",
        Protocol::Grpc => "grpc",
        Protocol::GrpcWeb if two => "grpc-web-h2",
        Protocol::GrpcWeb => "grpc-web",
        other => return Err(format!("{other:?} is no protocol known here").into()),
    };
    let compression = match asked.compression() {
        Compression::Unspecified | Compression::Identity => "identity",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        other => return Err(format!("{other:?} is no compression known here").into()),
    };
    let mut socket = Socket::new()
        .client_protocol(protocol)?
        .compression(compression)?;
    socket = socket.limit(|limits| {
        limits.connect_timeout = Duration::from_secs(10);
        if asked.message_receive_limit > 0 {
            limits.max_message_size = asked.message_receive_limit as usize;
        }
    });
    let mut plugins = Plugins::new().socket(socket);
    if !asked.server_tls_cert.is_empty() {
        let mut tls = Tls::new().trust(files.of(&asked.server_tls_cert)?).always();
        if let Some(shown) = &asked.client_tls_creds {
            tls = tls.certificate(files.of(&shown.cert)?, files.of(&shown.key)?);
        }
        plugins = plugins.tls(tls);
    }
    let (service, _, name) = endpoint(asked)?;
    let mut endpoint = Endpoint::new(name);
    if asked.use_get_http_method {
        endpoint.metadata.insert("read_only".into(), "true".into());
    }
    let address = format!("{}:{}", asked.host, asked.port);
    let mut node = Node::new(service, "under-test", address);
    node.endpoints = [endpoint].into();
    let registry = Memory::new();
    registry.register(&node, None).await?;
    let plugins = plugins.registry(registry).balance(|settings| {
        settings.attempts = 1;
        settings.timeout = Duration::MAX;
    });
    Ok(plugins.client()?)
}

/// The service, the method, and the name that the two make here.
fn endpoint(asked: &ClientCompatRequest) -> Result<(String, String, String), Failed> {
    let method = asked.method.clone().ok_or("no method is named")?;
    let service = asked.service.as_deref();
    let service = service.unwrap_or("connectrpc.conformance.v1.ConformanceService");
    let (package, kind) = service
        .rsplit_once('.')
        .ok_or("the service has no package")?;
    Ok((
        package.to_owned(),
        method.clone(),
        format!("{kind}.{method}"),
    ))
}

/// What a response has; every one of the suite's has it.
trait Answer: Message {
    fn payload(self) -> ConformancePayload;
}

macro_rules! answers {
    ($($type:ty),*) => {$(
        impl Answer for $type {
            fn payload(self) -> ConformancePayload {
                self.payload.unwrap_or_default()
            }
        }
    )*};
}

answers!(
    UnaryResponse,
    IdempotentUnaryResponse,
    ServerStreamResponse,
    ClientStreamResponse,
    BidiStreamResponse
);

impl Answer for UnimplementedResponse {
    fn payload(self) -> ConformancePayload {
        ConformancePayload::default()
    }
}

/// A call as it is to be made, and what has come of it.
struct Case {
    asked: ClientCompatRequest,
    client: Client,
    service: String,
    name: String,
    result: ClientResponseResult,
}

async fn make(asked: ClientCompatRequest, files: &Files) -> Result<ClientResponseResult, Failed> {
    let client = client(&asked, files).await?;
    let (service, method, name) = endpoint(&asked)?;
    let mut case = Case {
        client,
        service,
        name,
        result: ClientResponseResult::default(),
        asked,
    };
    match (&*method, case.asked.stream_type()) {
        ("Unary", _) => case.one::<UnaryRequest, UnaryResponse>().await?,
        ("IdempotentUnary", _) => {
            case.one::<IdempotentUnaryRequest, IdempotentUnaryResponse>()
                .await?;
        }
        ("Unimplemented", _) => {
            case.one::<UnimplementedRequest, UnimplementedResponse>()
                .await?
        }
        ("ServerStream", _) => {
            case.many::<ServerStreamRequest, ServerStreamResponse>()
                .await?
        }
        ("ClientStream", _) => {
            case.feed::<ClientStreamRequest, ClientStreamResponse>()
                .await?
        }
        ("BidiStream", StreamType::FullDuplexBidiStream) => {
            case.both::<BidiStreamRequest, BidiStreamResponse>(true)
                .await?;
        }
        ("BidiStream", _) => {
            case.both::<BidiStreamRequest, BidiStreamResponse>(false)
                .await?
        }
        (other, _) => return Err(format!("`{other}` is no method of the suite's").into()),
    }
    Ok(case.result)
}

impl Case {
    fn content_type(&self) -> ContentType {
        match self.asked.codec() {
            Codec::Json => ContentType::Json,
            _ => ContentType::Protobuf,
        }
    }

    fn context(&self) -> Context {
        let mut cx = Context::new();
        said::add(&self.asked.request_headers, &[], cx.metadata_mut());
        match self.asked.timeout_ms {
            Some(millis) => cx.with_timeout(Duration::from_millis(millis.into())),
            None => cx,
        }
    }

    fn requests<In: Message>(&self) -> Result<Vec<In>, Failed> {
        let codecs = Codecs::default();
        let decode = |any: &Any| {
            let bytes = any.value.clone().into();
            Ok(In::decode(&ContentType::Protobuf, &codecs, bytes)?)
        };
        self.asked.request_messages.iter().map(decode).collect()
    }

    /// Goes to the server at once, and waits for it for as long as the call does; only what is asked for by GET
    /// needs a record to know that.
    fn at<'a, In, Out>(&self, call: RequestBuilder<'a, In, Out>) -> RequestBuilder<'a, In, Out> {
        match self.asked.use_get_http_method {
            true => call,
            false => call.address(&format!("{}:{}", self.asked.host, self.asked.port)),
        }
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(self.asked.request_delay_ms.into())
    }

    /// When the call is to be given up, counted from when its requests have ended.
    fn patience(&self) -> Option<Duration> {
        let cancel = self.asked.cancel.as_ref()?;
        match &cancel.cancel_timing {
            None => Some(Duration::ZERO),
            Some(CancelTiming::AfterCloseSendMs(millis)) => {
                Some(Duration::from_millis((*millis).into()))
            }
            Some(_) => None,
        }
    }

    /// After how many responses the call is to be given up.
    fn enough(&self) -> Option<usize> {
        match self.asked.cancel.as_ref()?.cancel_timing.as_ref()? {
            CancelTiming::AfterNumResponses(count) => Some(*count as usize),
            _ => None,
        }
    }

    fn before_close(&self) -> bool {
        let cancel = self.asked.cancel.as_ref();
        let timing = cancel.and_then(|cancel| cancel.cancel_timing.as_ref());
        matches!(timing, Some(CancelTiming::BeforeCloseSend(_)))
    }

    fn head(&mut self, metadata: &Metadata) {
        let (headers, trailers) = said::split(metadata);
        self.result.response_headers.extend(headers);
        self.result.response_trailers.extend(trailers);
    }

    /// What failed before its answer had begun: gRPC has headers and trailers in one then.
    fn refuse(&mut self, error: &Error) {
        if self.asked.protocol() != Protocol::Connect {
            let (both, _) = said::split(error.metadata());
            self.result.response_headers.extend(both);
        }
        self.fail(error);
    }

    fn fail(&mut self, error: &Error) {
        let (bare, trailers) = said::split(error.metadata());
        // gRPC has an error's metadata after the messages, Connect before them.
        match self.asked.protocol() {
            Protocol::Connect => self.result.response_headers.extend(bare),
            _ => self.result.response_trailers.extend(bare),
        }
        self.result.response_trailers.extend(trailers);
        self.result.error = Some(said::told(error));
    }

    fn cancelled(&mut self) {
        self.fail(&Error::cancelled("given up, as it was told"));
    }

    async fn one<In: Message, Out: Answer>(&mut self) -> Result<(), Failed> {
        let request = self.requests::<In>()?.pop().ok_or("there is no request")?;
        time::sleep(self.delay()).await;
        let method = self
            .client
            .method::<In, Reply<Out>>(&self.service, &self.name);
        let method = method.content_type(self.content_type());
        let answer = self
            .until(self.at(method.call(&self.context(), request)).into_future())
            .await;
        self.answered(answer);
        Ok(())
    }

    async fn feed<In: Message, Out: Answer>(&mut self) -> Result<(), Failed> {
        let requests = self.requests::<In>()?;
        let (sender, stream) = Streaming::channel(1);
        let method = self
            .client
            .method::<Streaming<In>, Reply<Out>>(&self.service, &self.name);
        let method = method.content_type(self.content_type());
        let cx = self.context();
        let (delay, stays_open) = (self.delay(), self.before_close());
        let patience = self.patience();
        let feeding = async {
            let mut unsent = requests.len();
            for request in requests {
                time::sleep(delay).await;
                if sender.send(request).await.is_err() {
                    break;
                }
                unsent -= 1;
            }
            if stays_open {
                return;
            }
            drop(sender);
            let _ = unsent;
            match patience {
                Some(patience) => time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = self.at(method.call(&cx, stream)).into_future() => Some(answer),
            () = feeding => None,
        };
        self.answered(answer);
        Ok(())
    }

    /// What comes before the call is to be given up; `None` then.
    async fn until<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        match self.patience() {
            None => Some(answer.await),
            Some(patience) => time::timeout(patience, answer).await.ok(),
        }
    }

    fn answered<Out: Answer>(&mut self, answer: Option<micro::Result<Reply<Out>>>) {
        match answer {
            None => self.cancelled(),
            Some(Err(error)) => self.refuse(&error),
            Some(Ok(reply)) => {
                self.head(reply.metadata());
                self.result.payloads.push(reply.into_inner().payload());
            }
        }
    }

    async fn many<In: Message, Out: Answer>(&mut self) -> Result<(), Failed> {
        let request = self.requests::<In>()?.pop().ok_or("there is no request")?;
        time::sleep(self.delay()).await;
        let method = self
            .client
            .method::<In, Reply<Streaming<Out>>>(&self.service, &self.name);
        let method = method.content_type(self.content_type());
        let began = time::Instant::now();
        let patience = self.patience().map(|patience| began + patience);
        let cx = self.context();
        let call = self.at(method.call(&cx, request)).into_future();
        let Some(answer) = within(patience, call).await else {
            self.cancelled();
            return Ok(());
        };
        match answer {
            Err(error) => self.refuse(&error),
            Ok(mut reply) => {
                self.head(reply.metadata());
                self.read(&mut reply, patience).await;
            }
        }
        Ok(())
    }

    /// Reads a stream to its end, or for as long as it is to be read.
    async fn read<Out: Answer>(
        &mut self,
        reply: &mut Reply<Streaming<Out>>,
        patience: Option<time::Instant>,
    ) {
        loop {
            if self
                .enough()
                .is_some_and(|enough| self.result.payloads.len() >= enough)
            {
                return self.cancelled();
            }
            match within(patience, reply.get_mut().next()).await {
                None => return self.cancelled(),
                Some(Some(Ok(answer))) => self.result.payloads.push(answer.payload()),
                Some(Some(Err(error))) => return self.fail(&error),
                Some(None) => break,
            }
        }
        let (trailers, _) = said::split(&reply.trailers());
        self.result.response_trailers.extend(trailers);
    }

    async fn both<In: Message, Out: Answer>(&mut self, full: bool) -> Result<(), Failed> {
        let requests = self.requests::<In>()?;
        let (sender, stream) = Streaming::channel(1);
        let method = self
            .client
            .method::<Streaming<In>, Reply<Streaming<Out>>>(&self.service, &self.name);
        let method = method.content_type(self.content_type());
        let cx = self.context();
        let mut call = std::pin::pin!(self.at(method.call(&cx, stream)).into_future());
        let mut reply: Option<Reply<Streaming<Out>>> = None;
        let mut left = requests.len();
        for request in requests {
            time::sleep(self.delay()).await;
            // The call goes on only while it is asked about.
            let sending = sender.send(request);
            let sent = match &mut reply {
                Some(_) => sending.await,
                None => tokio::select! {
                    biased;
                    sent = sending => sent,
                    answer = &mut call => match answer {
                        Ok(came) => {
                            self.head(came.metadata());
                            reply = Some(came);
                            Ok(())
                        }
                        Err(error) => {
                            self.result.num_unsent_requests = left as i32;
                            self.refuse(&error);
                            return Ok(());
                        }
                    },
                },
            };
            if sent.is_err() {
                break;
            }
            left -= 1;
            if !full {
                continue;
            }
            if reply.is_none() {
                match (&mut call).await {
                    Ok(came) => {
                        self.head(came.metadata());
                        reply = Some(came);
                    }
                    Err(error) => {
                        self.result.num_unsent_requests = left as i32;
                        self.refuse(&error);
                        return Ok(());
                    }
                }
            }
            let Some(reply) = &mut reply else { continue };
            match reply.get_mut().next().await {
                Some(Ok(answer)) => self.result.payloads.push(answer.payload()),
                Some(Err(error)) => {
                    self.result.num_unsent_requests = left as i32;
                    self.fail(&error);
                    return Ok(());
                }
                None => break,
            }
            if self
                .enough()
                .is_some_and(|enough| self.result.payloads.len() >= enough)
            {
                self.cancelled();
                return Ok(());
            }
        }
        if self.before_close() {
            self.cancelled();
            return Ok(());
        }
        drop(sender);
        let patience = self
            .patience()
            .map(|patience| time::Instant::now() + patience);
        let mut reply = match reply {
            Some(reply) => reply,
            None => match within(patience, call).await {
                None => {
                    self.cancelled();
                    return Ok(());
                }
                Some(Err(error)) => {
                    self.refuse(&error);
                    return Ok(());
                }
                Some(Ok(reply)) => {
                    self.head(reply.metadata());
                    reply
                }
            },
        };
        self.read(&mut reply, patience).await;
        Ok(())
    }
}

/// What a future gives before an instant; `None` when that has come first.
async fn within<T>(at: Option<time::Instant>, future: impl Future<Output = T>) -> Option<T> {
    match at {
        None => Some(future.await),
        Some(at) => time::timeout_at(at, future).await.ok(),
    }
}
