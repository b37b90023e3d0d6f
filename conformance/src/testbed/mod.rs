//! The outside world of a case, on loopback: it records what really arrived, whatever the host under test claims.
