//! A host of `yoi:plugin@1.0.0`, world `instance`: plugins with tools and ingresses on one shared instance each.
//!
//! A [`Manifest`] says what a plugin is and asks for, [`Grants`] what its user permits; both must name a thing before it
//! can be done. [`YoiHost::register`] checks a component against both, instantiates it and calls `start`; the [`Plugin`]
//! it gives is called through [`Plugin::call_tool`] and [`Plugin::dispatch`], asked by [`Plugin::status`] and ended by
//! [`Plugin::stop`]. Every ceiling is a field of [`Limits`], whose figures are the profile `yoi`.
//!
//! Where the contract is silent, this host decides:
//! - a failing import answers with a JSON object with the member `error` rather than trap ([`ImportFailure`]);
//! - a trap or a timeout ends the instance: the plugin is [`Lifecycle::Failed`] at once. [`YoiHost::remove`] makes room
//!   for a new one;
//! - a tool is not called after `stop`;
//! - `created_at` of an event must be an RFC 3339 time;
//! - the output command `host_request_dispatch` is carried out;
//! - WebSocket sources are dialled again when they end (see `service.rs`);
//! - a target `*` never reaches loopback or private addresses.

mod authority;
mod commands;
mod component;
mod envelope;
mod error;
mod failure;
mod fs;
mod host;
mod imports;
mod ingress;
mod instance;
mod limits;
mod manifest;
mod network;
mod plugin;
mod request;
mod service;
mod target;
mod text;
mod websocket;

pub use authority::Denial;
pub use commands::{CommandResult, CommandStatus};
pub use component::digest;
pub use envelope::{
    CommandError, CommandPayload, EventError, IngressEvent, Object, OutputCommand, OutputError,
    PluginStatus, ServiceOutput, StatusUpdate, ToolOutput, WebSocketSend,
};
pub use error::{CallError, RegisterError};
pub use failure::ImportFailure;
pub use fs::{Entry, EntryKind, FileContent, Listing, PathDescriptor, WriteDescriptor, Written};
pub use host::{Config, Observer, YoiHost};
pub use limits::{FsLimits, Limits, PAGE_BYTES, RequestLimits, ServiceLimits, WebSocketLimits};
pub use manifest::{
    FsOperation, FsRoot, Grants, HostApi, Ingress, Manifest, ManifestError, Permission, Surface,
    Tool,
};
pub use plugin::{Counters, Lifecycle, Plugin, Snapshot};
pub use request::{Header, RequestDescriptor, ResponseDescriptor};
pub use target::{Place, RequestTarget, WebSocketTarget};
pub use websocket::{Closed, OpenDescriptor, Opened, Received, Sent};
