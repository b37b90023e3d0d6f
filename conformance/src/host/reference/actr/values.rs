//! The contract's own types as `wit/driver/actr.wit` mirrors them, to and from those of `reference_host::actr`.

use reference_host::actr;
use serde::{Deserialize, Serialize};

use crate::host::reference::wire::{Bytes, Long, Opt};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Realm {
    realm_id: u32,
}

impl From<actr::Realm> for Realm {
    fn from(theirs: actr::Realm) -> Self {
        Self {
            realm_id: theirs.realm_id,
        }
    }
}

impl From<Realm> for actr::Realm {
    fn from(ours: Realm) -> Self {
        Self {
            realm_id: ours.realm_id,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ActrType {
    manufacturer: String,
    name: String,
    version: String,
}

impl From<actr::ActrType> for ActrType {
    fn from(theirs: actr::ActrType) -> Self {
        Self {
            manufacturer: theirs.manufacturer,
            name: theirs.name,
            version: theirs.version,
        }
    }
}

impl From<ActrType> for actr::ActrType {
    fn from(ours: ActrType) -> Self {
        Self {
            manufacturer: ours.manufacturer,
            name: ours.name,
            version: ours.version,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ActrId {
    realm: Realm,
    serial_number: Long<u64>,
    r#type: ActrType,
}

impl From<actr::ActrId> for ActrId {
    fn from(theirs: actr::ActrId) -> Self {
        Self {
            realm: theirs.realm.into(),
            serial_number: Long(theirs.serial_number),
            r#type: theirs.type_.into(),
        }
    }
}

impl From<ActrId> for actr::ActrId {
    fn from(ours: ActrId) -> Self {
        Self {
            realm: ours.realm.into(),
            serial_number: ours.serial_number.0,
            type_: ours.r#type.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RpcEnvelope {
    request_id: String,
    route_key: String,
    payload: Bytes,
}

impl From<RpcEnvelope> for actr::RpcEnvelope {
    fn from(ours: RpcEnvelope) -> Self {
        Self {
            request_id: ours.request_id,
            route_key: ours.route_key,
            payload: ours.payload.0,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct MetadataEntry {
    key: String,
    value: String,
}

impl From<actr::MetadataEntry> for MetadataEntry {
    fn from(theirs: actr::MetadataEntry) -> Self {
        Self {
            key: theirs.key,
            value: theirs.value,
        }
    }
}

impl From<MetadataEntry> for actr::MetadataEntry {
    fn from(ours: MetadataEntry) -> Self {
        Self {
            key: ours.key,
            value: ours.value,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DataStream {
    stream_id: String,
    sequence: Long<u64>,
    payload: Bytes,
    metadata: Vec<MetadataEntry>,
    timestamp_ms: Opt<Long<i64>>,
}

impl From<actr::DataStream> for DataStream {
    fn from(theirs: actr::DataStream) -> Self {
        Self {
            stream_id: theirs.stream_id,
            sequence: Long(theirs.sequence),
            payload: Bytes(theirs.payload),
            metadata: theirs.metadata.into_iter().map(Into::into).collect(),
            timestamp_ms: Opt(theirs.timestamp_ms.map(Long)),
        }
    }
}

impl From<DataStream> for actr::DataStream {
    fn from(ours: DataStream) -> Self {
        Self {
            stream_id: ours.stream_id,
            sequence: ours.sequence.0,
            payload: ours.payload.0,
            metadata: ours.metadata.into_iter().map(Into::into).collect(),
            timestamp_ms: ours.timestamp_ms.0.map(|ms| ms.0),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PeerEvent {
    peer: ActrId,
    relayed: Opt<bool>,
}

impl From<PeerEvent> for actr::PeerEvent {
    fn from(ours: PeerEvent) -> Self {
        Self {
            peer: ours.peer.into(),
            relayed: ours.relayed.0,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Timestamp {
    seconds: Long<u64>,
    nanoseconds: u32,
}

impl From<actr::Timestamp> for Timestamp {
    fn from(theirs: actr::Timestamp) -> Self {
        Self {
            seconds: Long(theirs.seconds),
            nanoseconds: theirs.nanoseconds,
        }
    }
}

impl From<Timestamp> for actr::Timestamp {
    fn from(ours: Timestamp) -> Self {
        Self {
            seconds: ours.seconds.0,
            nanoseconds: ours.nanoseconds,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ErrorEvent {
    source: ActrError,
    category: ErrorCategory,
    context: String,
    timestamp: Timestamp,
}

impl From<ErrorEvent> for actr::ErrorEvent {
    fn from(ours: ErrorEvent) -> Self {
        Self {
            source: ours.source.into(),
            category: ours.category.into(),
            context: ours.context,
            timestamp: ours.timestamp.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CredentialEvent {
    new_expiry: Timestamp,
}

impl From<CredentialEvent> for actr::CredentialEvent {
    fn from(ours: CredentialEvent) -> Self {
        Self {
            new_expiry: ours.new_expiry.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct BackpressureEvent {
    queue_len: Long<u64>,
    threshold: Long<u64>,
}

impl From<BackpressureEvent> for actr::BackpressureEvent {
    fn from(ours: BackpressureEvent) -> Self {
        Self {
            queue_len: ours.queue_len.0,
            threshold: ours.threshold.0,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DependencyNotFoundPayload {
    service_name: String,
    message: String,
}

impl From<actr::DependencyNotFoundPayload> for DependencyNotFoundPayload {
    fn from(theirs: actr::DependencyNotFoundPayload) -> Self {
        Self {
            service_name: theirs.service_name,
            message: theirs.message,
        }
    }
}

impl From<DependencyNotFoundPayload> for actr::DependencyNotFoundPayload {
    fn from(ours: DependencyNotFoundPayload) -> Self {
        Self {
            service_name: ours.service_name,
            message: ours.message,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ActrError {
    Unavailable(String),
    TimedOut(()),
    NotFound(String),
    PermissionDenied(String),
    InvalidArgument(String),
    UnknownRoute(String),
    DependencyNotFound(DependencyNotFoundPayload),
    DecodeFailure(String),
    NotImplemented(String),
    Internal(String),
}

impl From<actr::ActrError> for ActrError {
    fn from(theirs: actr::ActrError) -> Self {
        match theirs {
            actr::ActrError::Unavailable(text) => Self::Unavailable(text),
            actr::ActrError::TimedOut => Self::TimedOut(()),
            actr::ActrError::NotFound(text) => Self::NotFound(text),
            actr::ActrError::PermissionDenied(text) => Self::PermissionDenied(text),
            actr::ActrError::InvalidArgument(text) => Self::InvalidArgument(text),
            actr::ActrError::UnknownRoute(text) => Self::UnknownRoute(text),
            actr::ActrError::DependencyNotFound(inner) => Self::DependencyNotFound(inner.into()),
            actr::ActrError::DecodeFailure(text) => Self::DecodeFailure(text),
            actr::ActrError::NotImplemented(text) => Self::NotImplemented(text),
            actr::ActrError::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<ActrError> for actr::ActrError {
    fn from(ours: ActrError) -> Self {
        match ours {
            ActrError::Unavailable(text) => Self::Unavailable(text),
            ActrError::TimedOut(()) => Self::TimedOut,
            ActrError::NotFound(text) => Self::NotFound(text),
            ActrError::PermissionDenied(text) => Self::PermissionDenied(text),
            ActrError::InvalidArgument(text) => Self::InvalidArgument(text),
            ActrError::UnknownRoute(text) => Self::UnknownRoute(text),
            ActrError::DependencyNotFound(inner) => Self::DependencyNotFound(inner.into()),
            ActrError::DecodeFailure(text) => Self::DecodeFailure(text),
            ActrError::NotImplemented(text) => Self::NotImplemented(text),
            ActrError::Internal(text) => Self::Internal(text),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ErrorCategory {
    HandlerPanic(()),
    HandlerError(()),
    SignalingFailure(()),
    TransportFailure(()),
    DataStreamDeliveryUncertain(()),
}

impl From<ErrorCategory> for actr::ErrorCategory {
    fn from(ours: ErrorCategory) -> Self {
        match ours {
            ErrorCategory::HandlerPanic(()) => Self::HandlerPanic,
            ErrorCategory::HandlerError(()) => Self::HandlerError,
            ErrorCategory::SignalingFailure(()) => Self::SignalingFailure,
            ErrorCategory::TransportFailure(()) => Self::TransportFailure,
            ErrorCategory::DataStreamDeliveryUncertain(()) => Self::DataStreamDeliveryUncertain,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Dest {
    Shell(()),
    Local(()),
    Actor(ActrId),
}

impl From<actr::Dest> for Dest {
    fn from(theirs: actr::Dest) -> Self {
        match theirs {
            actr::Dest::Shell => Self::Shell(()),
            actr::Dest::Local => Self::Local(()),
            actr::Dest::Actor(inner) => Self::Actor(inner.into()),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PayloadType {
    RpcReliable(()),
    RpcSignal(()),
    StreamReliable(()),
    StreamLatencyFirst(()),
    MediaRtp(()),
}

impl From<actr::PayloadType> for PayloadType {
    fn from(theirs: actr::PayloadType) -> Self {
        match theirs {
            actr::PayloadType::RpcReliable => Self::RpcReliable(()),
            actr::PayloadType::RpcSignal => Self::RpcSignal(()),
            actr::PayloadType::StreamReliable => Self::StreamReliable(()),
            actr::PayloadType::StreamLatencyFirst => Self::StreamLatencyFirst(()),
            actr::PayloadType::MediaRtp => Self::MediaRtp(()),
        }
    }
}
