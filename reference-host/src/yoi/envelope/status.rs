//! PluginStatus: what `start`, `status` and `stop` return.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OutputError, bounded};

/// `{"state": "ready|running|stopped|…", "data": <json>}`: the shape that plugins should write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginStatus {
    /// Any text; `failed` is the one state with a meaning to a host, see [`PluginStatus::read`].
    pub state: String,
    /// Whatever the plugin tells.
    #[serde(default)]
    pub data: Value,
}

impl PluginStatus {
    /// Reads what an export returned. Hosts take more than plugins should write: any JSON that reports no failure.
    ///
    /// # Errors
    /// [`OutputError::Reported`] for an object with a member `error`, whatever its value, and for the state `failed`;
    /// other errors for text over `limit` bytes and text that is not JSON.
    pub fn read(text: &str, limit: usize) -> Result<Value, OutputError> {
        const WHAT: &str = "PluginStatus";
        bounded(WHAT, text, limit)?;
        let value: Value = serde_json::from_str(text).map_err(OutputError::malformed(WHAT))?;
        if let Some(error) = value.get("error") {
            return Err(OutputError::Reported(error.to_string()));
        }
        if value.get("state").and_then(Value::as_str) == Some("failed") {
            return Err(OutputError::Reported(value.to_string()));
        }
        Ok(value)
    }
}
