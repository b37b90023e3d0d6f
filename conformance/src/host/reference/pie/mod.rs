//! Drives `reference_host::pie` through the interface `wit/driver/pie.wit`.

mod types;

use std::{collections::BTreeMap, sync::Arc};

use reference_host::pie::{
    self, Config, ControlError, InstanceId, Launch, PieHost,
    store::{Backing, StoreConfig},
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::{
    sync::{
        Mutex, Notify, RwLock,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinHandle,
};

use self::types::{Environment, Event, Limits, Served};
use super::{
    driver::{self, Driver, Pending, Refusal},
    outbox::Outbox,
    wire::{Res, arguments, value},
};
use crate::host::protocol::{Component, Declared, Setup};

/// What the reference host declares.
pub(super) fn declared() -> Declared {
    driver::declare(&[
        "count",
        "fail",
        "hold",
        "limits",
        "models",
        "restart",
        "slow-client",
        "terminate",
    ])
}

/// One host in the environment of one case.
pub(super) struct Pie {
    /// `None` once it was ended, or could not be started again.
    host: RwLock<Option<PieHost>>,
    guests: BTreeMap<String, Component>,
    events: UnboundedSender<pie::Event>,
    pump: Mutex<Option<JoinHandle<()>>>,
    ended: Arc<Notify>,
}

impl Pie {
    pub(super) fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Self, String> {
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        let config = Config {
            models: environment.models.into_iter().map(Into::into).collect(),
            limits: environment
                .limits
                .0
                .as_ref()
                .map(Limits::apply)
                .unwrap_or_default(),
            store: StoreConfig {
                backing: Backing::Temporary,
                ..StoreConfig::default()
            },
            ..Config::default()
        };
        let host = PieHost::new(config).map_err(|error| error.to_string())?;
        let (events, source) = unbounded_channel();
        let ended = Arc::new(Notify::new());
        let pump = tokio::spawn(forward(source, outbox, Arc::clone(&ended)));
        Ok(Self {
            host: RwLock::new(Some(host)),
            guests: setup.guests,
            events,
            pump: Mutex::new(Some(pump)),
            ended,
        })
    }

    async fn dispatch(self: Arc<Self>, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "launch" => {
                let (guest, arguments) = arguments(given)?;
                self.launch(guest, arguments).await
            }
            "client-send" => {
                let (instance, message): (_, String) = arguments(given)?;
                self.on_instance(instance, |host, id| host.client_send(id, &message))
                    .await
            }
            "terminate" => {
                let (instance,) = arguments(given)?;
                self.on_instance(instance, |host, id| {
                    host.terminate(id, "terminated from outside")
                })
                .await
            }
            "client-pause" => {
                let (instance,) = arguments(given)?;
                self.on_instance(instance, PieHost::client_pause).await
            }
            "client-resume" => {
                let (instance,) = arguments(given)?;
                self.on_instance(instance, PieHost::client_resume).await
            }
            "hold" => {
                let (model,): (String,) = arguments(given)?;
                self.on_host(|host| host.hold(&model)).await
            }
            "release" => {
                let (model, count): (String, _) = arguments(given)?;
                self.on_host(|host| host.release(&model, count)).await
            }
            "fail-next" => {
                let (model, count): (String, _) = arguments(given)?;
                self.on_host(|host| host.fail_next(&model, count)).await
            }
            "served" => {
                let (model,): (String,) = arguments(given)?;
                let served =
                    |served: Vec<_>| served.into_iter().map(Served::from).collect::<Vec<_>>();
                self.on_host(|host| host.served(&model).map(served)).await
            }
            "pending" => {
                let (model,): (String,) = arguments(given)?;
                self.on_host(|host| host.pending(&model)).await
            }
            "restart" => {
                let []: [(); 0] = arguments(given)?;
                let mut slot = self.host.write().await;
                let host = slot.take().ok_or_else(gone)?;
                let restarted = host.restart().await.map(|host| *slot = Some(host));
                value(&Res::from(restarted.map_err(|error| error.to_string())))
            }
            "running" => {
                let []: [(); 0] = arguments(given)?;
                value(&self.host.read().await.as_ref().ok_or_else(gone)?.running())
            }
            other => Err(Refusal(format!(
                "the interface `pie` has no function `{other}`"
            ))),
        }
    }

    /// Compiles away from the threads that guests run on.
    async fn launch(
        self: Arc<Self>,
        guest: String,
        arguments: Vec<String>,
    ) -> Result<Json, Refusal> {
        let launch = move || {
            let guest = self
                .guests
                .get(&guest)
                .ok_or_else(|| Refusal(format!("the case has no guest `{guest}`")))?;
            let launch = Launch {
                arguments,
                ..Launch::new(self.events.clone())
            };
            let host = self.host.blocking_read();
            let launched = host
                .as_ref()
                .ok_or_else(gone)?
                .launch_bytes(&guest.component, launch);
            value(&Res::from(
                launched
                    .map(|id| id.to_string())
                    .map_err(|error| error.to_string()),
            ))
        };
        match tokio::task::spawn_blocking(launch).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    async fn on_host<T: Serialize>(
        &self,
        action: impl FnOnce(&PieHost) -> Result<T, ControlError>,
    ) -> Result<Json, Refusal> {
        let host = self.host.read().await;
        let result = action(host.as_ref().ok_or_else(gone)?);
        value(&Res::from(result.map_err(|error| error.to_string())))
    }

    async fn on_instance(
        &self,
        instance: String,
        action: impl FnOnce(&PieHost, InstanceId) -> Result<(), ControlError>,
    ) -> Result<Json, Refusal> {
        match instance.parse() {
            Ok(id) => self.on_host(|host| action(host, id)).await,
            Err(_) => value(&Res::<(), _>::Err(format!(
                "{instance:?} is no id of this host's"
            ))),
        }
    }
}

impl Driver for Pie {
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
                // The store of a case goes with it; whether its last writes reached the disk is of no interest.
                let _ = host.shutdown().await;
            }
            self.ended.notify_one();
            if let Some(pump) = self.pump.lock().await.take() {
                let _ = pump.await;
            }
        })
    }
}

/// Forwards events until the case is ended and none is left.
async fn forward(
    mut source: UnboundedReceiver<pie::Event>,
    outbox: Arc<Outbox>,
    ended: Arc<Notify>,
) {
    loop {
        tokio::select! {
            biased;
            event = source.recv() => match event.map(|event| value(&Event::from(event))) {
                Some(Ok(event)) => outbox.event(event),
                // Texts only: there is always a JSON of them.
                Some(Err(_)) => {}
                None => return,
            },
            () = ended.notified() => source.close(),
        }
    }
}

fn gone() -> Refusal {
    Refusal("the host did not start again".into())
}
