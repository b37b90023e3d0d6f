//! The reference host as an adapter.

fn main() {}
