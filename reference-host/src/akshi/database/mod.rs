//! `db-query` and `db-execute`: a SQLite database of the agent's own.
//!
//! - One statement a call; what follows it may only be white space and comments. A text without a statement, or with a
//!   NUL character in it, is an error.
//! - `db-query` is read-only: an authorizer refuses whatever writes, begins or ends a transaction. Its answer is a JSON
//!   array with one object a row (`rows`).
//! - `db-execute` answers how many rows the statement itself inserted, updated or deleted, 0 for every other statement.
//!   Rows that it yields (`RETURNING`, `SELECT`) are dropped.
//! - Neither reaches beyond the database: no `ATTACH`, `DETACH`, `VACUUM` (which attaches), extension, or pragma
//!   that `authorizer` does not list. Schema tables cannot be written.
//! - Statements commit by themselves unless the agent has begun a transaction. It lasts over calls and ends with the
//!   run: what is open then, also after a trap, is rolled back.
//! - A statement that takes too long is interrupted and has no effect; so is one whose agent is stopped.

mod authorizer;
mod rows;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Statement};

use self::authorizer::{Guard, Mode};
use super::Limits;
use super::error::CallError;
use super::files::{File, Prepare, Settings, failure};

/// SQLite's steps between two looks at the clock.
const STEPS: i32 = 1_000;

/// The database of one loaded agent. The file is made by the first call.
#[derive(Debug)]
pub(super) struct Database {
    file: File,
    control: Arc<Control>,
    limits: Limits,
}

/// What the hooks of the connection look at.
#[derive(Debug, Default)]
struct Control {
    guard: Guard,
    call: Mutex<Option<Call>>,
}

/// The statement under way.
#[derive(Debug, Clone)]
struct Call {
    deadline: Instant,
    given_up: Arc<AtomicBool>,
}

impl Call {
    fn is_over(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

/// Gives the statement up when the call's future is dropped.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Database {
    /// The database in this file.
    pub(super) fn new(path: PathBuf, sync: bool, limits: &Limits) -> Self {
        let control = Arc::<Control>::default();
        let prepare: Prepare = {
            let (control, limits) = (control.clone(), limits.clone());
            Box::new(move |connection| control.arm(connection, &limits))
        };
        Self {
            file: File::new(Settings {
                path,
                sync,
                max_bytes: limits.db_file_bytes,
                prepare,
            }),
            control,
            limits: limits.clone(),
        }
    }

    /// The function `db-query`.
    ///
    /// # Errors
    /// What SQLite or a limit says.
    pub(super) async fn query(&self, sql: &str) -> Result<String, CallError> {
        let most = self.limits.db_json_bytes;
        self.statement(sql, Mode::Query, move |_, statement| {
            // The authorizer has said so already, in better words.
            if !statement.readonly() {
                return Err(CallError::failed("not allowed here: a write in a query"));
            }
            rows::to_json(statement, most)
        })
        .await
    }

    /// The function `db-execute`.
    ///
    /// # Errors
    /// What SQLite or a limit says.
    pub(super) async fn execute(&self, sql: &str) -> Result<u64, CallError> {
        self.statement(sql, Mode::Execute, |connection, statement| {
            let before = connection.total_changes();
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| failure(&error))?.is_some() {}
            drop(rows);
            // `changes` still tells of an earlier statement when this one changed nothing.
            Ok(if connection.total_changes() == before {
                0
            } else {
                connection.changes()
            })
        })
        .await
    }

    /// A run is over: rolls back what it has begun and not committed.
    pub(super) async fn end_run(&self) {
        let control = self.control.clone();
        let rolled_back = self
            .file
            .work_if_open(move |connection| {
                control.guard.leave();
                if connection.is_autocommit() {
                    return Ok(());
                }
                connection
                    .execute_batch("ROLLBACK")
                    .map_err(|error| failure(&error))
            })
            .await;
        if let Err(error) = rolled_back {
            // Closing ends the transaction for certain.
            tracing::error!(%error, "a transaction was not rolled back");
            self.file.close();
        }
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        self.file.close();
    }

    async fn statement<T: Send + 'static>(
        &self,
        sql: &str,
        mode: Mode,
        run: impl FnOnce(&Connection, &mut Statement<'_>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        if sql.len() > self.limits.sql_bytes {
            return Err(CallError::failed(format!(
                "limit reached: {} bytes of SQL, allowed are {}",
                sql.len(),
                self.limits.sql_bytes
            )));
        }
        if sql.contains('\0') {
            return Err(CallError::failed("a NUL character in the SQL"));
        }
        let given_up = Arc::new(AtomicBool::new(false));
        let _give_up = GiveUp(given_up.clone());
        let (sql, control, limits) = (sql.to_owned(), self.control.clone(), self.limits.clone());
        self.file
            .work(move |connection| {
                let call = Call {
                    deadline: Instant::now() + limits.db_time,
                    given_up,
                };
                let entered = control.enter(mode, call.clone());
                let result = prepare(connection, &sql)
                    .and_then(|mut statement| run(connection, &mut statement));
                drop(entered);
                result.map_err(|error| control.explain(error, &call, limits.db_time))
            })
            .await
    }
}

/// The only statement of the text.
fn prepare<'c>(connection: &'c Connection, sql: &str) -> Result<Statement<'c>, CallError> {
    let statement = connection.prepare(sql).map_err(|error| match error {
        rusqlite::Error::MultipleStatement => CallError::failed("more than one statement"),
        other => failure(&other),
    })?;
    if statement.expanded_sql().is_none() {
        return Err(CallError::failed("no statement"));
    }
    Ok(statement)
}

impl Control {
    /// Hooks and bounds a connection that was just opened.
    fn arm(self: &Arc<Self>, connection: &mut Connection, limits: &Limits) -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Temporary tables live outside the file; they are bounded like it.
        let pages: i64 = connection.pragma_query_value(None, "max_page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(Some("temp"), "max_page_count", pages, |_| Ok(()))?;
        let bytes = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_LENGTH, bytes(limits.db_value_bytes)),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, bytes(limits.sql_bytes)),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
            // Matching takes time with the square of the pattern, in one step.
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        ] {
            connection.set_limit(limit, most)?;
        }
        let control = self.clone();
        connection.progress_handler(STEPS, Some(move || control.is_over()))?;
        let control = self.clone();
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            control.guard.authorize(&context)
        }))
    }

    fn enter(&self, mode: Mode, call: Call) -> Entered<'_> {
        self.guard.enter(mode);
        *self.call() = Some(call);
        Entered(self)
    }

    fn is_over(&self) -> bool {
        self.call().as_ref().is_some_and(Call::is_over)
    }

    /// Puts the reason of this host in place of SQLite's.
    fn explain(&self, error: CallError, call: &Call, limit: Duration) -> CallError {
        if let Some(refused) = self.guard.take_refusal() {
            return CallError::failed(format!("not allowed here: {refused}"));
        }
        if matches!(&error, CallError::Failed(text) if text.contains("interrupted"))
            && call.is_over()
        {
            return CallError::failed(format!(
                "limit reached: the statement took more than {} ms",
                limit.as_millis()
            ));
        }
        error
    }

    fn call(&self) -> MutexGuard<'_, Option<Call>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement is under way; afterwards the host works on its own again.
struct Entered<'c>(&'c Control);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.guard.leave();
        *self.0.call() = None;
    }
}

#[cfg(test)]
mod tests;
