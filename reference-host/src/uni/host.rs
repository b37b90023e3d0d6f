//! The host: loads plugins, keeps what they registered, finds what is called.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use semver::Version;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use super::capability::{Capability, Grants, NetworkScope};
use super::error::{CallError, LoadError};
use super::guest::Guest;
use super::imports::{self, HOST_NET, Runtime};
use super::limits::{Limits, PluginLimits};
use super::log::{LogSink, TracingSink, is_traceparent};
use super::manifest::Manifest;
use super::registration::{Function, parse_registration};
use super::spare::Spare;

/// What a host is made with.
#[derive(Clone)]
pub struct Config {
    /// Ceilings.
    pub limits: Limits,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The active W3C `traceparent`, if a trace is active.
    pub traceparent: Option<String>,
    /// How long instances live.
    pub instances: Instances,
}

/// How long an instance of a plugin lives. The contract leaves it open; a plugin whose state is in its bytes alone can't tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// For one call.
    #[default]
    Fresh,
    /// Until it traps, runs into a limit, or its plugin is unloaded. An instance serves one call at a time.
    Kept,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            log: Arc::new(TracingSink),
            traceparent: None,
            instances: Instances::Fresh,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .field("traceparent", &self.traceparent)
            .field("instances", &self.instances)
            .finish()
    }
}

/// Why a host could not be made or set.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No engine.
    #[error("{0}")]
    Engine(String),
    /// Not a `traceparent` of W3C Trace Context, version 00.
    #[error("{0:?} is not a W3C traceparent")]
    Traceparent(String),
}

/// What every call of one host shares.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) log: Arc<dyn LogSink>,
    pub(super) instances: Instances,
    /// Memory of streams; no call's own.
    pub(super) spare: Spare,
    traceparent: RwLock<Option<String>>,
}

impl Shared {
    pub(super) fn traceparent(&self) -> Option<String> {
        self.traceparent
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A host of `uni:plugin@0.1.0`. Cheap to make: engines, linkers and compiled components belong to the process.
///
/// All calls take `&self` and may run at once from any number of tasks; they need a Tokio runtime with time enabled, or
/// [`block_on`](super::block_on).
pub struct UniHost {
    shared: Arc<Shared>,
    plugins: RwLock<BTreeMap<String, Plugin>>,
}

struct Plugin {
    guest: Arc<Guest>,
    functions: Vec<Arc<Function>>,
}

/// What a load registered.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The plugin's id.
    pub id: String,
    /// The plugin's version.
    pub version: Version,
    /// The whole manifest.
    pub manifest: Manifest,
    /// The registered functions, in the plugin's order.
    pub functions: Vec<Function>,
    /// Names of capabilities that are declared but not granted.
    pub denied: Vec<String>,
}

impl std::fmt::Debug for UniHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UniHost")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl UniHost {
    /// Makes a host without plugins.
    ///
    /// # Errors
    /// [`HostError`] for a `traceparent` that is none, or when the process has no engine.
    pub fn new(config: Config) -> Result<Self, HostError> {
        Runtime::get(false).map_err(HostError::Engine)?;
        let this = Self {
            shared: Arc::new(Shared {
                limits: config.limits,
                log: config.log,
                instances: config.instances,
                spare: Spare::default(),
                traceparent: RwLock::new(None),
            }),
            plugins: RwLock::default(),
        };
        this.set_traceparent(config.traceparent)?;
        Ok(this)
    }

    /// Sets the active trace from now on; calls under way may see either.
    ///
    /// # Errors
    /// [`HostError::Traceparent`] for a text that is none; the trace stays what it was.
    pub fn set_traceparent(&self, traceparent: Option<String>) -> Result<(), HostError> {
        if let Some(text) = traceparent.as_ref().filter(|t| !is_traceparent(t)) {
            return Err(HostError::Traceparent(text.clone()));
        }
        *self
            .shared
            .traceparent
            .write()
            .unwrap_or_else(PoisonError::into_inner) = traceparent;
        Ok(())
    }

