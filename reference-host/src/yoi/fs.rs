//! `yoi:host/fs`: files below granted directories, through `cap-std`. Symbolic links are refused wherever they lead, and
//! no answer tells where a directory lies.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, FileType, Metadata, MetadataExt as _, OpenOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::envelope::Object;
use super::failure::{ImportError, within};
use super::limits::FsLimits;
use super::manifest::{FsOperation, HostApi};
use super::text;

/// What `read` and `list` are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathDescriptor {
    /// Relative, parts separated by `/`, without `..`.
    pub path: String,
}

/// What `write` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteDescriptor {
    /// As in [`PathDescriptor`]; it must name a file.
    pub path: String,
    /// The whole new content.
    pub content: String,
}

/// What `read` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileContent {
    /// The path that was asked for, bounded and redacted.
    pub path: String,
    /// The head of the file; bytes that are not UTF-8 are replaced.
    pub content: String,
    /// Whether the file is longer.
    pub truncated: bool,
}

/// What `list` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// The path that was asked for, bounded and redacted.
    pub path: String,
    /// The first entries by name.
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub truncated: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its name; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link; no operation follows it.
    Symlink,
    /// Anything else.
    Other,
}

/// What `write` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The path that was asked for, bounded and redacted.
    pub path: String,
    /// UTF-8 bytes of the content.
    pub bytes_written: usize,
}

/// `read`. Blocks.
pub(super) fn read(
    json: &str,
    authority: &Authority,
    limits: &FsLimits,
) -> Result<FileContent, ImportError> {
    let PathDescriptor { path } = descriptor(json, authority, limits)?;
    let steps = steps(&path, limits)?;
    in_roots(authority, FsOperation::Read, |root| {
        let (parent, name) = parent(root, &steps)?;
        let name = name.ok_or_else(not_a_file)?;
        let known = regular(&parent, name)?;
        let file = parent.open(name)?;
        same(&known, &file)?;
        let mut content = Vec::new();
        let most = limits.read_bytes as u64;
        file.take(most + 1).read_to_end(&mut content)?;
        let truncated = content.len() > limits.read_bytes;
        content.truncate(limits.read_bytes);
        Ok(FileContent {
            path: echo(&path, limits),
            content: String::from_utf8_lossy(&content).into_owned(),
            truncated,
        })
    })
}

/// `list`. Blocks.
pub(super) fn list(
    json: &str,
    authority: &Authority,
    limits: &FsLimits,
) -> Result<Listing, ImportError> {
    let PathDescriptor { path } = descriptor(json, authority, limits)?;
    let steps = steps(&path, limits)?;
    in_roots(authority, FsOperation::List, |root| {
        let dir = steps.iter().try_fold(root, |dir, step| enter(&dir, step))?;
        // The first by name whatever the order of the system, and never more in memory than that.
        let mut entries = BTreeMap::new();
        let mut truncated = false;
        for entry in dir.entries()? {
            let entry = entry?;
            let kind = EntryKind::from(entry.file_type()?);
            entries.insert(entry.file_name().to_string_lossy().into_owned(), kind);
            if entries.len() > limits.entries {
                entries.pop_last();
                truncated = true;
            }
        }
        let entries = entries.into_iter();
        Ok(Listing {
            path: echo(&path, limits),
            entries: entries.map(|(name, kind)| Entry { name, kind }).collect(),
            truncated,
        })
    })
}

/// `write`. Blocks; one write of this process at a time.
pub(super) fn write(
    json: &str,
    authority: &Authority,
    limits: &FsLimits,
) -> Result<Written, ImportError> {
    static WRITING: Mutex<()> = Mutex::new(());
    let WriteDescriptor { path, content } = descriptor(json, authority, limits)?;
    let steps = steps(&path, limits)?;
    within("the content", &content, limits.write_bytes)?;
    if path.ends_with('/') {
        return Err(ImportError::invalid("the path must name a file"));
    }
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    in_roots(authority, FsOperation::Write, |root| {
        let (parent, name) = parent(root, &steps)?;
        let name = name.ok_or_else(not_a_file)?;
        let mut file = match parent.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Exclusive creation follows no link that comes in between.
                parent.open_with(name, OpenOptions::new().write(true).create_new(true))?
            }
            Err(error) => return Err(error),
            Ok(_) => {
                let known = regular(&parent, name)?;
                let file = parent.open_with(name, OpenOptions::new().write(true))?;
                same(&known, &file)?;
                file.set_len(0)?;
                file
            }
        };
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        Ok(Written {
            path: echo(&path, limits),
            bytes_written: content.len(),
        })
    })
}

