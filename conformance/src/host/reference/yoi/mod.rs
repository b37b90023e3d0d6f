//! Drives `reference_host::yoi` through the interface `wit/driver/yoi.wit`.

mod types;

use std::{collections::BTreeMap, sync::Arc};

use reference_host::yoi::{self, CallError, Config, Observer, Plugin, YoiHost};
use serde_json::{Value as Json, json};

use self::types::{
    Environment, Failure, Grants, IngressEvent, Limits, Manifest, Snapshot, ToolOutput,
};
use super::{
    driver::{self, Driver, Pending, Refusal},
    outbox::Outbox,
    wire::{Opt, Res, arguments, value},
};
use crate::host::protocol::{Component, Declared, Setup};

/// What the reference host declares.
pub(super) fn declared() -> Declared {
    driver::declare(&["import-failures", "limits", "sources"]).following(&["yoi"])
}

/// One host in the environment of one case.
pub(super) struct Yoi {
    host: YoiHost,
    guests: BTreeMap<String, Component>,
    environment: Environment,
}

impl Yoi {
    pub(super) fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Self, String> {
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        let config = Config {
            limits: environment
                .limits
                .0
                .as_ref()
                .map(Limits::apply)
                .unwrap_or_default(),
            import_failure: environment
                .import_failures
                .0
                .map(Into::into)
                .unwrap_or_default(),
            observer: Some(Arc::new(Dispatches(outbox))),
        };
        Ok(Self {
            host: YoiHost::new(config),
            guests: setup.guests,
            environment,
        })
    }

    async fn dispatch(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "register" => {
                let (guest,): (String,) = arguments(given)?;
                let Environment {
                    manifest,
                    grants,
                    config,
                    ..
                } = &self.environment;
                self.register(&guest, manifest, grants, config).await
            }
            "register-as" => {
                let (guest, manifest, grants, config): (String, _, _, _) = arguments(given)?;
                self.register(&guest, &manifest, &grants, &config).await
            }
            "call-tool" => {
                let (plugin, name, input): (String, String, String) = arguments(given)?;
                let result = match self.plugin(&plugin) {
                    Ok(plugin) => plugin.call_tool(&name, &input).await.map_err(Failure::from),
                    Err(error) => Err(Failure::Refused(error)),
                };
                value(&Res::from(result.map(ToolOutput::from)))
            }
            "ingress" => {
                let (plugin, name, event): (String, String, IngressEvent) = arguments(given)?;
                let result = match (self.plugin(&plugin), event.event(&name)) {
                    (Ok(plugin), Ok(event)) => {
                        plugin.dispatch(&name, event).await.map_err(Failure::from)
                    }
                    (Err(error), _) | (_, Err(error)) => Err(Failure::Refused(error)),
                };
                value(&Res::from(result.map(|output| output.to_string())))
            }
            "status" => {
                let (plugin,): (String,) = arguments(given)?;
                let result = match self.plugin(&plugin) {
                    Ok(plugin) => Ok(Snapshot::from(plugin.status().await)),
                    Err(error) => Err(error),
                };
                value(&Res::from(result))
            }
            "stop" => {
                let (plugin,): (String,) = arguments(given)?;
                let result = match self.plugin(&plugin) {
                    Ok(plugin) => plugin.stop().await.map_err(|error| error.to_string()),
                    Err(error) => Err(error),
                };
                value(&Res::from(result))
            }
            other => Err(Refusal(format!(
                "the interface `yoi` has no function `{other}`"
            ))),
        }
    }

    async fn register(
        &self,
        guest: &str,
        manifest: &Manifest,
        grants: &Grants,
        config: &Opt<String>,
    ) -> Result<Json, Refusal> {
        let component = self
            .guests
            .get(guest)
            .map(|guest| &guest.component)
            .ok_or_else(|| Refusal(format!("the case has no guest `{guest}`")))?;
        let config = config
            .0
            .as_deref()
            .map(serde_json::from_str::<Json>)
            .transpose()
            .map_err(|error| Refusal(format!("the config is no JSON: {error}")))?;
        let manifest = manifest.of(guest);
        let grants = grants.of(&manifest, &yoi::digest(component));
        let registered = self
            .host
            .register(component, manifest, grants, config.as_ref())
            .await;
        value(&Res::from(
            registered
                .map(|plugin| plugin.id().to_owned())
                .map_err(|error| error.to_string()),
        ))
    }

    fn plugin(&self, id: &str) -> Result<Arc<Plugin>, String> {
        self.host
            .plugin(id)
            .ok_or_else(|| format!("no plugin `{id}` is registered"))
    }
}

impl Driver for Yoi {
    /// Sources may deliver as soon as the plugin is started, before its registration is answered.
    fn announces(&self, function: &str) -> bool {
        matches!(function, "register" | "register-as")
    }

    fn call(
        self: Arc<Self>,
        function: String,
        arguments: Vec<Json>,
    ) -> Pending<Result<Json, Refusal>> {
        Box::pin(async move { self.dispatch(&function, arguments).await })
    }

    fn end(self: Arc<Self>) -> Pending<()> {
        Box::pin(async move { self.host.shut_down() })
    }
}

/// Dispatches of the host's own as events.
struct Dispatches(Arc<Outbox>);

impl Observer for Dispatches {
    fn dispatched(
        &self,
        plugin: &str,
        ingress: &str,
        kind: &str,
        outcome: &Result<Json, CallError>,
    ) {
        let outcome = match outcome {
            Ok(output) => json!({ "ok": output.to_string() }),
            Err(error) => json!({ "err": Failure::from(error.clone()) }),
        };
        self.0.event(json!({
            "dispatched": {"plugin": plugin, "ingress": ingress, "kind": kind, "outcome": outcome}
        }));
    }
}
