//! One instance of a workload: a wasmtime store, and how its exports are entered.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::actor::Actor;
use super::bindings::exports::actr::workload::workload::Guest;
use super::bindings::{ActrWorkloadGuest, ActrWorkloadGuestPre};
use super::context::{Invocation, Slot};
use super::entry::{Entry, Hook};
use super::error::LoadError;
use super::imports::State;
use super::{ActrError, DataStream, Limits};
use crate::engine::{self, ComputeMeter, MemoryLimiter};

/// What guests may pass to the host in one call beyond the bytes of their message: the texts and ids around them, and
/// lists counted by element.
const CALL_SLACK: usize = 16 << 20;

/// A workload that has been compiled and linked.
#[derive(Clone)]
pub(super) struct Program(ActrWorkloadGuestPre<State>);

impl Program {
    /// Compiles a component and checks its imports against the world. Takes a while; best away from an executor's threads.
    pub(super) fn compile(bytes: &[u8], limits: &Limits) -> Result<Self, LoadError> {
        if bytes.len() > limits.component_bytes {
            return Err(LoadError::Limit(format!(
                "a component of {} bytes, allowed are {}",
                bytes.len(),
                limits.component_bytes
            )));
        }
        let component = engine::compile(bytes).map_err(|error| match error {
            engine::EngineError::Compile(reason) => LoadError::Refused(reason),
            other => LoadError::Engine(other.to_string()),
        })?;
        linker()?
            .instantiate_pre(&component)
            .and_then(ActrWorkloadGuestPre::new)
            .map(Self)
            .map_err(|error| LoadError::Refused(format!("not of the world: {error:#}")))
    }
}

/// One linker for all workloads of the process.
fn linker() -> Result<&'static Linker<State>, LoadError> {
    static LINKER: OnceLock<Result<Linker<State>, String>> = OnceLock::new();
    LINKER
        .get_or_init(|| {
            let engine = engine::shared().map_err(|error| error.to_string())?;
            let mut linker = Linker::new(engine);
            ActrWorkloadGuest::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
                .map_err(|error| format!("{error:#}"))?;
            Ok(linker)
        })
        .as_ref()
        .map_err(|error| LoadError::Engine(error.clone()))
}

/// A live instance. Once an entry has trapped or was given up it must not be entered again.
pub(super) struct Instance {
    store: Store<State>,
    guest: ActrWorkloadGuest,
    meter: ComputeMeter,
    context: Slot,
}

impl Instance {
    /// Makes an instance and runs its start functions, which have no context. The text is a trap's, or a limit's.
    pub(super) async fn new(program: &Program, actor: &Arc<Actor>) -> Result<Self, LoadError> {
        let limits = actor.limits();
        let context = Slot::default();
        let state = State {
            actor: actor.clone(),
            context: context.clone(),
            limiter: MemoryLimiter::new(limits.memory_bytes, limits.table_elements),
            streams: HashSet::new(),
        };
        let mut store = Store::new(program.0.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.message_bytes.saturating_add(CALL_SLACK));
        let meter = ComputeMeter::new(limits.compute);
        meter.arm(&mut store);
        let guest = meter
            .meter(program.0.instantiate_async(&mut store))
            .await
            .map_err(|error| {
                if error.is::<PoolConcurrencyLimitError>() {
                    LoadError::Limit("the process runs as many instances as it can".into())
                } else {
                    LoadError::Refused(format!("{error:#}"))
                }
            })?;
        Ok(Self {
            store,
            guest,
            meter,
            context,
        })
    }

    /// Whether the instance has registered this stream.
    pub(super) fn listens_to(&self, stream: &str) -> bool {
        self.store.data().streams.contains(stream)
    }

    /// Enters an export with its context. The outer error is a trap.
    pub(super) async fn enter(
        &mut self,
        entry: Entry,
    ) -> wasmtime::Result<Result<Vec<u8>, ActrError>> {
        let _installed = self.context.install(invocation(&entry));
        let guest = self.guest.actr_workload_workload();
        let store = &mut self.store;
        let nothing = |()| Vec::new();
        let call = async {
            match entry {
                Entry::Start => Ok(guest.call_on_start(store).await?.map(nothing)),
                Entry::Ready => Ok(guest.call_on_ready(store).await?.map(nothing)),
                Entry::Stop => Ok(guest.call_on_stop(store).await?.map(nothing)),
                Entry::Dispatch { envelope, .. } => guest.call_dispatch(store, &envelope).await,
                Entry::Chunk { chunk, sender } => {
                    let result = guest.call_on_data_stream(store, &chunk, &sender).await?;
                    Ok(result.map(nothing))
                }
                Entry::Hook(hook) => Ok(enter_hook(guest, store, hook).await?.map(nothing)),
            }
        };
        self.meter.meter(call).await
    }
}

/// Enters a hook; but for `on-error` they can't fail.
async fn enter_hook(
    guest: &Guest,
    store: &mut Store<State>,
    hook: Hook,
) -> wasmtime::Result<Result<(), ActrError>> {
    match hook {
        Hook::Error(event) => return guest.call_on_error(store, &event).await,
        Hook::SignalingConnecting => guest.call_on_signaling_connecting(store).await,
        Hook::SignalingConnected => guest.call_on_signaling_connected(store).await,
        Hook::SignalingDisconnected => guest.call_on_signaling_disconnected(store).await,
        Hook::WebsocketConnecting(event) => guest.call_on_websocket_connecting(store, &event).await,
        Hook::WebsocketConnected(event) => guest.call_on_websocket_connected(store, &event).await,
        Hook::WebsocketDisconnected(event) => {
            guest.call_on_websocket_disconnected(store, &event).await
        }
        Hook::WebrtcConnecting(event) => guest.call_on_webrtc_connecting(store, &event).await,
        Hook::WebrtcConnected(event) => guest.call_on_webrtc_connected(store, &event).await,
        Hook::WebrtcDisconnected(event) => guest.call_on_webrtc_disconnected(store, &event).await,
        Hook::CredentialRenewed(event) => guest.call_on_credential_renewed(store, event).await,
        Hook::CredentialExpiring(event) => guest.call_on_credential_expiring(store, event).await,
        Hook::MailboxBackpressure(event) => guest.call_on_mailbox_backpressure(store, event).await,
    }?;
    Ok(Ok(()))
}

/// What the getters tell during an entry.
fn invocation(entry: &Entry) -> Invocation {
    let (caller, request_id) = match entry {
        Entry::Start => (None, "lifecycle:on_start".into()),
        Entry::Ready => (None, "lifecycle:on_ready".into()),
        Entry::Stop => (None, "lifecycle:on_stop".into()),
        Entry::Dispatch { envelope, caller } => (caller.clone(), envelope.request_id.clone()),
        Entry::Hook(hook) => (None, format!("hook:{}", hook.name())),
        Entry::Chunk { chunk, sender } => {
            let DataStream {
                stream_id,
                sequence,
                ..
            } = chunk;
            let request_id = format!("data-stream:{stream_id}:{sequence}");
            (Some(sender.clone()), request_id)
        }
    };
    Invocation { caller, request_id }
}
