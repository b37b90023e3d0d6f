//! One instance: a wasmtime store and a tokio task that lives as long as the guest runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::watch;
use wasmtime::component::ResourceTable;
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::host::Services;
use super::imports::State;
use super::limits::LimitExceeded;
use super::program::Program;
use super::session::{Inbox, Outbox};
use super::store::Namespace;
use super::{InstanceId, Outcome};
use crate::engine::{ComputeExceeded, ComputeMeter, MemoryLimiter};

/// An instance that is about to run.
pub(super) struct Running {
    pub(super) id: InstanceId,
    pub(super) program: Program,
    pub(super) arguments: Vec<String>,
    pub(super) services: Arc<Services>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) keys: Namespace,
    /// Becomes the reason why the instance is to end.
    pub(super) stopped: watch::Receiver<Option<String>>,
}

/// Runs the instance in a task of its own, and reports its end whatever happens.
pub(super) fn start(running: Running) {
    let (services, outbox, id) = (running.services.clone(), running.outbox.clone(), running.id);
    let runtime = services.runtime.clone();
    let end = End {
        services,
        outbox,
        id,
        outcome: None,
    };
    runtime.spawn(async move {
        let mut end = end;
        let outcome = AssertUnwindSafe(run(running)).catch_unwind().await;
        end.outcome = Some(outcome.unwrap_or_else(|_| {
            tracing::error!(instance = %end.id, "a host function panicked");
            Outcome::Trapped("a host function panicked".into())
        }));
        drop(end);
    });
}

/// Reports the end when it is dropped: also when the runtime drops the task.
struct End {
    services: Arc<Services>,
    outbox: Arc<Outbox>,
    id: InstanceId,
    outcome: Option<Outcome>,
}

impl Drop for End {
    fn drop(&mut self) {
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Outcome::Terminated("the host's runtime stopped".into()));
        self.services.leave(self.id, &self.outbox, outcome);
    }
}

async fn run(running: Running) -> Outcome {
    let Running {
        id,
        program,
        arguments,
        services,
        inbox,
        outbox,
        keys,
        mut stopped,
    } = running;
    let limits = services.limits.clone();
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles);
    let state = State {
        id,
        id_text: id.to_string(),
        arguments,
        table,
        limiter: MemoryLimiter::new(limits.memory_bytes, limits.table_elements),
        services,
        inbox,
        outbox,
        keys,
    };
    let mut store = Store::new(program.pre().engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits.call_bytes());
    let meter = ComputeMeter::new(limits.compute);
    meter.arm(&mut store);
    let guest = meter.meter(async {
        let inferlet = program.pre().instantiate_async(&mut store).await?;
        inferlet.pie_inferlet_run().call_run(&mut store).await
    });
    // Whatever the guest does, it comes back here at every epoch.
    let result = tokio::select! {
        biased;
        stopped = stopped.wait_for(Option::is_some) => {
            let reason = stopped.ok().and_then(|reason| reason.clone());
            return Outcome::Terminated(reason.unwrap_or_else(|| "the host is gone".into()));
        }
        result = guest => result,
    };
    match result {
        Ok(Ok(())) => Outcome::Finished,
        Ok(Err(text)) => Outcome::Failed(text),
        Err(error) => stopped_by(&error),
    }
}

/// A limit of the host's terminates; anything else is the guest's own trap.
fn stopped_by(error: &wasmtime::Error) -> Outcome {
    if let Some(limit) = error.downcast_ref::<LimitExceeded>() {
        return Outcome::Terminated(limit.to_string());
    }
    if let Some(limit) = error.downcast_ref::<ComputeExceeded>() {
        return Outcome::Terminated(limit.to_string());
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Outcome::Terminated("the process runs as many instances as it can".into());
    }
    Outcome::Trapped(format!("{error:#}"))
}
