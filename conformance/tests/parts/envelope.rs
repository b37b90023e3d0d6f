//! The schemas beside the cases are those of the types, and tell good documents from bad ones. `WITGATE_BLESS=1` writes the
//! schemas anew.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use conformance::{envelope, payload::schema::Schema};
use serde_json::Value;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_files_are_those_of_the_types() {
    let bless = std::env::var_os("WITGATE_BLESS").is_some();
    let mut expected: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut folders = BTreeSet::new();
    for (contract, name, schema) in envelope::schemas() {
        let folder = here(&format!("cases/{contract}/schemas"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let before = expected.insert(folder.join(format!("{name}.json")), text);
        assert!(before.is_none(), "{contract}: {name} is there twice");
        folders.insert(folder);
    }
    if bless {
        for (path, text) in &expected {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let mut wrong = Vec::new();
    for (path, text) in &expected {
        if fs::read_to_string(path).ok().as_ref() != Some(text) {
            wrong.push(format!("{}: not that of the type", path.display()));
        }
    }
    for folder in folders {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if !expected.contains_key(&path) {
                wrong.push(format!("{}: of no type", path.display()));
            }
        }
    }
    let wrong = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{wrong}\nWITGATE_BLESS=1 writes them anew"
    );
}

/// Lines of `tests/envelopes/CONTRACT.txt`: `# SCHEMA`, then `+` and a document that fits or `-` and one that does not.
#[test]
fn documents_are_told_apart() {
    let schemas: BTreeMap<(&str, &str), Schema> = envelope::schemas()
        .into_iter()
        .map(|(contract, name, schema)| {
            let bytes = schema.to_string().into_bytes();
            ((contract, name), Schema::new(name, bytes).unwrap())
        })
        .collect();
    let contracts: BTreeSet<&str> = schemas.keys().map(|(contract, _)| *contract).collect();
    for contract in contracts {
        let text = fs::read_to_string(here(&format!("tests/envelopes/{contract}.txt"))).unwrap();
        let mut named = BTreeSet::new();
        let mut schema: Option<&Schema> = None;
        let mut said = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (mark, rest) = line.split_once(' ').unwrap();
            if mark == "#" {
                schema = Some(&schemas[&(contract, rest)]);
                named.insert((contract, rest));
                writeln!(said, "# {rest}").unwrap();
                continue;
            }
            let document: Value = serde_json::from_str(rest).unwrap();
            match (mark, schema.unwrap().check(&document)) {
                ("+", Ok(())) => {}
                ("-", Err(mismatch)) => writeln!(said, "{rest}\n  {mismatch}").unwrap(),
                (_, told) => panic!("{contract}: {line}: {told:?}"),
            }
        }
        let untold: Vec<_> = schemas
            .keys()
            .filter(|key| key.0 == contract && !named.contains(*key))
            .collect();
        assert!(untold.is_empty(), "no documents for {untold:?}");
        insta::assert_snapshot!(format!("envelopes_{contract}"), said);
    }
}
