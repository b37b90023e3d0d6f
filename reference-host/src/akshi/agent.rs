//! One loaded agent: what it may, what it may reach, and the gate in front of that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::audit::Audit;
use super::database::Database;
use super::error::CallError;
use super::host::{Control, ControlError, Shared};
use super::http::Http;
use super::inference::Inference;
use super::journal::Journal;
use super::log::Logger;
use super::mcp::Mcp;
use super::values::Values;
use super::websocket::Channels;
use super::{AgentConfig, AgentId, Capability, Event, Function, Limits, LoadError};

/// A loaded agent. Its instance lives in its task (`supervisor`); everything here outlives a trap.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) id: AgentId,
    pub(super) name: String,
    pub(super) limits: Arc<Limits>,
    pub(super) directory: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) audit: Audit,
    pub(super) logger: Logger,
    pub(super) database: Database,
    pub(super) journal: Journal,
    pub(super) values: Values,
    pub(super) http: Http,
    pub(super) inference: Inference,
    pub(super) mcp: Mcp,
    pub(super) channels: Channels,
    /// To its task.
    pub(super) control: mpsc::UnboundedSender<Control>,
    /// Becomes the reason why the agent is to end.
    pub(super) stop: watch::Sender<Option<String>>,
    /// Becomes true when its task is done with it.
    pub(super) gone: watch::Sender<bool>,
    grants: Mutex<BTreeSet<Capability>>,
    approvals: BTreeSet<Function>,
    /// The call that waits for a decision.
    undecided: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Agent {
    /// Loads what the configuration says. Nothing is opened, connected or started.
    ///
    /// # Errors
    /// [`LoadError::Config`].
    pub(super) fn new(
        config: AgentConfig,
        shared: Arc<Shared>,
        control: mpsc::UnboundedSender<Control>,
    ) -> Result<Self, LoadError> {
        config.check().map_err(LoadError::Config)?;
        let limits = shared.limits.clone();
        let directory = shared.agent_directory(&config.name);
        let file = |name: &str| directory.join(name);
        let id = AgentId::new();
        Ok(Self {
            id,
            audit: Audit::new(limits.audit_entries),
            logger: Logger::new(id, &config.name, config.log_level, &limits),
            database: Database::new(file("database.db"), shared.sync, &limits),
            journal: Journal::new(file("journal.db"), shared.sync, &limits),
            values: Values::new(&config.config, file("config.db"), shared.sync, &limits),
            http: Http::new(&config.endpoints, &limits).map_err(LoadError::Config)?,
            inference: Inference::new(
                &config.models,
                config.budget,
                shared.killed.clone(),
                &limits,
            )
            .map_err(LoadError::Config)?,
            mcp: Mcp::new(&config.mcp_servers, &limits).map_err(LoadError::Config)?,
            channels: Channels::new(&config.channels, &limits).map_err(LoadError::Config)?,
            control,
            stop: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            grants: Mutex::new(config.capabilities),
            approvals: config.approvals,
            undecided: Mutex::default(),
            name: config.name,
            directory,
            limits,
            shared,
        })
    }

    /// Carries out a call of a guarded function if it is granted and, where that is asked for, approved; the text of its
    /// `err` otherwise. What was decided goes to the audit log.
    pub(super) async fn guarded<T>(
        &self,
        function: Function,
        target: &str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, String> {
        let result = match self.admit(function, target).await {
            Ok(()) => call.await,
            Err(denial) => Err(denial),
        };
        match &result {
            Err(CallError::Denied(reason)) => self.audit.deny(function, target, reason),
            Ok(_) | Err(CallError::Failed(_)) => self.audit.allow(function, target),
        }
        result.map_err(|error| error.to_string())
    }

    /// Whether a capability is granted now.
    pub(super) fn is_granted(&self, capability: Capability) -> bool {
        self.grants().contains(&capability)
    }

    /// Takes a capability away; whether it was granted.
    pub(super) fn revoke(&self, capability: Capability) -> bool {
        self.grants().remove(&capability)
    }

    /// Decides the call that waits.
    ///
    /// # Errors
    /// [`ControlError::NothingToDecide`].
    pub(super) fn decide(&self, approve: bool) -> Result<(), ControlError> {
        let waiting = self.undecided().take();
        waiting
            .and_then(|waiting| waiting.send(approve).ok())
            .ok_or(ControlError::NothingToDecide(self.id))
    }

    /// A run is over, however: what it left open ends.
    pub(super) async fn end_run(&self) {
        *self.undecided() = None;
        self.database.end_run().await;
        if let Some(record) = self.logger.end_run() {
            self.shared.tell(Event::Log(record));
        }
    }

    /// Closes everything, for good.
    pub(super) async fn close(&self) {
        self.mcp.stop().await;
        self.channels.stop().await;
        self.database.close();
        self.journal.close();
        self.values.close();
    }

    /// The files in its data directory, relative to it, sorted.
    pub(super) fn files(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        list(&self.directory, Path::new(""), &mut names)?;
        names.sort();
        Ok(names)
    }

    async fn admit(&self, function: Function, target: &str) -> Result<(), CallError> {
        self.check_grant(function)?;
        if self.approvals.contains(&function) {
            self.approval(function, target).await?;
            // It may have been revoked meanwhile.
            self.check_grant(function)?;
        }
        Ok(())
    }

    fn check_grant(&self, function: Function) -> Result<(), CallError> {
        let capability = function.capability();
        if self.is_granted(capability) {
            return Ok(());
        }
        Err(CallError::denied(format!(
            "the capability `{capability}` is not granted"
        )))
    }

    async fn approval(&self, function: Function, target: &str) -> Result<(), CallError> {
        let (decision, decided) = oneshot::channel();
        *self.undecided() = Some(decision);
        self.shared.tell(Event::Approval {
            agent: self.id,
            function,
            target: target.to_owned(),
        });
        let decided = tokio::time::timeout(self.limits.approval, decided).await;
        *self.undecided() = None;
        match decided {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(CallError::denied("approval_denied")),
            Err(_) => Err(CallError::denied("approval_timeout")),
        }
    }

    fn grants(&self) -> MutexGuard<'_, BTreeSet<Capability>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn undecided(&self) -> MutexGuard<'_, Option<oneshot::Sender<bool>>> {
        self.undecided
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn list(directory: &Path, below: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &name, names)?;
        } else {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
