//! Drives `reference_host::akshi` through the functions of `wit/driver/akshi.wit`.

mod types;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex as Lock, PoisonError},
};

use reference_host::akshi::{
    self, AgentConfig, AgentId, AkshiHost, Config, ControlError, DataDirectory, EventSink,
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::RwLock;

use self::types::{AuditEntry, Environment, Event, Outcome, Plan, Settings, shown};
use super::{
    driver::{self, Driver, Pending, Refusal},
    outbox::Outbox,
    wire::{Opt, Res, arguments, value},
};
use crate::host::protocol::{Component, Declared, Setup};

/// What the reference host declares.
pub(super) fn declared() -> Declared {
    driver::declare(&[
        "approvals",
        "audit",
        "budget",
        "count",
        "files",
        "kill-switch",
        "limits",
        "log-level",
        "restart",
        "revoke",
        "supervise",
    ])
}

/// One runtime in the environment of one case.
pub(super) struct Akshi {
    /// `None` once it was ended, or could not be started again.
    host: RwLock<Option<AkshiHost>>,
    guests: BTreeMap<String, Component>,
    /// What agents without settings are loaded with.
    agent: AgentConfig,
    /// How many agents were loaded of each guest since the start.
    copies: Lock<BTreeMap<String, u32>>,
}

impl Akshi {
    pub(super) fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Self, String> {
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        let config = Config {
            data: DataDirectory::Temporary,
            // The directory goes with the case; a case that loses power is not judged.
            sync: false,
            limits: environment
                .limits
                .0
                .as_ref()
                .map(types::Limits::apply)
                .unwrap_or_default(),
        };
        let host = AkshiHost::new(config, Arc::new(Sink(outbox))).map_err(shown)?;
        Ok(Self {
            host: RwLock::new(Some(host)),
            guests: setup.guests,
            agent: environment.agent()?,
            copies: Lock::default(),
        })
    }

    async fn dispatch(self: Arc<Self>, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "launch" => {
                let (guest, settings) = arguments(given)?;
                self.load(guest, settings, true).await
            }
            "load" => {
                let (guest, settings) = arguments(given)?;
                self.load(guest, settings, false).await
            }
            "tick" => {
                let (instance,): (String,) = arguments(given)?;
                let host = self.host.read().await;
                let host = host.as_ref().ok_or_else(gone)?;
                let outcome = match id(&instance) {
                    Ok(id) => host.tick(id).await.map_err(shown),
                    Err(error) => Err(error),
                };
                value(&Res::from(outcome.map(Outcome::from)))
            }
            "supervise" => {
                let (instance, plan): (String, Plan) = arguments(given)?;
                let host = self.host.read().await;
                let host = host.as_ref().ok_or_else(gone)?;
                let begun = match id(&instance) {
                    Ok(id) => host.supervise(id, plan.into()).await.map_err(shown),
                    Err(error) => Err(error),
                };
                value(&Res::from(begun))
            }
            "stop" => {
                let (instance,): (String,) = arguments(given)?;
                let host = self.host.read().await;
                let host = host.as_ref().ok_or_else(gone)?;
                let stopped = match id(&instance) {
                    Ok(id) => host.stop(id).await.map_err(shown),
                    Err(error) => Err(error),
                };
                value(&Res::from(stopped))
            }
            "restart" => {
                let []: [(); 0] = arguments(given)?;
                self.restart().await
            }
            "revoke" => {
                let (instance, capability): (String, String) = arguments(given)?;
                match capability.parse() {
                    Ok(capability) => {
                        self.on_agent(&instance, |host, id| host.revoke(id, capability).map(drop))
                            .await
                    }
                    Err(error) => value(&Res::<(), _>::Err(shown(error))),
                }
            }
            "revoke-endpoint" => {
                let (instance, endpoint): (String, String) = arguments(given)?;
                self.on_agent(&instance, |host, id| {
                    host.revoke_endpoint(id, &endpoint).map(drop)
                })
                .await
            }
            "kill-switch" => {
                let (on,) = arguments(given)?;
                let host = self.host.read().await;
                host.as_ref().ok_or_else(gone)?.kill_switch(on);
                value(&Res::<_, String>::Ok(()))
            }
            "decide" => {
                let (instance, approve): (String, _) = arguments(given)?;
                self.on_agent(&instance, |host, id| host.decide(id, approve))
                    .await
            }
            "audit" => {
                let (instance,): (String,) = arguments(given)?;
                let entries = |entries: Vec<_>| {
                    entries
                        .into_iter()
                        .map(AuditEntry::from)
                        .collect::<Vec<_>>()
                };
                self.on_agent(&instance, |host, id| host.audit(id).map(entries))
                    .await
            }
            "data-files" => {
                let (instance,): (String,) = arguments(given)?;
                self.on_agent(&instance, AkshiHost::data_files).await
            }
            "agents" => {
                let []: [(); 0] = arguments(given)?;
                value(&self.host.read().await.as_ref().ok_or_else(gone)?.agents())
            }
            other => Err(Refusal(format!(
                "the interface `akshi` has no function `{other}`"
            ))),
        }
    }

    /// Compiles, and writes to the disk, away from the threads that guests run on.
    async fn load(
        self: Arc<Self>,
        guest: String,
        settings: Opt<Settings>,
        once: bool,
    ) -> Result<Json, Refusal> {
        let load = move || {
            let component = self
                .guests
                .get(&guest)
                .ok_or_else(|| Refusal(format!("the case has no guest `{guest}`")))?;
            let host = self.host.blocking_read();
            let host = host.as_ref().ok_or_else(gone)?;
            let loaded = self.configured(&guest, settings.0).and_then(|config| {
                let program = host.compile(&component.component).map_err(shown)?;
                let loaded = if once {
                    host.launch(&program, config)
                } else {
                    host.load(&program, config)
                };
                loaded.map_err(shown)
            });
            value(&Res::from(loaded.map(|id| id.to_string())))
        };
        match tokio::task::spawn_blocking(load).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// The settings over those of the environment, with a name.
    fn configured(&self, guest: &str, settings: Option<Settings>) -> Result<AgentConfig, String> {
        let base = self.agent.clone();
        let is_named = settings.as_ref().is_some_and(Settings::is_named);
        let mut config = match settings {
            Some(settings) => settings.apply(base)?,
            None => base,
        };
        if !is_named {
            let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
            let copies = copies.entry(guest.to_owned()).or_default();
            *copies += 1;
            config.name = match copies {
                1 => guest.to_owned(),
                number => format!("{guest}-{number}"),
            };
        }
        Ok(config)
    }

    async fn restart(&self) -> Result<Json, Refusal> {
        // Calls that wait for a run hold the lock for reading: the runs have to end before.
        if let Some(host) = self.host.read().await.as_ref() {
            host.shutdown().await;
        }
        let mut slot = self.host.write().await;
        let host = slot.take().ok_or_else(gone)?;
        let restarted = host.restart().await.map(|host| *slot = Some(host));
        self.copies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        value(&Res::from(restarted.map_err(shown)))
    }

    async fn on_agent<T: Serialize>(
        &self,
        instance: &str,
        action: impl FnOnce(&AkshiHost, AgentId) -> Result<T, ControlError>,
    ) -> Result<Json, Refusal> {
        let host = self.host.read().await;
        let host = host.as_ref().ok_or_else(gone)?;
        let result = id(instance).and_then(|id| action(host, id).map_err(shown));
        value(&Res::from(result))
    }
}

impl Driver for Akshi {
    fn announces(&self, function: &str) -> bool {
        function == "launch"
    }

    fn call(
        self: Arc<Self>,
        function: String,
        arguments: Vec<Json>,
    ) -> Pending<Result<Json, Refusal>> {
        Box::pin(async move { self.dispatch(&function, arguments).await })
    }

    fn end(self: Arc<Self>) -> Pending<()> {
        Box::pin(async move {
            if let Some(host) = self.host.write().await.take() {
                host.shutdown().await;
            }
        })
    }
}

/// Events go out at once: a transcript that came by the log is there before the answer that tells of the run.
struct Sink(Arc<Outbox>);

impl EventSink for Sink {
    fn event(&self, event: akshi::Event) {
        // Texts and numbers only: there is always a JSON of them.
        if let Ok(event) = value(&Event::from(event)) {
            self.0.event(event);
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sink")
    }
}

fn id(instance: &str) -> Result<AgentId, String> {
    instance
        .parse()
        .map_err(|_| format!("{instance:?} is no id of this host's"))
}

fn gone() -> Refusal {
    Refusal("the host did not start again".into())
}
