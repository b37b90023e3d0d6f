//! A registered plugin: its lifecycle and the calls of its one instance, one at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::authority::Denial;
use super::commands::CommandResult;
use super::envelope::{IngressEvent, PluginStatus, ToolOutput};
use super::error::CallError;
use super::host::Observer;
use super::imports::Context;
use super::ingress::{self, Job};
use super::instance::{Export, Instance};
use super::service::Services;
use super::text;

/// Where a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Instantiated; `start` was not called yet.
    Ready,
    /// `start` runs.
    Starting,
    /// Everything may be called.
    Running,
    /// `stop` was asked for.
    Stopping,
    /// `stop` has run. Nothing is called any more.
    Stopped,
    /// A call trapped or broke the contract so that the plugin cannot be trusted with events: neither ingresses nor
    /// `status` are called any more. Tools are, as far as the instance can be entered, and so is `stop`.
    Failed,
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "not started",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// A plugin that is registered. Dropping the last reference ends it without `stop`.
pub struct Plugin {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
}

/// How a plugin is.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// The PluginStatus it told last, or what a `diagnostic_status_update` put in its place.
    pub component_status: Option<Value>,
    /// Why it failed, or failed last.
    pub last_error: Option<String>,
    /// Events that wait.
    pub queue_depth: usize,
    /// How many may wait.
    pub queue_capacity: usize,
    /// What became of ingress events.
    pub counters: Counters,
    /// The latest results of output commands, the oldest first.
    pub results: Vec<CommandResult>,
    /// URLs of the host-owned WebSockets that are connected.
    pub connections: Vec<String>,
    /// The latest remarks of the host, the oldest first.
    pub diagnostics: Vec<String>,
}

/// Counts of ingress events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Put into the queue.
    pub enqueued: u64,
    /// Dispatched, and the output was JSON.
    pub dispatched: u64,
    /// Refused before the guest was entered.
    pub rejected: u64,
    /// Dispatched, but the guest trapped or its output was no JSON.
    pub failed: u64,
    /// Dispatched, but the call took too long.
    pub timed_out: u64,
}

/// What the tasks of a plugin share.
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    pub(super) digest: String,
    pub(super) instance: AsyncMutex<Instance>,
    pub(super) services: Services,
    pub(super) observer: Option<Arc<dyn Observer>>,
    state: Mutex<Status>,
}

/// What changes in a plugin's life.
pub(super) struct Status {
    pub(super) lifecycle: Lifecycle,
    pub(super) component_status: Option<Value>,
    pub(super) last_error: Option<String>,
    pub(super) counters: Counters,
    pub(super) results: VecDeque<CommandResult>,
    pub(super) diagnostics: VecDeque<String>,
}

impl Plugin {
    /// Calls `start`, then dials the plugin's own WebSockets; their first dials are done when this returns.
    ///
    /// # Errors
    /// The failure of `start`; nothing is left of the plugin then.
    pub(super) async fn start(
        context: Arc<Context>,
        digest: String,
        instance: Instance,
        observer: Option<Arc<dyn Observer>>,
        config: Option<&Value>,
    ) -> Result<Self, CallError> {
        let capacity = context.limits.queue_capacity.max(1);
        let shared = Arc::new(Shared {
            context,
            digest,
            instance: AsyncMutex::new(instance),
            services: Services::default(),
            observer,
            state: Mutex::new(Status {
                lifecycle: Lifecycle::Ready,
                component_status: None,
                last_error: None,
                counters: Counters::default(),
                results: VecDeque::new(),
                diagnostics: VecDeque::new(),
            }),
        });
        let config = config.map_or_else(|| "null".to_owned(), Value::to_string);
        shared.status().lifecycle = Lifecycle::Starting;
        let started = {
            let mut instance = shared.instance.lock().await;
            shared
                .plugin_status(&mut instance, Export::Start { config })
                .await
        };
        match started {
            Ok(status) => {
                let mut state = shared.status();
                state.component_status = Some(status);
                state.lifecycle = Lifecycle::Running;
            }
            Err(error) => {
                shared.fail(&error.to_string());
                return Err(error);
            }
        }
        let (queue, jobs) = mpsc::channel(capacity);
        tokio::spawn(ingress::serve(shared.clone(), jobs));
        let plugin = Self { shared, queue };
        plugin
            .shared
            .services
            .start(&plugin.shared, &plugin.queue)
            .await;
        Ok(plugin)
    }

