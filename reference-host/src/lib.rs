//! One honest, complete host for the contracts that witgate ships, on wasmtime. It knows nothing of the suite.

pub mod actr;
pub mod akshi;
pub mod engine;
mod outbound;
pub mod pie;
pub mod uni;
pub mod yoi;
