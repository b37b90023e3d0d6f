//! The imports of the world: `actr:workload/host`, for one instance.
//!
//! Outside of an export, which is in a core start function, all but `log-message` trap: there is no context yet.

use std::collections::HashSet;
use std::sync::Arc;

use super::actor::Actor;
use super::bindings::actr::workload::{host, types};
use super::bridge::{Answer, BridgeError, Message, Operation};
use super::context::{Invocation, Slot};
use super::entry::chunk_size;
use super::log::LogLine;
use super::{ActrError, ActrId, ActrType, DataStream, Dest, PayloadType};
use crate::engine::MemoryLimiter;

/// What one instance owns on the host's side; the data of its wasmtime store.
pub(super) struct State {
    pub(super) actor: Arc<Actor>,
    pub(super) context: Slot,
    pub(super) limiter: MemoryLimiter,
    /// The streams the instance has registered.
    pub(super) streams: HashSet<String>,
}

/// An import was called when no export runs.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` was called outside of an export: there is no context")]
struct OutsideExport(&'static str);

/// The bridge made an import trap.
#[derive(Debug, thiserror::Error)]
#[error("the host trapped the import: {0}")]
struct Trapped(String);

type Result<T> = wasmtime::Result<T>;

impl State {
    fn invocation<T>(&self, import: &'static str, get: impl FnOnce(&Invocation) -> T) -> Result<T> {
        let value = self.context.read(get);
        value.ok_or_else(|| OutsideExport(import).into())
    }

    /// Carries out an operation of this many bytes. The outer error traps.
    async fn operate(
        &mut self,
        import: &'static str,
        size: usize,
        operation: Operation,
    ) -> Result<std::result::Result<Answer, ActrError>> {
        self.invocation(import, |_| ())?;
        let limit = self.actor.limits().message_bytes;
        if size > limit {
            return Ok(Err(ActrError::InvalidArgument(format!(
                "a message of {size} bytes, allowed are {limit}"
            ))));
        }
        let bridge = self.actor.bridge();
        let origin = self.actor.identity().clone();
        match bridge.operate(origin, operation).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(BridgeError::Actr(error)) => Ok(Err(error)),
            Err(BridgeError::Trap(text)) => Err(Trapped(text).into()),
        }
    }
}

/// The reply that an answer is.
fn reply(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Bytes(bytes) => bytes,
        Answer::Found(_) | Answer::Done => Vec::new(),
    }
}

impl types::Host for State {}

impl host::Host for State {
    async fn call(
        &mut self,
        target: Dest,
        route_key: String,
        payload: Vec<u8>,
    ) -> Result<std::result::Result<Vec<u8>, ActrError>> {
        let size = route_key.len() + payload.len();
        let operation = Operation::Call(Message {
            target,
            route_key,
            payload,
        });
        Ok(self.operate("call", size, operation).await?.map(reply))
    }

    async fn tell(
        &mut self,
        target: Dest,
        route_key: String,
        payload: Vec<u8>,
    ) -> Result<std::result::Result<(), ActrError>> {
        let size = route_key.len() + payload.len();
        let operation = Operation::Tell(Message {
            target,
            route_key,
            payload,
        });
        Ok(self.operate("tell", size, operation).await?.map(drop))
    }

    async fn call_raw(
        &mut self,
        target: ActrId,
        route_key: String,
        payload: Vec<u8>,
    ) -> Result<std::result::Result<Vec<u8>, ActrError>> {
        let size = route_key.len() + payload.len();
        let operation = Operation::CallRaw {
            target,
            route_key,
            payload,
        };
        Ok(self.operate("call-raw", size, operation).await?.map(reply))
    }

    async fn discover(
        &mut self,
        target_type: ActrType,
    ) -> Result<std::result::Result<ActrId, ActrError>> {
        let operation = Operation::Discover(target_type);
        let answer = self.operate("discover", 0, operation).await?;
        Ok(answer.and_then(|answer| match answer {
            Answer::Found(id) => Ok(id),
            Answer::Bytes(_) | Answer::Done => Err(ActrError::DecodeFailure(
                "the answer to discover is no actor id".into(),
            )),
        }))
    }

    async fn register_stream(
        &mut self,
        stream_id: String,
    ) -> Result<std::result::Result<(), ActrError>> {
        let known = self.streams.contains(&stream_id);
        let limit = self.actor.limits().streams;
        if !known && self.streams.len() >= limit {
            self.invocation("register-stream", |_| ())?;
            return Ok(Err(ActrError::Unavailable(format!(
                "{limit} streams are registered, no more are allowed"
            ))));
        }
        let operation = Operation::RegisterStream(stream_id.clone());
        let answer = self
            .operate("register-stream", stream_id.len(), operation)
            .await?;
        Ok(answer.map(|_| {
            self.streams.insert(stream_id);
        }))
    }

    async fn unregister_stream(
        &mut self,
        stream_id: String,
    ) -> Result<std::result::Result<(), ActrError>> {
        let operation = Operation::UnregisterStream(stream_id.clone());
        let answer = self
            .operate("unregister-stream", stream_id.len(), operation)
            .await?;
        Ok(answer.map(|_| {
            self.streams.remove(&stream_id);
        }))
    }

    async fn send_data_stream(
        &mut self,
        target: Dest,
        chunk: DataStream,
        payload_type: PayloadType,
    ) -> Result<std::result::Result<(), ActrError>> {
        let size = chunk_size(&chunk);
        let operation = Operation::SendDataStream {
            target,
            chunk,
            payload_type,
        };
        let answer = self.operate("send-data-stream", size, operation).await?;
        Ok(answer.map(drop))
    }

    fn log_message(&mut self, level: String, message: String) -> Result<()> {
        self.actor.log().log(LogLine {
            actor: self.actor.identity(),
            level: &level,
            message: &message,
        });
        Ok(())
    }

    fn get_self_id(&mut self) -> Result<ActrId> {
        self.invocation("get-self-id", |_| self.actor.identity().clone())
    }

    fn get_caller_id(&mut self) -> Result<Option<ActrId>> {
        self.invocation("get-caller-id", |invocation| invocation.caller.clone())
    }

    fn get_request_id(&mut self) -> Result<String> {
        self.invocation("get-request-id", |invocation| invocation.request_id.clone())
    }
}
