//! A transport: how calls reach a node, and how a node is reached.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use micro_core::{
    Call, Error, Request, Response, Result,
    net::{Limits, Listener},
    node::Node,
    transport::{
        CallTracker,
        adapter::{AsyncTransport, Exchange, SentFlag},
    },
};

/// Calls within this process: whoever listens is called by function.
///
/// A clone is a handle on the same names. Limits, deadlines, cancelling and draining hold as on a network.
#[derive(Clone, Default)]
pub struct InProcess {
    names: Arc<Mutex<BTreeMap<String, Arc<CallTracker>>>>,
    limits: Limits,
}

/// The transport made of [`InProcess`], with these limits.
pub fn in_process(limits: Limits) -> AsyncTransport<InProcess> {
    AsyncTransport::new(InProcess {
        limits,
        ..InProcess::default()
    })
}

impl InProcess {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<CallTracker>>) -> T) -> T {
        change(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Exchange for InProcess {
    type Connection = Arc<CallTracker>;

    fn name(&self) -> &str {
        "in-process"
    }

    fn default_address(&self) -> &str {
        "in-process"
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn dial(&self, node: &Node) -> Result<Arc<CallTracker>> {
        let nobody = || Error::unavailable(format!("nobody listens at `{}`", node.address));
        self.change(|names| names.get(&node.address).cloned())
            .ok_or_else(nobody)
    }

    fn is_open(&self, connection: &Arc<CallTracker>) -> bool {
        connection.is_open()
    }

    async fn call(
        &self,
        connection: &Arc<CallTracker>,
        request: Request,
        sent: &SentFlag,
    ) -> Result<Response> {
        sent.set();
        connection.answer(request).await
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        let tracker = CallTracker::new(call, self.limits.clone());
        let address = self.change(|names| {
            // The default address stands for any name that is free.
            let mut free = (1..).map(|number| format!("{address}:{number}"));
            let address = match address == self.default_address() {
                true => free.find(|address| !names.contains_key(address)),
                false => Some(address.to_owned()).filter(|address| !names.contains_key(address)),
            };
            if let Some(address) = &address {
                names.insert(address.clone(), tracker.clone());
            }
            address
        });
        let taken = || Error::already_exists("somebody listens there already");
        let address = address.ok_or_else(taken)?;
        let (transport, name) = (self.clone(), address.clone());
        let own = Arc::downgrade(&tracker);
        Ok(tracker.listener(address, move || {
            transport.change(|names| {
                let is_own = |at: &Arc<CallTracker>| std::ptr::eq(Arc::as_ptr(at), own.as_ptr());
                if names.get(&name).is_some_and(is_own) {
                    names.remove(&name);
                }
            });
        }))
    }
}