    /// The id of its manifest.
    pub fn id(&self) -> &str {
        &self.shared.context.authority.manifest.id
    }

    /// The version of its manifest.
    pub fn version(&self) -> &str {
        &self.shared.context.authority.manifest.version
    }

    /// The digest of its component.
    pub fn digest(&self) -> &str {
        &self.shared.digest
    }

    /// Calls a tool. The input reaches the guest byte for byte; it must be JSON of any type.
    ///
    /// # Errors
    /// [`CallError`]. An answer that breaks the contract leaves the plugin as it is; a trap and a timeout make it
    /// [`Lifecycle::Failed`].
    pub async fn call_tool(&self, name: &str, input: &str) -> Result<ToolOutput, CallError> {
        let shared = &self.shared;
        let limit = shared.context.limits.input_bytes;
        if input.len() > limit {
            return Err(CallError::Input(format!("it exceeds {limit} bytes")));
        }
        serde_json::from_str::<IgnoredAny>(input)
            .map_err(|error| CallError::Input(format!("it is not JSON: {error}")))?;
        shared
            .context
            .authority
            .tool(name)
            .map_err(|denial| shared.safe(denial))?;
        let export = Export::HandleTool {
            name: name.to_owned(),
            input: input.to_owned(),
        };
        shared
            .run(async move |shared| {
                let mut instance = shared.instance.lock().await;
                shared.check_lifecycle(&[Lifecycle::Running, Lifecycle::Failed])?;
                let text = shared.enter(&mut instance, export).await?;
                drop(instance);
                ToolOutput::parse(&text, &shared.context.limits).map_err(|error| shared.safe(error))
            })
            .await
    }

    /// Dispatches an event to the ingress of this name, behind those that wait already, and returns the plugin's output;
    /// an object has the member `queue_latency_ms` then. Its output commands have been carried out, or refused, when this
    /// returns.
    ///
    /// # Errors
    /// [`CallError`]. A refused event changes nothing but a counter; every other failure makes the plugin
    /// [`Lifecycle::Failed`].
    pub async fn dispatch(&self, name: &str, event: IngressEvent) -> Result<Value, CallError> {
        ingress::dispatch(&self.shared, &self.queue, name, event).await
    }

    /// How the plugin is. While it runs it is asked; an answer that breaks the contract or reports a failure makes it
    /// [`Lifecycle::Failed`].
    pub async fn status(&self) -> Snapshot {
        // A call that was given up by a shutdown shows as no news.
        let _ = self
            .shared
            .run(async move |shared| {
                let mut instance = shared.instance.lock().await;
                shared.check_lifecycle(&[Lifecycle::Running])?;
                match shared.plugin_status(&mut instance, Export::Status).await {
                    Ok(status) => shared.status().component_status = Some(status),
                    Err(error) => shared.fail(&format!("plugin component status failed: {error}")),
                }
                Ok(())
            })
            .await;
        self.snapshot()
    }

    /// How the plugin is, as far as the host knows without asking it.
    pub fn snapshot(&self) -> Snapshot {
        let connections = self.shared.services.connected();
        let state = self.shared.status();
        Snapshot {
            lifecycle: state.lifecycle,
            component_status: state.component_status.clone(),
            last_error: state.last_error.clone(),
            queue_depth: self.queue.max_capacity() - self.queue.capacity(),
            queue_capacity: self.queue.max_capacity(),
            counters: state.counters,
            results: state.results.iter().cloned().collect(),
            connections,
            diagnostics: state.diagnostics.iter().cloned().collect(),
        }
    }

    /// Stops the plugin: events that wait are refused, WebSockets of the host and of the plugin are closed, and `stop`
    /// gives the final status. A plugin that is stopped already stays so and is not entered.
    ///
    /// # Errors
    /// [`CallError`] when `stop` traps, breaks the contract or reports a failure. The plugin is [`Lifecycle::Failed`] then
    /// and may be stopped again.
    pub async fn stop(&self) -> Result<(), CallError> {
        self.shared
            .run(async move |shared| {
                {
                    let mut state = shared.status();
                    if state.lifecycle == Lifecycle::Stopped {
                        return Ok(());
                    }
                    state.lifecycle = Lifecycle::Stopping;
                }
                shared.services.stop().await;
                let mut instance = shared.instance.lock().await;
                if shared.status().lifecycle == Lifecycle::Stopped {
                    return Ok(());
                }
                let stopped = shared.plugin_status(&mut instance, Export::Stop).await;
                instance.close_sockets().await;
                match stopped {
                    Ok(status) => {
                        let mut state = shared.status();
                        state.component_status = Some(status);
                        state.lifecycle = Lifecycle::Stopped;
                        Ok(())
                    }
                    Err(error) => {
                        shared.fail(&format!("plugin component stop failed: {error}"));
                        Err(error)
                    }
                }
            })
            .await
    }

