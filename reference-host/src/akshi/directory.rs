//! The data directory of a runtime: one runtime at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Where a runtime keeps the data of its agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDirectory {
    /// In this directory, which is made if it is not there.
    Path(PathBuf),
    /// In a directory of its own below the system's temporary one, which goes with the runtime.
    Temporary,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be made or written.
    #[error("the data directory {} cannot be used", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another runtime has it.
    #[error("another runtime uses the data directory {}", .0.display())]
    Locked(PathBuf),
}

/// A data directory in use.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    temporary: bool,
    /// Locked while this lives.
    _lock: File,
}

impl Opened {
    /// Makes the directory if need be, and locks it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub(super) fn open(data: &DataDirectory) -> Result<Self, DirectoryError> {
        let (path, temporary) = match data {
            DataDirectory::Path(path) => (path.clone(), false),
            DataDirectory::Temporary => {
                let name = format!("akshi-{}", Uuid::new_v4());
                (std::env::temp_dir().join(name), true)
            }
        };
        let failed = |source| DirectoryError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::Locked(path)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Self {
            path,
            temporary,
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary directory is left");
        }
    }
}
