//! Puts together what answers the requests of a service.

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

/// What the requests of a service are answered by.
pub struct Assembly {
    /// At its own address.
    pub admission: Arc<Admission>,
    /// At the address of its operational endpoints, if they have one.
    pub operations: Option<Arc<dyn Call>>,
    /// The records of its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// What a service says of how it answers.
pub struct Blueprint<'a> {
    /// Which node it is, of which service.
    pub identity: &'a Identity,
    /// Its endpoints.
    pub router: Router,
    /// How they decode and encode.
    pub codecs: &'a Codecs,
    /// What it says of itself.
    pub status: &'a Arc<Status>,
    /// Puts the user's layers around the endpoints, if there are any.
    pub layered: &'a dyn Fn(Arc<dyn Call>) -> Option<Arc<dyn Call>>,
    /// Puts those around operational endpoints that cover them.
    pub cover: OpsLayers,
    /// How its operational endpoints are served.
    pub ops: Ops,
    /// Names that requests over loopback may be addressed to.
    pub hosts: Vec<String>,
    /// Requests at work before more are refused.
    pub concurrency: usize,
}

impl Blueprint<'_> {
    /// Puts the layers together.
    ///
    /// # Errors
    /// `InvalidArgument` for endpoints that cannot be told apart.
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
