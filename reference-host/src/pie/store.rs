//! The persistent key-value store: authoritative in memory, written behind to an embedded database (redb).
//!
//! Every read sees every write that returned before it, of all instances. Writes reach the file in batches, in order,
//! each batch one durable transaction: after a crash the file holds a state the store really was in, at most
//! [`WRITE_DELAY`] and one commit old. [`Store::flush`] waits for everything written so far.

mod file;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::file::File;
use super::limits::{LimitExceeded, Limits, within};

/// How long writes are gathered before they are committed together.
pub const WRITE_DELAY: Duration = Duration::from_millis(10);

/// After a failed commit, the time until the next attempt.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Where the store is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backing {
    /// In memory: gone with the host, but kept by [`PieHost::restart`](super::PieHost::restart).
    #[default]
    Memory,
    /// As `Memory`, but written to a temporary file when flushed, so that a restart reads it back from there. The
    /// file is removed with the host. For tests of restarts that should not pay for every write.
    Temporary,
    /// This file, created at the first write. One host at a time.
    File(PathBuf),
}

/// Who shares a namespace of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All instances of the host.
    #[default]
    Shared,
    /// All instances of the same component (by SHA-256 of its binary), whoever launched them.
    PerProgram,
    /// All instances launched for the same user.
    PerUser,
}

/// Where the store is kept and who shares it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreConfig {
    /// Where it is kept.
    pub backing: Backing,
    /// Who shares a namespace of keys.
    pub isolation: Isolation,
}

/// Why the store's file could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store `{}`: {message}", .path.display())]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// What the database said.
    pub message: String,
}

/// The store of one host. Dropping it leaves what is not yet written to the writer thread.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The writer: there is something to write, or to stop for.
    wanted: Condvar,
    /// Whoever flushes: a batch has been committed, or has failed.
    committed: Condvar,
    /// `None` for a store in memory.
    file: Option<File>,
    write_behind: bool,
    max_keys: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Namespaces by name: their places in `spaces`.
    names: HashMap<Arc<str>, usize>,
    spaces: Vec<Space>,
    dirty: Batch,
    /// Batches committed or given up.
    attempts: u64,
    /// The last attempt failed so.
    failure: Option<StoreError>,
    writing: bool,
    writer_started: bool,
    flushing: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Space {
    entries: BTreeMap<Arc<str>, Arc<String>>,
    bytes: usize,
}

/// The newest value of each changed key (`None`: deleted), by namespace and key.
type Batch = HashMap<(Arc<str>, Arc<str>), Option<Arc<String>>>;

impl Store {
    /// Opens the store; reads the file if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the file exists but cannot be read, or another host has it open.
    pub fn open(backing: &Backing, limits: &Limits) -> Result<Self, StoreError> {
        let file = match backing {
            Backing::Memory => None,
            Backing::Temporary => Some(File::temporary()),
            Backing::File(path) => Some(File::new(path.clone())),
        };
        let mut state = State::default();
        if let Some(file) = &file {
            file.load(|space, key, value| {
                state.load(space, key, value);
            })?;
        }
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                wanted: Condvar::new(),
                committed: Condvar::new(),
                file,
                write_behind: matches!(backing, Backing::File(_)),
                max_keys: limits.store_keys,
                max_bytes: limits.store_bytes,
            }),
        })
    }

    /// The keys of one namespace.
    pub fn namespace(&self, name: &str) -> Namespace {
        let name = name.into();
        Namespace {
            place: self.shared.state().place(&name),
            name,
            shared: self.shared.clone(),
        }
    }

    /// Waits until everything written before is in the file. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError`] when the last attempt to write failed; the writes stay in memory and are tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let Some(file) = &self.shared.file else {
            return Ok(());
        };
        let mut state = self.shared.state();
        // No writer: the store does not write behind, or nothing has been written, or no thread could be had.
        if !state.writer_started {
            while state.writing {
                state = self.shared.wait(state);
            }
            self.shared.commit(file, state);
            return match &self.shared.state().failure {
                Some(failure) => Err(failure.clone()),
                None => Ok(()),
            };
        }
        let start = state.attempts;
        // A batch under way may have been cut before our last write: a failure counts from the second on.
        state.flushing += 1;
        self.shared.wanted.notify_all();
        while !state.dirty.is_empty() || state.writing {
            if state.attempts >= start + 2 && state.failure.is_some() {
                break;
            }
            state = self.shared.wait(state);
        }
        state.flushing -= 1;
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Reads the store again from what its file holds, as a new process would. Flush first; every namespace handle
    /// of before keeps reading the old contents. A store in memory stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be flushed or read.
    pub fn reopen(&self) -> Result<Self, StoreError> {
        self.flush()?;
        let shared = &self.shared;
        let Some(file) = &shared.file else {
            return Ok(Self {
                shared: shared.clone(),
            });
        };
        {
            let mut state = shared.state();
            state.closed = true;
            shared.wanted.notify_all();
            while state.writing {
                state = shared.wait(state);
            }
        }
        let mut state = State::default();
        let file = file.reopen();
        file.load(|space, key, value| {
            state.load(space, key, value);
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                wanted: Condvar::new(),
                committed: Condvar::new(),
                file: Some(file),
                write_behind: shared.write_behind,
                max_keys: shared.max_keys,
                max_bytes: shared.max_bytes,
            }),
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wanted.notify_all();
    }
}

