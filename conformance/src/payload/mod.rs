//! The languages inside byte lists and strings: Arrow IPC streams, JSON documents and aggregate traces, written for
//! guests and read back, with nothing trusted, for the judge.

mod error;
pub mod ipc;
pub mod json;
pub mod literal;
pub mod schema;
pub mod trace;

pub use error::PayloadError;
