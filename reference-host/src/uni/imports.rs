//! The imports a plugin may have, and the engines they are linked on.

use std::sync::{Arc, OnceLock};

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, Lower, WasmList, WasmStr};
use wasmtime::{AsContext, AsContextMut, Config, Engine, StoreContextMut};

use super::capability::NetworkScope;
use super::egress::{self, Method, Request};
use super::error::{LoadError, PluginError, code};
use super::host::Shared;
use super::log::LogLine;
use crate::engine::{self, Cache, MemoryLimiter};
use crate::outbound::url::parse_url;

/// The gated import.
pub(super) const HOST_NET: &str = "uni:plugin/host-net@0.1.0";
const HOST_LOG: &str = "uni:plugin/host-log@0.1.0";
const HOST_TRACE: &str = "uni:plugin/host-trace-context@0.1.0";
const TYPES: &str = "uni:plugin/types@0.1.0";

/// What a store carries: one instance's view of the host.
pub(super) struct State {
    pub(super) limiter: MemoryLimiter,
    pub(super) shared: Arc<Shared>,
    /// The plugin's id; `None` before its manifest is read.
    pub(super) plugin: Option<Arc<str>>,
    pub(super) network: Option<Arc<NetworkScope>>,
    /// Bytes of log this call may still send.
    pub(super) log_left: usize,
}

/// An engine with its linkers. There are two in a process: one that counts fuel and one that does not.
pub(super) struct Runtime {
    engine: Engine,
    plain: Linker<State>,
    net: Linker<State>,
    cache: Option<Cache<Component>>,
}

impl Runtime {
    /// The runtime for plugins without a fuel limit, or the one for plugins with it: counting costs time.
    pub(super) fn get(fuel: bool) -> Result<&'static Self, String> {
        static STANDARD: OnceLock<Result<Runtime, String>> = OnceLock::new();
        static METERED: OnceLock<Result<Runtime, String>> = OnceLock::new();
        let (cell, build): (_, fn() -> Result<Self, String>) = if fuel {
            (&METERED, || {
                Self::new(metered_engine()?, Some(Cache::new()))
            })
        } else {
            (&STANDARD, || {
                Self::new(engine::shared().map_err(|e| e.to_string())?.clone(), None)
            })
        };
        cell.get_or_init(build).as_ref().map_err(Clone::clone)
    }

    fn new(engine: Engine, cache: Option<Cache<Component>>) -> Result<Self, String> {
        let linkers = || -> wasmtime::Result<_> {
            let mut plain = Linker::new(&engine);
            always(&mut plain)?;
            let mut net = Linker::new(&engine);
            always(&mut net)?;
            network(&mut net)?;
            Ok((plain, net))
        };
        let (plain, net) = linkers().map_err(|e| e.to_string())?;
        Ok(Self {
            engine,
            plain,
            net,
            cache,
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn linker(&self, net: bool) -> &Linker<State> {
        if net { &self.net } else { &self.plain }
    }

    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        match &self.cache {
            None => engine::compile(bytes).map_err(|e| LoadError::Component(e.to_string())),
            Some(cache) => cache.get_or_try_insert(bytes, || {
                Component::from_binary(&self.engine, bytes)
                    .map_err(|e| LoadError::Component(format!("{e:#}")))
            }),
        }
    }
}

fn metered_engine() -> Result<Engine, String> {
    let mut config = Config::new();
    config.consume_fuel(true);
    engine::start(&mut config).map_err(|e| e.to_string())
}

/// Checks that a component imports nothing but what this host has, by exact name and version; whether `host-net` is
/// there for this plugin is `net`. Returns whether `host-net` is imported.
///
/// # Errors
/// [`LoadError::Import`] naming the first import that is not there.
pub(super) fn check_imports(
    component: &Component,
    engine: &Engine,
    net: bool,
) -> Result<bool, LoadError> {
    let mut uses_net = false;
    let ty = component.component_type();
    for (name, item) in ty.imports(engine) {
        let refuse = |reason: &str| {
            Err(LoadError::Import {
                name: name.to_owned(),
                reason: reason.to_owned(),
            })
        };
        let is_instance = matches!(item.ty, ComponentItem::ComponentInstance(_));
        match name {
            HOST_LOG | HOST_TRACE | TYPES if is_instance => {}
            HOST_NET if is_instance => {
                if !net {
                    return refuse("the capability `network` is not granted");
                }
                uses_net = true;
            }
            _ if name.starts_with("uni:plugin/host-") => {
                return refuse("this host has no such interface, or not in this version");
            }
            // A type that a world uses carries nothing.
            _ if matches!(item.ty, ComponentItem::Type(_)) => {}
            _ => return refuse("this host does not have it"),
        }
    }
    Ok(uses_net)
}

/// `fn-error` as it crosses the boundary.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct FnError {
    code: u32,
    message: String,
    retryable: bool,
}

