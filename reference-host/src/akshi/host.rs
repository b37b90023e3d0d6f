//! The runtime: loads agents, has them run, and ends them.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::agent::Agent;
use super::audit::AuditEntry;
use super::directory::{DataDirectory, DirectoryError, Opened};
use super::error::CallError;
use super::mail::Mail;
use super::program::Program;
use super::supervisor;
use super::{AgentConfig, AgentId, Capability, Event, EventSink, Limits, Outcome, Plan};
use crate::engine;

/// Ended agents whose audit log and files can still be asked for.
const REMEMBERED: usize = 1_024;

/// What a runtime is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where agents keep their data.
    pub data: DataDirectory,
    /// Whether what was committed survives a loss of power too, and not only the end of the process. Each append to a
    /// journal, and each commit, then waits for the disk.
    pub sync: bool,
    /// The limits of the runtime and of each agent.
    pub limits: Limits,
}

impl Default for Config {
    /// A temporary directory, synchronous, the usual limits.
    fn default() -> Self {
        Self {
            data: DataDirectory::Temporary,
            sync: true,
            limits: Limits::default(),
        }
    }
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// There is no engine on this machine.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    /// A limit lies beyond what the engine can hold.
    #[error("the limit `{name}` is {value}, allowed are 1 to {most}")]
    Limit {
        /// The field of [`Limits`].
        name: &'static str,
        /// What it was set to.
        value: u64,
        /// The most it can be.
        most: u64,
    },
    /// It was built outside a tokio runtime.
    #[error("a host must be built inside a tokio runtime")]
    Runtime,
}

/// Why an agent was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The runtime is being shut down.
    #[error("the runtime is shut down")]
    Closed,
    /// The configuration is wrong.
    #[error("the configuration is wrong: {0}")]
    Config(String),
    /// There is no engine on this machine.
    #[error("no engine: {0}")]
    Engine(String),
    /// It would exceed a limit from the start.
    #[error("limit reached: {0}")]
    Limit(String),
    /// An agent of this name is loaded.
    #[error("an agent named `{0}` is loaded already")]
    Name(String),
    /// Not a component, or not of the world.
    #[error("the component is refused: {0}")]
    Refused(String),
    /// The runtime's own files cannot be written.
    #[error("the runtime's files cannot be written: {0}")]
    Storage(String),
}

/// Why a loaded agent could not be controlled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It runs by itself, or ended before it came to that.
    #[error("the agent `{0}` runs by itself, or has just ended")]
    Busy(AgentId),
    /// There is no loaded agent of this id.
    #[error("there is no agent `{0}`")]
    NoAgent(AgentId),
    /// None of its calls waits for a decision.
    #[error("no call of the agent `{0}` waits for a decision")]
    NothingToDecide(AgentId),
    /// Its data directory cannot be read.
    #[error("the data directory cannot be read: {0}")]
    Storage(String),
}

/// A runtime of `akshi:runtime`.
///
/// Dropping it ends its agents; [`AkshiHost::shutdown`] waits for that.
#[derive(Debug)]
pub struct AkshiHost {
    shared: Arc<Shared>,
    config: Config,
    events: Arc<dyn EventSink>,
    directory: Arc<Opened>,
}

/// What all agents of a runtime share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Arc<Limits>,
    pub(super) sync: bool,
    pub(super) mail: Mail,
    /// The kill switch.
    pub(super) killed: Arc<AtomicBool>,
    agents_directory: PathBuf,
    events: Arc<dyn EventSink>,
    runtime: Handle,
    registry: Mutex<Registry>,
    count: watch::Sender<u32>,
}

#[derive(Debug, Default)]
struct Registry {
    loaded: HashMap<AgentId, Arc<Agent>>,
    past: VecDeque<Arc<Agent>>,
    closed: bool,
}

/// What an agent's task is told to do.
#[derive(Debug)]
pub(super) enum Control {
    /// Run once.
    Tick(oneshot::Sender<Outcome>),
    /// Run by this plan, then end; answered when it begins.
    Supervise(Plan, oneshot::Sender<()>),
}

