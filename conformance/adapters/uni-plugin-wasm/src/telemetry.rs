//! What the host tells through `tracing`: guests' log lines, which become events of the case whose call is running on the
//! thread; and the other way round, the active trace, which the host (with its feature `otel`) reads off the current
//! span.

mod trace;

use std::{cell::RefCell, fmt};

use serde_json::json;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    subscriber::SetGlobalDefaultError,
};
use tracing_subscriber::{
    filter::filter_fn,
    layer::{Context, Layer, SubscriberExt as _},
};

pub(crate) use trace::{Active, Traceparent};

use crate::outbox::Channel;

/// The host's target for guests' lines.
const TARGET: &str = "wasm-plugin";

thread_local! {
    static CHANNEL: RefCell<Option<Channel>> = const { RefCell::new(None) };
}

/// Listens from now on, in the whole process.
///
/// # Errors
/// When something listens already.
pub(crate) fn install() -> Result<(), SetGlobalDefaultError> {
    let lines = GuestLines.with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    let trace = tracing_opentelemetry::layer()
        .with_tracer(Active)
        .with_filter(filter_fn(|metadata| metadata.target() == trace::TARGET));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(trace))
}

/// Makes this thread's lines events of a case, until the answer is dropped. The host does all of a call on the caller's
/// thread.
pub(crate) fn hear(channel: &Channel) -> Heard {
    CHANNEL.set(Some(channel.clone()));
    Heard
}

pub(crate) struct Heard;

impl Drop for Heard {
    fn drop(&mut self) {
        CHANNEL.set(None);
    }
}

struct GuestLines;

impl<S: Subscriber> Layer<S> for GuestLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        CHANNEL.with_borrow(|channel| {
            if let Some(channel) = channel {
                channel.event(json!({"log": {"level": level, "message": message.0}}));
            }
        });
    }
}

struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // `format_args!`, whose Debug is its Display.
            self.0 = format!("{value:?}");
        }
    }
}
