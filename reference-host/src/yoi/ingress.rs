//! Ingress events: checked, queued, dispatched one after the other.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::commands;
use super::envelope::{Commands, IngressEvent};
use super::error::CallError;
use super::instance::Export;
use super::manifest::Surface;
use super::plugin::{Lifecycle, Shared};

/// An event that was checked.
pub(super) struct Job {
    ingress: String,
    /// Its correlation id.
    id: String,
    json: String,
    enqueued: Instant,
    reply: oneshot::Sender<Result<Value, CallError>>,
}

pub(super) type Reply = oneshot::Receiver<Result<Value, CallError>>;

/// Dispatches an event from outside; a full queue refuses it.
pub(super) async fn dispatch(
    shared: &Shared,
    queue: &mpsc::Sender<Job>,
    name: &str,
    event: IngressEvent,
) -> Result<Value, CallError> {
    let (job, reply) = admit(shared, name, &event)?;
    // Counted before a worker may see it, so that no event is dispatched more often than it was enqueued.
    shared.status().counters.enqueued += 1;
    if let Err(error) = queue.try_send(job) {
        let mut state = shared.status();
        state.counters.enqueued -= 1;
        state.counters.rejected += 1;
        return Err(match error {
            mpsc::error::TrySendError::Full(_) => CallError::QueueFull(queue.max_capacity()),
            mpsc::error::TrySendError::Closed(_) => gone(),
        });
    }
    reply.await.unwrap_or_else(|_| Err(gone()))
}

/// Dispatches an event of the host's own; a full queue makes it wait.
pub(super) async fn deliver(
    shared: &Shared,
    queue: &mpsc::Sender<Job>,
    name: &str,
    event: IngressEvent,
) -> Result<Value, CallError> {
    let (job, reply) = admit(shared, name, &event)?;
    shared.status().counters.enqueued += 1;
    queue.send(job).await.map_err(|_| gone())?;
    reply.await.unwrap_or_else(|_| Err(gone()))
}

/// Checks an event. Nothing but a counter changes when it is refused.
fn admit(shared: &Shared, name: &str, event: &IngressEvent) -> Result<(Job, Reply), CallError> {
    let checked = check(shared, name, event);
    if checked.is_err() {
        shared.status().counters.rejected += 1;
    }
    let (reply, answer) = oneshot::channel();
    let job = Job {
        ingress: name.to_owned(),
        id: event.correlation_id.clone(),
        json: checked?,
        enqueued: Instant::now(),
        reply,
    };
    Ok((job, answer))
}

fn check(shared: &Shared, name: &str, event: &IngressEvent) -> Result<String, CallError> {
    let context = &shared.context;
    context
        .authority
        .surface(Surface::Ingress)
        .map_err(|denial| shared.safe(denial))?;
    shared.check_lifecycle(&[Lifecycle::Running])?;
    let json = event
        .to_json(name, context.limits.event_bytes)
        .map_err(|error| shared.safe(error))?;
    let ingress = context
        .authority
        .ingress(name)
        .map_err(|denial| shared.safe(denial))?;
    event
        .check_kind(ingress)
        .map_err(|error| shared.safe(error))?;
    Ok(json)
}

/// Dispatches what is queued until nobody can queue any more.
pub(super) async fn serve(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let result = perform(&shared, job.ingress, job.id, job.json, job.enqueued).await;
        // The caller may have given up.
        let _ = job.reply.send(result);
    }
}

async fn perform(
    shared: &Shared,
    ingress: String,
    id: String,
    json: String,
    enqueued: Instant,
) -> Result<Value, CallError> {
    let latency = enqueued.elapsed();
    let mut instance = shared.instance.lock().await;
    if let Err(error) = shared.check_lifecycle(&[Lifecycle::Running]) {
        shared.status().counters.rejected += 1;
        return Err(error);
    }
    let export = Export::HandleIngress {
        name: ingress.clone(),
        event: json,
    };
    let text = shared.enter(&mut instance, export).await;
    // Commands wait for the network; tools need not wait for them.
    drop(instance);
    let parsed = text.and_then(|text| {
        Commands::parse(&text, &shared.context.limits).map_err(|error| shared.safe(error))
    });
    let Commands {
        mut output,
        commands,
    } = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            shared.fail(&format!("plugin ingress dispatch failed: {error}"));
            let counters = &mut shared.status().counters;
            match error {
                CallError::Timeout { .. } => counters.timed_out += 1,
                _ => counters.failed += 1,
            }
            return Err(error);
        }
    };
    commands::carry_out(shared, &ingress, &id, commands).await;
    shared.status().counters.dispatched += 1;
    if let Value::Object(members) = &mut output {
        members.entry("queue_latency_ms").or_insert_with(|| {
            u64::try_from(latency.as_millis())
                .unwrap_or(u64::MAX)
                .into()
        });
    }
    Ok(output)
}

fn gone() -> CallError {
    CallError::Host("the plugin is being shut down".to_owned())
}