impl Shared {
    fn changed(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !self.write_behind {
            return;
        }
        if state.writer_started {
            self.wanted.notify_one();
            return;
        }
        let shared = self.clone();
        let thread = std::thread::Builder::new().name("pie-store".into());
        match thread.spawn(move || shared.write_behind()) {
            Ok(_) => state.writer_started = true,
            // The next write tries again.
            Err(error) => tracing::error!(%error, "the store's writer could not be started"),
        }
    }

    /// The writer thread: runs until the store is closed and everything is written.
    fn write_behind(&self) {
        let Some(file) = &self.file else { return };
        let mut delay = WRITE_DELAY;
        loop {
            let mut state = self.state();
            while state.dirty.is_empty() && !state.closed {
                state = self
                    .wanted
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.dirty.is_empty() {
                return;
            }
            if state.flushing == 0 && !state.closed || delay > WRITE_DELAY {
                drop(state);
                std::thread::sleep(delay);
                state = self.state();
            }
            let closed = state.closed;
            if self.commit(file, state) {
                delay = WRITE_DELAY;
            } else if closed {
                return;
            } else {
                delay = RETRY_DELAY;
            }
        }
    }

    /// Commits what is dirty as one transaction. On failure it is dirty again, except where newer writes came.
    fn commit(&self, file: &File, mut state: MutexGuard<'_, State>) -> bool {
        let batch = std::mem::take(&mut state.dirty);
        state.writing = true;
        drop(state);
        let result = if batch.is_empty() {
            Ok(())
        } else {
            file.write(&batch)
        };
        let mut state = self.state();
        state.writing = false;
        state.attempts += 1;
        state.failure = result.err();
        if let Some(error) = &state.failure {
            tracing::error!(%error, "the store could not be written");
            for (key, value) in batch {
                state.dirty.entry(key).or_insert(value);
            }
        }
        let ok = state.failure.is_none();
        drop(state);
        self.committed.notify_all();
        ok
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.committed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where the namespace of this name is, from now on.
    fn place(&mut self, name: &Arc<str>) -> usize {
        let next = self.spaces.len();
        let place = *self.names.entry(name.clone()).or_insert(next);
        if place == next {
            self.spaces.push(Space::default());
        }
        place
    }

    /// Takes an entry of the file, where no key is twice.
    fn load(&mut self, space: &str, key: &str, value: &str) {
        let place = self.place(&space.into());
        if let Some(space) = self.spaces.get_mut(place) {
            space.bytes += key.len() + value.len();
            space.entries.insert(key.into(), Arc::new(value.to_owned()));
        }
    }
}

/// A value up to this size is copied while others wait: that is faster than sharing it.
const COPIED: usize = 4 << 10;

/// The keys that one instance sees. Keys are compared byte by byte; nothing is trimmed or normalised.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: Arc<str>,
    place: usize,
    shared: Arc<Shared>,
}

impl Namespace {
    /// The value, or `None` when there is no such key.
    pub fn get(&self, key: &str) -> Option<String> {
        let state = self.shared.state();
        let value = state.spaces.get(self.place)?.entries.get(key)?;
        if value.len() <= COPIED {
            return Some(value.as_str().to_owned());
        }
        let value = value.clone();
        drop(state);
        Some(value.as_str().to_owned())
    }

    /// Whether there is such a key.
    pub fn exists(&self, key: &str) -> bool {
        let state = self.shared.state();
        let space = state.spaces.get(self.place);
        space.is_some_and(|space| space.entries.contains_key(key))
    }

    /// All keys, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let state = self.shared.state();
        state
            .spaces
            .get(self.place)
            .map(|space| space.entries.keys().map(|key| key.to_string()).collect())
            .unwrap_or_default()
    }

    /// Creates or overwrites.
    ///
    /// # Errors
    /// [`LimitExceeded`] when the namespace would hold too many keys or bytes; nothing has changed then.
    pub fn set(&self, key: &str, value: impl Into<String>) -> Result<(), LimitExceeded> {
        let value = value.into();
        let mut state = self.shared.state();
        let Some(Space { entries, bytes }) = state.spaces.get_mut(self.place) else {
            return Ok(());
        };
        let most = self.shared.max_bytes;
        match entries.get_mut(key) {
            Some(slot) => {
                let after = (*bytes - slot.len()).saturating_add(value.len());
                within("bytes of the store", after, most)?;
                *bytes = after;
                // Nobody else holds it but a reader of something large, or the writer of the file.
                match Arc::get_mut(slot) {
                    Some(slot) => *slot = value,
                    None => *slot = Arc::new(value),
                }
            }
            None => {
                within("keys of the store", entries.len() + 1, self.shared.max_keys)?;
                let after = bytes.saturating_add(key.len() + value.len());
                within("bytes of the store", after, most)?;
                *bytes = after;
                entries.insert(key.into(), Arc::new(value));
            }
        }
        if self.shared.file.is_some()
            && let Some((key, value)) = entries.get_key_value(key)
        {
            let (key, value) = (key.clone(), value.clone());
            self.record(state, key, Some(value));
        }
        Ok(())
    }

    /// Removes the key, if there is one.
    pub fn delete(&self, key: &str) {
        let mut state = self.shared.state();
        let Some(space) = state.spaces.get_mut(self.place) else {
            return;
        };
        let Some((key, value)) = space.entries.remove_entry(key) else {
            return;
        };
        space.bytes -= key.len() + value.len();
        if self.shared.file.is_some() {
            self.record(state, key, None);
        }
    }

    fn record(&self, mut state: MutexGuard<'_, State>, key: Arc<str>, value: Option<Arc<String>>) {
        state.dirty.insert((self.name.clone(), key), value);
        self.shared.changed(state);
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
