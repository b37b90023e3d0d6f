//! `config-get` and `config-set`: values the agent was configured with, and those it has set over them.
//!
//! - A key is 1 to [`Limits::config_key_bytes`] bytes of any text and compared byte by byte; a value is any text. A key
//!   that has no value is an `err`, so it differs from one whose value is empty.
//! - What an agent sets is its own, is there at once, and stays over ticks, traps and restarts: it is kept in the agent's
//!   data directory and wins over what the configuration says, until it is set again.
//! - Not to be set are keys that the configuration protects, and names that sound like the host's own settings
//!   (`RESERVED`, alone or with `.` behind): no value there would have an effect, and nobody shall think so.
//! - Only entries that were configured as such, or set, can be read. Secrets of endpoints, keys of models and all else
//!   that the host is configured with are no entries.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::{OptionalExtension as _, params};

use super::error::CallError;
use super::files::{File, Settings, failure};
use super::{ConfigEntry, Limits};

/// First segments of keys that cannot be set.
pub(super) const RESERVED: [&str; 18] = [
    "agents",
    "approvals",
    "broker",
    "budget",
    "capabilities",
    "channels",
    "endpoints",
    "fuel",
    "fuel_limit",
    "limits",
    "log_level",
    "max_restarts",
    "mcp_servers",
    "memory_limit_mb",
    "models",
    "runtime",
    "secrets",
    "spend",
];

/// The configuration of one loaded agent. The file is made when the agent first sets a value.
#[derive(Debug)]
pub(super) struct Values {
    configured: HashMap<String, ConfigEntry>,
    file: File,
    limits: Limits,
}

impl Values {
    /// These entries, and what was set in this file.
    pub(super) fn new(entries: &[ConfigEntry], path: PathBuf, sync: bool, limits: &Limits) -> Self {
        let configured = entries
            .iter()
            .map(|entry| (entry.key.clone(), entry.clone()))
            .collect();
        // Twice what the entries may take: indexes, and pages that are half full.
        let entry = (limits.config_key_bytes + limits.config_value_bytes) as u64;
        Self {
            configured,
            file: File::new(Settings {
                path,
                sync,
                max_bytes: entry
                    .saturating_mul(2 * u64::from(limits.config_keys))
                    .saturating_add(1 << 20),
                prepare: Box::new(|connection| {
                    connection.execute_batch(
                        "CREATE TABLE IF NOT EXISTS entries (
                             key TEXT PRIMARY KEY,
                             value TEXT NOT NULL
                         ) STRICT, WITHOUT ROWID;",
                    )
                }),
            }),
            limits: limits.clone(),
        }
    }

    /// The function `config-get`.
    ///
    /// # Errors
    /// An empty or overlong key, or one without a value.
    pub(super) async fn get(&self, key: &str) -> Result<String, CallError> {
        self.check_key(key)?;
        if self.file.exists() {
            let wanted = key.to_owned();
            let set: Option<String> = self
                .file
                .work(move |connection| {
                    connection
                        .prepare_cached("SELECT value FROM entries WHERE key = ?1")
                        .and_then(|mut statement| {
                            statement.query_row([wanted], |row| row.get(0)).optional()
                        })
                        .map_err(|error| failure(&error))
                })
                .await?;
            if let Some(value) = set.filter(|_| !self.is_fixed(key)) {
                return Ok(value);
            }
        }
        match self.configured.get(key) {
            Some(entry) => Ok(entry.value.clone()),
            None => Err(CallError::failed(format!("there is no value for {key:?}"))),
        }
    }

    /// The function `config-set`.
    ///
    /// # Errors
    /// A key that must not be set, a key or value that is too long, too many keys.
    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), CallError> {
        self.check_key(key)?;
        if self.is_fixed(key) {
            return Err(CallError::denied(format!(
                "the key {key:?} is protected and cannot be set by an agent"
            )));
        }
        if value.len() > self.limits.config_value_bytes {
            return Err(CallError::failed(format!(
                "limit reached: a value of {} bytes, allowed are {}",
                value.len(),
                self.limits.config_value_bytes
            )));
        }
        let (key, value, most) = (key.to_owned(), value.to_owned(), self.limits.config_keys);
        self.file
            .work(move |connection| {
                let written = connection
                    .prepare_cached(
                        "INSERT INTO entries (key, value)
                         SELECT ?1, ?2 WHERE (SELECT count(*) FROM entries WHERE key <> ?1) < ?3
                         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    )
                    .and_then(|mut statement| statement.execute(params![key, value, most]))
                    .map_err(|error| failure(&error))?;
                if written == 0 {
                    return Err(CallError::failed(format!(
                        "limit reached: {most} keys are set already"
                    )));
                }
                Ok(())
            })
            .await
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        self.file.close();
    }

    fn check_key(&self, key: &str) -> Result<(), CallError> {
        if key.is_empty() {
            return Err(CallError::failed("the key is empty"));
        }
        if key.len() > self.limits.config_key_bytes {
            return Err(CallError::failed(format!(
                "limit reached: a key of {} bytes, allowed are {}",
                key.len(),
                self.limits.config_key_bytes
            )));
        }
        Ok(())
    }

    fn is_fixed(&self, key: &str) -> bool {
        let first = key.split('.').next().unwrap_or(key);
        RESERVED.iter().any(|name| name.eq_ignore_ascii_case(first))
            || self
                .configured
                .get(key)
                .is_some_and(|entry| entry.protected)
    }
}

#[cfg(test)]
mod tests;
