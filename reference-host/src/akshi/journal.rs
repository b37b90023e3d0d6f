//! `journal-append` and `journal-read`: an append-only record of the agent's own.
//!
//! - An entry has a sequence number (from 1, each one more than the last, never used twice, also not over restarts), the
//!   time of its append in milliseconds since 1970, never less than the one before, and the payload, any text, exactly.
//! - `journal-append` answers `ok` once the entry is in the file; what an agent does afterwards, a trap included, does not
//!   take it back.
//! - `journal-read(since)` answers a JSON array of `{"seq": …, "ts": …, "payload": …}`, ascending, of the entries *after*
//!   `since`: the cursor is exclusive. A page ends at [`Limits::journal_page`] entries or
//!   [`Limits::journal_page_bytes`]. An agent that reads again with the `seq` of the last entry it was given, until the
//!   answer is `[]`, gets each entry exactly once.
//! - No function changes or removes an entry. The published manual also signs and replicates entries; nothing of that
//!   can be seen through the interface, and this host does neither.

use std::path::PathBuf;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::Limits;
use super::clock::now_ms;
use super::error::CallError;
use super::files::{File, Settings, failure};

/// The journal of one loaded agent. The file is made by the first call.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    limits: Limits,
}

#[derive(Debug, Serialize)]
struct Entry {
    seq: i64,
    ts: i64,
    payload: String,
}

impl Journal {
    /// The journal in this file.
    pub(super) fn new(path: PathBuf, sync: bool, limits: &Limits) -> Self {
        Self {
            file: File::new(Settings {
                path,
                sync,
                max_bytes: limits.journal_file_bytes,
                prepare: Box::new(|connection| {
                    // AUTOINCREMENT: a number is not used again whatever happens to the entries.
                    connection.execute_batch(
                        "CREATE TABLE IF NOT EXISTS entries (
                             seq INTEGER PRIMARY KEY AUTOINCREMENT,
                             ts INTEGER NOT NULL,
                             payload TEXT NOT NULL
                         ) STRICT;",
                    )
                }),
            }),
            limits: limits.clone(),
        }
    }

    /// The function `journal-append`.
    ///
    /// # Errors
    /// A payload that is too long, a file that is full or cannot be written; nothing is appended then.
    pub(super) async fn append(&self, payload: &str) -> Result<(), CallError> {
        let most = self.limits.journal_payload_bytes;
        if payload.len() > most {
            return Err(CallError::failed(format!(
                "limit reached: a payload of {} bytes, allowed are {most}",
                payload.len()
            )));
        }
        let payload = payload.to_owned();
        self.file
            .work(move |connection| append(connection, &payload).map_err(|error| failure(&error)))
            .await
    }

    /// The function `journal-read`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) async fn read(&self, since: u64) -> Result<String, CallError> {
        let (page, bytes) = (self.limits.journal_page, self.limits.journal_page_bytes);
        // No entry has a number beyond the 63 bits of SQLite's.
        let Ok(since) = i64::try_from(since) else {
            return Ok("[]".into());
        };
        self.file
            .work(move |connection| {
                let entries =
                    read(connection, since, page, bytes).map_err(|error| failure(&error))?;
                serde_json::to_string(&entries)
                    .map_err(|error| CallError::failed(error.to_string()))
            })
            .await
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        self.file.close();
    }
}

fn append(connection: &Connection, payload: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries (ts, payload)
         VALUES (max(?1, coalesce((SELECT ts FROM entries ORDER BY seq DESC LIMIT 1), 0)), ?2)",
    )?;
    statement.execute(params![now_ms(), payload])?;
    Ok(())
}

fn read(
    connection: &Connection,
    since: i64,
    page: u32,
    bytes: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, ts, payload FROM entries WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query(params![since, page])?;
    let (mut entries, mut length) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let entry = Entry {
            seq: row.get(0)?,
            ts: row.get(1)?,
            payload: row.get(2)?,
        };
        length = length.saturating_add(entry.payload.len());
        if length > bytes && !entries.is_empty() {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
