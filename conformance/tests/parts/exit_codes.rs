//! Every exit code of `witgate`, through the real binary and real adapters; and the verdicts that lead there.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use conformance::exit;

/// Cases that take no time on a good host.
const QUICK: &str = "pie.core.store-set.overwrite";

fn witgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_witgate"))
        .args(arguments)
        .output()
        .unwrap()
}

fn code(output: &Output) -> Option<u8> {
    output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok())
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn expect(arguments: &[&str], exit: u8, words: &str) {
    let output = witgate(arguments);
    let text = text(&output);
    assert_eq!(code(&output), Some(exit), "{arguments:?}\n{text}");
    assert!(
        text.contains(words),
        "{arguments:?}: expected `{words}` in\n{text}"
    );
}

/// Arguments of a run on an adapter that misbehaves in this way.
fn on_misbehaving(mode: &str) -> [&str; 5] {
    [
        "run",
        QUICK,
        "--",
        env!("CARGO_BIN_EXE_witgate-misbehaving"),
        mode,
    ]
}

fn file(name: &str, content: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn passed() {
    expect(&["run", QUICK], exit::PASSED, "1 case: 1 pass");
    expect(
        &["run", QUICK, "--verbose", "--timings"],
        exit::PASSED,
        "times the floor",
    );
    expect(
        &["list", QUICK],
        exit::PASSED,
        "must    pie.core.store-set.overwrite",
    );
    expect(&["explain", QUICK], exit::PASSED, "(core module");
    expect(&["--help"], exit::PASSED, "Usage");
}

#[test]
fn the_reference_host_passes_as_a_child_process_too() {
    expect(
        &["run", QUICK, "--", env!("CARGO_BIN_EXE_witgate-reference")],
        exit::PASSED,
        "1 case: 1 pass",
    );
}

/// A tree of its own, with the Pie contract and two cases: one that asks for what no host may give, one that may not
/// take long.
fn tree(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("conformance/cases/pie")).unwrap();
    std::os::unix::fs::symlink(ours.join("../wit"), root.join("wit")).unwrap();
    let contract = "conformance/cases/pie/contract.toml";
    std::fs::copy(ours.join("cases/pie/contract.toml"), root.join(contract)).unwrap();
    let cases = "contract pie\nworld inferlet\ngroup mini\n\n\
                 case wrong must limit 2s\n  \"Sets a value in the persistent store for a given key.\"\n  guest\n    \
                 store-set(\"k\", \"one\")\n    store-get(\"k\") => some(\"two\")\n";
    std::fs::write(root.join("conformance/cases/pie/mini.case"), cases).unwrap();
    root
}