impl From<FnError> for PluginError {
    fn from(
        FnError {
            code,
            message,
            retryable,
        }: FnError,
    ) -> Self {
        Self {
            code,
            message,
            retryable,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct HttpResponse {
    status: u16,
    body: Vec<u8>,
}

type HttpResult = wasmtime::Result<(Result<HttpResponse, FnError>,)>;

fn always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(HOST_LOG)?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, State>, (level, message): (WasmStr, WasmStr)| {
            let sent = {
                let level = level.to_str(store.as_context())?;
                let message = message.to_str(store.as_context())?;
                let state = store.data();
                let most = state.shared.limits.log_message_bytes;
                let (level, message) = (cut(&level, most), cut(&message, most));
                let bytes = level.len() + message.len();
                if bytes > state.log_left {
                    return Ok(());
                }
                state.shared.log.log(LogLine {
                    plugin: state.plugin.as_deref(),
                    level,
                    message,
                });
                bytes
            };
            store.data_mut().log_left -= sent;
            Ok(())
        },
    )?;
    linker.instance(HOST_TRACE)?.func_wrap(
        "get-traceparent",
        |store: StoreContextMut<'_, State>, (): ()| Ok((store.data().shared.traceparent(),)),
    )?;
    Ok(())
}

fn network(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(HOST_NET)?;
    instance.func_wrap_async(
        "http-get",
        |mut store: StoreContextMut<'_, State>,
         (url, timeout_ms, max_bytes): (WasmStr, u64, u32)| {
            Box::new(
                async move { http(store.as_context_mut(), url, None, timeout_ms, max_bytes).await },
            )
        },
    )?;
    instance.func_wrap_async(
        "http-post",
        |mut store: StoreContextMut<'_, State>,
         (url, body, timeout_ms, max_bytes): (WasmStr, WasmList<u8>, u64, u32)| {
            Box::new(async move {
                http(
                    store.as_context_mut(),
                    url,
                    Some(body),
                    timeout_ms,
                    max_bytes,
                )
                .await
            })
        },
    )
}

/// One request. The allow-list is asked before anything is sent; the bounds are the least of the plugin's, the grant's
/// and the host's.
async fn http(
    store: StoreContextMut<'_, State>,
    url: WasmStr,
    body: Option<WasmList<u8>>,
    timeout_ms: u64,
    max_bytes: u32,
) -> HttpResult {
    let refuse = |code, message: String| {
        Ok((Err(FnError {
            code,
            message,
            retryable: false,
        }),))
    };
    let state = store.data();
    let Some(scope) = state.network.clone() else {
        return refuse(code::FORBIDDEN, "no network for this plugin".into());
    };
    let url = match parse_url(
        &url.to_str(store.as_context())?,
        state.shared.limits.url_bytes,
    ) {
        Ok(url) => url,
        Err(e) => return refuse(code::BAD_URL, format!("not a URL this host requests: {e}")),
    };
    if !scope.allows(&url) {
        return refuse(code::FORBIDDEN, format!("{url} is not on the allow-list"));
    }
    let timeout = match timeout_ms {
        0 => scope.timeout,
        ms => scope.timeout.min(std::time::Duration::from_millis(ms)),
    };
    let request = Request {
        method: if body.is_some() {
            Method::Post
        } else {
            Method::Get
        },
        url,
        body: body
            .map(|b| b.as_le_slice(store.as_context()).to_vec())
            .unwrap_or_default(),
        traceparent: state.shared.traceparent(),
        timeout,
        max_bytes: if max_bytes == 0 {
            scope.max_bytes
        } else {
            scope.max_bytes.min(max_bytes)
        },
    };
    Ok((match egress::send(request).await {
        Ok(response) => Ok(HttpResponse {
            status: response.status,
            body: response.body,
        }),
        Err(e) => Err(FnError {
            code: e.code,
            message: e.message,
            retryable: e.retryable,
        }),
    },))
}

/// The longest head of `text` of at most `most` bytes that ends between characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most.min(text.len()))]
}
