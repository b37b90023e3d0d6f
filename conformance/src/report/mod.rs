//! Reporters: each hears the runner's events and tells them in its own form. None decides anything.

pub mod coverage;
pub mod failure;
pub mod json;
pub mod markdown;
pub mod summary;
pub mod terminal;
