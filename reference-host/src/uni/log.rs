//! Where the lines of `host-log` go.

/// One line, exactly as a plugin passed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The plugin's id; `None` while `manifest` runs and the id is not known yet.
    pub plugin: Option<&'a str>,
    /// The level: any text. The contract's are `error`, `warn`, `info`, `debug` and `trace`; nothing is mapped.
    pub level: &'a str,
    /// The message. Control characters are left in.
    pub message: &'a str,
}

/// Receives what plugins log, in order per call, on the thread of the call. Should not block.
pub trait LogSink: Send + Sync {
    /// One line.
    fn log(&self, line: LogLine<'_>);
}

/// Forwards to `tracing` with target `uni_plugin`; levels the contract does not name become `trace`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn log(
        &self,
        LogLine {
            plugin,
            level,
            message,
        }: LogLine<'_>,
    ) {
        let plugin = plugin.unwrap_or("");
        match level {
            "error" => tracing::error!(target: "uni_plugin", plugin, "{message}"),
            "warn" => tracing::warn!(target: "uni_plugin", plugin, "{message}"),
            "info" => tracing::info!(target: "uni_plugin", plugin, "{message}"),
            "debug" => tracing::debug!(target: "uni_plugin", plugin, "{message}"),
            _ => tracing::trace!(target: "uni_plugin", plugin, level, "{message}"),
        }
    }
}

/// Whether `text` is a W3C `traceparent` of version 00: lower-case hex, 55 characters, ids not all zero.
pub(super) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match parts[..] {
        [version, trace, span, flags] => {
            version == "00"
                && hex(trace, 32)
                && hex(span, 16)
                && hex(flags, 2)
                && trace.bytes().any(|b| b != b'0')
                && span.bytes().any(|b| b != b'0')
        }
        _ => false,
    }
}
