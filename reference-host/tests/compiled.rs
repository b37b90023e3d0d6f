//! Compiled components are kept in a folder; what is no use there is made anew.

use std::path::{Path, PathBuf};

use reference_host::engine::{self, Kept};
use wasmtime::component::Component;

/// The files of compiled code under `folder`, without the engine's notes on how often each was read.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_was_compiled_is_read_back_and_what_is_broken_is_compiled_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("not/there/yet");
    engine::keep_compiled(&folder).expect("the folder is made");
    assert!(
        engine::keep_compiled(&folder).is_err(),
        "one folder a process"
    );
    let component = wat::parse_str("(component (core module (func (export \"f\"))))");
    let component = component.expect("text");
    let engine = engine::shared().expect("an engine");
    let made = |read, compiled| {
        Component::from_binary(engine, &component).expect("it compiles");
        assert_eq!(engine::kept(), Kept { read, compiled });
    };
    made(0, 1);
    made(1, 1);
    let kept = files(&folder);
    assert_eq!(kept.len(), 1, "{kept:?}");
    std::fs::write(&kept[0], "not what was written").expect("it can be written");
    made(1, 2);
    made(2, 2);
}
