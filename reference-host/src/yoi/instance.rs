//! The one shared instance of a plugin: calls its exports, each bounded in time, on a memory that stays.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::component::{InstancePre, TypedFunc};
use wasmtime::{ResourceLimiter, Store, Trap};

use super::error::{CallError, RegisterError};
use super::imports::{Context, State};
use super::text;
use crate::engine::{ComputeExceeded, ComputeMeter, MemoryLimiter};

/// An instance. Whoever holds it exclusively may call it.
pub(super) struct Instance {
    store: Store<State>,
    exports: Exports,
    /// Why the instance can't be entered any more.
    broken: Option<CallError>,
}

#[derive(Clone)]
struct Exports {
    start: TypedFunc<(String,), (String,)>,
    handle_tool: TypedFunc<(String, String), (String,)>,
    handle_ingress: TypedFunc<(String, String), (String,)>,
    status: TypedFunc<(), (String,)>,
    stop: TypedFunc<(), (String,)>,
}

/// An export with its arguments.
#[derive(Debug)]
pub(super) enum Export {
    Start { config: String },
    HandleTool { name: String, input: String },
    HandleIngress { name: String, event: String },
    Status,
    Stop,
}

impl Instance {
    pub(super) async fn new(
        pre: &InstancePre<State>,
        context: Arc<Context>,
    ) -> Result<Self, RegisterError> {
        let limits = &context.limits;
        let (compute, call) = (limits.compute_time, limits.call_time);
        let limiter = Growth {
            limiter: MemoryLimiter::new(limits.memory_bytes, limits.table_elements),
            traps: limits.growth_traps,
        };
        let most = limits.message_bytes;
        let state = State {
            context: context.clone(),
            limiter,
            sockets: super::websocket::Sockets::default(),
        };
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.limiter);
        let meter = ComputeMeter::new(compute);
        meter.arm(&mut store);
        let instantiate = meter.meter(pre.instantiate_async(&mut store));
        let refused = |error: String| RegisterError::Instantiate(text::safe(&error, most));
        let instance = match timeout(call, instantiate).await {
            Ok(result) => result.map_err(|error| refused(format!("{error:#}")))?,
            Err(_) => return Err(refused("it took too long".to_owned())),
        };
        let exports =
            Exports::find(&mut store, &instance).map_err(|error| refused(format!("{error:#}")))?;
        Ok(Self {
            store,
            exports,
            broken: None,
        })
    }

    /// Calls an export. After a trap or a timeout every call fails without entering the guest: its memory may be in any
    /// state.
    pub(super) async fn call(&mut self, export: Export) -> Result<String, CallError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let context = self.store.data().context.clone();
        let limits = &context.limits;
        let meter = ComputeMeter::new(limits.compute_time);
        meter.arm(&mut self.store);
        let call = meter.meter(enter(&self.exports, &mut self.store, export));
        let error = match timeout(limits.call_time, call).await {
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(error)) => verdict(&error, limits.message_bytes),
            Err(_) => CallError::Timeout {
                limit: limits.call_time,
                computing: false,
            },
        };
        self.broken = Some(CallError::Trap(text::safe(
            &format!("the instance ended before: {error}"),
            limits.message_bytes,
        )));
        Err(error)
    }

    /// Closes the connections that the guest left open.
    pub(super) async fn close_sockets(&mut self) {
        self.store.data_mut().sockets.close_all().await;
    }
}

impl Exports {
    fn find(
        store: &mut Store<State>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self> {
        Ok(Self {
            start: instance.get_typed_func(&mut *store, "start")?,
            handle_tool: instance.get_typed_func(&mut *store, "handle-tool")?,
            handle_ingress: instance.get_typed_func(&mut *store, "handle-ingress")?,
            status: instance.get_typed_func(&mut *store, "status")?,
            stop: instance.get_typed_func(&mut *store, "stop")?,
        })
    }
}

async fn enter(
    exports: &Exports,
    store: &mut Store<State>,
    export: Export,
) -> wasmtime::Result<String> {
    let (text,) = match export {
        Export::Start { config } => exports.start.call_async(store, (config,)).await?,
        Export::HandleTool { name, input } => {
            exports.handle_tool.call_async(store, (name, input)).await?
        }
        Export::HandleIngress { name, event } => {
            exports
                .handle_ingress
                .call_async(store, (name, event))
                .await?
        }
        Export::Status => exports.status.call_async(store, ()).await?,
        Export::Stop => exports.stop.call_async(store, ()).await?,
    };
    Ok(text)
}

/// Bounds memories and tables, and traps where growth beyond the bounds is to trap.
pub(super) struct Growth {
    limiter: MemoryLimiter,
    traps: bool,
}

/// The trap of a guest that grew beyond its limits.
#[derive(Debug, thiserror::Error)]
#[error("{what} limit reached")]
struct GrowthExceeded {
    what: &'static str,
}

impl Growth {
    fn answer(&self, what: &'static str, granted: bool) -> wasmtime::Result<bool> {
        match granted || !self.traps {
            true => Ok(granted),
            false => Err(wasmtime::Error::new(GrowthExceeded { what })),
        }
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A guest that asks for more than its own maximum gets -1 from any host.
        let own = maximum.is_none_or(|most| desired <= most);
        let granted = self.limiter.memory_growing(current, desired, maximum)?;
        self.answer("memory", granted || !own)
            .map(|granted| granted && own)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let own = maximum.is_none_or(|most| desired <= most);
        let granted = self.limiter.table_growing(current, desired, maximum)?;
        self.answer("table", granted || !own)
            .map(|granted| granted && own)
    }

    fn instances(&self) -> usize {
        self.limiter.instances()
    }

    fn tables(&self) -> usize {
        self.limiter.tables()
    }

    fn memories(&self) -> usize {
        self.limiter.memories()
    }
}

/// The text of a failed call, without the engine's stack trace.
fn verdict(error: &wasmtime::Error, most: usize) -> CallError {
    if let Some(ComputeExceeded { limit }) = error.downcast_ref() {
        return computing(*limit);
    }
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => format!("trap: {trap}"),
        None => error.root_cause().to_string(),
    };
    CallError::Trap(text::safe(&text, most))
}

fn computing(limit: Duration) -> CallError {
    CallError::Timeout {
        limit,
        computing: true,
    }
}
