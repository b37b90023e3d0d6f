//! Placeholder.
pub mod case;
pub mod host;
pub mod judge;
pub mod payload;
pub mod testbed;
