//! A host of `uni:plugin@0.1.0`: the worlds `scalar-plugin`, `aggregate-plugin` and `procedure-plugin`.
//!
//! [`UniHost::load`] takes a component of any of the three worlds, or of several at once; then [`UniHost::invoke_scalar`],
//! [`UniHost::invoke_procedure`], [`UniHost::accumulator`] and [`UniHost::aggregate`] call what it registered.
//!
//! What the contract leaves open, and what this host does:
//! - **Instances.** Every export call gets a fresh instance, which ends with the call; `manifest` and `register` too. At
//!   most [`Limits::instances`] of one plugin live at once; a call beyond waits, at most [`Limits::call_time`].
//! - **Retries.** None. `retryable` is handed to the caller.
//! - **Imports.** `host-log` and `host-trace-context` always, `host-net` where `network` is declared and granted, the
//!   types of `uni:plugin/types`. Anything else, WASI included, or any of these in another version, fails the load.
//! - **Capabilities.** What registers a function (`scalar-fn`, …) must be granted, and need not be declared. Quotas lower
//!   limits and need no grant. A capability object has no fields but its own.
//! - **Rows.** A scalar without rows is not called; an update without rows is.
//! - **Columns.** To the plugin: `arg0`, `arg1`, … and `partial_state`, nullable. From it: any name, any nullability.
//! - **IPC.** [`AnswerError`] and the reader's own page say what is refused: dictionaries, compression, trailing bytes, …
//! - **`host-net`.** Bodies are cut at their cap; redirects are handed back; a URL must match both allow-lists; a status of
//!   400 or more is a response. Errors have the codes of [`code`].

mod aggregate;
mod arguments;
mod capability;
mod egress;
mod error;
mod guest;
mod host;
mod imports;
pub mod ipc;
mod json;
mod limits;
mod log;
mod manifest;
mod registration;
mod scalar;
mod spare;
mod url_pattern;

pub use aggregate::{Accumulator, Plan};
pub use arguments::columns;
pub use capability::{Capability, GrantError, Grants, NetworkGrant, Quota};
pub use error::{CallError, LimitHit, LoadError, PluginError, code};
pub use host::{Config, HostError, Instances, Loaded, UniHost};
pub use ipc::AnswerError;
pub use json::JsonError;
pub use limits::{Limits, PAGE_BYTES};
pub use log::{LogLine, LogSink, TracingSink};
pub use manifest::{ABI_VERSIONS, Determinism, ID_BYTES, Manifest};
pub use registration::{
    Function, FunctionKind, Mode, NullHandling, Primitive, Volatility, WireType, parse_registration,
};
pub use url_pattern::UrlPattern;

pub use crate::outbound::url::{UrlError, parse_url};

/// Runs a call to its end, for callers without an executor.
///
/// # Errors
/// [`HostError::Engine`] when the process cannot start a runtime.
///
/// # Panics
/// When called from within an executor.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, HostError> {
    egress::block_on(future).map_err(HostError::Engine)
}
