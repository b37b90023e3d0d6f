//! What the command tells people and programs, through the real binary and a real adapter: lists, explanations, runs.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use conformance::exit;
use serde_json::Value as Json;

use crate::tree;

const CASES: &str = r#"contract pie
world inferlet
group mini

case passes must
  "Sets a value in the persistent store for a given key."
  guest
    store-set("k", "one")
    store-get("k") => some("one")

case fails must
  "Sets a value in the persistent store for a given key."
  guest
    store-set("k", "one")
    store-get("k") => some("two")

case chooses record
  guest
    store-set("k", "one")
    store-get("k") => kept: some("one") | lost: none

case lacks should needs levitation
  "Retrieves a value from the persistent store for a given key."
  guest
    store-get("k") => none
"#;

/// A tree of its own, with the Pie contract, a capability that no host has, and four cases.
fn tree(name: &str) -> PathBuf {
    let capability = "[capabilities]\nlevitation = \"lifts its guests\"";
    tree::pie(name, ("[capabilities]", capability), CASES)
}

/// What the command says on standard output, with what differs from run to run taken out.
fn told(root: &Path, arguments: &[&str], exit: u8) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_witgate"));
    let output = command.arg("--root").arg(root).args(arguments).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let code = Some(i32::from(exit));
    assert_eq!(output.status.code(), code, "{arguments:?}\n{text}");
    steady(root, &text)
}

fn steady(root: &Path, text: &str) -> String {
    let text = text
        .replace(root.to_str().unwrap(), "TREE")
        .replace(env!("CARGO_BIN_EXE_witgate-reference"), "ADAPTER");
    let mut lines: Vec<&str> = text
        .lines()
        // The note on a guest's end names its instance, which is another one each time.
        .filter(|line| !line.contains("note: "))
        .collect();
    // The summary ends with the time it took.
    if let Some(last) = lines.last_mut().filter(|last| last.contains(" cases: ")) {
        *last = last.split(" in ").next().unwrap_or_default();
    }
    lines.join("\n")
}

const REFERENCE: [&str; 2] = ["--", env!("CARGO_BIN_EXE_witgate-reference")];

#[test]
fn cases_are_listed_and_explained() {
    let root = tree("reports-list");
    insta::assert_snapshot!("list", told(&root, &["list"], exit::PASSED));
    let explain = ["explain", "mini.lacks", "--no-wat"];
    insta::assert_snapshot!("explain", told(&root, &explain, exit::PASSED));
    let json = told(&root, &["list", "mini.passes", "--json"], exit::PASSED);
    let mut case: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(case["hash"].take().as_str().map(str::len), Some(64));
    let case = serde_json::to_string_pretty(&case).unwrap();
    insta::assert_snapshot!("list_json", case);
}

#[test]
fn a_run_is_told_to_people() {
    let root = tree("reports-run");
    let run = [&["run", "--verbose", "--jobs", "1"], &REFERENCE[..]].concat();
    insta::assert_snapshot!("run_verbose", told(&root, &run, exit::FAILED));
    let page = root.join("page.md");
    let run = [
        &["run", "--jobs", "1", "--markdown", page.to_str().unwrap()],
        &REFERENCE[..],
    ];
    told(&root, &run.concat(), exit::FAILED);
    let text = std::fs::read_to_string(page).unwrap();
    insta::assert_snapshot!("run_markdown", steady(&root, &text));
}

#[test]
fn a_run_is_told_to_programs() {
    let root = tree("reports-json");
    let run = [&["run", "--json", "--jobs", "1"], &REFERENCE[..]].concat();
    let mut command = Command::new(env!("CARGO_BIN_EXE_witgate"));
    let output = command.arg("--root").arg(&root).args(run).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut events = Vec::new();
    for line in text.lines() {
        let mut event: Json = serde_json::from_str(line).unwrap();
        redact(&mut event);
        events.push(serde_json::to_string_pretty(&event).unwrap());
    }
    insta::assert_snapshot!("run_json", events.join("\n"));
}

#[test]
fn programs_are_told_which_red_cases_are_known() {
    let root = tree("reports-known");
    let known = root.join("known.txt");
    std::fs::write(&known, "mini.fails fail\n").unwrap();
    let run = [
        &["run", "--json", "--expectations", known.to_str().unwrap()],
        &REFERENCE[..],
    ];
    let text = told(&root, &run.concat(), exit::PASSED);
    let events: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |id: &str| events.iter().find(|event| event["id"] == id).unwrap();
    assert_eq!(of("mini.fails")["known"], true);
    assert_eq!(of("mini.fails")["expected"], "\"two\"");
    assert_eq!(of("mini.passes")["known"], false);
}

/// Takes out times and what names an instance.
fn redact(value: &mut Json) {
    match value {
        Json::Array(elements) => elements.iter_mut().for_each(redact),
        Json::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "timing" | "wall_us" | "wait_us" | "slowest" | "notes" | "hash" => {
                        *value = Json::String("...".to_owned());
                    }
                    _ => redact(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_capability_that_is_not_declared_is_unsupported() {
    let root = tree("reports-unsupported");
    let run = [
        &["run", "mini.passes", "mini.lacks", "--verbose"],
        &REFERENCE[..],
    ]
    .concat();
    let text = told(&root, &run, exit::PASSED);
    assert!(
        text.contains("unsupported mini.lacks: levitation"),
        "{text}"
    );
    assert!(text.contains("2 cases: 1 pass, 1 unsupported"), "{text}");
    let run = [&["run", "mini.lacks"], &REFERENCE[..]].concat();
    told(&root, &run, exit::NOTHING);
}