    /// Ends what runs for the plugin: imports that wait fail at once, connections are dropped. The guest is not called.
    pub fn shut_down(&self) {
        self.shared.context.closing.send_replace(true);
        self.shared.services.abandon();
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.id())
            .field("lifecycle", &self.shared.status().lifecycle)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the guest; a trap or a timeout ends the plugin's good days.
    pub(super) async fn enter(
        &self,
        instance: &mut Instance,
        export: Export,
    ) -> Result<String, CallError> {
        let result = instance.call(export).await;
        if let Err(error) = &result {
            self.fail(&error.to_string());
        }
        result
    }

    async fn plugin_status(
        &self,
        instance: &mut Instance,
        export: Export,
    ) -> Result<Value, CallError> {
        let text = instance.call(export).await?;
        PluginStatus::read(&text, self.context.limits.output_bytes)
            .map_err(|error| self.safe(error))
    }

    pub(super) fn check_lifecycle(&self, fine: &[Lifecycle]) -> Result<(), CallError> {
        let lifecycle = self.status().lifecycle;
        if fine.contains(&lifecycle) {
            return Ok(());
        }
        Err(CallError::State(lifecycle))
    }

    /// Remembers a failure.
    pub(super) fn fail(&self, error: &str) {
        let error = text::safe(error, self.context.limits.message_bytes);
        let mut state = self.status();
        // A call that was under way when the plugin was stopped does not bring it back.
        if state.lifecycle != Lifecycle::Stopped {
            state.lifecycle = Lifecycle::Failed;
        }
        state.last_error = Some(error);
    }

    /// Keeps a remark for whoever looks after the plugin.
    pub(super) fn remark(&self, text: &str) {
        let text = text::safe(text, self.context.limits.message_bytes);
        let most = self.context.limits.command_results;
        keep(&mut self.status().diagnostics, text, most);
    }

    /// Work on the instance goes on when its caller gives up: a call that is cut in its middle would break the instance.
    async fn run<T: Send + 'static, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>> + Send + 'static,
    {
        tokio::spawn(work(self.clone()))
            .await
            .unwrap_or_else(|error| Err(CallError::Host(error.to_string())))
    }

    /// An error whose text may hold what a guest or a caller wrote.
    pub(super) fn safe(&self, error: impl Bounded) -> CallError {
        error.bounded(self.context.limits.message_bytes)
    }
}

/// Errors with texts of any length inside.
pub(super) trait Bounded {
    /// The same with bounded texts.
    fn bounded(self, most: usize) -> CallError;
}

impl Bounded for Denial {
    fn bounded(self, most: usize) -> CallError {
        let safe = |text: String| text::safe(&text, most);
        CallError::Denied(match self {
            Self::Undeclared { what, name } => Self::Undeclared {
                what,
                name: safe(name),
            },
            Self::NotRequested(text) => Self::NotRequested(safe(text)),
            Self::NotGranted(text) => Self::NotGranted(safe(text)),
            other => other,
        })
    }
}

impl Bounded for super::OutputError {
    fn bounded(self, most: usize) -> CallError {
        let safe = |text: String| text::safe(&text, most);
        CallError::Output(match self {
            Self::Malformed { what, reason } => Self::Malformed {
                what,
                reason: safe(reason),
            },
            Self::Reported(text) => Self::Reported(safe(text)),
            other => other,
        })
    }
}

impl Bounded for super::EventError {
    fn bounded(self, most: usize) -> CallError {
        let safe = |text: String| text::safe(&text, most);
        CallError::Event(match self {
            Self::Ingress { event, ingress } => Self::Ingress {
                event: safe(event),
                ingress: safe(ingress),
            },
            Self::CreatedAt(text) => Self::CreatedAt(safe(text)),
            Self::Kind { ingress, kind } => Self::Kind {
                ingress: safe(ingress),
                kind: safe(kind),
            },
            other => other,
        })
    }
}

/// Keeps the latest of something.
pub(super) fn keep<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    list.push_back(item);
    while list.len() > most {
        list.pop_front();
    }
}
