//! Where contracts and cases are read from: a clone of the repository, or the copy inside a released binary.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

#[cfg(not(debug_assertions))]
use include_dir::{Dir, include_dir};

#[cfg(not(debug_assertions))]
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
#[cfg(not(debug_assertions))]
static CASES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/cases");

/// A tree with `wit/` and `conformance/cases/`. Paths in it are relative and use `/`.
#[derive(Clone, Debug)]
pub struct Files(Place);

#[derive(Clone, Debug)]
enum Place {
    Disk(PathBuf),
    #[cfg(not(debug_assertions))]
    Embedded,
}

impl Files {
    /// The tree at `root`, as in a clone of the repository.
    pub fn disk(root: impl Into<PathBuf>) -> Self {
        Files(Place::Disk(root.into()))
    }

    /// The tree that was compiled in. A build with debug assertions reads the sources it was built from instead.
    pub fn embedded() -> Self {
        #[cfg(not(debug_assertions))]
        return Files(Place::Embedded);
        #[cfg(debug_assertions)]
        Files::disk(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .unwrap_or(Path::new(".")),
        )
    }

    /// Where `path` lies on disk; for the compiled-in tree, where it would lie in a clone.
    pub fn path(&self, path: &str) -> PathBuf {
        match &self.0 {
            Place::Disk(root) => root.join(path),
            #[cfg(not(debug_assertions))]
            Place::Embedded => PathBuf::from(path),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file, when it cannot be read, or when `path` leaves the tree.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let clean = normal(Path::new(path)).ok_or(io::ErrorKind::NotFound)?;
        match &self.0 {
            Place::Disk(root) => std::fs::read(root.join(clean)),
            #[cfg(not(debug_assertions))]
            Place::Embedded => embedded(&clean)
                .and_then(|(dir, rest)| dir.get_file(rest))
                .map(|file| file.contents().to_vec())
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// As [`Files::read`], and when it is not UTF-8.
    pub fn text(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read(path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Every file in `folder` and below whose name ends in `.EXTENSION`, in order of their paths.
    ///
    /// # Errors
    /// When `folder` cannot be read.
    pub fn list(&self, folder: &str, extension: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        match &self.0 {
            Place::Disk(root) => walk(&root.join(folder), folder, extension, &mut found, 0)?,
            #[cfg(not(debug_assertions))]
            Place::Embedded => {
                let (dir, rest) = embedded(Path::new(folder)).ok_or(io::ErrorKind::NotFound)?;
                let dir = if rest.as_os_str().is_empty() {
                    dir
                } else {
                    dir.get_dir(&rest).ok_or(io::ErrorKind::NotFound)?
                };
                collect(
                    dir,
                    folder.trim_end_matches(rest.to_str().unwrap_or_default()),
                    extension,
                    &mut found,
                );
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The path without `.` and `..`; `None` when it leaves the tree.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir if clean.pop() => {}
            _ => return None,
        }
    }
    Some(clean)
}

fn walk(
    folder: &Path,
    name: &str,
    extension: &str,
    found: &mut Vec<String>,
    depth: usize,
) -> io::Result<()> {
    if depth > 8 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(own) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{name}/{own}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &path, extension, found, depth + 1)?;
        } else if Path::new(&own)
            .extension()
            .is_some_and(|found| found == extension)
        {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(not(debug_assertions))]
fn embedded(path: &Path) -> Option<(&'static Dir<'static>, PathBuf)> {
    let within = |prefix: &str| path.strip_prefix(prefix).ok().map(Path::to_path_buf);
    within("wit")
        .map(|rest| (&WIT, rest))
        .or_else(|| within("conformance/cases").map(|rest| (&CASES, rest)))
}

#[cfg(not(debug_assertions))]
fn collect(dir: &Dir<'_>, prefix: &str, extension: &str, found: &mut Vec<String>) {
    for file in dir.files().filter(|file| {
        file.path()
            .extension()
            .is_some_and(|found| found == extension)
    }) {
        if let Some(path) = file.path().to_str() {
            found.push(format!("{}/{path}", prefix.trim_end_matches('/')));
        }
    }
    for inner in dir.dirs() {
        collect(inner, prefix, extension, found);
    }
}
