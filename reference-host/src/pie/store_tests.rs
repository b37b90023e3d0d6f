//! The store without a guest: against a model, across reopening, at its limits, in bulk.

use super::*;
use rand::prelude::*;
use std::collections::BTreeMap;
use std::time::Instant;

fn open(backing: &Backing) -> Store {
    Store::open(backing, &Limits::default()).expect("opens")
}

#[test]
fn it_behaves_like_a_map() {
    let store = open(&Backing::Temporary);
    let space = store.namespace("n");
    let mut model = BTreeMap::new();
    let mut random = StdRng::seed_from_u64(7);
    let keys = ["", "a", "A", "a ", "é", "e\u{301}", "\0", "k"];
    for step in 0..2000 {
        let key = *keys.choose(&mut random).expect("some");
        match random.random_range(0..4) {
            0 | 1 => {
                let value = if step % 7 == 0 {
                    String::new()
                } else {
                    step.to_string()
                };
                space.set(key, &value).expect("room");
                model.insert(key.to_owned(), value);
            }
            2 => {
                space.delete(key);
                model.remove(key);
            }
            _ if step % 100 == 3 => store.flush().expect("flushes"),
            _ => {}
        }
        assert_eq!(
            space.get(key).as_deref(),
            model.get(key).map(String::as_str)
        );
        assert_eq!(space.exists(key), model.contains_key(key));
        assert_eq!(space.keys(), model.keys().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn it_survives_reopening_whatever_the_backing() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("store.redb");
    for backing in [
        Backing::Memory,
        Backing::Temporary,
        Backing::File(path.clone()),
    ] {
        let store = open(&backing);
        let (one, two) = (store.namespace("one"), store.namespace("two"));
        one.set("k", "1").expect("room");
        one.set("gone", "x").expect("room");
        two.set("k", "2").expect("room");
        let store = store.reopen().expect("reopens");
        store.namespace("one").delete("gone");
        let store = store.reopen().expect("reopens");
        assert_eq!(store.namespace("one").keys(), ["k"]);
        assert_eq!(store.namespace("one").get("k").as_deref(), Some("1"));
        assert_eq!(store.namespace("two").get("k").as_deref(), Some("2"));
    }
    let store = open(&Backing::File(path));
    assert_eq!(
        store.namespace("two").get("k").as_deref(),
        Some("2"),
        "a new process"
    );
}

#[test]
fn a_dropped_store_still_writes_what_it_was_given() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("store.redb");
    let store = open(&Backing::File(path.clone()));
    store.namespace("n").set("k", "v").expect("room");
    drop(store);
    let start = Instant::now();
    loop {
        if let Ok(store) = Store::open(&Backing::File(path.clone()), &Limits::default())
            && store.namespace("n").exists("k")
        {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "never written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_temporary_file_is_made_late_and_removed() {
    let store = open(&Backing::Temporary);
    store.namespace("n").set("k", "v").expect("room");
    let file = store.shared.file.as_ref().map(|file| format!("{file:?}"));
    let file = file.expect("a file");
    let path = file.split('"').nth(1).expect("a path").to_owned();
    assert!(!std::path::Path::new(&path).exists());
    store.flush().expect("flushes");
    assert!(std::path::Path::new(&path).exists());
    drop(store);
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn an_unwritable_file_is_an_error_of_flush_not_of_set() {
    let directory = tempfile::tempdir().expect("directory");
    let store = open(&Backing::File(directory.path().join("no/such/directory")));
    let space = store.namespace("n");
    space.set("k", "v").expect("room");
    assert!(store.flush().is_err());
    assert_eq!(
        space.get("k").as_deref(),
        Some("v"),
        "readable all the same"
    );
    std::fs::write(directory.path().join("garbage"), b"no database").expect("written");
    let garbage = Backing::File(directory.path().join("garbage"));
    assert!(Store::open(&garbage, &Limits::default()).is_err());
}

#[test]
fn a_namespace_is_bounded() {
    let limits = Limits {
        store_keys: 2,
        store_bytes: 10,
        ..Limits::default()
    };
    let store = Store::open(&Backing::Memory, &limits).expect("opens");
    let space = store.namespace("n");
    space.set("a", "1").expect("room");
    space.set("b", "2").expect("room");
    assert!(space.set("c", "3").is_err(), "too many keys");
    space.set("a", "1234567").expect("exactly ten bytes");
    assert!(space.set("b", "23").is_err(), "too many bytes");
    assert_eq!(space.get("b").as_deref(), Some("2"), "unchanged");
    space.delete("a");
    space.set("c", "1234567").expect("room again");
    store
        .namespace("other")
        .set("a", "1")
        .expect("its own bounds");
}

#[test]
fn it_is_fast_in_bulk() {
    let directory = tempfile::tempdir().expect("directory");
    let store = open(&Backing::File(directory.path().join("store.redb")));
    let space = store.namespace("n");
    let start = Instant::now();
    for number in 0..100_000 {
        space.set(&format!("key-{number}"), "value").expect("room");
    }
    assert_eq!(space.keys().len(), 100_000);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let space = &space;
            scope.spawn(move || {
                for number in 0..1000 {
                    space
                        .set("one", format!("{writer}:{number}"))
                        .expect("room");
                }
            });
        }
    });
    let written = start.elapsed();
    assert!(
        space
            .get("one")
            .is_some_and(|value| value.ends_with(":999"))
    );
    store.flush().expect("flushes");
    let flushed = start.elapsed();
    assert!(written < Duration::from_secs(10), "{written:?}");
    assert!(flushed < Duration::from_secs(30), "{flushed:?}");
    eprintln_figures(written, flushed);
}

#[expect(
    clippy::print_stderr,
    reason = "a figure for whoever runs the test with --nocapture"
)]
fn eprintln_figures(written: Duration, flushed: Duration) {
    eprintln!("108,000 sets: {written:?}, in the file after {flushed:?}");
}
