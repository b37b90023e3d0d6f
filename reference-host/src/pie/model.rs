//! The models a host offers: metadata, lookup by name and by traits, and the scheduler of each.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::config::ModelConfig;
use super::scheduler::{Queue, Scheduler};
use super::{InstanceId, Limits};

/// One model of a host.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) config: ModelConfig,
    /// Place in the list of models, from 1; the same for every handle and queue of the model.
    pub(super) service_id: u32,
    pub(super) scheduler: Scheduler,
}

impl Model {
    pub(super) fn create_queue(&self, owner: InstanceId) -> Queue {
        self.scheduler.create_queue(owner, self.service_id)
    }
}

/// All models of a host, in the order of its configuration.
#[derive(Debug)]
pub(super) struct Models(Vec<Arc<Model>>);

impl Models {
    pub(super) fn new(configs: &[ModelConfig], limits: &Limits, runtime: &Handle) -> Self {
        let models = (1..).zip(configs).map(|(service_id, config)| {
            Arc::new(Model {
                scheduler: Scheduler::new(
                    config.backend.clone(),
                    config.capacity,
                    limits.queue_commands,
                    runtime.clone(),
                ),
                config: config.clone(),
                service_id,
            })
        });
        Self(models.collect())
    }

    /// Exact, case-sensitive.
    pub(super) fn by_name(&self, name: &str) -> Option<&Arc<Model>> {
        self.0.iter().find(|model| model.config.name == name)
    }

    /// The names of the models that have all of these traits.
    pub(super) fn names_with(&self, traits: &[String]) -> Vec<String> {
        self.0
            .iter()
            .filter(|model| traits.iter().all(|name| model.config.traits.contains(name)))
            .map(|model| model.config.name.clone())
            .collect()
    }

    /// Drops all work of an instance that has ended.
    pub(super) fn forget(&self, owner: InstanceId) {
        for model in &self.0 {
            model.scheduler.forget(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn traits_are_a_conjunction() {
        let model = |name: &str, traits: &[&str]| ModelConfig {
            traits: traits.iter().map(ToString::to_string).collect(),
            ..ModelConfig::deterministic(name)
        };
        let configs = [
            model("a", &["text", "tokenize"]),
            model("b", &["text"]),
            model("c", &[]),
        ];
        let models = Models::new(&configs, &Limits::default(), &Handle::current());
        let names = |traits: &[&str]| {
            let traits: Vec<_> = traits.iter().map(ToString::to_string).collect();
            models.names_with(&traits).join(" ")
        };
        assert_eq!(names(&[]), "a b c");
        assert_eq!(names(&["text"]), "a b");
        assert_eq!(names(&["tokenize", "text"]), "a");
        assert_eq!(names(&["text", "no-such-trait"]), "");
        assert!(models.by_name("A").is_none() && models.by_name("").is_none());
    }
}
