//! What a host is made of: its models, limits and store; checked once, when the host is built.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::backend::{Backend, Deterministic};
use super::store::{StoreConfig, StoreError};
use super::{InstanceId, Limits, engine};

/// Everything a [`PieHost`](super::PieHost) is built from. The default offers no model.
#[derive(Debug, Clone)]
pub struct Config {
    /// What `get-version` answers.
    pub version: String,
    /// The models, in the order of `get-all-models`; their names are distinct.
    pub models: Vec<ModelConfig>,
    /// The limits of the engine and of each instance.
    pub limits: Limits,
    /// The persistent store.
    pub store: StoreConfig,
    /// What answers the runtime's `debug-query` where the host itself knows nothing to say.
    pub queries: Option<Arc<dyn DebugQueries>>,
}

/// Debug queries that whoever embeds the host answers, such as figures of its own.
pub trait DebugQueries: fmt::Debug + Send + Sync + 'static {
    /// The answer, or `None` for a query that is unknown here, too. Called on the thread that runs the guest, in the middle
    /// of its call, so it must not block.
    fn answer(&self, instance: InstanceId, query: &str) -> Option<String>;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: Vec::new(),
            limits: Limits::default(),
            store: StoreConfig::default(),
            queries: None,
        }
    }
}

/// One model.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Its name, not empty; compared byte by byte.
    pub name: String,
    /// Its traits, distinct and not empty.
    pub traits: Vec<String>,
    /// A description for people.
    pub description: String,
    /// Its version.
    pub version: String,
    /// The name of its licence.
    pub license: String,
    /// A Tera template, or empty for none.
    pub prompt_template: String,
    /// How many commands the backend serves at once, at least 1.
    pub capacity: u32,
    /// What serves its commands.
    pub backend: Arc<dyn Backend>,
}

impl ModelConfig {
    /// A model of this name, without traits or metadata, of capacity 1, on this backend.
    pub fn new(name: impl Into<String>, backend: Arc<dyn Backend>) -> Self {
        Self {
            name: name.into(),
            traits: Vec::new(),
            description: String::new(),
            version: "1.0".into(),
            license: String::new(),
            prompt_template: String::new(),
            capacity: 1,
            backend,
        }
    }

    /// A model of this name on a deterministic backend of its own.
    pub fn deterministic(name: impl Into<String>) -> Self {
        Self::new(name, Arc::new(Deterministic::new()))
    }
}

/// Why a host cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A backend cannot be built.
    #[error("the model backend cannot be built: {0}")]
    Backend(String),
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
    /// A model is described wrongly.
    #[error("the model `{model}`: {problem}")]
    Model {
        /// Its name.
        model: String,
        /// What is wrong.
        problem: String,
    },
    /// The host was built outside a tokio runtime.
    #[error("a host must be built inside a tokio runtime")]
    Runtime,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Config {
    /// Checks everything that can be checked without opening the store.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = [
            (
                "memory_bytes",
                self.limits.memory_bytes,
                engine::MAX_MEMORY_BYTES as u64,
            ),
            (
                "table_elements",
                self.limits.table_elements.into(),
                engine::MAX_TABLE_ELEMENTS as u64,
            ),
            (
                "instances",
                self.limits.instances.into(),
                engine::MAX_INSTANCES.into(),
            ),
        ];
        for (name, value, most) in limits {
            if value == 0 || value > most {
                return Err(ConfigError::Limit { name, value, most });
            }
        }
        let mut names = HashSet::new();
        for model in &self.models {
            model.check().map_err(|problem| ConfigError::Model {
                model: model.name.clone(),
                problem,
            })?;
            if !names.insert(&model.name) {
                return Err(ConfigError::Model {
                    model: model.name.clone(),
                    problem: "is configured twice".into(),
                });
            }
        }
        Ok(())
    }
}

impl ModelConfig {
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("the name is empty".into());
        }
        if self.capacity == 0 {
            return Err("the capacity is 0".into());
        }
        let mut traits = HashSet::new();
        for name in &self.traits {
            if name.is_empty() || !traits.insert(name) {
                return Err(format!("the trait `{name}` is empty or there twice"));
            }
        }
        if !self.prompt_template.is_empty() {
            tera::Tera::default()
                .add_raw_template("prompt", &self.prompt_template)
                .map_err(|error| {
                    let reason = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), ToString::to_string);
                    format!("the prompt template is not Tera: {reason}")
                })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut Config)) -> Result<(), String> {
        let mut config = Config {
            models: vec![ModelConfig::deterministic("m")],
            ..Config::default()
        };
        change(&mut config);
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(checked(|_| ()), Ok(()));
        let template = "{% for message in messages %}{{ message.content }}{% endfor %}";
        assert_eq!(
            checked(|c| c.models[0].prompt_template = template.into()),
            Ok(())
        );
        let error = checked(|c| c.models[0].prompt_template = "{% for".into());
        assert!(error.is_err_and(|text| text.contains("is not Tera")));
        assert!(checked(|c| c.models[0].name.clear()).is_err());
        assert!(checked(|c| c.models[0].capacity = 0).is_err());
        assert!(checked(|c| c.models[0].traits = vec!["t".into(), "t".into()]).is_err());
        assert!(checked(|c| c.models.push(ModelConfig::deterministic("m"))).is_err());
        assert!(checked(|c| c.limits.memory_bytes = 0).is_err());
        assert!(checked(|c| c.limits.instances = 1_000_000).is_err());
    }
}
