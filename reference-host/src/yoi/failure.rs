//! How an import fails, and how the plugin learns of it.

use serde_json::json;

use super::authority::Denial;
use super::text;

/// How a failing import tells the plugin so. The contract is silent: its functions return text and no `result`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportFailure {
    /// The import returns `{"error": {"code": "…", "message": "…"}}`. This is the default: the one instance of a plugin
    /// serves all its tools and ingresses, and a trap ends it for ever; a refused connection or a missing file should not.
    #[default]
    Json,
    /// The import traps with the message, which ends the instance.
    Trap,
}

/// A failed import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ImportError {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

/// The `code` of an error object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    /// The plugin asked for something malformed.
    InvalidInput,
    /// Not permitted.
    Denied,
    /// Over a limit of the host.
    Limit,
    /// Nothing came in time.
    Timeout,
    /// The outside world failed.
    Failed,
}

impl ImportError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }

    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Limit, message)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Denied, message)
    }

    pub(super) fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Timeout, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Failed, message)
    }

    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The answer of an import whose failures are JSON.
    pub(super) fn to_json(&self, most: usize) -> String {
        json!({"error": {"code": self.code.name(), "message": text::safe(&self.message, most)}})
            .to_string()
    }
}

impl From<Denial> for ImportError {
    fn from(denial: Denial) -> Self {
        Self::denied(denial.to_string())
    }
}

impl ErrorCode {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Denied => "denied",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }
}

/// Checks the size of a text that a plugin hands over.
pub(super) fn within(what: &str, text: &str, limit: usize) -> Result<(), ImportError> {
    if text.len() > limit {
        return Err(ImportError::limit(format!("{what} exceeds {limit} bytes")));
    }
    Ok(())
}
