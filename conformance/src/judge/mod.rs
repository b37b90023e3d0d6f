//! Decides whether what was seen is what the case asks for.

pub mod evaluate;
pub mod pattern;
mod pattern_describe;
mod pattern_difference;
mod pattern_payload;
mod pattern_render;
mod pattern_substitute;
pub mod walk;
