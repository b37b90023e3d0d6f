//! What the benchmarks share: percentiles of single timed calls beside those of their floor, and the file they are kept in;
//! guests to time, and the floor of their calls.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "the bindings in it are generated"
)]
pub mod bare;
pub mod echo;
pub mod inferlet;
pub mod stamps;
pub mod times;
