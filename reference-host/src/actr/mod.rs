//! A host of `actr:workload@0.1.0`, world `actr-workload-guest`: nodes with actors that reach each other.
//!
//! [`Node::load`] makes an [`Actor`] of a component; [`Node::start`] starts it, [`Actor::enter`] enters any export,
//! [`Node::connect`] and [`Node::connect_signaling`] bring nodes together.
//!
//! What the contract leaves open, and what this host does:
//! - **Turns.** One entry at a time per actor; nothing enters an instance while it waits for an import. Lifecycle entries
//!   and hooks go before requests and chunks that wait; each of the two lanes is first in, first out.
//! - **Lifecycle.** `on-start` once, before any request; its error or trap ends the actor. `on-ready` and `on-stop` may
//!   fail without consequence. `on-stop` comes last, after all that waited. Hooks that come before `on-start` are
//!   delivered when they are entered by hand; the node's own go to started actors only.
//! - **Context.** There for every export, gone when it ends in whatever way. The request-id is the envelope's,
//!   `lifecycle:on_start`, `hook:on_websocket_connected`, `data-stream:ID:SEQUENCE`; the caller is `none` but for requests of
//!   actors and for chunks, whose caller is their sender. Outside of an export, in a core start function, the getters and all
//!   operations trap; `log-message` works everywhere.
//! - **Traps.** The instance is dropped. The next entry gets a fresh one, on which `on-start` has run again if it had
//!   before; streams are to be registered anew. A request is never run twice. A workload that calls sees `internal`.
//! - **Errors.** All ten reach a calling workload unchanged, through a connection too. A full mailbox, an actor that is not
//!   there any more or a connection that breaks is `unavailable`, no answer in [`Limits::call_time`] is `timed-out`, an
//!   unknown actor or type `not-found`, a type beyond [`NodeConfig::dependencies`] `dependency-not-found`.
//! - **`call` to itself** is `unavailable` at once; `tell` to itself arrives later. Calls in a circle time out.
//! - **`tell`** returns when the message is in the mailbox, or handed to the connection. Order is kept per sender and receiver.
//! - **`discover`** takes an empty version for any. Candidates: this node's actors, those of connected nodes, those that
//!   signaling knows, at last the asking actor itself.
//! - **Streams.** Registered per instance; registering twice, or unregistering what is not registered, is fine, also from
//!   within `on-data-stream`. A chunk for a stream that is not registered is dropped, of which its sender hears nothing.
//!   Both stream lanes are reliable and in order; the other payload types are `invalid-argument`.
//! - **`on-error`** is entered for failed dispatches (`handler-error`, `handler-panic`), lost connections
//!   (`transport-failure`) and lost signaling (`signaling-failure`), if [`ActorConfig::error_reports`] asks for it.
//! - **Connections** are plain WebSocket between nodes that trust each other; see the frames in the source of `wire`. What is
//!   lost is connected again when an operation needs it and signaling knows the way, never by itself.
//! - **WebRTC** is not spoken; a [`PeerTransport`] may report it.

mod actor;
#[expect(missing_docs, reason = "the contract has its own words for them")]
mod bindings;
mod bridge;
mod clock;
mod config;
mod context;
mod entry;
mod error;
mod imports;
mod instance;
mod link;
mod log;
mod mailbox;
mod node;
mod router;
mod shell;
mod signaling;
mod transport;
mod wire;

pub use actor::Actor;
pub use bindings::actr::workload::types::{
    ActrError, ActrId, ActrType, BackpressureEvent, CredentialEvent, DataStream,
    DependencyNotFoundPayload, Dest, ErrorCategory, ErrorEvent, MetadataEntry, PayloadType,
    PeerEvent, Realm, RpcEnvelope, Timestamp,
};
pub use bridge::{Answer, Bridge, BridgeError, Message, Operation};
pub use clock::{Clock, ManualClock, Pending, SystemClock};
pub use config::{ActorConfig, Limits, NodeConfig};
pub use entry::{Canceller, Entry, Hook, Outcome, Ticket};
pub use error::{Failure, LoadError, NodeError, Refusal};
pub use log::{LogLine, LogSink, TracingSink};
pub use node::Node;
pub use shell::{NoShell, Shell};
pub use signaling::Signaling;
pub use transport::{PeerTransport, TransportEvent, TransportSink};
