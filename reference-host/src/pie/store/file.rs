//! The store's file: a redb database with one table, `(namespace, key) -> value`.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Batch, StoreError};

const TABLE: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("store");

/// Bytes redb may cache; the contents are in memory anyway.
const CACHE_BYTES: usize = 8 << 20;

/// A database file, opened when it is first needed.
pub(super) struct File {
    location: Arc<Location>,
    database: Mutex<Option<Database>>,
}

#[derive(Debug)]
struct Location {
    path: PathBuf,
    temporary: bool,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self::at(Arc::new(Location {
            path,
            temporary: false,
        }))
    }

    /// A file of a fresh name that goes with its last user.
    pub(super) fn temporary() -> Self {
        let name = format!("pie-store-{}.redb", uuid::Uuid::new_v4());
        Self::at(Arc::new(Location {
            path: std::env::temp_dir().join(name),
            temporary: true,
        }))
    }

    fn at(location: Arc<Location>) -> Self {
        Self {
            location,
            database: Mutex::new(None),
        }
    }

    /// Closes the database; the same file, to be opened anew.
    pub(super) fn reopen(&self) -> Self {
        self.database().take();
        Self::at(self.location.clone())
    }

    /// Reads everything, if the file exists.
    pub(super) fn load(&self, mut each: impl FnMut(&str, &str, &str)) -> Result<(), StoreError> {
        if !self.location.path.exists() {
            return Ok(());
        }
        let mut database = self.database();
        let database = self.opened(&mut database)?;
        let read = || -> Result<(), redb::Error> {
            let transaction = database.begin_read()?;
            let table = match transaction.open_table(TABLE) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
                other => other?,
            };
            for entry in table.iter()? {
                let (key, value) = entry?;
                let (space, key) = key.value();
                each(space, key, value.value());
            }
            Ok(())
        };
        let mut read = read;
        read().map_err(|error| self.error(error))
    }

    /// Writes a batch durably, all or nothing.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut database = self.database();
        let database = self.opened(&mut database)?;
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for ((space, key), value) in batch {
                    let key = (&**space, &**key);
                    match value {
                        Some(value) => drop(table.insert(key, value.as_str())?),
                        None => drop(table.remove(key)?),
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| self.error(error))
    }

    fn opened<'a>(&self, database: &'a mut Option<Database>) -> Result<&'a Database, StoreError> {
        match database {
            Some(database) => Ok(database),
            none => {
                let opened = Database::builder()
                    .set_cache_size(CACHE_BYTES)
                    .create(&self.location.path)
                    .map_err(|error| self.error(error))?;
                Ok(none.insert(opened))
            }
        }
    }

    fn error(&self, error: impl fmt::Display) -> StoreError {
        StoreError {
            path: self.location.path.clone(),
            message: error.to_string(),
        }
    }

    fn database(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(formatter)
    }
}

impl Drop for Location {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing to remove when it was never written.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
