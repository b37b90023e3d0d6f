//! `witgate guest` as a child process, on every plugin in the tree: what it finds, and how it exits.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value as Json;

/// A plugin that `scripts/build-guests.sh` built.
pub(crate) fn component(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name.strip_prefix("unlawful-") {
        Some(name) => root.join(format!("guests/unlawful/{name}.wasm")),
        None => root.join(format!("cases/uni/guests/{name}.wasm")),
    }
}

fn guest(plugin: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_witgate"))
        .arg("guest")
        .arg(plugin)
        .args(arguments)
        .output()
        .unwrap()
}

/// What was found: the promises broken, by function, and how many there are of each verdict.
#[derive(Debug, Default)]
struct Found {
    broken: BTreeMap<String, Vec<String>>,
    kept: usize,
    untried: usize,
}

/// Few samples: the guests do wrong often, and the twins are tried with many.
fn try_all(name: &str, arguments: &[&str], exit: i32) -> Found {
    let few = ["--json", "--cases", "32", "--call-ms", "400"];
    let output = guest(&component(name), &[&few[..], arguments].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*stderr), (Some(exit), ""), "{name}");
    let mut found = Found::default();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let finding: Json = serde_json::from_str(line).unwrap();
        let text = |member: &str| finding[member].as_str().unwrap().to_owned();
        let (_, function) = finding["function"]
            .as_str()
            .unwrap()
            .rsplit_once('.')
            .unwrap();
        let broken = found.broken.entry(function.to_owned()).or_default();
        match &*text("verdict") {
            "broken" => {
                assert!(text("counterexample").contains("\n    = "), "{finding}");
                broken.push(text("promise"));
            }
            "kept" => found.kept += 1,
            "untried" => found.untried += 1,
            verdict => panic!("{verdict}"),
        }
    }
    found
}

fn expected<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a [&'a str])>,
) -> BTreeMap<String, Vec<String>> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, promises)| (name.to_owned(), owned(promises)))
        .collect()
}

#[test]
fn lawful_aggregates_keep_every_promise() {
    let ordered = [
        "--ordered",
        "laws.lawful.append",
        "--ordered",
        "laws.lawful.rows",
    ];
    let found = try_all("real-aggregates", &ordered, 0);
    let none: &[&str] = &[];
    let all = aggregates::lawful().iter();
    assert_eq!(found.broken, expected(all.map(|one| (one.name(), none))));
    assert_eq!((found.kept, found.untried), (194, 6));
}

#[test]
fn unlawful_aggregates_are_convicted_of_what_they_break() {
    let found = try_all("unlawful-aggregates", &[], 1);
    let unlawful = aggregates::unlawful().iter();
    let hostile = aggregates::hostile().iter();
    let laws = unlawful.map(|(one, laws)| (one.name(), *laws));
    let promises = hostile.map(|(one, promise)| (one.name(), std::slice::from_ref(promise)));
    assert_eq!(found.broken, expected(laws.chain(promises)));
}

#[test]
fn scalars_are_told_apart() {
    let honest = try_all("real-scalars", &[], 0);
    assert!(honest.broken.values().all(Vec::is_empty), "{honest:?}");
    assert_eq!(
        (honest.broken.len(), honest.kept, honest.untried),
        (6, 36, 0)
    );
    let dishonest = try_all("unlawful-scalars", &[], 1);
    let convictions: [(&str, &[&str]); 8] = [
        ("loses-a-row", &["answer"]),
        ("lies", &["answer"]),
        ("counts-on", &["determinism"]),
        ("runs-on", &["row-alignment"]),
        ("fears-null", &["nulls"]),
        ("no-stream", &["answer"]),
        ("never-returns", &["limit"]),
        ("swells", &["limit"]),
    ];
    assert_eq!(dishonest.broken, expected(convictions));
}

#[test]
fn procedures_are_told_apart() {
    let honest = try_all("real-procedures", &[], 0);
    assert_eq!(honest.broken, expected([("range", &[][..])]));
    assert_eq!((honest.kept, honest.untried), (3, 0));
    let dishonest = try_all("unlawful-procedures", &[], 1);
    let convictions: [(&str, &[&str]); 7] = [
        ("lies", &["answer"]),
        ("doubles", &["answer"]),
        ("breaks-off", &["answer"]),
        ("no-stream", &["answer"]),
        ("traps", &["trap"]),
        ("never-returns", &["limit"]),
        ("swells", &["limit"]),
    ];
    assert_eq!(dishonest.broken, expected(convictions));
}

#[test]
fn a_failure_is_shown_with_the_command_that_shows_it_again() {
    let plugin = component("unlawful-aggregates");
    let output = guest(
        &plugin,
        &["--function", "laws.unlawful.divides", "--cases", "3"],
    );
    let path = plugin.display().to_string();
    let shown = String::from_utf8(output.stdout)
        .unwrap()
        .replace(&path, "PLUGIN.wasm");
    // Where it trapped is the compiler's choice.
    let shown: Vec<_> = shown
        .lines()
        .map(|line| line.split(" error while executing").next().unwrap())
        .collect();
    insta::assert_snapshot!("divides", shown.join("\n"));
}

#[test]
fn what_cannot_be_tried_is_said() {
    let plugin = component("real-scalars");
    let unknown = ["--ordered", "sums.honest.append"];
    let missing = Path::new("no/such/plugin.wasm");
    let adapter = ["--", "no/such/adapter"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/uni/guests/flip-scalar.wat");
    for (plugin, arguments, exit, words) in [
        (
            &*plugin,
            &unknown[..],
            64,
            "registers no `sums.honest.append`",
        ),
        (&*plugin, &["--function", "add"], 64, "registers no `add`"),
        (&*plugin, &["--cases", "0"], 64, "0 is not in 1.."),
        (missing, &[], 64, "failed to read no/such/plugin.wasm"),
        (&*source, &[], 1, "the plugin is refused"),
        (&*core, &[], 1, "the plugin is refused"),
        (&*plugin, &adapter, 3, "no/such/adapter"),
    ] {
        let output = guest(plugin, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
