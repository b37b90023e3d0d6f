//! ToolOutput: what `handle-tool` returns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Object, OutputError, bounded};
use crate::yoi::Limits;

/// `{"summary": "…", "content": "…"|null}`, and no other member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolOutput {
    /// One line for people, never empty.
    pub summary: String,
    /// The result itself; `null` is the same as absent.
    #[serde(default)]
    pub content: Option<String>,
}

impl ToolOutput {
    /// Reads what `handle-tool` returned.
    ///
    /// # Errors
    /// What is empty, over one of the `limits`, not JSON, or not of this shape.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, OutputError> {
        const WHAT: &str = "ToolOutput";
        if text.is_empty() {
            return Err(OutputError::Empty(WHAT));
        }
        bounded(WHAT, text, limits.output_bytes)?;
        let output = serde_json::from_str::<Object<Self>>(text)
            .map_err(OutputError::malformed(WHAT))?
            .0;
        if output.summary.is_empty() {
            return Err(OutputError::Empty("ToolOutput's `summary`"));
        }
        bounded(
            "ToolOutput's `summary`",
            &output.summary,
            limits.summary_bytes,
        )?;
        bounded(
            "ToolOutput's `content`",
            output.content.as_deref().unwrap_or_default(),
            limits.content_bytes,
        )?;
        Ok(output)
    }
}
