//! The same call again and again, by one connection or a new one each time.

use std::{
    io::{self, Write},
    time::Duration,
};

use micro::Error;
use micro_rs_interop_grpc::{
    flags::Flags,
    messages::{Payload, SimpleRequest},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    subject::{Checked, Subject},
    unary,
};

pub(super) async fn soak(mut subject: Subject, flags: &Flags, anew: bool) -> Checked {
    let iterations: u32 = flags.number("soak_iterations", 10)?;
    let most: u32 = flags.number("soak_max_failures", 0)?;
    let latency = flags.number("soak_per_iteration_max_acceptable_latency_ms", 1000)?;
    let latency = Duration::from_millis(latency);
    let overall = Duration::from_secs(flags.number("soak_overall_timeout_seconds", 10)?);
    let between = Duration::from_millis(flags.number("soak_min_time_ms_between_rpcs", 0)?);
    let request = SimpleRequest {
        response_size: flags.number("soak_response_size", 314_159)?,
        payload: Some(Payload::zeros(flags.number("soak_request_size", 271_828)?)),
        ..SimpleRequest::default()
    };
    let begun = Instant::now();
    let mut failures = 0;
    for iteration in 0..iterations {
        if begun.elapsed() >= overall {
            return Err(format!("{iteration} of {iterations} took {overall:?}").into());
        }
        if anew {
            subject = subject.anew()?;
        }
        let start = Instant::now();
        let answered = once(&subject, &request).await;
        let wrong = match (answered, start.elapsed()) {
            (Err(error), _) => error.to_string(),
            (Ok(()), took) if took > latency => format!("it took {took:?}"),
            _ => String::new(),
        };
        if !wrong.is_empty() {
            failures += 1;
            writeln!(io::stderr(), "iteration {iteration}: {wrong}")?;
        }
        sleep_until(start + between).await;
    }
    if failures > most {
        return Err(format!("{failures} of {iterations} failed, more than {most}").into());
    }
    Ok(())
}

async fn once(subject: &Subject, request: &SimpleRequest) -> Checked {
    let answer = subject.call("UnaryCall", request.clone()).await;
    unary::answers(request, answer.map_err(|error: Error| error.to_string())?)
}
