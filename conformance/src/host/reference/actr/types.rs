//! `wit/driver/actr.wit` as serde types, and what they are in the words of `reference_host::actr`: what surrounds a host,
//! and what goes in and out of its actors.

use std::time::Duration;

use reference_host::actr::{self, Entry, Failure as HostFailure, TransportEvent};
use serde::{Deserialize, Serialize};

use super::values::{
    ActrError, ActrId, ActrType, BackpressureEvent, CredentialEvent, DataStream, Dest, ErrorEvent,
    PayloadType, PeerEvent, RpcEnvelope,
};
use crate::host::reference::wire::{Bytes, Long, Opt};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    pub(super) limits: Opt<Limits>,
    pub(super) dependencies: Opt<Vec<ActrType>>,
    pub(super) credential_lead: Opt<Long<u64>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    memory_bytes: Long<u64>,
    table_elements: u32,
    compute_ms: Long<u64>,
    message_bytes: Long<u64>,
    mailbox_length: u32,
    instances: u32,
    call_ms: Long<u64>,
}

impl Limits {
    /// These limits, the host's own where they are zero.
    pub(super) fn apply(&self) -> actr::Limits {
        let mut limits = actr::Limits::default();
        if self.memory_bytes.0 != 0 {
            limits.memory_bytes = self.memory_bytes.0;
        }
        if self.table_elements != 0 {
            limits.table_elements = self.table_elements;
        }
        if self.compute_ms.0 != 0 {
            limits.compute = Duration::from_millis(self.compute_ms.0);
        }
        if self.message_bytes.0 != 0 {
            limits.message_bytes = usize::try_from(self.message_bytes.0).unwrap_or(usize::MAX);
        }
        if self.mailbox_length != 0 {
            limits.mailbox_length = self.mailbox_length as usize;
        }
        if self.instances != 0 {
            limits.instances = self.instances as usize;
        }
        if self.call_ms.0 != 0 {
            limits.call_time = Duration::from_millis(self.call_ms.0);
        }
        limits
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) id: Opt<ActrId>,
    pub(super) mailbox_threshold: Opt<Long<u64>>,
    pub(super) error_reports: Opt<bool>,
    pub(super) node: Opt<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    Actr(ActrError),
    Trapped(String),
    Refused(String),
}

