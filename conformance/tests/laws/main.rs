//! The laws of aggregate states as properties: lawful aggregates keep them all, and each unlawful one is convicted of exactly
//! what it breaks. `PROPTEST_CASES` widens every trial.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::print_stderr,
    reason = "counterexamples are meant to be read when a test fails"
)]

mod guests;
mod native;
mod twins;

use conformance::law::{Law, Subject, Trial, try_all, try_law};
use proptest::test_runner::{Config, RngSeed};

use self::native::Native;

/// Aggregates whose value keeps the order of rows on purpose; the laws of order don't bind them.
const ORDERED: [&str; 2] = ["append", "rows"];

fn config() -> Config {
    Config {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    }
}

fn broken(subject: &mut dyn Subject) -> Vec<&'static str> {
    let trials = try_all(subject, &Law::ALL, &config()).unwrap();
    trials
        .into_iter()
        .filter_map(|(law, trial)| match trial {
            Trial::Held => None,
            Trial::Broken(found) => {
                eprintln!("{}: {found}", subject.signature().qname);
                Some(law.id())
            }
            Trial::Untried => panic!("{law:?} was not tried"),
        })
        .collect()
}

#[test]
fn lawful_aggregates_keep_every_law() {
    for aggregate in aggregates::lawful() {
        let mut expected = Vec::new();
        if ORDERED.contains(&aggregate.name()) {
            expected = vec!["L7", "L12", "L13"];
        }
        assert_eq!(
            broken(&mut Native::new(*aggregate)),
            expected,
            "{}",
            aggregate.name()
        );
    }
}

#[test]
fn unlawful_aggregates_break_what_they_break_and_nothing_else() {
    for (aggregate, laws) in aggregates::unlawful() {
        assert_eq!(
            broken(&mut Native::new(*aggregate)),
            *laws,
            "{}",
            aggregate.name()
        );
    }
}

#[test]
fn every_law_that_binds_a_plugin_is_broken_by_one() {
    for law in Law::ALL {
        let breaker = aggregates::unlawful()
            .iter()
            .find(|(_, laws)| laws.contains(&law.id()));
        assert!(breaker.is_some(), "{law:?}");
    }
}

#[test]
fn counterexamples_are_small() {
    let mut out = String::new();
    for (aggregate, laws) in aggregates::unlawful() {
        for law in Law::ALL.iter().filter(|law| laws.contains(&law.id())) {
            let trial = try_law(&mut Native::new(*aggregate), *law, &config()).unwrap();
            let Trial::Broken(found) = trial else {
                panic!("{} keeps {law:?}", aggregate.name());
            };
            out += &format!("{}: {found}\n", aggregate.name());
        }
    }
    insta::assert_snapshot!("counterexamples", out);
}
