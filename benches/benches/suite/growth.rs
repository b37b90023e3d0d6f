//! Time against the number of cases: text in, verdicts out.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use benches::times::{Record, Times};
use conformance::case::{self, model::Source};
use conformance::contract::Contract;
use conformance::host::reference::ReferenceLauncher;
use conformance::plan::Worlds;
use conformance::run::{Event, Run, verdict::Verdict};

/// Cases of the smallest run.
const CASES: usize = 48;

/// How many times as many.
const FACTORS: [usize; 3] = [1, 4, 16];

/// Rounds, all sizes in turn.
const ROUNDS: usize = 5;

/// What sixteen times the cases may take, as a multiple.
const PROMISE: f64 = 17.0;

pub(crate) fn measure(records: &mut Vec<Record>) {
    let contract = Contract::embedded("pie").expect("the contract is there");
    let worlds = Worlds::new(&contract).expect("puppets fit it");
    let contracts = HashMap::from([("pie".to_owned(), (contract, worlds))]);
    let mut walls: [Vec<Duration>; FACTORS.len()] = Default::default();
    for round in 0..ROUNDS {
        for (factor, walls) in FACTORS.into_iter().zip(&mut walls) {
            walls.push(whole(&contracts, round, factor * CASES));
        }
    }
    let [one, ..] = walls
        .each_ref()
        .map(|walls| Times::new(walls.iter().copied()));
    for (factor, walls) in FACTORS.into_iter().zip(walls) {
        let name = format!("{factor} x {CASES} cases, from text to verdicts");
        let mut record = Record::times("suite", name, &Times::new(walls));
        if factor > 1 {
            record = record.beside(one.percentile(0.5));
        }
        if factor == 16 {
            record = record.promised(PROMISE);
        }
        records.push(record);
    }
}

/// Reads, plans, runs and judges so many cases, each other than all before it, so that nothing is found compiled.
fn whole(contracts: &HashMap<String, (Contract, Worlds)>, round: usize, count: usize) -> Duration {
    let text = text(round, count);
    let begin = Instant::now();
    let source = Source {
        name: "growth.case".into(),
        path: PathBuf::from("growth.case"),
        text,
    };
    let cases = match case::load_text(source, &contracts["pie"].0) {
        Ok(cases) => cases,
        Err(mistakes) => panic!("{mistakes}"),
    };
    let cases: Vec<_> = cases.iter().collect();
    let run = Run {
        cases: &cases,
        contracts,
        profiles: &BTreeSet::new(),
        mcp: None,
        launcher: &ReferenceLauncher,
        jobs: 2,
        floor: false,
    };
    let mut passed = 0;
    let told = run.run(&mut |event| {
        if let Event::Ended { outcome, .. } = event {
            passed += usize::from(matches!(outcome.verdict, Verdict::Pass));
        }
    });
    told.expect("the run goes through");
    let wall = begin.elapsed();
    assert_eq!(passed, count, "all pass");
    wall
}

fn text(round: usize, count: usize) -> String {
    let case = |number: usize| {
        let word = format!("{round}-{count}-{number}");
        format!(
            r#"
case growth.n{number} must
  "This will create a new entry or overwrite an existing one."
  guest
    store-set("k", "one {word}")
    store-get("k") => some("one {word}")
    store-set("k", "two {word}")
    store-get("k") => some("two {word}")
    store-exists("k") => true
    store-list-keys() => contains "k" once
    store-delete("k")
    store-get("k") => none
"#
        )
    };
    let cases: String = (0..count).map(case).collect();
    format!("contract pie\nworld inferlet\ngroup pie.core\n{cases}")
}
