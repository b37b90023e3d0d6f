//! Why a host function answers `err`.

/// Becomes the text of an `err`; the guest goes on. Texts are never empty, and tell nothing an agent must not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// The call is not allowed: the audit log gets it as a denial, with this reason.
    #[error("denied: {0}")]
    Denied(String),
    /// It was allowed and did not succeed.
    #[error("{0}")]
    Failed(String),
}

impl CallError {
    /// A denial.
    pub(super) fn denied(reason: impl Into<String>) -> Self {
        Self::Denied(reason.into())
    }

    /// A failure.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}
