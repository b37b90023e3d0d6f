//! What the benchmarks share: percentiles of single timed calls beside those of their floor, and the file they are kept in.

pub mod echo;
