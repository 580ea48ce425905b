//! Frames from the server.

use std::sync::Arc;

use super::{Batch, Calls, State};
use crate::{
    error::{Error, Result},
    message::{Body, Response},
    time::Nanos,
    transport::mux::{
        frame::{self, ParsedStatus, kind},
        reader::Frame,
    },
};

impl State {
    /// Handles a frame from the server.
    pub(crate) fn frame(
        &mut self,
        calls: &Arc<Calls>,
        frame: Frame<'_>,
        received: Nanos,
        batch: &mut Batch,
    ) -> Result<()> {
        if frame.header.kind == kind::DATA {
            let find = |id| self.streams.get(&id).and_then(|s| s.inbox.clone());
            return batch.run.add(frame, find);
        }
        batch.run.deliver()?;
        let id = frame.header.id;
        match frame.header.kind {
            kind::RESPONSE => {
                let status = frame::read_status(frame.head()).ok_or_else(damaged)?;
                let flags = frame.header.flags;
                let answer = match status {
                    ParsedStatus::Failed(error) => Err(error),
                    ParsedStatus::Fine {
                        content_type,
                        metadata,
                        load,
                    } => {
                        let body = if flags & frame::STREAM == 0 {
                            Body::from(frame.body())
                        } else {
                            match self.open_inbox(calls, id) {
                                Some(body) => body,
                                None => return Ok(()),
                            }
                        };
                        let mut response = Response::new(content_type, body);
                        *response.metadata_mut() = metadata;
                        response.load = load;
                        response.received = received;
                        Ok(response)
                    }
                };
                if !self.streams.is_empty() && flags & frame::STREAM == 0 {
                    // A whole answer ends the call; what the request still streams is not needed.
                    self.streams.remove(&id);
                }
                self.complete(id, answer, &mut batch.wakers);
            }
            kind::END => {
                let end = match frame::read_status(frame.head()).ok_or_else(damaged)? {
                    ParsedStatus::Fine { .. } => Ok(()),
                    ParsedStatus::Failed(error) => Err(error),
                };
                if let Some(streams) = self.streams.remove(&id)
                    && let Some(inbox) = &streams.inbox
                {
                    inbox.end(end);
                }
            }
            kind::CREDIT => {
                let granted = frame.tail().try_into().map_err(|_| damaged())?;
                if let Some(credit) = self.streams.get(&id).and_then(|s| s.credit.as_ref()) {
                    credit.grant(u32::from_le_bytes(granted));
                }
            }
            kind::PING => self.pong = Some(id),
            kind::PONG => {
                if let Some(place) = self.pings.iter().position(|(ping, _)| *ping == id) {
                    let _ = self.pings.swap_remove(place).1.send(());
                }
            }
            kind::GO_AWAY => {
                // Without a head this is go-away; with a head, the reason why the connection ends.
                if let Some(ParsedStatus::Failed(why)) = frame::read_status(frame.head()) {
                    return Err(Error::unavailable(format!(
                        "it ended the connection: {}",
                        why.message()
                    )));
                }
                self.go_away();
            }
            _ => {}
        }
        Ok(())
    }
}

fn damaged() -> Error {
    Error::data_loss("a frame could not be read")
}
