//! The imports of the world, linked once for the process, and what a store carries for them.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::sync::watch;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::authority::Authority;
use super::failure::{ImportError, ImportFailure};
use super::instance::Growth;
use super::limits::Limits;
use super::websocket::Sockets;
use super::{fs, request, text};
use crate::engine;

pub(super) const REQUEST: &str = "yoi:host/request@1.0.0";
pub(super) const WEBSOCKET: &str = "yoi:host/websocket@1.0.0";
pub(super) const FS: &str = "yoi:host/fs@1.0.0";

/// What an instance is run with.
pub(super) struct Context {
    pub(super) authority: Authority,
    pub(super) limits: Limits,
    pub(super) import_failure: ImportFailure,
    /// Whether the host is being shut down.
    pub(super) closing: watch::Sender<bool>,
}

/// What a store carries.
pub(super) struct State {
    pub(super) context: Arc<Context>,
    pub(super) limiter: Growth,
    pub(super) sockets: Sockets,
}

/// The trap of a failed import.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ImportTrap(String);

type Answer = wasmtime::Result<(String,)>;

impl Context {
    /// Waits for the work of an import, but not beyond a shutdown.
    async fn unless_closing<T>(
        &self,
        work: impl Future<Output = Result<T, ImportError>>,
    ) -> Result<T, ImportError> {
        let mut closing = self.closing.subscribe();
        tokio::select! {
            result = work => result,
            // The sender lives in `self`: this ends by `true` only.
            _ = closing.wait_for(|closing| *closing) => Err(ImportError::failed("the host is shutting down")),
        }
    }

    /// What the plugin gets.
    fn answer<T: Serialize>(&self, result: Result<T, ImportError>) -> Answer {
        let json = |value: &T| {
            serde_json::to_string(value).map_err(|error| ImportError::failed(error.to_string()))
        };
        match (result.and_then(|value| json(&value)), self.import_failure) {
            (Ok(text), _) => Ok((text,)),
            (Err(error), ImportFailure::Json) => Ok((error.to_json(self.limits.message_bytes),)),
            (Err(error), ImportFailure::Trap) => {
                let text = text::safe(&error.message, self.limits.message_bytes);
                Err(wasmtime::Error::new(ImportTrap(text)))
            }
        }
    }
}

/// The one linker of the process.
pub(super) fn linker() -> Result<&'static Linker<State>, String> {
    static LINKER: OnceLock<Result<Linker<State>, String>> = OnceLock::new();
    let build = || {
        let engine = engine::shared().map_err(|error| error.to_string())?;
        let mut linker = Linker::new(engine);
        link_request(&mut linker)
            .and_then(|()| link_websocket(&mut linker))
            .and_then(|()| link_fs(&mut linker))
            .map_err(|error| format!("{error:#}"))?;
        Ok(linker)
    };
    LINKER.get_or_init(build).as_ref().map_err(Clone::clone)
}

fn link_request(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(REQUEST)?.func_wrap_async(
        "request",
        |store: StoreContextMut<'_, State>, (json,): (String,)| {
            let context = store.data().context.clone();
            Box::new(async move {
                let work = request::request(&json, &context.authority, &context.limits.request);
                context.answer(context.unless_closing(work).await)
            })
        },
    )
}

fn link_websocket(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(WEBSOCKET)?;
    instance.func_wrap_async(
        "open",
        |mut store: StoreContextMut<'_, State>, (json,): (String,)| {
            let context = store.data().context.clone();
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets;
                let limits = &context.limits.websocket;
                let work = sockets.open(&json, &context.authority, limits);
                context.answer(context.unless_closing(work).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "send-text",
        |mut store: StoreContextMut<'_, State>, (handle, text): (u32, String)| {
            let context = store.data().context.clone();
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets;
                let work = sockets.send_text(handle, text, &context.limits.websocket);
                context.answer(context.unless_closing(work).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "recv",
        |mut store: StoreContextMut<'_, State>, (handle, timeout_ms): (u32, u32)| {
            let context = store.data().context.clone();
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets;
                let work = sockets.recv(handle, timeout_ms, &context.limits.websocket);
                context.answer(context.unless_closing(work).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "close",
        |mut store: StoreContextMut<'_, State>, (handle,): (u32,)| {
            let context = store.data().context.clone();
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets;
                let closed = sockets.close(handle, &context.limits.websocket).await;
                context.answer(Ok(closed))
            })
        },
    )
}

fn link_fs(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(FS)?;
    instance.func_wrap_async(
        "read",
        |store: StoreContextMut<'_, State>, (json,): (String,)| {
            Box::new(blocking(store.data().context.clone(), move |context| {
                fs::read(&json, &context.authority, &context.limits.fs)
            }))
        },
    )?;
    instance.func_wrap_async(
        "list",
        |store: StoreContextMut<'_, State>, (json,): (String,)| {
            Box::new(blocking(store.data().context.clone(), move |context| {
                fs::list(&json, &context.authority, &context.limits.fs)
            }))
        },
    )?;
    instance.func_wrap_async(
        "write",
        |store: StoreContextMut<'_, State>, (json,): (String,)| {
            Box::new(blocking(store.data().context.clone(), move |context| {
                fs::write(&json, &context.authority, &context.limits.fs)
            }))
        },
    )
}

/// File work, away from the executor's threads.
async fn blocking<T: Serialize + Send + 'static>(
    context: Arc<Context>,
    work: impl FnOnce(&Context) -> Result<T, ImportError> + Send + 'static,
) -> Answer {
    let inner = context.clone();
    let result = tokio::task::spawn_blocking(move || work(&inner))
        .await
        .unwrap_or_else(|error| Err(ImportError::failed(error.to_string())));
    context.answer(result)
}