impl AkshiHost {
    /// Starts a runtime on the current tokio runtime. Events go to `events`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: Config, events: Arc<dyn EventSink>) -> Result<Self, ConfigError> {
        let directory = Arc::new(Opened::open(&config.data)?);
        Self::on(directory, config, events)
    }

    fn on(
        directory: Arc<Opened>,
        config: Config,
        events: Arc<dyn EventSink>,
    ) -> Result<Self, ConfigError> {
        check(&config.limits)?;
        engine::shared()?;
        let runtime = Handle::try_current().map_err(|_| ConfigError::Runtime)?;
        let limits = Arc::new(config.limits.clone());
        let shared = Shared {
            sync: config.sync,
            mail: Mail::new(directory.path().join("mail.db"), config.sync, &limits),
            killed: Arc::default(),
            agents_directory: directory.path().join("agents"),
            events: events.clone(),
            runtime,
            registry: Mutex::default(),
            count: watch::Sender::new(0),
            limits,
        };
        Ok(Self {
            shared: Arc::new(shared),
            config,
            events,
            directory,
        })
    }

    /// Loads an agent without running it.
    ///
    /// # Errors
    /// [`LoadError`]; nothing has happened then.
    pub fn load(&self, program: &Program, config: AgentConfig) -> Result<AgentId, LoadError> {
        self.start(program, config, false)
    }

    /// Loads an agent, runs it once and unloads it. Its last event is [`Event::Ended`] with the run's outcome.
    ///
    /// # Errors
    /// [`LoadError`]; nothing has happened then.
    pub fn launch(&self, program: &Program, config: AgentConfig) -> Result<AgentId, LoadError> {
        self.start(program, config, true)
    }

    /// Compiles a component within the limit of its size.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn compile(&self, component: &[u8]) -> Result<Program, LoadError> {
        let most = self.shared.limits.component_bytes;
        if component.len() > most {
            return Err(LoadError::Limit(format!(
                "a component of {} bytes, allowed are {most}",
                component.len()
            )));
        }
        Program::compile(component)
    }

    /// Runs a loaded agent once, after runs that were asked for before.
    ///
    /// # Errors
    /// [`ControlError`] when it is not there, ends before the run, or runs by itself.
    pub async fn tick(&self, agent: AgentId) -> Result<Outcome, ControlError> {
        let (reply, outcome) = oneshot::channel();
        let loaded = self.shared.loaded(agent)?;
        loaded
            .control
            .send(Control::Tick(reply))
            .map_err(|_| ControlError::NoAgent(agent))?;
        outcome.await.map_err(|_| ControlError::Busy(agent))
    }

    /// Has an agent run by itself from now on. Each run ends with [`Event::Ticked`].
    ///
    /// # Errors
    /// [`ControlError`] when it is not there, ends before the first run, or runs by itself already.
    pub async fn supervise(&self, agent: AgentId, plan: Plan) -> Result<(), ControlError> {
        let (reply, begun) = oneshot::channel();
        self.shared
            .loaded(agent)?
            .control
            .send(Control::Supervise(plan, reply))
            .map_err(|_| ControlError::NoAgent(agent))?;
        begun.await.map_err(|_| ControlError::Busy(agent))
    }

    /// Unloads an agent; a run under way ends, wherever it is. Returns when the agent is gone and [`Event::Ended`] is out.
    ///
    /// # Errors
    /// [`ControlError::NoAgent`].
    pub async fn stop(&self, agent: AgentId) -> Result<(), ControlError> {
        let loaded = self.shared.loaded(agent)?;
        loaded.stop.send_replace(Some("stopped".into()));
        let mut gone = loaded.gone.subscribe();
        // The sender lives in `loaded`, so the wait cannot fail.
        let _ = gone.wait_for(|gone| *gone).await;
        Ok(())
    }

    /// Takes a capability from a loaded agent, from its next call on; whether it had been granted.
    ///
    /// # Errors
    /// [`ControlError::NoAgent`].
    pub fn revoke(&self, agent: AgentId, capability: Capability) -> Result<bool, ControlError> {
        Ok(self.shared.loaded(agent)?.revoke(capability))
    }

    /// Takes the endpoints with this host, as the configuration writes it, from a loaded agent; whether there were any.
    ///
    /// # Errors
    /// [`ControlError::NoAgent`].
    pub fn revoke_endpoint(&self, agent: AgentId, host: &str) -> Result<bool, ControlError> {
        Ok(self.shared.loaded(agent)?.http.revoke(host))
    }

    /// Halts all calls with a cost, or lets them go on.
    pub fn kill_switch(&self, on: bool) {
        self.shared.killed.store(on, Ordering::SeqCst);
    }

    /// Decides the call of this agent that waits for approval.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn decide(&self, agent: AgentId, approve: bool) -> Result<(), ControlError> {
        self.shared.loaded(agent)?.decide(approve)
    }

    /// What the audit log holds of this agent, also when it has ended.
    ///
    /// # Errors
    /// [`ControlError::NoAgent`].
    pub fn audit(&self, agent: AgentId) -> Result<Vec<AuditEntry>, ControlError> {
        Ok(self.shared.known(agent)?.audit.entries())
    }

    /// The files in the agent's data directory, relative to it, sorted, also when it has ended.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn data_files(&self, agent: AgentId) -> Result<Vec<String>, ControlError> {
        let files = self.shared.known(agent)?.files();
        files.map_err(|error| ControlError::Storage(error.to_string()))
    }

    /// Agents that are loaded now.
    pub fn agents(&self) -> u32 {
        *self.shared.count.borrow()
    }

    /// Ends all agents and waits until they are gone.
    pub async fn shutdown(&self) {
        self.shared.stop_all("the runtime is shut down");
        let mut count = self.shared.count.subscribe();
        let _ = count.wait_for(|count| *count == 0).await;
        self.shared.mail.close();
    }

    /// Ends all agents and starts the runtime again on the same data directory.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn restart(self) -> Result<Self, ConfigError> {
        self.shutdown().await;
        Self::on(
            self.directory.clone(),
            self.config.clone(),
            self.events.clone(),
        )
    }

    fn start(
        &self,
        program: &Program,
        config: AgentConfig,
        once: bool,
    ) -> Result<AgentId, LoadError> {
        program.check(&self.shared.limits)?;
        let (control, commands) = mpsc::unbounded_channel();
        let agent = Arc::new(Agent::new(config, self.shared.clone(), control)?);
        self.shared.enter(&agent)?;
        supervisor::start(agent.clone(), program.clone(), commands, once);
        Ok(agent.id)
    }
}

