//! Assembles the calls that answer the requests of a service.

use std::sync::Arc;

use super::{
    admission::Admission,
    debug,
    ops::{Ops, OpsAdmission, OpsLayers, OpsListener, OpsState, Refusals},
    router::Router,
    status::Status,
};
use crate::{
    call::{Call, Identity, Operation, Operations},
    codec::Codecs,
    error::Result,
    node::Endpoint,
};

/// The assembled parts.
pub struct Assembly {
    /// Answers at the service's address.
    pub admission: Arc<Admission>,
    /// Answers at the address of the operational endpoints, if they have one.
    pub operations: Option<Arc<dyn Call>>,
    /// The records of the endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// The parts to assemble.
pub struct Blueprint<'a> {
    /// The service and node that this is.
    pub identity: &'a Identity,
    /// The endpoints.
    pub router: Router,
    /// The codecs of messages.
    pub codecs: &'a Codecs,
    /// The state for health and metrics.
    pub status: &'a Arc<Status>,
    /// Puts the user's layers around the endpoints, if there are any.
    pub layered: &'a dyn Fn(Arc<dyn Call>) -> Option<Arc<dyn Call>>,
    /// Puts the layers of `layer_all` around operational endpoints.
    pub cover: OpsLayers,
    /// Which operational endpoints are served, and where.
    pub ops: Ops,
    /// Host names that requests over loopback may use.
    pub hosts: Vec<String>,
    /// Concurrent requests, beyond which requests are refused.
    pub concurrency: usize,
}

impl Blueprint<'_> {
    /// Assembles the layers.
    ///
    /// # Errors
    /// `InvalidArgument` for endpoints with the same name.
    pub fn assemble(self) -> Result<Assembly> {
        let service = &*self.identity.service;
        let (table, endpoints) = self.router.build(service, self.codecs)?;
        let refusals = Arc::new(Refusals::default());
        let debug = debug::routes(self.status.clone(), table.stats(), refusals.clone());
        let (debug, _) = debug.build(service, self.codecs)?;
        let debug = Arc::new(debug);
        let state = OpsState::new(
            &self.ops,
            debug.clone(),
            self.cover,
            self.hosts,
            refusals,
            self.status.clone(),
        );
        let served = OpsListener::all(&state, self.ops.clone());
        let (here, elsewhere) = match self.ops.address {
            None => (served, None),
            Some(_) => (OpsListener::none(&state), Some(served)),
        };
        let mut table = table.with_status(self.status);
        if let Some(call) = here.serve(Operation::Debug, None) {
            table = table.with_debug(&debug, &call);
        }
        let table = Arc::new(table);
        let layered = (self.layered)(table.clone());
        let admission = Arc::new(Admission::new(
            table,
            layered,
            self.identity.clone(),
            self.concurrency,
            here,
            self.status.leaving_signal(),
        ));
        let operations = elsewhere.map(|listener| {
            Arc::new(OpsAdmission::new(listener, admission.clone())) as Arc<dyn Call>
        });
        Ok(Assembly {
            admission,
            operations,
            endpoints,
        })
    }
}
