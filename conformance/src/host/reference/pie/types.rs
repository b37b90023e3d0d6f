//! `wit/driver/pie.wit` as serde types, and what they are in the words of `reference_host::pie`.

use std::time::Duration;

use reference_host::pie::{self, ModelConfig, backend};
use serde::{Deserialize, Serialize};

use crate::host::reference::wire::{Long, Opt};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    pub(super) models: Vec<ModelSpec>,
    pub(super) limits: Opt<Limits>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ModelSpec {
    name: String,
    traits: Vec<String>,
    description: String,
    version: String,
    license: String,
    prompt_template: String,
    capacity: u32,
}

impl From<ModelSpec> for ModelConfig {
    fn from(spec: ModelSpec) -> Self {
        Self {
            traits: spec.traits,
            description: spec.description,
            version: spec.version,
            license: spec.license,
            prompt_template: spec.prompt_template,
            capacity: spec.capacity,
            ..Self::deterministic(spec.name)
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    memory_bytes: Long<u64>,
    compute_ms: Long<u64>,
    table_elements: u32,
    instances: u32,
    message_bytes: Long<u64>,
}

impl Limits {
    /// These limits, the host's own where they are zero.
    pub(super) fn apply(&self) -> pie::Limits {
        let mut limits = pie::Limits::default();
        if self.memory_bytes.0 != 0 {
            limits.memory_bytes = self.memory_bytes.0;
        }
        if self.compute_ms.0 != 0 {
            limits.compute = Duration::from_millis(self.compute_ms.0);
        }
        if self.table_elements != 0 {
            limits.table_elements = self.table_elements;
        }
        if self.instances != 0 {
            limits.instances = self.instances;
        }
        if self.message_bytes.0 != 0 {
            let bytes = usize::try_from(self.message_bytes.0).unwrap_or(usize::MAX);
            limits.message_bytes = bytes;
            limits.key_bytes = bytes;
            limits.value_bytes = bytes;
            limits.query_bytes = bytes;
        }
        limits
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    Message { instance: String, text: String },
    Ended { instance: String, outcome: Outcome },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Finished(()),
    Failed(String),
    Trapped(String),
    Terminated(String),
}

impl From<pie::Event> for Event {
    fn from(event: pie::Event) -> Self {
        match event {
            pie::Event::Message { instance, text } => Self::Message {
                instance: instance.to_string(),
                text,
            },
            pie::Event::Ended { instance, outcome } => Self::Ended {
                instance: instance.to_string(),
                outcome: outcome.into(),
            },
        }
    }
}

impl From<pie::Outcome> for Outcome {
    fn from(outcome: pie::Outcome) -> Self {
        match outcome {
            pie::Outcome::Finished => Self::Finished(()),
            pie::Outcome::Failed(text) => Self::Failed(text),
            pie::Outcome::Trapped(text) => Self::Trapped(text),
            pie::Outcome::Terminated(text) => Self::Terminated(text),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Served {
    query: String,
    failed: bool,
}

impl From<backend::Served> for Served {
    fn from(served: backend::Served) -> Self {
        Self {
            query: served.query,
            failed: served.failed,
        }
    }
}
