//! The imports of the world: `pie:inferlet/core` and `wasi:io/poll`, for one instance.
//!
//! Results are visible to `get` as soon as they have arrived, polled or not, and stay the same on every `get`
//! (a subscription is no result: its `get` takes). Runtime debug queries are answered before they return. A result
//! and its pollables may be dropped in any order; a pollable whose result is gone is ready.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};

use super::bindings::pie::inferlet::core::{
    Host, HostDebugQueryResult, HostModel, HostQueue, HostReceiveResult, HostSubscription,
    HostSynchronizationResult, Priority,
};
use super::bindings::wasi::io::poll;
use super::host::Services;
use super::limits::{LimitExceeded, within};
use super::model::Model;
use super::pubsub::Subscription;
use super::ready::{Pollable, Reply};
use super::scheduler::{Level, Queue};
use super::session::{Inbox, Outbox, ReceiveResult};
use super::store::Namespace;
use super::{InstanceId, Limits};
use crate::engine::MemoryLimiter;

/// What one instance owns on the host's side; the data of its wasmtime store.
pub(super) struct State {
    pub(super) id: InstanceId,
    /// As `get-instance-id` gives it.
    pub(super) id_text: String,
    pub(super) arguments: Vec<String>,
    pub(super) table: ResourceTable,
    pub(super) limiter: MemoryLimiter,
    pub(super) services: Arc<Services>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) keys: Namespace,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("State").field(&self.id).finish()
    }
}

/// The resource `model`.
#[derive(Debug)]
pub struct ModelHandle(Arc<Model>);

/// The resource `debug-query-result`, of the runtime or of a model.
#[derive(Debug)]
pub struct DebugQueryResult(Arc<Reply<Arc<str>>>);

/// The resource `synchronization-result`.
#[derive(Debug)]
pub struct SynchronizationResult(Arc<Reply<bool>>);

impl Drop for DebugQueryResult {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Drop for SynchronizationResult {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl State {
    fn limits(&self) -> &Limits {
        &self.services.limits
    }

    fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>> {
        self.table.push(value).map_err(|error| match error {
            ResourceTableError::Full => LimitExceeded {
                what: "resource handles",
                actual: self.table.max_capacity().saturating_add(1),
                limit: self.table.max_capacity(),
            }
            .into(),
            other => other.into(),
        })
    }

    fn model(&self, handle: &Resource<ModelHandle>) -> Result<&Model> {
        Ok(&self.table.get(handle)?.0)
    }

    fn check_message(&self, message: &str) -> Result<()> {
        Ok(within(
            "message bytes",
            message.len(),
            self.limits().message_bytes,
        )?)
    }

    fn check_topic(&self, topic: &str) -> Result<()> {
        Ok(within(
            "topic bytes",
            topic.len(),
            self.limits().message_bytes,
        )?)
    }

    fn check_key(&self, key: &str) -> Result<()> {
        Ok(within("key bytes", key.len(), self.limits().key_bytes)?)
    }

    fn check_query(&self, query: &str) -> Result<()> {
        Ok(within(
            "query bytes",
            query.len(),
            self.limits().query_bytes,
        )?)
    }
}

impl Host for State {
    fn get_version(&mut self) -> Result<String> {
        Ok(self.services.version.clone())
    }

    fn get_instance_id(&mut self) -> Result<String> {
        Ok(self.id_text.clone())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(self.arguments.clone())
    }

    fn get_model(&mut self, name: String) -> Result<Option<Resource<ModelHandle>>> {
        let Some(model) = self.services.models.by_name(&name) else {
            return Ok(None);
        };
        let handle = ModelHandle(model.clone());
        self.push(handle).map(Some)
    }

    fn get_all_models(&mut self) -> Result<Vec<String>> {
        Ok(self.services.models.names_with(&[]))
    }

    fn get_all_models_with_traits(&mut self, traits: Vec<String>) -> Result<Vec<String>> {
        Ok(self.services.models.names_with(&traits))
    }