impl Drop for AkshiHost {
    fn drop(&mut self) {
        self.shared.stop_all("the runtime is gone");
    }
}

/// Refuses limits that the engine cannot hold.
fn check(limits: &Limits) -> Result<(), ConfigError> {
    let bounds = [
        (
            "memory_bytes",
            limits.memory_bytes,
            engine::MAX_MEMORY_BYTES as u64,
        ),
        (
            "table_elements",
            limits.table_elements.into(),
            engine::MAX_TABLE_ELEMENTS as u64,
        ),
        (
            "agents",
            limits.agents as u64,
            u64::from(engine::MAX_INSTANCES),
        ),
    ];
    for (name, value, most) in bounds {
        if value == 0 || value > most {
            return Err(ConfigError::Limit { name, value, most });
        }
    }
    Ok(())
}

impl Shared {
    /// Where the agent of this name, which has been checked, keeps its data.
    pub(super) fn agent_directory(&self, name: &str) -> PathBuf {
        self.agents_directory.join(name)
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.event(event);
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The loaded agent of this name.
    pub(super) fn loaded_as(&self, name: &str) -> Option<Arc<Agent>> {
        let registry = self.registry();
        registry
            .loaded
            .values()
            .find(|agent| agent.name == name)
            .cloned()
    }

    /// An agent's task is done with it: nothing of it runs, and everything is closed.
    pub(super) fn leave(&self, agent: &Arc<Agent>, outcome: Outcome) {
        let mut registry = self.registry();
        if registry.loaded.remove(&agent.id).is_none() {
            return;
        }
        registry.past.push_back(agent.clone());
        if registry.past.len() > REMEMBERED {
            registry.past.pop_front();
        }
        drop(registry);
        self.tell(Event::Ended {
            agent: agent.id,
            outcome,
        });
        self.count.send_modify(|count| *count -= 1);
        agent.gone.send_replace(true);
    }

    fn enter(&self, agent: &Arc<Agent>) -> Result<(), LoadError> {
        let storage = |error: CallError| LoadError::Storage(error.to_string());
        let mut registry = self.registry();
        if registry.closed {
            return Err(LoadError::Closed);
        }
        if registry.loaded.len() >= self.limits.agents {
            return Err(LoadError::Limit(format!(
                "{} agents are loaded already",
                registry.loaded.len()
            )));
        }
        if registry
            .loaded
            .values()
            .any(|other| other.name == agent.name)
        {
            return Err(LoadError::Name(agent.name.clone()));
        }
        self.mail.enrol(&agent.name).map_err(storage)?;
        registry.loaded.insert(agent.id, agent.clone());
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    fn loaded(&self, id: AgentId) -> Result<Arc<Agent>, ControlError> {
        let registry = self.registry();
        let found = registry.loaded.get(&id).cloned();
        found.ok_or(ControlError::NoAgent(id))
    }

    fn known(&self, id: AgentId) -> Result<Arc<Agent>, ControlError> {
        self.loaded(id).or_else(|error| {
            let registry = self.registry();
            let past = registry.past.iter().find(|agent| agent.id == id).cloned();
            past.ok_or(error)
        })
    }

    fn stop_all(&self, reason: &str) {
        let mut registry = self.registry();
        registry.closed = true;
        for agent in registry.loaded.values() {
            agent.stop.send_replace(Some(reason.to_owned()));
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
