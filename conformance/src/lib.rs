//! Placeholder.
pub mod case;
pub mod judge;
pub mod payload;
pub mod testbed;
