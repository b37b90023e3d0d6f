//! The host: registers plugins and finds them again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{RwLock, watch};

use super::authority::Authority;
use super::component;
use super::error::{CallError, RegisterError};
use super::failure::ImportFailure;
use super::imports::Context;
use super::instance::Instance;
use super::limits::Limits;
use super::manifest::{Grants, Manifest};
use super::plugin::Plugin;
use super::text;

/// What a host is made with.
#[derive(Clone, Default)]
pub struct Config {
    /// Ceilings of every instance.
    pub limits: Limits,
    /// How a failing import tells its plugin.
    pub import_failure: ImportFailure,
    /// Who is told of events that the host dispatched by itself.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Is told what became of events from sources that the host owns.
pub trait Observer: Send + Sync {
    /// An event came to its end. Must not block.
    fn dispatched(
        &self,
        plugin: &str,
        ingress: &str,
        kind: &str,
        outcome: &Result<Value, CallError>,
    );
}

/// A host of `yoi:plugin@1.0.0`, world `instance`. Its methods need a Tokio runtime with time and I/O enabled.
pub struct YoiHost {
    config: Config,
    plugins: Mutex<BTreeMap<String, Slot>>,
}

/// The place of one id. Whoever registers a plugin holds it, so that two registrations of one id come one after the other
/// and other ids do not wait.
type Slot = Arc<RwLock<Option<Arc<Plugin>>>>;

impl YoiHost {
    /// A host without plugins.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            plugins: Mutex::default(),
        }
    }

    /// Registers a plugin: checks its component, its imports and its grants before anything of it runs, instantiates it
    /// and calls `start` with the config as JSON text (`null` without one). A plugin of the same id, version and
    /// component that is registered already is returned as it is.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is registered then, and `stop` is not called.
    pub async fn register(
        &self,
        component: &[u8],
        manifest: Manifest,
        grants: Grants,
        config: Option<&Value>,
    ) -> Result<Arc<Plugin>, RegisterError> {
        manifest.check()?;
        let digest = component::digest(component);
        let id = manifest.id.clone();
        let slot = self.plugins().entry(id.clone()).or_default().clone();
        let mut place = slot.write().await;
        if let Some(plugin) = &*place {
            let same = plugin.version() == manifest.version && plugin.digest() == digest;
            return same
                .then(|| plugin.clone())
                .ok_or(RegisterError::Duplicate(id));
        }
        let authority = Authority { manifest, grants };
        authority.check_binding(&digest)?;
        let plugin = Arc::new(self.start(component, authority, digest, config).await?);
        *place = Some(plugin.clone());
        Ok(plugin)
    }

    async fn start(
        &self,
        component: &[u8],
        authority: Authority,
        digest: String,
        config: Option<&Value>,
    ) -> Result<Plugin, RegisterError> {
        let context = Arc::new(Context {
            authority,
            limits: self.config.limits.clone(),
            import_failure: self.config.import_failure,
            closing: watch::Sender::new(false),
        });
        let most = context.limits.message_bytes;
        let (bytes, inner) = (component.to_vec(), context.clone());
        // Compilation takes long; it is done away from the executor's threads.
        let pre = tokio::task::spawn_blocking(move || {
            component::check(&bytes, &inner.authority, &inner.limits)
        })
        .await
        .map_err(|error| RegisterError::Host(error.to_string()))?
        .map_err(|error| match error {
            RegisterError::Component(reason) => RegisterError::Component(text::safe(&reason, most)),
            RegisterError::Import { name, reason } => RegisterError::Import {
                name: text::safe(&name, most),
                reason: text::safe(&reason, most),
            },
            other => other,
        })?;
        let instance = Instance::new(&pre, context.clone()).await?;
        Plugin::start(
            context,
            digest,
            instance,
            self.config.observer.clone(),
            config,
        )
        .await
        .map_err(|error| RegisterError::Start(Box::new(error)))
    }

    /// The plugin of this id, unless there is none or it is just being registered.
    pub fn plugin(&self, id: &str) -> Option<Arc<Plugin>> {
        let slot = self.plugins().get(id)?.clone();
        slot.try_read().ok()?.clone()
    }

    /// Forgets the plugin of this id, so that it can be registered anew; `false` if there is none. It ends when nobody
    /// refers to it any more, without `stop`.
    pub async fn remove(&self, id: &str) -> bool {
        let slot = self.plugins().get(id).cloned();
        match slot {
            Some(slot) => slot.write().await.take().is_some(),
            None => false,
        }
    }

    /// Ends everything at once, without `stop`: imports that wait fail, connections are dropped.
    pub fn shut_down(&self) {
        let plugins = std::mem::take(&mut *self.plugins());
        for slot in plugins.into_values() {
            if let Ok(place) = slot.try_read() {
                place.iter().for_each(|plugin| plugin.shut_down());
            }
        }
    }

    fn plugins(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for YoiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YoiHost")
            .field("limits", &self.config.limits)
            .finish_non_exhaustive()
    }
}