    /// Loads a component under `grants`.
    ///
    /// `manifest` and `register` run on an instance each, bounded like any call; before the manifest is read no URL is
    /// allowed. The component needs the exports of the kinds it registers, and no others; exports beyond are ignored.
    ///
    /// # Errors
    /// [`LoadError`]; nothing is registered then.
    pub async fn load(&self, bytes: &[u8], grants: &Grants) -> Result<Loaded, LoadError> {
        let limit = self.shared.limits.component_bytes;
        if bytes.len() > limit {
            return Err(LoadError::TooLarge {
                got: bytes.len(),
                limit,
            });
        }
        let bytes: Arc<[u8]> = bytes.into();
        let (runtime, component) = compile(bytes.clone(), false).await?;
        let engine = runtime.engine();
        let uses_net = imports::check_imports(&component, engine, grants.network.is_some())?;
        for name in ["manifest", "register"] {
            check_export(&component, engine, name, |f| {
                signature(f, 0, |t| matches!(t, Type::String))
            })?;
        }

        let bootstrap = PluginLimits::bootstrap(&self.shared.limits);
        let nothing = uses_net.then(NetworkScope::default);
        let guest = self.guest(runtime, &component, None, bootstrap, nothing)?;
        let manifest =
            Manifest::parse(&guest.control("manifest").await?).map_err(LoadError::Manifest)?;

        let limits = PluginLimits::of(&self.shared.limits, &manifest);
        let network = self.network(&manifest, grants, &limits);
        if uses_net && network.is_none() {
            let reason = "the manifest does not declare the capability `network`".into();
            return Err(LoadError::Import {
                name: HOST_NET.into(),
                reason,
            });
        }
        let (runtime, component) = if limits.fuel.is_some() {
            compile(bytes, true).await?
        } else {
            (runtime, component)
        };
        let network = network.filter(|_| uses_net);
        let guest = self.guest(
            runtime,
            &component,
            Some(manifest.id.as_str().into()),
            limits,
            network,
        )?;
        let text = guest.control("register").await?;
        let functions = parse_registration(&text, &manifest.id, &self.shared.limits)
            .map_err(LoadError::Register)?;
        for function in &functions {
            if let Some(capability) = function.kind.capabilities().iter().find(|c| !grants.has(c)) {
                return Err(LoadError::Capability {
                    qname: function.qname.clone(),
                    capability,
                });
            }
            for (export, params) in function
                .kind
                .exports()
                .iter()
                .zip(arities(function.kind.name()))
            {
                check_export(&component, runtime.engine(), export, |f| {
                    signature(f, *params, is_work_result)
                })?;
            }
        }

        let loaded = Loaded {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            denied: grants.denied(&manifest.capabilities),
            functions: functions.clone(),
            manifest,
        };
        let plugin = Plugin {
            guest: Arc::new(guest),
            functions: functions.into_iter().map(Arc::new).collect(),
        };
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        // Names lie in the plugin's own namespace, so an id that is new brings only names that are new.
        if plugins.contains_key(&loaded.id) {
            return Err(LoadError::Duplicate(loaded.id));
        }
        plugins.insert(loaded.id.clone(), plugin);
        Ok(loaded)
    }

    /// Removes a plugin and all it registered. Calls under way and open accumulators go on. `false` if there is none.
    pub fn unload(&self, id: &str) -> bool {
        self.plugins
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
            .is_some()
    }

