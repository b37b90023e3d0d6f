//! Decides whether what was seen is what the case asks for.
