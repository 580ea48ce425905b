//! A client of gRPC server reflection:
//! <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>.

mod message_codec;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use micro::{Code, Context, Error, Result, Streaming, client::Client, codec::Sender};
use prost::Message;
use prost_reflect::{DescriptorPool, ServiceDescriptor, prost_types::FileDescriptorProto};

pub(crate) use message_codec::{Json, MessageCodec, Protobuf, fields};
use wire::{ReflectionRequest, ReflectionResponse};

/// The names of the reflection service, newest first. Some servers, such as Python's grpcio, offer only `v1alpha`.
const SERVICES: [&str; 2] = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];
const ENDPOINT: &str = "ServerReflection.ServerReflectionInfo";
/// Time limit of all reflection requests to one server.
const REFLECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// A reflection stream to one server.
pub(crate) struct Reflection {
    requests: Sender<ReflectionRequest>,
    answers: Streaming<ReflectionResponse>,
    /// The full names of the server's services, such as `weather.Station`.
    pub(crate) services: Vec<String>,
    files: BTreeMap<String, FileDescriptorProto>,
}

impl Reflection {
    /// Fetches the list of services of the server at an address. Returns `None` if the server has no reflection.
    pub(crate) async fn open(client: &Client, address: &str) -> Result<Option<Self>> {
        for service in SERVICES {
            match Self::begin(client, service, address).await {
                Err(error) if error.code() == Code::Unimplemented => {}
                begun => return begun.map(Some),
            }
        }
        Ok(None)
    }

    async fn begin(client: &Client, service: &str, address: &str) -> Result<Self> {
        let (requests, stream) = Streaming::channel(1);
        // A server may send nothing, not even headers, before the first request.
        let first = ReflectionRequest {
            services: Some("*".into()),
            ..ReflectionRequest::default()
        };
        requests.send(first).await?;
        let reflection = client.method::<_, Streaming<ReflectionResponse>>(service, ENDPOINT);
        let context = Context::new().with_timeout(REFLECTION_TIMEOUT);
        let answers = reflection.call(&context, stream).address(address).await?;
        let mut begun = Reflection {
            requests,
            answers,
            services: Vec::new(),
            files: BTreeMap::new(),
        };
        let found = begun.answer().await?.services.ok_or_else(mismatch)?;
        begun.services = found.services.into_iter().map(|one| one.name).collect();
        Ok(begun)
    }

    /// Fetches the descriptor of a service. Returns `None` if the server has none, as for a service without a `.proto`.
    pub(crate) async fn service(&mut self, name: &str) -> Result<Option<ServiceDescriptor>> {
        if !self.services.iter().any(|known| known == name) {
            return Ok(None);
        }
        let first = ReflectionRequest {
            file_containing: Some(name.to_owned()),
            ..ReflectionRequest::default()
        };
        match self.fetch(first).await {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            fetched => fetched?,
        }
        while let Some(missing) = self.missing() {
            let known = DescriptorPool::global().get_file_by_name(&missing);
            match known {
                Some(known) => {
                    let file = known.file_descriptor_proto().clone();
                    self.files.insert(missing, file);
                }
                None => {
                    let next = ReflectionRequest {
                        file_by_name: Some(missing.clone()),
                        ..ReflectionRequest::default()
                    };
                    self.fetch(next).await?;
                    if !self.files.contains_key(&missing) {
                        return Err(mismatch());
                    }
                }
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(self.files.values().cloned())
            .map_err(|error| {
                Error::data_loss("the server's descriptors are invalid").with_source(error)
            })?;
        Ok(pool.get_service_by_name(name))
    }

    /// A file that is imported but not fetched yet.
    fn missing(&self) -> Option<String> {
        let imported = self.files.values().flat_map(|file| &file.dependency);
        imported
            .into_iter()
            .find(|name| !self.files.contains_key(*name))
            .cloned()
    }

    /// Sends a request and keeps the files of the response.
    async fn fetch(&mut self, request: ReflectionRequest) -> Result<()> {
        self.requests.send(request).await?;
        let found = self.answer().await?.files.ok_or_else(mismatch)?;
        for file in &found.files {
            let file = FileDescriptorProto::decode(&file[..]).map_err(|error| {
                Error::data_loss("the server's descriptors are truncated").with_source(error)
            })?;
            self.files.insert(file.name().to_owned(), file);
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<ReflectionResponse> {
        let response = self.answers.next().await.ok_or_else(mismatch)??;
        match response.failed {
            None => Ok(response),
            Some(failed) if failed.code == NOT_FOUND => Err(Error::not_found(failed.message)),
            Some(failed) => Err(Error::unknown(failed.message)),
        }
    }
}

/// gRPC's status code `NOT_FOUND`.
const NOT_FOUND: i32 = 5;

fn mismatch() -> Error {
    Error::data_loss("the server's reflection response does not match the request")
}
