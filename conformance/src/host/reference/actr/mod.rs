//! Drives `reference_host::actr` through the interface `wit/driver/actr.wit`.

mod network;
mod script;
mod types;
mod values;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reference_host::actr::{self, Actor, ActorConfig, Canceller, Entry, LogLine, LogSink, Ticket};
use serde_json::Value as Json;

use self::{
    network::Network,
    script::Script,
    types::{Begun, Environment, Event, Failure, Hook, Reply, Settings, WebrtcEvent, dispatch},
    values::{ActrId, DataStream, RpcEnvelope, Timestamp},
};
use super::{
    driver::{self, Driver, Pending, Refusal},
    outbox::Outbox,
    wire::{Bytes, Long, Opt, Res, arguments, value},
};
use crate::host::protocol::{Component, Declared, Setup};

/// What the reference host declares.
pub(super) fn declared() -> Declared {
    driver::declare(&[
        "bridge",
        "cancel",
        "credential",
        "dependencies",
        "error-reports",
        "exact-errors",
        "hooks",
        "limits",
        "mailbox",
        "node",
        "peers",
        "signaling",
        "streams",
        "webrtc",
    ])
    .following(&["actr"])
}

/// The nodes and actors of one case.
pub(super) struct Actr {
    network: Network,
    guests: BTreeMap<String, Component>,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: u64,
    instances: HashMap<String, Instance>,
    begun: u32,
    /// The ticket is taken by `finish`.
    tickets: HashMap<u32, (Option<Ticket>, Canceller)>,
}

#[derive(Clone)]
struct Instance {
    actor: Arc<Actor>,
    script: Option<Arc<Script>>,
}

impl Actr {
    pub(super) fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Self, String> {
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        Ok(Self {
            network: Network::new(environment),
            guests: setup.guests,
            outbox,
            state: Mutex::default(),
        })
    }

