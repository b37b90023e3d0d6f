//! Every row of a contract's catalogue is a case, or stands among the coverage gaps with a reason.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{collections::BTreeSet, path::Path};

use conformance::{contract::Files, coverage::Catalogue, suite::Suite};

#[test]
fn every_row_is_a_case_or_a_gap() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = Files::embedded();
    let suite = Suite::load(&files).unwrap_or_else(|error| panic!("{error}"));
    let ids: BTreeSet<&str> = suite.cases.iter().map(|case| case.id.as_str()).collect();
    let gaps = std::fs::read_to_string(root.join("../docs/coverage-gaps.md")).unwrap();
    let gaps: BTreeSet<&str> = gaps
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .filter(|(_, reason)| !reason.trim().is_empty())
        .map(|(id, _)| id)
        .collect();
    let mut wrong = Vec::new();
    for (contract, _) in suite.contracts.values() {
        let catalogue = Catalogue::load(&files, contract).unwrap_or_else(|error| panic!("{error}"));
        for row in &catalogue.rows {
            let row = row.id.as_str();
            let below = format!("{row}.");
            let covered = ids.contains(row) || ids.iter().any(|id| id.starts_with(&below));
            if !covered && !gaps.contains(row) {
                wrong.push(format!("{row}: neither a case nor a gap"));
            }
            if ids.contains(row) && gaps.contains(row) {
                wrong.push(format!("{row}: a case, and still among the gaps"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_suite_has_the_cases_it_promises() {
    let suite = Suite::load(&Files::embedded()).unwrap_or_else(|error| panic!("{error}"));
    let count = |contract: &str| {
        suite
            .cases
            .iter()
            .filter(|case| case.contract == contract)
            .count()
    };
    for (contract, least) in [
        ("pie", 480),
        ("uni", 940),
        ("akshi", 440),
        ("yoi", 420),
        ("actr", 610),
    ] {
        let cases = count(contract);
        assert!(cases >= least, "{contract}: {cases} cases of {least}");
    }
}