    /// What is registered now: plugins by id, functions in each plugin's order.
    pub fn functions(&self) -> Vec<Function> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins
            .values()
            .flat_map(|p| &p.functions)
            .map(|f| Function::clone(f))
            .collect()
    }

    /// The function of this kind and name; with `arity`, the overload that takes so many arguments.
    pub(super) fn find(
        &self,
        kind: &'static str,
        qname: &str,
        arity: Option<usize>,
    ) -> Result<(Arc<Guest>, Arc<Function>), CallError> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        let plugin = qname.rsplit_once('.').and_then(|(id, _)| plugins.get(id));
        let named = |f: &&Arc<Function>| f.kind.name() == kind && f.qname == qname;
        let overloads: Vec<_> = plugin
            .into_iter()
            .flat_map(|p| &p.functions)
            .filter(named)
            .collect();
        let fitting = overloads
            .iter()
            .find(|f| arity.is_none_or(|n| f.args.len() == n));
        match (plugin, fitting.or(overloads.first())) {
            (Some(plugin), Some(function)) => Ok((plugin.guest.clone(), Arc::clone(function))),
            _ => Err(CallError::Unknown {
                kind,
                qname: qname.to_owned(),
            }),
        }
    }

    fn guest(
        &self,
        runtime: &'static Runtime,
        component: &Component,
        id: Option<Arc<str>>,
        limits: PluginLimits,
        network: Option<NetworkScope>,
    ) -> Result<Guest, LoadError> {
        let pre = runtime
            .linker(network.is_some())
            .instantiate_pre(component)
            .map_err(|e| LoadError::Component(format!("{e:#}")))?;
        let slots = Arc::new(Semaphore::new(
            usize::try_from(limits.instances).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        Ok(Guest {
            pre,
            id,
            limits,
            network: network.map(Arc::new),
            slots,
            shared: self.shared.clone(),
            idle: Mutex::default(),
        })
    }

    /// What is both declared and granted of `network`.
    fn network(
        &self,
        manifest: &Manifest,
        grants: &Grants,
        limits: &PluginLimits,
    ) -> Option<NetworkScope> {
        let granted = grants.network.as_ref()?;
        let declared = manifest.capabilities.iter().find_map(|c| match c {
            Capability::Network(allow) => Some(allow.clone()),
            _ => None,
        })?;
        let host = &self.shared.limits;
        let timeout = granted
            .timeout
            .unwrap_or(host.http_time)
            .min(host.http_time)
            .min(limits.call_time);
        let max_bytes = granted
            .max_bytes
            .unwrap_or(host.http_body_bytes)
            .min(host.http_body_bytes);
        Some(NetworkScope {
            declared,
            granted: granted.allow.clone(),
            timeout,
            max_bytes,
        })
    }
}

/// Compiles away from the executor's threads.
async fn compile(bytes: Arc<[u8]>, fuel: bool) -> Result<(&'static Runtime, Component), LoadError> {
    let compile = move || {
        let runtime = Runtime::get(fuel).map_err(LoadError::Host)?;
        Ok((runtime, runtime.compile(&bytes)?))
    };
    tokio::task::spawn_blocking(compile)
        .await
        .map_err(|e| LoadError::Host(e.to_string()))?
}

/// Parameters of the work exports of a kind, in the order of `FunctionKind::exports`.
fn arities(kind: &str) -> &'static [usize] {
    match kind {
        "aggregate" => &[1, 3, 3, 2],
        _ => &[2],
    }
}

fn check_export(
    component: &Component,
    engine: &Engine,
    name: &'static str,
    fits: impl Fn(&ComponentFunc) -> bool,
) -> Result<(), LoadError> {
    let refuse = |reason: &str| {
        Err(LoadError::Export {
            name,
            reason: reason.into(),
        })
    };
    match component
        .component_type()
        .get_export(engine, name)
        .map(|e| e.ty)
    {
        None => refuse("missing"),
        Some(ComponentItem::ComponentFunc(f)) if fits(&f) => Ok(()),
        Some(ComponentItem::ComponentFunc(_)) => refuse("has another type than the contract says"),
        Some(_) => refuse("is not a function"),
    }
}

/// A name and then byte lists, `params` in all, and a result that `result` accepts.
fn signature(f: &ComponentFunc, params: usize, result: impl Fn(&Type) -> bool) -> bool {
    let fits = |(i, (_, ty)): (usize, (&str, Type))| {
        if i == 0 {
            matches!(ty, Type::String)
        } else {
            is_bytes(&ty)
        }
    };
    let mut results = f.results();
    f.params().len() == params
        && f.params().enumerate().all(fits)
        && results.next().is_some_and(|t| result(&t))
        && results.next().is_none()
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if matches!(list.ty(), Type::U8))
}

fn is_work_result(ty: &Type) -> bool {
    let Type::Result(result) = ty else {
        return false;
    };
    let Some(Type::Record(error)) = result.err() else {
        return false;
    };
    let mut fields = error.fields();
    let mut is = |name: &str, fits: fn(&Type) -> bool| {
        fields.next().is_some_and(|f| f.name == name && fits(&f.ty))
    };
    result.ok().is_some_and(|t| is_bytes(&t))
        && is("code", |t| matches!(t, Type::U32))
        && is("message", |t| matches!(t, Type::String))
        && is("retryable", |t| matches!(t, Type::Bool))
        && error.fields().len() == 3
}