    async fn dispatch(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "load" => {
                let (guest, settings) = arguments(given)?;
                value(&Res::from(self.load(guest, settings).await?))
            }
            "identity" => {
                let (instance,) = arguments(given)?;
                self.with(instance, |found| {
                    Ok(ActrId::from(found.actor.identity().clone()))
                })
            }
            "start" => {
                let (instance,) = arguments(given)?;
                self.enter(instance, Entry::Start).await
            }
            "ready" => {
                let (instance,) = arguments(given)?;
                self.enter(instance, Entry::Ready).await
            }
            "stop" => {
                let (instance,) = arguments(given)?;
                self.enter(instance, Entry::Stop).await
            }
            "dispatch" => {
                let (instance, envelope, caller): (_, RpcEnvelope, Opt<ActrId>) = arguments(given)?;
                let entry = dispatch(envelope, caller);
                value(&Res::from(self.outcome(instance, entry).await))
            }
            "begin" => {
                let (instance, entry): (_, Begun) = arguments(given)?;
                self.with(instance, |found| {
                    let ticket = found.actor.begin(entry.into());
                    let mut state = self.state();
                    state.begun += 1;
                    let number = state.begun;
                    let canceller = ticket.canceller();
                    state.tickets.insert(number, (Some(ticket), canceller));
                    Ok(number)
                })
            }
            "finish" => {
                let (number,): (u32,) = arguments(given)?;
                let ticket = self
                    .state()
                    .tickets
                    .get_mut(&number)
                    .and_then(|t| t.0.take());
                value(&Res::from(match ticket {
                    Some(ticket) => ticket.outcome().await.map(Bytes).map_err(Failure::from),
                    None => Err(Failure::Refused(format!("no ticket {number} is open"))),
                }))
            }
            "cancel" => {
                let (number,): (u32,) = arguments(given)?;
                let canceller = self.state().tickets.get(&number).map(|t| t.1.clone());
                let cancelled = canceller.map(|canceller| canceller.cancel());
                value(&Res::from(
                    cancelled.ok_or_else(|| format!("there is no ticket {number}")),
                ))
            }
            "deliver" => {
                let (instance, hook): (_, Hook) = arguments(given)?;
                self.enter(instance, hook.into()).await
            }
            "chunk" => {
                let (instance, chunk, sender): (_, DataStream, ActrId) = arguments(given)?;
                let entry = Entry::Chunk {
                    chunk: chunk.into(),
                    sender: sender.into(),
                };
                self.enter(instance, entry).await
            }
            "bridge" | "answer" | "operations" => self.bridged(function, given).await,
            "hold" => {
                let (instance,) = arguments(given)?;
                self.with(instance, |found| {
                    found.actor.hold(true);
                    Ok(())
                })
            }
            "release" => {
                let (instance,) = arguments(given)?;
                self.with(instance, |found| {
                    found.actor.hold(false);
                    Ok(())
                })
            }
            "queued" => {
                let (instance,) = arguments(given)?;
                self.with(instance, |found| Ok(found.actor.queued()))
            }
            _ => self.beyond(function, given).await,
        }
    }

    /// The functions of bridged actors.
    async fn bridged(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "bridge" => {
                let (instance, replies): (String, Vec<Reply>) = arguments(given)?;
                let mut state = self.state();
                let found = state.instances.get_mut(&instance);
                value(&Res::from(found.ok_or_else(|| unknown(&instance)).map(
                    |found| {
                        let script = found.script.get_or_insert_with(|| {
                            let script = Script::new(instance.clone(), self.outbox.clone());
                            let script = Arc::new(script);
                            found.actor.set_bridge(script.clone());
                            script
                        });
                        script.add(replies);
                    },
                )))
            }
            "answer" => {
                let (instance, reply): (String, Reply) = arguments(given)?;
                value(&Res::from(match self.script(&instance) {
                    Ok(script) => script.answer(reply).await,
                    Err(error) => Err(error),
                }))
            }
            _ => {
                let (instance,): (String,) = arguments(given)?;
                let script = self.script(&instance);
                value(&Res::from(script.map(|script| script.operations())))
            }
        }
    }

    /// The functions of nodes.
    async fn beyond(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        let network = &self.network;
        match function {
            "open-node" => {
                let (name,): (String,) = arguments(given)?;
                value(&Res::from(network.open(name).map(ActrId::from)))
            }
            "node-identity" => {
                let (name,): (String,) = arguments(given)?;
                let node = network.node(&name);
                value(&Res::from(
                    node.map(|node| ActrId::from(node.identity().clone())),
                ))
            }
            "connect" => {
                let (from, to): (String, String) = arguments(given)?;
                value(&Res::from(network.connect(&from, &to).await))
            }
            "disconnect" => {
                let (from, to): (String, String) = arguments(given)?;
                value(&Res::from(network.disconnect(&from, &to).await))
            }
            "signaling-up" => {
                let (name,): (String,) = arguments(given)?;
                value(&Res::from(network.signaling_up(&name).await))
            }
            "signaling-down" => {
                let (name,): (String,) = arguments(given)?;
                value(&Res::from(network.signaling_down(&name).await))
            }
            "set-clock" => {
                let (now,): (Timestamp,) = arguments(given)?;
                network.set_clock(now.into());
                value(&Res::<(), String>::Ok(()))
            }
            "renew-credential" => {
                let (name, seconds): (String, Long<u64>) = arguments(given)?;
                let expiry = network.renew_credential(&name, seconds.0);
                value(&Res::from(expiry.map(Timestamp::from)))
            }
            "webrtc" => {
                let (name, event): (String, WebrtcEvent) = arguments(given)?;
                value(&Res::from(network.webrtc(&name, event.into())))
            }
            other => Err(Refusal(format!(
                "the interface `actr` has no function `{other}`"
            ))),
        }
    }

    async fn load(
        &self,
        guest: String,
        settings: Settings,
    ) -> Result<Result<String, String>, Refusal> {
        let guest = self
            .guests
            .get(&guest)
            .ok_or_else(|| Refusal(format!("the case has no guest `{guest}`")))?;
        let number = {
            let mut state = self.state();
            state.loaded += 1;
            state.loaded
        };
        let instance = format!("actor-{number}");
        let node = match self.network.node(&settings.node.0.unwrap_or_default()) {
            Ok(node) => node,
            Err(error) => return Ok(Err(error)),
        };
        let identity = settings.id.0.map(Into::into);
        let mut config =
            ActorConfig::new(identity.unwrap_or_else(|| network::actor_identity(number)));
        if let Some(threshold) = settings.mailbox_threshold.0 {
            config.mailbox_threshold = threshold.0;
        }
        config.error_reports = settings.error_reports.0.unwrap_or(false);
        config.log = Arc::new(Log {
            instance: instance.clone(),
            outbox: self.outbox.clone(),
        });
        let loaded = node.load(&guest.component, config).await;
        Ok(match loaded {
            Ok(actor) => {
                let script = None;
                let found = Instance { actor, script };
                self.state().instances.insert(instance.clone(), found);
                Ok(instance)
            }
            Err(error) => Err(error.to_string()),
        })
    }

    async fn enter(&self, instance: String, entry: Entry) -> Result<Json, Refusal> {
        value(&Res::from(self.outcome(instance, entry).await.map(|_| ())))
    }

    async fn outcome(&self, instance: String, entry: Entry) -> Result<Bytes, Failure> {
        let found = self.state().instances.get(&instance).cloned();
        let found = found.ok_or_else(|| Failure::Refused(unknown(&instance)))?;
        let outcome = found.actor.enter(entry).await;
        outcome.map(Bytes).map_err(Failure::from)
    }

    fn with<T: serde::Serialize>(
        &self,
        instance: String,
        action: impl FnOnce(&Instance) -> Result<T, String>,
    ) -> Result<Json, Refusal> {
        let found = self.state().instances.get(&instance).cloned();
        value(&Res::from(match found {
            Some(found) => action(&found),
            None => Err(unknown(&instance)),
        }))
    }

    fn script(&self, instance: &str) -> Result<Arc<Script>, String> {
        let state = self.state();
        let found = state
            .instances
            .get(instance)
            .ok_or_else(|| unknown(instance))?;
        let script = found.script.clone();
        script.ok_or_else(|| format!("the actor {instance:?} is not bridged"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Actr {
    fn announces(&self, function: &str) -> bool {
        function == "load"
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
            // Dropping the nodes ends all that runs on them.
            self.network.close();
            *self.state() = State::default();
        })
    }
}

/// Log lines as events.
struct Log {
    instance: String,
    outbox: Arc<Outbox>,
}

impl LogSink for Log {
    fn log(&self, line: LogLine<'_>) {
        actr::TracingSink.log(line);
        let event = Event::Log {
            instance: self.instance.clone(),
            level: line.level.to_owned(),
            message: line.message.to_owned(),
        };
        // Texts only: there is always a JSON of them.
        if let Ok(event) = value(&event) {
            self.outbox.event(event);
        }
    }
}

fn unknown(instance: &str) -> String {
    format!("no actor {instance:?} was loaded")
}
