//! Exit codes of `witgate`, for scripts and CI.

/// Every case that ran passed.
pub const PASSED: u8 = 0;
/// A case failed.
pub const FAILED: u8 = 1;
/// A case did not do what the expectations file says, though none failed otherwise.
pub const STALE: u8 = 2;
/// The adapter could not be started or broke the protocol.
pub const ADAPTER: u8 = 3;
/// Nothing ran, or fewer cases than locked.
pub const NOTHING: u8 = 4;
/// The command line, a case file or a contract is wrong.
pub const USAGE: u8 = 64;
/// A mistake of witgate itself.
pub const INTERNAL: u8 = 70;
