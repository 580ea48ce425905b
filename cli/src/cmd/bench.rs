//! `micro bench SERVICE ENDPOINT JSON`.

use std::{sync::Arc, time::Duration};

use clap::Args;
use micro::{Client, Context};
use serde_json::Value;

use crate::{
    arguments,
    failure::{Failure, Result},
    load::{self, LoadMode, Recorder, Summary},
    reflection::{Form, Json, Protobuf},
    session::Session,
    signals,
    target::{Shape, Target, shape_of},
};

const DEFAULT_CALLERS: usize = 16;

/// Put load on an endpoint, and show throughput, latency and errors
///
/// With `--rate`, calls start at fixed times, whether or not earlier ones have ended, and latency
/// counts from those times. With `--concurrency`, each caller waits for an answer before its next call.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    target: Target,
    /// The request; an empty message by default
    #[arg(value_name = "JSON", default_value = "{}", hide_default_value = true)]
    request: String,
    /// Calls per second, as an open loop
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "concurrency")]
    rate: Option<f64>,
    /// Callers, each with one call in flight, as a closed loop; 16 by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,
    /// Duration of the load
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = arguments::duration)]
    duration: Duration,
    /// Timeout of each call; 5 s by default
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    timeout: Option<Duration>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=1e6).contains(&rate) => Ok(rate),
        _ => Err("write a number of calls per second, at most a million".to_owned()),
    }
}

impl Bench {
    pub(crate) fn run(self, session: &Session) -> Result {
        let request = arguments::json("the request", &self.request)?;
        session.block_on(self.bench(session, request))
    }

    async fn bench(self, session: &Session, request: Value) -> Result {
        let plugins = self.target.plugins(session).await?;
        let info = self.target.find(session, &plugins).await?;
        info.check(session, &request)?;
        let client = plugins.client()?;
        let reflected = self.target.reflected(session, &client).await?;
        let shape = reflected.as_ref().map(shape_of).or(info.shape);
        if shape.is_some_and(|shape| shape != Shape::Unary) {
            let endpoint = &self.target.endpoint;
            return Err(Failure::Usage(format!(
                "endpoint `{endpoint}` streams; `micro bench` measures unary endpoints"
            )));
        }
        let recorder = load::recorder();
        let service = self.target.service.clone();
        match reflected {
            None => self.load(&client, &Json, request, recorder.clone()).await,
            Some(method) => {
                let form = Protobuf::of(&method);
                self.load(&client, &form, request, recorder.clone()).await
            }
        }?;
        let retries = client.stats(&service).retries;
        let errors = recorder.take_errors();
        let summary = Summary {
            retries,
            errors: load::by_code(&errors),
            ..Summary::of(&recorder.take())
        };
        report(session, &summary)?;
        match errors.values().next() {
            Some((error, _)) => Err(Failure::Failed(format!(
                "{} of {} calls failed, such as: {error}",
                summary.failed, summary.calls
            ))),
            None => Ok(()),
        }
    }

    /// Makes the calls, until the end or a signal.
    async fn load<F: Form>(
        self,
        client: &Client,
        form: &F,
        request: Value,
        recorder: Arc<Recorder>,
    ) -> Result {
        let mode = match self.rate {
            Some(rate) => LoadMode::Rate(rate),
            None => LoadMode::Callers(self.concurrency.map_or(DEFAULT_CALLERS, usize::from)),
        };
        let method = self
            .target
            .method::<F, F::Message, F::Message>(client, form);
        let work = Arc::new((method, self.target, form.encode(request)?));
        let timeout = self.timeout;
        let call = move || {
            let work = work.clone();
            async move {
                let (method, target, request) = &*work;
                let mut call = target.options(method.call(&Context::new(), request.clone()));
                if let Some(timeout) = timeout {
                    call = call.timeout(timeout);
                }
                call.await.map(drop)
            }
        };
        let interrupted = signals::end()?;
        tokio::select! {
            done = load::run(mode, self.duration, recorder, call) => done,
            () = interrupted => Ok(()),
        }
    }
}

fn report(session: &Session, summary: &Summary) -> Result {
    if session.json() {
        session.print(serde_json::to_string(summary).expect("figures have a JSON form"))
    } else {
        session.print(summary)
    }
}
