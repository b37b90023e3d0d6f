//! PluginStatus: what `start`, `status` and `stop` return.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Object, OutputError, bounded};

/// `{"state": "ready|running|stopped|…", "data": <json>}`. Members beyond these are kept and mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginStatus {
    /// Any text; `failed` is the one state with a meaning to a host, see [`PluginStatus::parse`].
    pub state: String,
    /// Whatever the plugin tells.
    #[serde(default)]
    pub data: Value,
    /// The other members.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

impl PluginStatus {
    /// Reads what an export returned.
    ///
    /// # Errors
    /// [`OutputError::Reported`] for an object with a member `error`, whatever its value, and for the state `failed`;
    /// other errors for text over `limit` bytes, text that is not JSON, and JSON that is no object with a string `state`.
    pub fn parse(text: &str, limit: usize) -> Result<Self, OutputError> {
        const WHAT: &str = "PluginStatus";
        bounded(WHAT, text, limit)?;
        let value: Value = serde_json::from_str(text).map_err(OutputError::malformed(WHAT))?;
        if let Some(error) = value.get("error") {
            return Err(OutputError::Reported(error.to_string()));
        }
        if value.get("state").and_then(Value::as_str) == Some("failed") {
            return Err(OutputError::Reported(value.to_string()));
        }
        serde_json::from_str::<Object<Self>>(text)
            .map(|object| object.0)
            .map_err(OutputError::malformed(WHAT))
    }
}
