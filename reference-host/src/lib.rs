//! One honest, complete host for the contracts that witgate ships, on wasmtime. It knows nothing of the suite.

pub mod actr;
pub mod engine;
pub mod pie;
pub mod uni;
pub mod yoi;
