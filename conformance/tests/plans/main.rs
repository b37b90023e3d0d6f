//! The duties of hosts towards aggregates as properties: the reference host keeps them in every plan, and hosts that are wrong on
//! purpose are each convicted of exactly what they break. `PROPTEST_CASES` widens every trial.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::print_stderr,
    reason = "the time that plans take is meant to be read"
)]

mod faulty;

use std::{collections::BTreeMap, sync::OnceLock, time::Instant};

use conformance::{
    contract::Files,
    host::{Host, Launcher, protocol::Component, reference::ReferenceLauncher},
    law::duty::{Client, Counterexample, Duty, Trial, try_duty},
    plan,
    suite::Suite,
    testbed::Testbed,
};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

use self::faulty::{Faulty, Mistake};

/// Plans that a wrong host is acquitted by of what it does right.
const ACQUITTAL: u32 = 40;

/// Seeds of plans that were broken once; they are tried first. `REGRESSIONS=1` adds those that convict the wrong hosts.
const REGRESSIONS: &str = "tests/plans/regressions.txt";

/// The guests of the cases `uni.agg.plan.*`.
fn guests() -> BTreeMap<String, Component> {
    static GUESTS: OnceLock<BTreeMap<String, Component>> = OnceLock::new();
    let load = || {
        let suite = Suite::load(&Files::embedded()).unwrap();
        let is = |id: &str| id == "uni.agg.plan.each-row-once";
        let case = suite.cases.iter().find(|case| is(&case.id)).unwrap();
        let (contract, worlds) = &suite.contracts["uni"];
        let planned = plan::plan(case, contract, worlds, &Testbed::example_surroundings()).unwrap();
        let guests = planned.guests.into_iter().map(|guest| {
            let component = Component {
                world: guest.world,
                component: guest.component,
            };
            (guest.name, component)
        });
        guests.collect()
    };
    GUESTS.get_or_init(load).clone()
}

fn reference() -> Box<dyn Host> {
    ReferenceLauncher.launch().unwrap()
}

fn config() -> Config {
    Config {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(11),
        ..Config::default()
    }
}

fn broken(host: Box<dyn Host>, duty: Duty, config: &Config) -> Option<Counterexample> {
    match try_duty(&mut Client::new(host, guests()), duty, config).unwrap() {
        Trial::Kept => None,
        Trial::Broken(found) => Some(*found),
    }
}

#[test]
fn the_reference_host_keeps_every_duty() {
    let file = FileFailurePersistence::Direct(REGRESSIONS);
    // The suite is read before the clock runs.
    guests();
    for duty in Duty::ALL {
        let config = Config {
            failure_persistence: Some(Box::new(file)),
            ..config()
        };
        let begun = Instant::now();
        let found = broken(reference(), duty, &config);
        assert_eq!(found, None, "{}", duty.name());
        eprintln!(
            "{}: {} plans in {:?}",
            duty.name(),
            config.cases,
            begun.elapsed()
        );
    }
}

#[test]
fn a_host_that_carries_out_no_whole_aggregation_is_tried_by_accumulators() {
    let host = Faulty::new(reference(), Mistake::HasNoPlans);
    let found = broken(Box::new(host), Duty::EachRowOnce, &config());
    assert_eq!(found, None);
}

#[test]
fn wrong_hosts_are_convicted_of_what_they_break_and_small_plans_show_it() {
    // A host and who drives it wait for each other most of the time.
    let (out, wrong): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
        let tried: Vec<_> = Mistake::ALL
            .iter()
            .map(|mistake| scope.spawn(|| convictions(*mistake)))
            .collect();
        let tried = tried.into_iter().map(|thread| thread.join().unwrap());
        tried.unzip()
    });
    let (out, wrong) = (out.concat(), wrong.concat());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Seeds that are added while it runs are tried at once, and show other plans.
    if std::env::var_os("REGRESSIONS").is_none() {
        insta::assert_snapshot!("counterexamples", out);
    }
}

/// What shows what a wrong host breaks, and where it was judged wrongly itself.
fn convictions(mistake: Mistake) -> (String, Vec<String>) {
    let (mut out, mut wrong) = (String::new(), Vec::new());
    for duty in Duty::ALL {
        let breaks = mistake.breaks().contains(&duty);
        let mut config = config();
        if !breaks {
            config.cases = ACQUITTAL.max(config.cases / 256 * ACQUITTAL);
        } else if std::env::var_os("REGRESSIONS").is_some() {
            config.failure_persistence =
                Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS)));
        }
        let host = Box::new(Faulty::new(reference(), mistake));
        match broken(host, duty, &config) {
            Some(found) if breaks => {
                out += &format!("{mistake:?} breaks {}:\n{found}\n\n", duty.name());
            }
            None if !breaks => {}
            Some(found) => wrong.push(format!(
                "{mistake:?} is convicted of {}: {found}",
                duty.name()
            )),
            None => wrong.push(format!("{mistake:?} is acquitted of {}", duty.name())),
        }
    }
    (out, wrong)
}

#[test]
fn both_plugins_are_the_same_but_for_their_names() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/uni/guests/");
    let code = |name: &str| {
        let text = std::fs::read_to_string(format!("{folder}{name}")).unwrap();
        text[text.find("(component").unwrap()..].to_owned()
    };
    assert_eq!(
        code("plans-other.wat"),
        code("plans.wat").replace("a.b", "c.d")
    );
}
