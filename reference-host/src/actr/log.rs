//! Where the lines of `log-message` go.

use super::ActrId;

/// One line, exactly as a workload passed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The actor.
    pub actor: &'a ActrId,
    /// The level: any text. `error`, `warn`, `info`, `debug` and `trace` are known, in these letters only.
    pub level: &'a str,
    /// The message. Nothing in it is interpreted.
    pub message: &'a str,
}

/// Receives what workloads log, in order per actor, on the thread of the call. Should not block.
pub trait LogSink: Send + Sync {
    /// One line.
    fn log(&self, line: LogLine<'_>);
}

/// Forwards to `tracing` with target `actr_workload`; a level that is not known becomes `info` with a field `level`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn log(&self, line: LogLine<'_>) {
        let LogLine {
            actor,
            level,
            message,
        } = line;
        let actor = actor.serial_number;
        match level {
            "error" => tracing::error!(target: "actr_workload", actor, "{message}"),
            "warn" => tracing::warn!(target: "actr_workload", actor, "{message}"),
            "info" => tracing::info!(target: "actr_workload", actor, "{message}"),
            "debug" => tracing::debug!(target: "actr_workload", actor, "{message}"),
            "trace" => tracing::trace!(target: "actr_workload", actor, "{message}"),
            other => tracing::info!(target: "actr_workload", actor, level = other, "{message}"),
        }
    }
}
