//! The host: launches inferlets, plays the way to their clients, and ends them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::backend::{Deterministic, Served};
use super::config::{Config, ConfigError, DebugQueries};
use super::instance::{self, Running};
use super::limits::{LimitExceeded, Limits, within};
use super::model::{Model, Models};
use super::program::Program;
use super::pubsub::PubSub;
use super::session::{Inbox, InboxFull, Outbox};
use super::store::{Isolation, Namespace, Store, StoreError};
use super::{Event, InstanceId};
use crate::engine;

/// A host of `pie:inferlet`. Building one is cheap: engine, linker and compiled programs belong to the process.
///
/// Dropping it terminates its instances and leaves unwritten data to the store's writer; [`PieHost::shutdown`] waits
/// for both.
#[derive(Debug)]
pub struct PieHost {
    services: Arc<Services>,
    config: Config,
    store: Arc<Store>,
}

/// What all instances of a host share.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) version: String,
    pub(super) limits: Limits,
    pub(super) models: Models,
    pub(super) pubsub: Arc<PubSub>,
    pub(super) runtime: Handle,
    queries: Option<Arc<dyn DebugQueries>>,
    registry: Mutex<Registry>,
    count: watch::Sender<u32>,
}

#[derive(Debug, Default)]
struct Registry {
    running: HashMap<InstanceId, Session>,
    /// Ended, but their client has paused before it read the end.
    unread: HashMap<InstanceId, Arc<Outbox>>,
    closed: bool,
}

#[derive(Debug)]
struct Session {
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    stop: watch::Sender<Option<String>>,
}

/// Why an instance was not launched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The host is being shut down.
    #[error("the host is shut down")]
    Closed,
    /// There is no engine on this machine.
    #[error("no engine: {0}")]
    Engine(String),
    /// It would exceed a limit from the start.
    #[error("limit reached: {0}")]
    Limit(String),
    /// Not a component, or not of the world.
    #[error("the component is refused: {0}")]
    Refused(String),
}

impl From<LimitExceeded> for LaunchError {
    fn from(error: LimitExceeded) -> Self {
        Self::Limit(format!(
            "{} of {} exceeds {}",
            error.what, error.actual, error.limit
        ))
    }
}

/// Why the client's side, or a model's control, could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The inbox of the instance is full.
    #[error(transparent)]
    InboxFull(#[from] InboxFull),
    /// The message is too long.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// There is no running instance of this id.
    #[error("there is no instance `{0}`")]
    NoInstance(InstanceId),
    /// There is no model of this name.
    #[error("there is no model `{0}`")]
    NoModel(String),
    /// The backend of this model serves as it pleases.
    #[error("the backend of the model `{0}` cannot be controlled")]
    NotControllable(String),
}

/// How to launch an instance.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The command-line arguments, as the guest will see them; no program name is added.
    pub arguments: Vec<String>,
    /// For whom; matters to [`Isolation::PerUser`] alone.
    pub user: String,
    /// Where the client of the instance gets its messages and learns of the end. Many instances may share one.
    pub events: UnboundedSender<Event>,
}

impl Launch {
    /// A launch without arguments for the user `""`.
    pub fn new(events: UnboundedSender<Event>) -> Self {
        Self {
            arguments: Vec::new(),
            user: String::new(),
            events,
        }
    }
}

