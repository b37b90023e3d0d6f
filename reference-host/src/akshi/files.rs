//! SQLite files in a data directory: opened when they are first needed, used away from the threads that guests run on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::error::CallError;

/// One file, and its connection once it was opened. All work on it is done one after the other.
#[derive(Debug, Clone)]
pub(super) struct File {
    settings: Arc<Settings>,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// Where a file lies, and how it is opened.
pub(super) struct Settings {
    /// Where it lies. Its directory is made with it.
    pub(super) path: PathBuf,
    /// Whether a commit waits until the disk has it.
    pub(super) sync: bool,
    /// Bytes the file may have; what would make it longer fails.
    pub(super) max_bytes: u64,
    /// Prepares a connection that was just opened.
    pub(super) prepare: Prepare,
}

pub(super) type Prepare = Box<dyn Fn(&mut Connection) -> rusqlite::Result<()> + Send + Sync>;

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Settings").field(&self.path).finish()
    }
}

impl File {
    /// A file that is not opened, and perhaps not there, yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            connection: Arc::new(Mutex::new(None)),
        }
    }

    /// Opens the file if it is closed, and works on it on a thread of its own. Dropping the future does not end the work.
    ///
    /// # Errors
    /// When the file cannot be opened, or the work's own.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let file = self.clone();
        blocking(move || file.work_here(work)).await
    }

    /// As [`File::work`], on this thread.
    pub(super) fn work_here<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut slot = self.slot();
        let connection = match &mut *slot {
            Some(connection) => connection,
            empty => empty.insert(self.settings.open()?),
        };
        work(connection)
    }

    /// Works on the file if it is open; `None` when it is not.
    pub(super) async fn work_if_open<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CallError> + Send + 'static,
    ) -> Result<Option<T>, CallError> {
        let file = self.clone();
        blocking(move || file.slot().as_mut().map(work).transpose()).await
    }

    /// Whether the file lies in its directory.
    pub(super) fn exists(&self) -> bool {
        self.settings.path.exists()
    }

    /// Closes the file; the next work opens it again.
    pub(super) fn close(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    fn open(&self) -> Result<Connection, CallError> {
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)
                .map_err(|error| CallError::failed(format!("no data directory: {error}")))?;
        }
        self.connect(&self.path)
            .map_err(|error| CallError::failed(format!("the file cannot be opened: {error}")))
    }

    fn connect(&self, path: &Path) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", if self.sync { "full" } else { "off" })?;
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(self.max_bytes).unwrap_or(i64::MAX) / page.max(1);
        let pages = pages.clamp(16, u32::MAX.into());
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        (self.prepare)(&mut connection)?;
        Ok(connection)
    }
}

/// Runs what waits for the disk where it holds nobody up. A panic of it becomes an error: it is no fault of the guest.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
) -> Result<T, CallError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "work on a file was given up");
            Err(CallError::failed("the host could not carry this out"))
        }
    }
}

/// What a failure of SQLite is to a guest.
pub(super) fn failure(error: &rusqlite::Error) -> CallError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            CallError::failed("limit reached: the file has its full size")
        }
        Some(rusqlite::ErrorCode::TooBig) => {
            CallError::failed("limit reached: a value or statement is too long")
        }
        _ => CallError::failed(error.to_string()),
    }
}
