//! Answers to requests: refusals, answers in place, and answers from a task.

use std::{future::poll_fn, task::Poll};

use super::{
    session::Session,
    shared::{ActiveCall, ConnectionState},
};
use crate::{
    call::Answer,
    error::{Error, Outcome, Result},
    message::Response,
    time::{self, Nanos},
    transport::mux::{
        frame::{self, Status, kind, write_status},
        preface::Preface,
        queue::Queue,
        stream::{self, Credit, FrameSink, pump},
    },
};

impl Session {
    /// Refuses a request before anything was done for it.
    pub(super) fn refuse(&mut self, id: u64, error: &Error) {
        let error = error.clone().with_outcome(Outcome::Rejected);
        let _ = write_status(
            self.own.tail(),
            kind::RESPONSE,
            0,
            id,
            &Status::Failed(&error),
            0,
            u16::MAX.into(),
        );
    }

    /// Queues an answer given in place; a streaming one continues in a task.
    pub(super) fn answer(
        &mut self,
        id: u64,
        answer: Result<Response>,
        deadline: Nanos,
    ) -> Result<()> {
        match answer {
            Ok(response) if response.body().is_stream() => {
                let answer = Box::pin(async { Ok(response) });
                self.run_on(id, ActiveCall::default(), answer, deadline)
            }
            answer => {
                write_answer(&mut self.own, id, &answer, &self.preface);
                self.full = self.own.length() > self.limits.max_queued_bytes as u64;
                Ok(())
            }
        }
    }

    /// Starts a task for a call, which sends its stream until `deadline`.
    pub(super) fn run_on(
        &mut self,
        id: u64,
        mut running: ActiveCall,
        answer: Answer,
        deadline: Nanos,
    ) -> Result<()> {
        let credit = Credit::new(self.preface.window);
        running.credit = Some(credit.clone());
        let served = self.served.clone();
        let preface = self.preface;
        {
            let mut state = self.served.state.lock();
            if state.running.contains_key(&id) {
                return Err(Error::data_loss(format!(
                    "a request came under the id {id} of a call that is at work"
                )));
            }
            state.running.insert(id, running);
            self.crowded = state.running.len() >= self.limits.max_concurrent_calls;
            let queued = state.queue.length() + self.own.length();
            self.full = queued > self.limits.max_queued_bytes as u64;
        }
        let mut answer = answer;
        let task = tokio::spawn(async move {
            let mut waits = None;
            let answer = poll_fn(|cx| match served.poll_room(&mut waits, cx) {
                Poll::Ready(()) => answer.as_mut().poll(cx),
                Poll::Pending => Poll::Pending,
            });
            let line = ResponseSender {
                served: &served,
                id,
                credit: &credit,
                preface: &preface,
            };
            line.finish(answer.await, deadline).await;
            let ended = served.state.lock().running.remove(&id);
            if let Some(running) = ended {
                running.close("the call has ended");
            }
        });
        match self.served.state.lock().running.get_mut(&id) {
            Some(running) => running.task = Some(task.abort_handle()),
            // The call has ended already.
            None => drop(task),
        }
        Ok(())
    }
}

/// The destination of a call's answer, and its limits.
struct ResponseSender<'a> {
    served: &'a ConnectionState,
    id: u64,
    credit: &'a Credit,
    preface: &'a Preface,
}

impl ResponseSender<'_> {
    /// Sends an answer, and its stream if it has one, which is dropped at the deadline.
    async fn finish(&self, mut answer: Result<Response>, deadline: Nanos) {
        let stream = match &mut answer {
            Ok(response) if response.body().is_stream() => {
                let stream = response.body_mut().take().into_stream();
                self.begin_stream(response).map(|()| stream)
            }
            _ => return self.write_answer(&answer),
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return self.write_answer(&Err(error)),
        };
        let limit = self.preface.message as usize;
        let pumping = pump(stream, self.served, self.credit, self.id, limit);
        let end = time::until(deadline, pumping).await;
        let end = end.unwrap_or_else(|| Err(stream::cut_off()));
        self.served
            .write(&mut |queue| frame::write_end(queue.tail(), self.id, end.as_ref().err()));
    }

    fn write_answer(&self, answer: &Result<Response>) {
        self.served
            .write(&mut |queue| write_answer(queue, self.id, answer, self.preface));
    }

    /// Sends the head of a streaming answer.
    fn begin_stream(&self, response: &Response) -> Result<()> {
        let mut written = Ok(());
        self.served.write(&mut |queue| {
            let status = Status::Fine {
                content_type: response.content_type(),
                metadata: response.metadata(),
                load: response.load,
            };
            let limit = self.preface.head as usize;
            written = write_status(
                queue.tail(),
                kind::RESPONSE,
                frame::STREAM,
                self.id,
                &status,
                0,
                limit,
            );
        });
        written
    }
}

/// Queues a whole answer, or the reason why it cannot be sent.
fn write_answer(queue: &mut Queue, id: u64, answer: &Result<Response>, preface: &Preface) {
    let most = preface.head as usize;
    let limit = preface.message as usize;
    let failed = |queue: &mut Queue, error: &Error| {
        let status = Status::Failed(error);
        if write_status(queue.tail(), kind::RESPONSE, 0, id, &status, 0, most).is_err() {
            let error = Error::internal("the error's details are too large to send");
            let status = Status::Failed(&error);
            let _ = write_status(queue.tail(), kind::RESPONSE, 0, id, &status, 0, most);
        }
    };
    let response = match answer {
        Ok(response) => response,
        Err(error) => return failed(queue, error),
    };
    let nothing = bytes::Bytes::new();
    let body = response.body().as_bytes().unwrap_or(&nothing);
    if body.len() > limit {
        let error = Error::resource_exhausted(format!(
            "the answer of {} bytes is over the caller's limit `max_message_size` of {limit}; send it as a stream",
            body.len()
        ));
        return failed(queue, &error);
    }
    let status = Status::Fine {
        content_type: response.content_type(),
        metadata: response.metadata(),
        load: response.load,
    };
    let written = write_status(
        queue.tail(),
        kind::RESPONSE,
        0,
        id,
        &status,
        body.len(),
        most,
    );
    match written {
        Ok(()) => queue.push_body(body),
        Err(error) => failed(queue, &error),
    }
}
