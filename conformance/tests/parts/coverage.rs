//! What the cases cover: no cell that the catalogue fills is empty, every function of every contract succeeds in a `must`
//! case and fails in one where it can, and the command shows it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use conformance::{
    contract::{Contract, Files},
    coverage::{Catalogue, Kind, Matrix},
    exit,
    suite::Suite,
};
use serde_json::Value as Json;

/// Contracts that have cases and a catalogue, with both.
fn matrices(suite: &Suite) -> Vec<(&Contract, Catalogue, Matrix)> {
    let files = Files::embedded();
    let mut all = Vec::new();
    for (name, (contract, _)) in &suite.contracts {
        let catalogue = Catalogue::load(&files, contract).unwrap_or_else(|error| panic!("{error}"));
        let cases: Vec<_> = suite
            .cases
            .iter()
            .filter(|case| case.contract == *name)
            .collect();
        if !catalogue.rows.is_empty() && !cases.is_empty() {
            let matrix = Matrix::new(contract, &catalogue, cases);
            all.push((contract, catalogue, matrix));
        }
    }
    assert!(all.len() >= 2, "the contracts are not found");
    all
}

/// What stands between the first pair of backticks of each line of `docs/coverage-gaps.md` that gives a reason.
fn gaps() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coverage-gaps.md");
    let text = std::fs::read_to_string(path).unwrap();
    let gap = |line: &str| {
        let (gap, reason) = line.strip_prefix("- `")?.split_once("`: ")?;
        (!reason.trim().is_empty()).then(|| gap.to_owned())
    };
    text.lines().filter_map(gap).collect()
}

#[test]
fn no_cell_that_the_catalogue_fills_is_empty() {
    let suite = Suite::load(&Files::embedded()).unwrap_or_else(|error| panic!("{error}"));
    let gaps = gaps();
    let mut wrong = Vec::new();
    for (contract, catalogue, matrix) in matrices(&suite) {
        for (function, kind, row) in matrix.empty(&catalogue, |row| gaps.contains(row)) {
            let name = &contract.name;
            wrong.push(format!(
                "{name}: {} {kind}: row `{row}` asks for it",
                function.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_succeeds_and_fails_in_must_cases() {
    let suite = Suite::load(&Files::embedded()).unwrap_or_else(|error| panic!("{error}"));
    let gaps = gaps();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (contract, _, matrix) in matrices(&suite) {
        for covered in &matrix.rows {
            let function = &covered.function;
            for kind in [Kind::Ok, Kind::Error] {
                let wanted = kind == Kind::Ok || function.can_fail;
                let gap = format!("{} {} {kind}", contract.name, function.name);
                let there = covered.cell(kind).must > 0;
                if gaps.contains(&gap) {
                    used.insert(gap.clone());
                    if there || !wanted {
                        wrong.push(format!("{gap}: no gap any more"));
                    }
                } else if wanted && !there {
                    wrong.push(format!("{gap}: in no `must` case"));
                }
            }
        }
    }
    // An id of a case holds no blank; what does is a function's gap.
    let strange = gaps.iter().filter(|gap| gap.contains(' '));
    wrong.extend(
        strange
            .filter(|gap| !used.contains(*gap))
            .map(|gap| format!("{gap}: there is no such function")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn witgate(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_witgate"));
    let output = command.args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A small contract in a tree of its own, so that the numbers do not move with the suite.
fn demo(arguments: &[&str]) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coverage_contract");
    witgate(&[&["--root", root.to_str().unwrap()], arguments].concat())
}

#[test]
fn the_matrix_is_shown() {
    for (name, arguments) in [
        ("coverage_text", &["coverage"][..]),
        ("coverage_markdown", &["coverage", "--markdown"]),
    ] {
        let (code, text) = demo(arguments);
        assert_eq!(code, Some(i32::from(exit::PASSED)), "{text}");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn the_matrix_is_told_to_programs() {
    let (code, text) = demo(&["coverage", "--json", "small"]);
    assert_eq!(code, Some(i32::from(exit::PASSED)), "{text}");
    let matrix: Json = serde_json::from_str(&text).unwrap();
    let functions = matrix["functions"].as_array().unwrap();
    let cells: BTreeMap<&str, &Json> = functions
        .iter()
        .map(|function| (function["function"].as_str().unwrap(), &function["cells"]))
        .collect();
    let count = |function: &str, kind: &str| {
        let cell = &cells[function][kind];
        (
            cell["cases"].as_u64().unwrap(),
            cell["must"].as_u64().unwrap(),
        )
    };
    assert_eq!(count("store.get", "ok"), (2, 1));
    assert_eq!(count("store.get", "error"), (1, 1));
    assert_eq!(count("store.get", "edge"), (1, 1));
    assert_eq!(count("store.box.open", "misuse"), (1, 0));
    assert_eq!(count("work", "error"), (1, 1));
}

#[test]
fn contracts_and_rows_that_are_none() {
    let (code, text) = demo(&["coverage", "large"]);
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    assert!(text.contains("no contract `large`"), "{text}");
    let mistakes = ["a ok,fine", "a\na", "a ok,ok"];
    let said: Vec<String> = mistakes
        .iter()
        .map(|text| {
            Catalogue::parse("catalogue.txt", text)
                .unwrap_err()
                .to_string()
        })
        .collect();
    assert_eq!(
        said,
        [
            "catalogue.txt:1: no kind `fine`; there is ok, error, edge, limit, order, isolation, misuse",
            "catalogue.txt:2: the row `a` stands twice",
            "catalogue.txt:1: the kind `ok` stands twice",
        ]
    );
}

#[test]
fn a_case_has_the_kinds_of_its_longest_row() {
    let text = "a.b limit\na.b.c ok, edge # words\n\na.b.cd\n";
    let catalogue = Catalogue::parse("catalogue.txt", text).unwrap();
    assert_eq!(catalogue.kinds_of("a.b"), [Kind::Limit]);
    assert_eq!(catalogue.kinds_of("a.b.x.y"), [Kind::Limit]);
    assert_eq!(catalogue.kinds_of("a.b.c"), [Kind::Ok, Kind::Edge]);
    assert_eq!(catalogue.kinds_of("a.b.c.d"), [Kind::Ok, Kind::Edge]);
    assert_eq!(catalogue.kinds_of("a.b.cd"), []);
    assert_eq!(catalogue.kinds_of("a.bc"), []);
}