impl PieHost {
    /// Builds a host on the current tokio runtime.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong with the configuration, the store or the engine.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let store = Store::open(&config.store.backing, &config.limits)?;
        Self::with_store(config, store)
    }

    fn with_store(config: Config, store: Store) -> Result<Self, ConfigError> {
        config.check()?;
        engine::shared()?;
        let runtime = Handle::try_current().map_err(|_| ConfigError::Runtime)?;
        let services = Services {
            version: config.version.clone(),
            limits: config.limits.clone(),
            models: Models::new(&config.models, &config.limits, &runtime),
            pubsub: PubSub::new(config.limits.subscription_messages),
            runtime,
            queries: config.queries.clone(),
            registry: Mutex::new(Registry::default()),
            count: watch::Sender::new(0),
        };
        Ok(Self {
            services: Arc::new(services),
            config,
            store: Arc::new(store),
        })
    }

    /// Compiles the component, through the process's cache, and launches it. See [`PieHost::launch`].
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn launch_bytes(
        &self,
        component: &[u8],
        launch: Launch,
    ) -> Result<InstanceId, LaunchError> {
        let most = self.services.limits.component_bytes;
        within("component bytes", component.len(), most)?;
        self.launch(&Program::compile(component)?, launch)
    }

    /// Starts an instance and returns its id at once; the guest may have sent messages by then. The last event of
    /// the instance is [`Event::Ended`].
    ///
    /// # Errors
    /// [`LaunchError::Limit`] when a limit forbids it, [`LaunchError::Closed`] after [`PieHost::shutdown`].
    pub fn launch(&self, program: &Program, launch: Launch) -> Result<InstanceId, LaunchError> {
        let limits = &self.services.limits;
        program.check(limits)?;
        let bytes = launch.arguments.iter().map(String::len).sum();
        within("argument bytes", bytes, limits.argument_bytes)?;
        let id = InstanceId::new();
        let (stop, stopped) = watch::channel(None);
        let inbox = Inbox::new(limits);
        let outbox = Outbox::new(id, launch.events, limits);
        self.services.enter(
            id,
            Session {
                inbox: inbox.clone(),
                outbox: outbox.clone(),
                stop,
            },
        )?;
        instance::start(Running {
            id,
            program: program.clone(),
            arguments: launch.arguments,
            services: self.services.clone(),
            inbox,
            outbox,
            keys: self.namespace(program, &launch.user),
            stopped,
        });
        Ok(id)
    }

    /// Sends a message to a running instance as its client.
    ///
    /// # Errors
    /// [`ControlError`] when it has ended, is too long, or the inbox is full.
    pub fn client_send(&self, instance: InstanceId, message: &str) -> Result<(), ControlError> {
        let most = self.services.limits.message_bytes;
        within("message bytes", message.len(), most)?;
        let registry = self.services.registry();
        let session = registry.running(instance)?;
        Ok(session.inbox.deliver(message)?)
    }

    /// The client stops reading; its messages, and the end, are held back for it.
    ///
    /// # Errors
    /// [`ControlError::NoInstance`] when it has ended.
    pub fn client_pause(&self, instance: InstanceId) -> Result<(), ControlError> {
        let registry = self.services.registry();
        registry.running(instance)?.outbox.pause();
        Ok(())
    }

    /// The client reads on, also when the instance has ended meanwhile.
    ///
    /// # Errors
    /// [`ControlError::NoInstance`] when it has ended and the client knows.
    pub fn client_resume(&self, instance: InstanceId) -> Result<(), ControlError> {
        let mut registry = self.services.registry();
        let outbox = match registry.unread.remove(&instance) {
            Some(outbox) => outbox,
            None => registry.running(instance)?.outbox.clone(),
        };
        outbox.resume();
        Ok(())
    }

    /// Ends an instance, waiting or computing, within one epoch.
    ///
    /// # Errors
    /// [`ControlError::NoInstance`] when it has ended already.
    pub fn terminate(&self, instance: InstanceId, reason: &str) -> Result<(), ControlError> {
        let registry = self.services.registry();
        registry
            .running(instance)?
            .stop
            .send_replace(Some(reason.to_owned()));
        Ok(())
    }

    /// Instances that run now. One whose end event is out is not counted.
    pub fn running(&self) -> u32 {
        *self.services.count.borrow()
    }

    /// The model's backend accepts commands from now on but serves none.
    ///
    /// # Errors
    /// [`ControlError`] when there is no such model or its backend has no controls.
    pub fn hold(&self, model: &str) -> Result<(), ControlError> {
        self.control(model)?.1.hold();
        Ok(())
    }

    /// Serves `count` of the commands that wait, then holds on; 0 serves all and stops holding.
    ///
    /// # Errors
    /// As [`PieHost::hold`].
    pub fn release(&self, model: &str, count: u32) -> Result<(), ControlError> {
        let (model, backend) = self.control(model)?;
        let pending = u32::try_from(model.scheduler.pending()).unwrap_or(u32::MAX);
        backend.release(count, pending);
        Ok(())
    }

    /// The next `count` commands that the model's backend serves fail.
    ///
    /// # Errors
    /// As [`PieHost::hold`].
    pub fn fail_next(&self, model: &str, count: u32) -> Result<(), ControlError> {
        self.control(model)?.1.fail_next(count);
        Ok(())
    }

    /// What the model's backend has served, in order. The backend outlives a restart, and so does its record.
    ///
    /// # Errors
    /// As [`PieHost::hold`].
    pub fn served(&self, model: &str) -> Result<Vec<Served>, ControlError> {
        Ok(self.control(model)?.1.served())
    }

    /// Commands that wait in the model's queues or at its backend.
    ///
    /// # Errors
    /// [`ControlError::NoModel`].
    pub fn pending(&self, model: &str) -> Result<u32, ControlError> {
        let pending = self.model(model)?.scheduler.pending();
        Ok(u32::try_from(pending).unwrap_or(u32::MAX))
    }

    /// Terminates all instances, waits for their ends, and flushes the store. Clients that paused get everything.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not be written; all instances have ended even so.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        self.end_all("the host is shut down").await;
        let store = self.store.clone();
        blocking(move || store.flush()).await
    }

    /// Stops the host and starts it again on the same store and the same backends.
    ///
    /// # Errors
    /// [`ConfigError::Store`] when the store could not be written or read back.
    pub async fn restart(self) -> Result<Self, ConfigError> {
        self.end_all("the host restarts").await;
        let store = self.store.clone();
        let store = blocking(move || store.reopen()).await?;
        Self::with_store(self.config.clone(), store)
    }

    async fn end_all(&self, reason: &str) {
        self.services.stop_all(reason);
        let mut count = self.services.count.subscribe();
        // The sender lives in `services`, so the wait cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
        let unread = std::mem::take(&mut self.services.registry().unread);
        for outbox in unread.into_values() {
            outbox.resume();
        }
    }

    fn namespace(&self, program: &Program, user: &str) -> Namespace {
        self.store.namespace(&match self.config.store.isolation {
            Isolation::Shared => "shared".to_owned(),
            Isolation::PerProgram => format!("program:{}", program.digest()),
            Isolation::PerUser => format!("user:{user}"),
        })
    }

    fn model(&self, name: &str) -> Result<&Arc<Model>, ControlError> {
        let model = self.services.models.by_name(name);
        model.ok_or_else(|| ControlError::NoModel(name.to_owned()))
    }

    fn control(&self, name: &str) -> Result<(&Model, &Deterministic), ControlError> {
        let model = self.model(name)?;
        let backend = model.config.backend.deterministic();
        let backend = backend.ok_or_else(|| ControlError::NotControllable(name.to_owned()))?;
        Ok((model, backend))
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl Drop for PieHost {
    fn drop(&mut self) {
        self.services.stop_all("the host is gone");
    }
}

impl Services {
    /// Answers a guest's question about the runtime; tells nothing that belongs to another instance.
    pub(super) fn debug_query(&self, instance: InstanceId, query: &str) -> String {
        match query {
            "ping" => "pong".to_owned(),
            "instance-count" | "get_instance_count" => self.count.borrow().to_string(),
            other => {
                let answer = self.queries.as_ref();
                let answer = answer.and_then(|queries| queries.answer(instance, other));
                answer.unwrap_or_else(|| format!("unknown query: {other}"))
            }
        }
    }

    /// An instance has ended, and holds nothing any more.
    pub(super) fn leave(&self, id: InstanceId, outbox: &Arc<Outbox>, outcome: super::Outcome) {
        self.models.forget(id);
        let mut registry = self.registry();
        registry.running.remove(&id);
        self.count.send_modify(|count| *count -= 1);
        // Under the lock of the registry, so that a client that resumes now finds the instance in one of the maps.
        if !outbox.end(outcome) {
            registry.unread.insert(id, outbox.clone());
        }
    }

    fn enter(&self, id: InstanceId, session: Session) -> Result<(), LaunchError> {
        let mut registry = self.registry();
        if registry.closed {
            return Err(LaunchError::Closed);
        }
        let running = *self.count.borrow();
        if running >= self.limits.instances {
            return Err(LaunchError::Limit(format!(
                "{running} instances run already"
            )));
        }
        registry.running.insert(id, session);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    fn stop_all(&self, reason: &str) {
        let mut registry = self.registry();
        registry.closed = true;
        for session in registry.running.values() {
            session.stop.send_replace(Some(reason.to_owned()));
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn running(&self, id: InstanceId) -> Result<&Session, ControlError> {
        self.running.get(&id).ok_or(ControlError::NoInstance(id))
    }
}