    async fn send(&mut self, message: String) -> Result<()> {
        self.check_message(&message)?;
        self.outbox.send(message).await;
        Ok(())
    }

    fn receive(&mut self) -> Result<Resource<ReceiveResult>> {
        let result = self.inbox.receive();
        self.push(result)
    }

    fn broadcast(&mut self, topic: String, message: String) -> Result<()> {
        self.check_topic(&topic)?;
        self.check_message(&message)?;
        self.services.pubsub.publish(&topic, &message);
        Ok(())
    }

    fn subscribe(&mut self, topic: String) -> Result<Resource<Subscription>> {
        self.check_topic(&topic)?;
        let subscription = self.services.pubsub.subscribe(&topic);
        self.push(subscription)
    }

    fn store_get(&mut self, key: String) -> Result<Option<String>> {
        self.check_key(&key)?;
        Ok(self.keys.get(&key))
    }

    fn store_set(&mut self, key: String, value: String) -> Result<()> {
        self.check_key(&key)?;
        within("value bytes", value.len(), self.limits().value_bytes)?;
        Ok(self.keys.set(&key, value)?)
    }

    fn store_delete(&mut self, key: String) -> Result<()> {
        self.check_key(&key)?;
        self.keys.delete(&key);
        Ok(())
    }

    fn store_exists(&mut self, key: String) -> Result<bool> {
        self.check_key(&key)?;
        Ok(self.keys.exists(&key))
    }

    fn store_list_keys(&mut self) -> Result<Vec<String>> {
        Ok(self.keys.keys())
    }

    fn debug_query(&mut self, query: String) -> Result<Resource<DebugQueryResult>> {
        self.check_query(&query)?;
        let answer = self.services.debug_query(self.id, &query);
        self.push(DebugQueryResult(Reply::resolved(answer.into())))
    }
}

impl HostModel for State {
    fn get_name(&mut self, model: Resource<ModelHandle>) -> Result<String> {
        Ok(self.model(&model)?.config.name.clone())
    }

    fn get_traits(&mut self, model: Resource<ModelHandle>) -> Result<Vec<String>> {
        Ok(self.model(&model)?.config.traits.clone())
    }

    fn get_description(&mut self, model: Resource<ModelHandle>) -> Result<String> {
        Ok(self.model(&model)?.config.description.clone())
    }

    fn get_version(&mut self, model: Resource<ModelHandle>) -> Result<String> {
        Ok(self.model(&model)?.config.version.clone())
    }

    fn get_license(&mut self, model: Resource<ModelHandle>) -> Result<String> {
        Ok(self.model(&model)?.config.license.clone())
    }

    fn get_prompt_template(&mut self, model: Resource<ModelHandle>) -> Result<String> {
        Ok(self.model(&model)?.config.prompt_template.clone())
    }

    fn get_service_id(&mut self, model: Resource<ModelHandle>) -> Result<u32> {
        Ok(self.model(&model)?.service_id)
    }

    fn create_queue(&mut self, model: Resource<ModelHandle>) -> Result<Resource<Queue>> {
        let queue = self.model(&model)?.create_queue(self.id);
        self.push(queue)
    }

    fn drop(&mut self, model: Resource<ModelHandle>) -> Result<()> {
        self.table.delete(model)?;
        Ok(())
    }
}

impl HostQueue for State {
    fn get_service_id(&mut self, queue: Resource<Queue>) -> Result<u32> {
        Ok(self.table.get(&queue)?.service_id())
    }

    fn synchronize(&mut self, queue: Resource<Queue>) -> Result<Resource<SynchronizationResult>> {
        let reply = self.table.get(&queue)?.synchronize()?;
        self.push(SynchronizationResult(reply))
    }

    fn set_priority(&mut self, queue: Resource<Queue>, priority: Priority) -> Result<()> {
        self.table.get(&queue)?.set_priority(match priority {
            Priority::Low => Level::Low,
            Priority::Normal => Level::Normal,
            Priority::High => Level::High,
        });
        Ok(())
    }

