//! What a gRPC server says of its services, by its own reflection:
//! <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>.

mod form;
mod wire;

use std::{collections::BTreeMap, time::Duration};

use micro::{Code, Context, Error, Result, Streaming, client::Client, codec::Sender};
use prost::Message;
use prost_reflect::{DescriptorPool, ServiceDescriptor, prost_types::FileDescriptorProto};

pub(crate) use form::{Form, Json, Protobuf, fields};
use wire::{Question, Told};

/// Its names, the present one first; some servers, such as those of Python's grpcio, offer the older only.
const SERVICES: [&str; 2] = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];
const ENDPOINT: &str = "ServerReflection.ServerReflectionInfo";
/// All questions to a server are answered by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// A conversation with a server about itself.
pub(crate) struct Reflection {
    questions: Sender<Question>,
    answers: Streaming<Told>,
    /// The full names of its services, such as `weather.Station`.
    pub(crate) services: Vec<String>,
    files: BTreeMap<String, FileDescriptorProto>,
}

impl Reflection {
    /// Asks the server at an address for its services; `None` where it has no reflection.
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
        let (questions, asked) = Streaming::channel(1);
        // A server may say nothing at all, its headers included, before it is asked something.
        let first = Question {
            services: Some("*".into()),
            ..Question::default()
        };
        questions.send(first).await?;
        let reflection = client.method::<_, Streaming<Told>>(service, ENDPOINT);
        let context = Context::new().with_timeout(PATIENCE);
        let answers = reflection.call(&context, asked).address(address).await?;
        let mut begun = Reflection {
            questions,
            answers,
            services: Vec::new(),
            files: BTreeMap::new(),
        };
        let found = begun.answer().await?.services.ok_or_else(odd)?;
        begun.services = found.services.into_iter().map(|one| one.name).collect();
        Ok(begun)
    }

    /// What a service is like; `None` where the server does not know, as one whose messages no `.proto` has.
    pub(crate) async fn service(&mut self, name: &str) -> Result<Option<ServiceDescriptor>> {
        if !self.services.iter().any(|known| known == name) {
            return Ok(None);
        }
        let first = Question {
            file_containing: Some(name.to_owned()),
            ..Question::default()
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
                    let next = Question {
                        file_by_name: Some(missing.clone()),
                        ..Question::default()
                    };
                    self.fetch(next).await?;
                    if !self.files.contains_key(&missing) {
                        return Err(odd());
                    }
                }
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(self.files.values().cloned())
            .map_err(|error| Error::data_loss("its descriptors are wrong").with_source(error))?;
        Ok(pool.get_service_by_name(name))
    }

    /// A file that is imported and not there.
    fn missing(&self) -> Option<String> {
        let imported = self.files.values().flat_map(|file| &file.dependency);
        imported
            .into_iter()
            .find(|name| !self.files.contains_key(*name))
            .cloned()
    }

    /// Keeps the files that answer a question.
    async fn fetch(&mut self, question: Question) -> Result<()> {
        self.questions.send(question).await?;
        let found = self.answer().await?.files.ok_or_else(odd)?;
        for file in &found.files {
            let file = FileDescriptorProto::decode(&file[..])
                .map_err(|error| Error::data_loss("its descriptors are cut").with_source(error))?;
            self.files.insert(file.name().to_owned(), file);
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<Told> {
        let told = self.answers.next().await.ok_or_else(odd)??;
        match told.failed {
            None => Ok(told),
            Some(failed) if failed.code == NOT_FOUND => Err(Error::not_found(failed.message)),
            Some(failed) => Err(Error::unknown(failed.message)),
        }
    }
}

/// gRPC's number for what is not there.
const NOT_FOUND: i32 = 5;

fn odd() -> Error {
    Error::data_loss("its reflection does not answer what it is asked")
}
