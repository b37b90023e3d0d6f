//! `log`: one agent's records in the runtime's log.
//!
//! - Levels are `trace`, `debug`, `info`, `warn` and `error`, in any mix of ASCII cases; a record has them in lower case.
//!   Any other level is an `err`, and nothing is recorded.
//! - A call makes one record, whatever the message holds: records are structured, and where one is written as a line
//!   ([`LogRecord`]'s `Display`, JSON), control characters are escaped. Nobody can forge a second one.
//! - Records are numbered from 1 in the order of the calls, for each agent that is loaded. A record below the agent's
//!   threshold is not made, and the call is `ok`.
//! - A message over [`Limits::log_message_bytes`] is cut at a character and ends in `… (N bytes)`. A run that has used up
//!   [`Limits::log_records`] or [`Limits::log_bytes`] goes on and its calls are `ok`; at its end one record of level `warn`
//!   tells how many were left out.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::now_ms;
use super::error::CallError;
use super::{AgentId, Level, Limits};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Whose.
    pub instance: AgentId,
    /// Its name.
    pub agent: String,
    /// From 1, one more each time.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub ts: i64,
    /// The level.
    pub level: Level,
    /// The message, with all its characters.
    pub message: String,
}

impl fmt::Display for LogRecord {
    /// One line of JSON: `{"seq":1,"ts":…,"level":"info","agent":"a","message":"…"}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| serde_json::Value::from(text);
        write!(
            formatter,
            r#"{{"seq":{},"ts":{},"level":"{}","agent":{},"message":{}}}"#,
            self.seq,
            self.ts,
            self.level,
            text(&self.agent),
            text(&self.message)
        )
    }
}

/// Makes the records of one loaded agent.
#[derive(Debug)]
pub(super) struct Logger {
    instance: AgentId,
    agent: String,
    threshold: Level,
    state: Mutex<State>,
    most_records: u32,
    most_bytes: usize,
    message_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    seq: u64,
    /// Of this run.
    records: u32,
    bytes: usize,
    left_out: u64,
}

impl Logger {
    /// A logger whose first record is number 1.
    pub(super) fn new(instance: AgentId, agent: &str, threshold: Level, limits: &Limits) -> Self {
        Self {
            instance,
            agent: agent.to_owned(),
            threshold,
            state: Mutex::default(),
            most_records: limits.log_records,
            most_bytes: limits.log_bytes,
            message_bytes: limits.log_message_bytes,
        }
    }

    /// The function `log`: the record to emit, if there is one.
    ///
    /// # Errors
    /// A level there is not.
    pub(super) fn log(&self, level: &str, message: String) -> Result<Option<LogRecord>, CallError> {
        let level = Level::from_str(level).map_err(|error| CallError::failed(error.to_string()))?;
        if level < self.threshold {
            return Ok(None);
        }
        let mut state = self.state();
        let message = cut(message, self.message_bytes);
        if state.records >= self.most_records
            || state.bytes.saturating_add(message.len()) > self.most_bytes
        {
            state.left_out += 1;
            return Ok(None);
        }
        state.records += 1;
        state.bytes += message.len();
        Ok(Some(self.record(&mut state, level, message)))
    }

    /// A run is over, the next may log again: a record that tells what was left out, if anything was.
    pub(super) fn end_run(&self) -> Option<LogRecord> {
        let mut state = self.state();
        let left_out = std::mem::take(&mut state.left_out);
        (state.records, state.bytes) = (0, 0);
        (left_out > 0).then(|| {
            let message = format!("limit reached: {left_out} records of this run were left out");
            self.record(&mut state, Level::Warn, message)
        })
    }

    fn record(&self, state: &mut State, level: Level, message: String) -> LogRecord {
        state.seq += 1;
        LogRecord {
            instance: self.instance,
            agent: self.agent.clone(),
            seq: state.seq,
            ts: now_ms(),
            level,
            message,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(mut message: String, most: usize) -> String {
    let length = message.len();
    if length > most {
        message.truncate(message.floor_char_boundary(most));
        message.push_str(&format!("… ({length} bytes)"));
    }
    message
}

#[cfg(test)]
mod tests;