    fn debug_query(
        &mut self,
        queue: Resource<Queue>,
        query: String,
    ) -> Result<Resource<DebugQueryResult>> {
        self.check_query(&query)?;
        let reply = self.table.get(&queue)?.submit(query)?;
        self.push(DebugQueryResult(reply))
    }

    fn drop(&mut self, queue: Resource<Queue>) -> Result<()> {
        self.table.delete(queue)?;
        Ok(())
    }
}

impl HostDebugQueryResult for State {
    fn pollable(&mut self, result: Resource<DebugQueryResult>) -> Result<Resource<Pollable>> {
        let pollable = Pollable::new(self.table.get(&result)?.0.clone());
        self.push(pollable)
    }

    fn get(&mut self, result: Resource<DebugQueryResult>) -> Result<Option<String>> {
        let answer = self.table.get(&result)?.0.value();
        Ok(answer.map(|answer| answer.to_string()))
    }

    fn drop(&mut self, result: Resource<DebugQueryResult>) -> Result<()> {
        self.table.delete(result)?;
        Ok(())
    }
}

impl HostSynchronizationResult for State {
    fn pollable(&mut self, result: Resource<SynchronizationResult>) -> Result<Resource<Pollable>> {
        let pollable = Pollable::new(self.table.get(&result)?.0.clone());
        self.push(pollable)
    }

    fn get(&mut self, result: Resource<SynchronizationResult>) -> Result<Option<bool>> {
        Ok(self.table.get(&result)?.0.value())
    }

    fn drop(&mut self, result: Resource<SynchronizationResult>) -> Result<()> {
        self.table.delete(result)?;
        Ok(())
    }
}

impl HostReceiveResult for State {
    fn pollable(&mut self, result: Resource<ReceiveResult>) -> Result<Resource<Pollable>> {
        let pollable = self.table.get(&result)?.pollable();
        self.push(pollable)
    }

    fn get(&mut self, result: Resource<ReceiveResult>) -> Result<Option<String>> {
        let message = self.table.get_mut(&result)?.get();
        Ok(message.map(|message| message.to_string()))
    }

    fn drop(&mut self, result: Resource<ReceiveResult>) -> Result<()> {
        self.table.delete(result)?;
        Ok(())
    }
}

impl HostSubscription for State {
    fn pollable(&mut self, subscription: Resource<Subscription>) -> Result<Resource<Pollable>> {
        let pollable = self.table.get(&subscription)?.pollable();
        self.push(pollable)
    }

    fn get(&mut self, subscription: Resource<Subscription>) -> Result<Option<String>> {
        let message = self.table.get(&subscription)?.take();
        Ok(message.map(|message| message.to_string()))
    }

    fn unsubscribe(&mut self, subscription: Resource<Subscription>) -> Result<()> {
        self.table.get(&subscription)?.unsubscribe();
        Ok(())
    }

    fn drop(&mut self, subscription: Resource<Subscription>) -> Result<()> {
        self.table.delete(subscription)?;
        Ok(())
    }
}

/// `poll` was called with nothing to wait for; the contract makes it a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("poll was called with an empty list")]
pub struct EmptyPoll;

impl poll::Host for State {
    async fn poll(&mut self, list: Vec<Resource<Pollable>>) -> Result<Vec<u32>> {
        if list.is_empty() {
            return Err(EmptyPoll.into());
        }
        let pollables = list
            .iter()
            .map(|pollable| self.table.get(pollable).cloned())
            .collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Pollable::any(&pollables).await)
    }
}

impl poll::HostPollable for State {
    fn ready(&mut self, pollable: Resource<Pollable>) -> Result<bool> {
        Ok(self.table.get(&pollable)?.is_ready())
    }

    async fn block(&mut self, pollable: Resource<Pollable>) -> Result<()> {
        let pollable = self.table.get(&pollable)?.clone();
        pollable.wait().await;
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> Result<()> {
        self.table.delete(pollable)?;
        Ok(())
    }
}