impl From<HostFailure> for Failure {
    fn from(failure: HostFailure) -> Self {
        match failure {
            HostFailure::Guest(error) => Self::Actr(error.into()),
            HostFailure::Trapped(text) => Self::Trapped(text),
            other => Self::Refused(other.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hook {
    Error(ErrorEvent),
    SignalingConnecting(()),
    SignalingConnected(()),
    SignalingDisconnected(()),
    WebsocketConnecting(PeerEvent),
    WebsocketConnected(PeerEvent),
    WebsocketDisconnected(PeerEvent),
    WebrtcConnecting(PeerEvent),
    WebrtcConnected(PeerEvent),
    WebrtcDisconnected(PeerEvent),
    CredentialRenewed(CredentialEvent),
    CredentialExpiring(CredentialEvent),
    MailboxBackpressure(BackpressureEvent),
}

impl From<Hook> for Entry {
    fn from(hook: Hook) -> Self {
        Self::Hook(match hook {
            Hook::Error(event) => actr::Hook::Error(event.into()),
            Hook::SignalingConnecting(()) => actr::Hook::SignalingConnecting,
            Hook::SignalingConnected(()) => actr::Hook::SignalingConnected,
            Hook::SignalingDisconnected(()) => actr::Hook::SignalingDisconnected,
            Hook::WebsocketConnecting(event) => actr::Hook::WebsocketConnecting(event.into()),
            Hook::WebsocketConnected(event) => actr::Hook::WebsocketConnected(event.into()),
            Hook::WebsocketDisconnected(event) => actr::Hook::WebsocketDisconnected(event.into()),
            Hook::WebrtcConnecting(event) => actr::Hook::WebrtcConnecting(event.into()),
            Hook::WebrtcConnected(event) => actr::Hook::WebrtcConnected(event.into()),
            Hook::WebrtcDisconnected(event) => actr::Hook::WebrtcDisconnected(event.into()),
            Hook::CredentialRenewed(event) => actr::Hook::CredentialRenewed(event.into()),
            Hook::CredentialExpiring(event) => actr::Hook::CredentialExpiring(event.into()),
            Hook::MailboxBackpressure(event) => actr::Hook::MailboxBackpressure(event.into()),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Request {
    envelope: RpcEnvelope,
    caller: Opt<ActrId>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Arrival {
    chunk: DataStream,
    sender: ActrId,
}

/// The driver's variant `entry`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Begun {
    Start(()),
    Ready(()),
    Stop(()),
    Dispatch(Request),
    Hook(Hook),
    Chunk(Arrival),
}

impl From<Begun> for Entry {
    fn from(begun: Begun) -> Self {
        match begun {
            Begun::Start(()) => Self::Start,
            Begun::Ready(()) => Self::Ready,
            Begun::Stop(()) => Self::Stop,
            Begun::Dispatch(Request { envelope, caller }) => dispatch(envelope, caller),
            Begun::Hook(hook) => hook.into(),
            Begun::Chunk(Arrival { chunk, sender }) => Self::Chunk {
                chunk: chunk.into(),
                sender: sender.into(),
            },
        }
    }
}

pub(super) fn dispatch(envelope: RpcEnvelope, caller: Opt<ActrId>) -> Entry {
    Entry::Dispatch {
        envelope: envelope.into(),
        caller: caller.0.map(Into::into),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    Value(Bytes),
    Slow(SlowReply),
    Found(ActrId),
    Done(()),
    Error(ActrError),
    Trap(()),
    Held(()),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SlowReply {
    pub(super) ms: u32,
    pub(super) value: Bytes,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Operation {
    Call(Message<Dest>),
    Tell(Message<Dest>),
    CallRaw(Message<ActrId>),
    Discover(ActrType),
    RegisterStream(String),
    UnregisterStream(String),
    SendDataStream(SentChunk),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Message<T> {
    target: T,
    route_key: String,
    payload: Bytes,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SentChunk {
    target: Dest,
    chunk: DataStream,
    payload_type: PayloadType,
}

impl From<actr::Message> for Message<Dest> {
    fn from(message: actr::Message) -> Self {
        Self {
            target: message.target.into(),
            route_key: message.route_key,
            payload: Bytes(message.payload),
        }
    }
}

impl From<actr::Operation> for Operation {
    fn from(operation: actr::Operation) -> Self {
        match operation {
            actr::Operation::Call(message) => Self::Call(message.into()),
            actr::Operation::Tell(message) => Self::Tell(message.into()),
            actr::Operation::CallRaw {
                target,
                route_key,
                payload,
            } => Self::CallRaw(Message {
                target: target.into(),
                route_key,
                payload: Bytes(payload),
            }),
            actr::Operation::Discover(wanted) => Self::Discover(wanted.into()),
            actr::Operation::RegisterStream(id) => Self::RegisterStream(id),
            actr::Operation::UnregisterStream(id) => Self::UnregisterStream(id),
            actr::Operation::SendDataStream {
                target,
                chunk,
                payload_type,
            } => Self::SendDataStream(SentChunk {
                target: target.into(),
                chunk: chunk.into(),
                payload_type: payload_type.into(),
            }),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WebrtcEvent {
    Connecting(ActrId),
    Connected((ActrId, bool)),
    Disconnected(ActrId),
}

impl From<WebrtcEvent> for TransportEvent {
    fn from(event: WebrtcEvent) -> Self {
        match event {
            WebrtcEvent::Connecting(peer) => Self::Connecting(peer.into()),
            WebrtcEvent::Connected((peer, relayed)) => Self::Connected {
                peer: peer.into(),
                relayed,
            },
            WebrtcEvent::Disconnected(peer) => Self::Disconnected(peer.into()),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    Log {
        instance: String,
        level: String,
        message: String,
    },
    Operation {
        instance: String,
        operation: Operation,
    },
}
