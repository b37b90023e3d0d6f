//! Everything that is bounded, in one place, with what happens at the bound.

use std::time::Duration;

/// What one instance and the engine may use. Every field is a hard bound; none is advisory.
///
/// "Ends the instance" means [`Outcome::Terminated`](super::Outcome::Terminated) with a text that names the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance, over all its memories. Growth beyond answers -1 in the guest; a
    /// component that starts larger is refused at launch. At most 1 GiB.
    pub memory_bytes: u64,
    /// Elements of one instance's tables together. Growth beyond answers -1; a larger start is refused at launch.
    /// At most 131,072.
    pub table_elements: u32,
    /// How long an instance may compute without waiting; counts only while it runs, and host calls that answer at
    /// once do not reset it. Ends the instance. Precision: one [`TICK`](crate::engine::TICK).
    pub compute: Duration,
    /// Instances of this host that may run at once; more are refused at launch. The process bears at most
    /// [`MAX_INSTANCES`](crate::engine::MAX_INSTANCES).
    pub instances: u32,
    /// Bytes of a component binary; larger ones are refused at launch.
    pub component_bytes: usize,
    /// Bytes of all arguments of one launch together; more are refused at launch.
    pub argument_bytes: usize,
    /// Bytes of one message, sent, received or broadcast, and of a topic. A guest that exceeds it is ended; a client
    /// gets an error.
    pub message_bytes: usize,
    /// Bytes of a key of the store. Ends the instance.
    pub key_bytes: usize,
    /// Bytes of a value of the store. Ends the instance.
    pub value_bytes: usize,
    /// Bytes of a debug query. Ends the instance.
    pub query_bytes: usize,
    /// Messages from the client that wait for a `receive`; the client's next send is an error.
    pub inbox_messages: usize,
    /// Bytes of the messages from the client that wait for a `receive`; the client's next send is an error.
    pub inbox_bytes: usize,
    /// Messages that wait for a client that does not read; the guest's next `send` waits until there is room.
    pub outbox_messages: usize,
    /// Bytes of the messages that wait for a client that does not read; the guest's next `send` waits.
    pub outbox_bytes: usize,
    /// Messages a subscription buffers; the newest beyond are dropped for that subscription alone.
    pub subscription_messages: usize,
    /// Commands that wait in one queue. Ends the instance.
    pub queue_commands: usize,
    /// Resource handles of one instance (results, subscriptions, models, queues, pollables). Ends the instance.
    pub handles: usize,
    /// Keys of one namespace of the store. Ends the instance that adds one more.
    pub store_keys: usize,
    /// Bytes of keys and values of one namespace of the store. Ends the instance that exceeds it.
    pub store_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 65_536,
            compute: Duration::from_secs(10),
            instances: 1_100,
            component_bytes: 64 << 20,
            argument_bytes: 4 << 20,
            message_bytes: 16 << 20,
            key_bytes: 1 << 20,
            value_bytes: 16 << 20,
            query_bytes: 1 << 20,
            inbox_messages: 100_000,
            inbox_bytes: 64 << 20,
            outbox_messages: 131_072,
            outbox_bytes: 64 << 20,
            subscription_messages: 64,
            queue_commands: 65_536,
            handles: 65_536,
            store_keys: 1_000_000,
            store_bytes: 256 << 20,
        }
    }
}

impl Limits {
    /// Bytes one host call may copy out of the guest: twice the longest text, and room for small things.
    pub(crate) fn call_bytes(&self) -> usize {
        let longest = self
            .message_bytes
            .max(self.key_bytes)
            .max(self.value_bytes)
            .max(self.query_bytes);
        longest.saturating_mul(2).saturating_add(1 << 20)
    }
}

/// A limit that a guest ran into; the reason in its outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit reached: {what} of {actual} exceeds {limit}")]
pub struct LimitExceeded {
    /// What is limited, with its unit, e.g. `message bytes`.
    pub what: &'static str,
    /// What was asked for.
    pub actual: usize,
    /// What is allowed.
    pub limit: usize,
}

/// Checks a size against its limit.
pub(crate) fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), LimitExceeded> {
    if actual > limit {
        return Err(LimitExceeded {
            what,
            actual,
            limit,
        });
    }
    Ok(())
}
