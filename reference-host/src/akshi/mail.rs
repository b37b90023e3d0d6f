//! `a2a-send` and `a2a-receive`: the mailboxes of all agents of a runtime.
//!
//! - A target is an agent by name: one that is loaded, or one that was loaded before on the same data directory; its
//!   messages wait until it is loaded again. Any other name, and a loaded agent without the capability `a2a`, is an `err`.
//!   An agent may send to itself.
//! - A message is any text, exactly. `a2a-send` answers `{"id": …, "status": "pending", "created_at": …}` once the message is
//!   in the file.
//! - `a2a-receive` takes the oldest message that waits: `{"id": …, "from": …, "to": …, "payload": …, "created_at": …}`, or
//!   `null` when none does; it never waits. So messages come in the order they were sent, for each sender and over all,
//!   and each of them once: a message that was taken is gone, whatever becomes of the agent afterwards.
//! - A mailbox has bounds; one that is full makes the sender's call an `err`.
//! - Ids are random UUIDs. Times are milliseconds since 1970. No function completes a task, so none ever is.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use uuid::Uuid;

use super::Limits;
use super::clock::now_ms;
use super::error::CallError;
use super::files::{File, Settings, failure};

/// The mailboxes of one runtime.
#[derive(Debug)]
pub(super) struct Mail {
    file: File,
    limits: Limits,
}

/// What `a2a-send` answers.
#[derive(Debug, Serialize)]
struct Sent {
    id: String,
    status: &'static str,
    created_at: i64,
}

/// What `a2a-receive` answers.
#[derive(Debug, Serialize)]
struct Message {
    id: String,
    from: String,
    to: String,
    payload: String,
    created_at: i64,
}

impl Mail {
    /// The mailboxes in this file.
    pub(super) fn new(path: PathBuf, sync: bool, limits: &Limits) -> Self {
        Self {
            file: File::new(Settings {
                path,
                sync,
                max_bytes: limits
                    .mailbox_bytes
                    .saturating_mul(2)
                    .saturating_mul(limits.agents as u64),
                prepare: Box::new(|connection| {
                    connection.execute_batch(
                        "CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
                         CREATE TABLE IF NOT EXISTS messages (
                             number INTEGER PRIMARY KEY AUTOINCREMENT,
                             id TEXT NOT NULL,
                             sender TEXT NOT NULL,
                             target TEXT NOT NULL,
                             payload TEXT NOT NULL,
                             bytes INTEGER NOT NULL,
                             created_at INTEGER NOT NULL
                         ) STRICT;
                         CREATE INDEX IF NOT EXISTS waiting ON messages (target, number, bytes);",
                    )
                }),
            }),
            limits: limits.clone(),
        }
    }

    /// An agent of this name is loaded: from now on others may send to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn enrol(&self, name: &str) -> Result<(), CallError> {
        self.file.work_here(|connection| {
            connection
                .execute("INSERT OR IGNORE INTO agents (name) VALUES (?1)", [name])
                .map(drop)
                .map_err(|error| failure(&error))
        })
    }

    /// The function `a2a-send`, for an agent that may.
    ///
    /// # Errors
    /// No such target, a message that is too long, a mailbox that is full.
    pub(super) async fn send(
        &self,
        sender: &str,
        target: &str,
        payload: &str,
    ) -> Result<String, CallError> {
        let limits = self.limits.clone();
        if payload.len() > limits.message_bytes {
            return Err(CallError::failed(format!(
                "limit reached: a message of {} bytes, allowed are {}",
                payload.len(),
                limits.message_bytes
            )));
        }
        let (sender, target, payload) = (sender.to_owned(), target.to_owned(), payload.to_owned());
        self.file
            .work(move |connection| send(connection, &limits, &sender, &target, &payload))
            .await
    }

    /// The function `a2a-receive`, for an agent that may.
    ///
    /// # Errors
    /// When the file cannot be read or written; no message is lost then.
    pub(super) async fn receive(&self, target: &str) -> Result<String, CallError> {
        let target = target.to_owned();
        self.file
            .work(move |connection| {
                let message = take(connection, &target).map_err(|error| failure(&error))?;
                to_json(&message)
            })
            .await
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        self.file.close();
    }
}

fn send(
    connection: &mut Connection,
    limits: &Limits,
    sender: &str,
    target: &str,
    payload: &str,
) -> Result<String, CallError> {
    let sent = Sent {
        id: Uuid::new_v4().to_string(),
        status: "pending",
        created_at: now_ms(),
    };
    let length = i64::try_from(payload.len()).unwrap_or(i64::MAX);
    let most = i64::try_from(limits.mailbox_bytes).unwrap_or(i64::MAX);
    let mut deliver = || {
        let transaction = connection.transaction()?;
        let known = transaction
            .prepare_cached("SELECT 1 FROM agents WHERE name = ?1")?
            .exists([target])?;
        if !known {
            return Ok(Err(format!("there is no agent {target:?}")));
        }
        let (waiting, bytes): (u32, i64) = transaction
            .prepare_cached(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM messages WHERE target = ?1",
            )?
            .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if waiting >= limits.mailbox_messages || bytes.saturating_add(length) > most {
            return Ok(Err(format!(
                "limit reached: the mailbox of {target:?} is full, {waiting} messages ({bytes} bytes) wait"
            )));
        }
        transaction
            .prepare_cached(
                "INSERT INTO messages (id, sender, target, payload, bytes, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                sent.id,
                sender,
                target,
                payload,
                length,
                sent.created_at
            ])?;
        transaction.commit().map(Ok)
    };
    deliver()
        .map_err(|error: rusqlite::Error| failure(&error))?
        .map_err(CallError::Failed)?;
    to_json(&sent)
}

fn take(connection: &mut Connection, target: &str) -> rusqlite::Result<Option<Message>> {
    let transaction = connection.transaction()?;
    let message = transaction
        .prepare_cached(
            "DELETE FROM messages
             WHERE number = (SELECT min(number) FROM messages WHERE target = ?1)
             RETURNING id, sender, target, payload, created_at",
        )?
        .query_row([target], |row| {
            Ok(Message {
                id: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                payload: row.get(3)?,
                created_at: row.get(4)?,
            })
        })
        .optional()?;
    transaction.commit()?;
    Ok(message)
}

fn to_json(value: &impl Serialize) -> Result<String, CallError> {
    serde_json::to_string(value).map_err(|error| CallError::failed(error.to_string()))
}

#[cfg(test)]
mod tests;
