//! Case files: what the suite is written in.

pub mod model;
