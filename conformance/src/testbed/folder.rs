//! The folder of a case, `\{dir}`: fresh and empty, gone when the case is. Paths below it are relative and `/` separated;
//! nothing here follows a link out of it.

use std::{
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, DirEntry},
};
use tempfile::TempDir;

/// Entries that are looked at, at most.
const MAX_ENTRIES: usize = 100_000;
/// Bytes of files that are looked at, at most.
const MAX_BYTES: u64 = 256 << 20;
/// Levels of folders that are looked at, at most.
const MAX_DEPTH: usize = 256;

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Anything that is neither of the others.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
}

/// Something in the folder of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the folder, parts separated by `/`; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// The bytes of a file, the target of a link, nothing for a folder.
    pub content: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Folder {
    /// Removes it.
    _owner: TempDir,
    /// Canonical.
    pub(super) path: PathBuf,
    dir: Dir,
}

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        let owner = tempfile::Builder::new().prefix("witgate-").tempdir()?;
        let path = owner.path().canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Folder {
            _owner: owner,
            path,
            dir,
        })
    }

    /// Writes a file; the folders on the way are made.
    pub(super) fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = self.prepared(path)?;
        self.dir.write(path, content)
    }

    /// Makes a folder, and those on the way.
    pub(super) fn make(&self, path: &str) -> io::Result<()> {
        self.dir.create_dir_all(below(path)?)
    }

    /// Makes a symbolic link that says `target`, whatever that is.
    pub(super) fn link(&self, path: &str, target: &str) -> io::Result<()> {
        let path = self.prepared(path)?;
        self.dir.symlink_contents(target, path)
    }

    fn prepared<'p>(&self, path: &'p str) -> io::Result<&'p Path> {
        let path = below(path)?;
        match path.parent() {
            Some(parent) if parent != Path::new("") => self.dir.create_dir_all(parent)?,
            _ => {}
        }
        Ok(path)
    }

    /// Everything in it, sorted by path.
    pub(super) fn files(&self) -> io::Result<Vec<File>> {
        let mut walk = Walk {
            files: Vec::new(),
            room: MAX_BYTES,
        };
        walk.dir(&self.dir, "", 0)?;
        walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(walk.files)
    }
}

fn below(path: &str) -> io::Result<&Path> {
    let below = Path::new(path);
    let mut parts = below.components().peekable();
    let stays = parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)));
    stays.then_some(below).ok_or_else(|| {
        let message = format!("`{path}` does not stay in the folder of the case");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

struct Walk {
    files: Vec<File>,
    room: u64,
}

impl Walk {
    fn dir(&mut self, dir: &Dir, prefix: &str, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(too_much());
        }
        for entry in dir.entries()? {
            // The host may be at work: what is gone again was not there.
            match self.entry(&entry?, dir, prefix, depth) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, dir: &Dir, prefix: &str, depth: usize) -> io::Result<()> {
        if self.files.len() >= MAX_ENTRIES {
            return Err(too_much());
        }
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let ty = entry.file_type()?;
        let (kind, content) = if ty.is_symlink() {
            let target = dir.read_link_contents(&name)?;
            let target = target.to_string_lossy().into_owned().into_bytes();
            (FileKind::Link, target)
        } else if ty.is_dir() {
            self.dir(&entry.open_dir()?, &format!("{path}/"), depth + 1)?;
            (FileKind::Directory, Vec::new())
        } else if ty.is_file() {
            (FileKind::File, self.content(entry)?)
        } else {
            (FileKind::File, Vec::new())
        };
        self.files.push(File {
            path,
            kind,
            content,
        });
        Ok(())
    }

    fn content(&mut self, entry: &DirEntry) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let read = entry.open()?.take(self.room).read_to_end(&mut content)?;
        self.room -= read as u64;
        if self.room == 0 {
            return Err(too_much());
        }
        Ok(content)
    }
}

fn too_much() -> io::Error {
    io::Error::other("more in the folder of the case than the suite looks at")
}
