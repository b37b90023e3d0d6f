//! The audit log: which calls of guarded functions were allowed, which denied, and why.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Function;

/// Bytes of a target that are kept.
const TARGET_BYTES: usize = 1 << 10;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// What was called.
    pub function: Function,
    /// What it was to reach: a URL, `server/tool`, an agent, a key, a channel or a model; may be empty. Long ones are cut.
    pub target: String,
    /// Whether it was allowed. A call that was allowed may have failed all the same.
    pub allowed: bool,
    /// Why it was not allowed.
    pub reason: String,
}

/// The audit log of one loaded agent.
#[derive(Debug)]
pub(super) struct Audit {
    entries: Mutex<VecDeque<AuditEntry>>,
    most: usize,
}

impl Audit {
    /// An empty log of at most so many entries; the oldest go.
    pub(super) fn new(most: usize) -> Self {
        Self {
            entries: Mutex::default(),
            most,
        }
    }

    /// A call was allowed.
    pub(super) fn allow(&self, function: Function, target: &str) {
        self.push(function, target, true, String::new());
    }

    /// A call was denied.
    pub(super) fn deny(&self, function: Function, target: &str, reason: &str) {
        self.push(function, target, false, reason.to_owned());
    }

    /// All entries, the oldest first.
    pub(super) fn entries(&self) -> Vec<AuditEntry> {
        self.lock().iter().cloned().collect()
    }

    fn push(&self, function: Function, target: &str, allowed: bool, reason: String) {
        let mut entries = self.lock();
        while entries.len() >= self.most.max(1) {
            entries.pop_front();
        }
        entries.push_back(AuditEntry {
            function,
            target: target[..target.floor_char_boundary(TARGET_BYTES)].to_owned(),
            allowed,
            reason,
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<AuditEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
