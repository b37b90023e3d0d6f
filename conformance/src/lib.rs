//! Placeholder.
pub mod case;
pub mod contract;
pub mod host;
pub mod judge;
pub mod payload;
pub mod testbed;
