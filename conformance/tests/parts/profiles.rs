//! Profiles through the real binary and real adapters: a case of a profile holds hosts that declare it, and all hosts where
//! the user demands it; it is `unsupported` elsewhere.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use conformance::{
    contract::Files,
    exit,
    host::{Launcher as _, reference::ReferenceLauncher},
    suite::Suite,
};

use crate::tree;

const CASES: &str = r#"contract pie
world inferlet
group mini

case short must profile mini
  "Sets a value in the persistent store for a given key."
  guest
    store-set("k", "one")
    store-get("k") => some("two")

case plain must
  "Sets a value in the persistent store for a given key."
  guest
    store-set("k", "one")
    store-get("k") => some("one")
"#;

/// A tree of its own, with the Pie contract, a profile `mini` and two cases.
fn tree(name: &str) -> PathBuf {
    let profile = "[profiles]\nmini = \"keeps what this test asks for\"\n\n[worlds.inferlet]";
    tree::pie(name, ("[worlds.inferlet]", profile), CASES)
}

fn witgate(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_witgate"));
    command.arg("--root").arg(root).args(arguments);
    command.output().unwrap()
}

fn told(root: &Path, arguments: &[&str], exit: u8) -> String {
    let output = witgate(root, arguments);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(exit)),
        "{arguments:?}\n{text}"
    );
    text
}

#[test]
fn a_profile_that_is_not_declared_is_unsupported() {
    let root = tree("profile-undeclared");
    let reference = env!("CARGO_BIN_EXE_witgate-reference");
    for adapter in [&["--", reference][..], &[]] {
        let run = [&["run", "--verbose", "--jobs", "1"], adapter].concat();
        let text = told(&root, &run, exit::PASSED);
        assert!(
            text.contains("unsupported mini.short: profile mini\n"),
            "{text}"
        );
        assert!(text.contains("pass mini.plain\n"), "{text}");
        assert!(text.contains("2 cases: 1 pass, 1 unsupported"), "{text}");
    }
    let alone = told(&root, &["run", "mini.short"], exit::NOTHING);
    assert!(alone.contains("0 cases ran"), "{alone}");
}

#[test]
fn a_demanded_profile_holds_every_host() {
    let root = tree("profile-demanded");
    let text = told(&root, &["run", "--profile", "mini"], exit::FAILED);
    assert!(
        text.contains("fail: mini.short (must, profile mini)"),
        "{text}"
    );
    assert!(text.contains("run 'mini.short' --profile mini\n"), "{text}");
    assert!(text.contains("2 cases: 1 fail, 1 pass"), "{text}");
    let text = told(&root, &["run", "--profile", "maxi"], exit::USAGE);
    assert!(text.contains("no profile `maxi`; there is mini"), "{text}");
}

#[test]
fn a_declared_profile_holds_the_host() {
    let root = tree("profile-declared");
    let mut run = vec!["run", "mini.short", "--json", "--"];
    run.extend([
        env!("CARGO_BIN_EXE_witgate-misbehaving"),
        "follows-a-profile",
    ]);
    let text = told(&root, &run, exit::ADAPTER);
    assert!(text.contains("not implemented"), "{text}");
    assert!(text.contains(r#""profile":"mini""#), "{text}");
}

#[test]
fn profiles_are_listed_and_explained() {
    let root = tree("profile-listed");
    let all = told(&root, &["list"], exit::PASSED);
    assert_eq!(
        all,
        "must    mini.short  profile mini\nmust    mini.plain\n"
    );
    let some = told(&root, &["list", "--profile", "mini"], exit::PASSED);
    assert_eq!(some, "must    mini.short  profile mini\n");
    let json = told(
        &root,
        &["list", "--profile", "mini", "--json"],
        exit::PASSED,
    );
    assert!(json.contains(r#""profile":"mini""#), "{json}");
    told(&root, &["list", "--profile", "maxi"], exit::USAGE);
    told(
        &root,
        &["list", "mini.plain", "--profile", "mini"],
        exit::NOTHING,
    );
    let words = told(&root, &["explain", "mini.short", "--no-wat"], exit::PASSED);
    assert!(
        words.contains("Only for hosts of the profile mini: keeps what this test asks for\n"),
        "{words}"
    );
}

#[test]
fn a_profile_of_another_spelling_is_a_mistake_of_the_contract() {
    let root = tree("profile-misspelt");
    let path = root.join("conformance/cases/pie/contract.toml");
    let contract = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, contract.replace("mini =", "\"Mini Host\" =")).unwrap();
    let text = told(&root, &["list"], exit::USAGE);
    assert!(
        text.contains("the profile `Mini Host` is not named by"),
        "{text}"
    );
}

#[test]
fn the_reference_host_declares_every_profile() {
    let suite = Suite::load(&Files::embedded()).unwrap();
    let host = ReferenceLauncher.launch().unwrap();
    for (name, declared) in &host.hello().contracts {
        if let Some((contract, _)) = suite.contracts.get(name) {
            let profiles: Vec<&String> = contract.profiles.keys().collect();
            let mut said: Vec<&String> = declared.profiles.iter().collect();
            said.sort();
            assert_eq!(said, profiles, "{name}");
        }
    }
}