#[test]
fn failed() {
    let root = tree("failed");
    let output = witgate(&["--root", root.to_str().unwrap(), "run", "--jobs", "1"]);
    assert_eq!(code(&output), Some(exit::FAILED), "{}", text(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let (shown, _) = shown.rsplit_once(" in ").unwrap();
    // The note on the guest's end names its instance, which is another one each time.
    let steady: Vec<&str> = shown
        .lines()
        .filter(|line| !line.contains("note: "))
        .collect();
    let shown = steady.join("\n").replace(root.to_str().unwrap(), "TREE");
    insta::assert_snapshot!("a_failing_case", shown);
}

#[test]
fn a_host_that_dies_or_hangs_fails_and_the_run_goes_on() {
    expect(&on_misbehaving("dies-in-call"), exit::FAILED, "crash: ");
    let root = tree("hangs");
    let mut arguments = vec!["--root", root.to_str().unwrap(), "run", "--"];
    arguments.extend([env!("CARGO_BIN_EXE_witgate-misbehaving"), "hangs-in-call"]);
    expect(&arguments, exit::FAILED, "timeout: ");
    let output = witgate(&[
        "run",
        "pie.core.store-get.*",
        "--",
        env!("CARGO_BIN_EXE_witgate-misbehaving"),
        "dies-in-call",
    ]);
    let told = text(&output);
    assert!(told.matches("crash: ").count() > 1, "{told}");
}

#[test]
fn a_mistake_in_a_case_file_is_told_like_a_compiler_does() {
    let root = tree("mistake");
    let path = root.join("conformance/cases/pie/mini.case");
    let cases = std::fs::read_to_string(&path)
        .unwrap()
        .replace("store-get", "store-got");
    std::fs::write(&path, cases).unwrap();
    let output = witgate(&["--root", root.to_str().unwrap(), "run"]);
    assert_eq!(code(&output), Some(exit::USAGE), "{}", text(&output));
    insta::assert_snapshot!(
        "a_mistake_in_a_case",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn wit_that_does_not_parse_is_told_with_its_place() {
    let root = tree("wit");
    std::fs::remove_file(root.join("wit")).unwrap();
    std::fs::create_dir_all(root.join("wit/pie")).unwrap();
    std::fs::write(
        root.join("wit/pie/core.wit"),
        "package pie:inferlet;\ninterface core {\n  get: fun();\n}\n",
    )
    .unwrap();
    let output = witgate(&["--root", root.to_str().unwrap(), "list"]);
    assert_eq!(code(&output), Some(exit::USAGE), "{}", text(&output));
    assert!(text(&output).contains("core.wit:3"), "{}", text(&output));
}

#[test]
fn a_fault_that_the_adapter_owns_up_to_breaks_the_protocol() {
    expect(&on_misbehaving("faults"), exit::ADAPTER, "not implemented");
    expect(
        &on_misbehaving("wrong-type"),
        exit::ADAPTER,
        "not of its type",
    );
    expect(&on_misbehaving("wrong-event"), exit::ADAPTER, "protocol: ");
}

#[test]
fn stale() {
    let known = file("stale.txt", &format!("{QUICK} fail   # mended since\n"));
    expect(
        &["run", QUICK, "--expectations", known.to_str().unwrap()],
        exit::STALE,
        "but it is: pass",
    );
}

#[test]
fn an_expected_red_case_is_no_failure() {
    let known = file("known.txt", &format!("{QUICK} crash\n"));
    let mut arguments = vec![
        "run",
        QUICK,
        "--expectations",
        known.to_str().unwrap(),
        "--",
    ];
    arguments.extend([env!("CARGO_BIN_EXE_witgate-misbehaving"), "dies-in-call"]);
    let output = witgate(&arguments);
    assert_eq!(code(&output), Some(exit::PASSED), "{}", text(&output));
}

#[test]
fn adapter() {
    expect(
        &["run", QUICK, "--", "no-such-adapter"],
        exit::ADAPTER,
        "could not be started",
    );
    expect(
        &on_misbehaving("talks-nonsense"),
        exit::ADAPTER,
        "broke the protocol",
    );
}

#[test]
fn nothing() {
    expect(&["run", "no.such.case"], exit::NOTHING, "no case");
    expect(
        &["run", QUICK, "--at-least", "2"],
        exit::NOTHING,
        "at least 2",
    );
}

#[test]
fn usage() {
    expect(
        &["run", "--level", "perhaps"],
        exit::USAGE,
        "possible values: must",
    );
    expect(&["run", "--partition", "hash:3/2"], exit::USAGE, "hash:I/N");
    expect(
        &["explain", "no.such.case"],
        exit::USAGE,
        "no case `no.such.case`",
    );
    expect(&["frobnicate"], exit::USAGE, "unrecognized subcommand");
    let wrong = file("wrong.txt", "a.case perhaps\n");
    expect(
        &["run", QUICK, "--expectations", wrong.to_str().unwrap()],
        exit::USAGE,
        "no verdict `perhaps`",
    );
    let no_folder = Command::new(env!("CARGO_BIN_EXE_witgate"))
        .args(["run", QUICK])
        .env("WITGATE_CACHE", wrong)
        .output()
        .unwrap();
    assert_eq!(code(&no_folder), Some(exit::USAGE));
    assert!(text(&no_folder).contains("WITGATE_CACHE: "));
}

#[test]
fn internal() {
    // A sink that takes nothing: what can't be written is no success.
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_witgate"))
        .args(["list", QUICK])
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(i32::from(exit::INTERNAL)));
}

#[test]
fn shares_are_disjoint_and_complete() {
    let ids = |partition: &str| -> Vec<String> {
        let output = witgate(&["list", "pie.core.store*", "--partition", partition]);
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let mut shares = [ids("hash:1/3"), ids("hash:2/3"), ids("hash:3/3")].concat();
    let mut all = ids("hash:1/1");
    shares.sort();
    all.sort();
    assert_eq!(shares, all);
}