fn descriptor<T: for<'de> Deserialize<'de>>(
    json: &str,
    authority: &Authority,
    limits: &FsLimits,
) -> Result<T, ImportError> {
    within("fs descriptor", json, limits.descriptor_bytes)?;
    authority.host_api(HostApi::Fs)?;
    serde_json::from_str::<Object<T>>(json)
        .map(|object| object.0)
        .map_err(|error| ImportError::invalid(format!("malformed fs descriptor: {error}")))
}

/// The parts of a path, without those that are `.` or empty.
fn steps<'a>(path: &'a str, limits: &FsLimits) -> Result<Vec<&'a str>, ImportError> {
    if path.is_empty() {
        return Err(ImportError::invalid("the path is empty"));
    }
    within("the path", path, limits.path_bytes)?;
    if path.contains('\0') {
        return Err(ImportError::invalid("the path holds a NUL"));
    }
    let foreign = path.contains('\\') && cfg!(windows);
    if path.starts_with('/') || foreign || Path::new(path).is_absolute() {
        return Err(ImportError::denied("the path is not relative"));
    }
    let steps: Vec<&str> = path
        .split('/')
        .filter(|step| !matches!(*step, "" | "."))
        .collect();
    if steps.contains(&"..") {
        return Err(ImportError::denied("the path holds `..`"));
    }
    Ok(steps)
}

/// Carries an operation out below the first granted directory, in their order, where it can be.
fn in_roots<T>(
    authority: &Authority,
    operation: FsOperation,
    work: impl Fn(Dir) -> io::Result<T>,
) -> Result<T, ImportError> {
    let roots = authority
        .grants
        .fs
        .iter()
        .filter(|root| root.path.is_absolute() && root.operations.contains(&operation));
    let mut last = None;
    for root in roots {
        match open_root(&root.path).and_then(&work) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => ImportError::failed(format!(
            "host_api.fs {operation} failed: {}",
            reason(&error)
        )),
        None => ImportError::denied(format!(
            "host_api.fs {operation} denied: no matching operation grant"
        )),
    })
}

fn open_root(path: &Path) -> io::Result<Dir> {
    if !std::fs::symlink_metadata(path)?.is_dir() {
        return Err(io::Error::other("the granted root is no directory"));
    }
    Dir::open_ambient_dir(path, ambient_authority())
}

/// The directory of the last step, and that step unless there is none.
fn parent<'a>(root: Dir, steps: &[&'a str]) -> io::Result<(Dir, Option<&'a str>)> {
    match steps {
        [] => Ok((root, None)),
        [above @ .., last] => {
            let dir = above.iter().try_fold(root, |dir, step| enter(&dir, step))?;
            Ok((dir, Some(last)))
        }
    }
}

/// A directory in a directory, unless it is a symbolic link. What was looked at is compared with what was opened, so that
/// a link put there in between is found too.
fn enter(dir: &Dir, name: &str) -> io::Result<Dir> {
    let known = dir.symlink_metadata(name)?;
    no_link(&known)?;
    if !known.is_dir() {
        return Err(io::Error::other("not a directory"));
    }
    let inner = dir.open_dir(name)?;
    compare(&known, &inner.dir_metadata()?)?;
    Ok(inner)
}

/// What is known of a regular file before it is opened.
fn regular(dir: &Dir, name: &str) -> io::Result<Metadata> {
    let known = dir.symlink_metadata(name)?;
    no_link(&known)?;
    if !known.is_file() {
        return Err(not_a_file());
    }
    Ok(known)
}

fn same(known: &Metadata, file: &File) -> io::Result<()> {
    compare(known, &file.metadata()?)
}

fn compare(known: &Metadata, opened: &Metadata) -> io::Result<()> {
    if (known.dev(), known.ino()) != (opened.dev(), opened.ino()) {
        return Err(io::Error::other("the path changed meanwhile"));
    }
    Ok(())
}

fn no_link(known: &Metadata) -> io::Result<()> {
    if known.is_symlink() {
        return Err(io::Error::other("the path holds a symbolic link"));
    }
    Ok(())
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file")
}

/// The words of an error; the system's own may hold paths.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

fn echo(path: &str, limits: &FsLimits) -> String {
    text::safe(path, limits.echo_bytes)
}

impl From<FileType> for EntryKind {
    fn from(kind: FileType) -> Self {
        if kind.is_symlink() {
            Self::Symlink
        } else if kind.is_dir() {
            Self::Dir
        } else if kind.is_file() {
            Self::File
        } else {
            Self::Other
        }
    }
}
