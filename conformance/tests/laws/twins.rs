//! The aggregates as components, on the reference host, against their native twins: the same calls give the same states, byte
//! for byte, and the same values. What the properties say of the twins holds for the components, then.

use aggregates::Aggregate;
use conformance::{
    host::reference::ReferenceLauncher,
    law::{Fault, Instances, Plugin, Sample, Subject, Term, make},
};
use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner,
};
use serde_json::Value as Json;

use super::{guests::component, native::Native};

#[test]
fn lawful_components_do_what_their_twins_do() {
    let mut plugin = open("real-aggregates");
    for aggregate in aggregates::lawful() {
        compare(&mut plugin, "laws.lawful", *aggregate);
    }
}

#[test]
fn unlawful_components_do_what_their_twins_do() {
    let mut plugin = open("unlawful-aggregates");
    for (aggregate, _) in aggregates::unlawful() {
        compare(&mut plugin, "laws.unlawful", *aggregate);
    }
}

fn open(name: &str) -> Plugin {
    let bytes = std::fs::read(component(name)).unwrap();
    Plugin::open(bytes, &ReferenceLauncher).unwrap()
}

/// Every sample on instances of one call each and on one instance. What once differed is tried again first.
fn compare(plugin: &mut Plugin, id: &str, aggregate: &'static dyn Aggregate) {
    let qname = format!("{id}.{}", aggregate.name());
    let mut native = Native::new(aggregate);
    let mut config = Config {
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/laws/regressions.txt",
        ))),
        ..Config::default()
    };
    config.cases = (config.cases / 16).max(1);
    let samples = Sample::any(&native.signature().arguments);
    let plugin = std::cell::RefCell::new(plugin);
    let native = std::cell::RefCell::new(&mut native);
    let outcome = TestRunner::new(config).run(&samples, |sample| {
        let mut plugin = plugin.borrow_mut();
        let mut component = plugin.aggregate(&qname).unwrap();
        let term = sample.s.update(&sample.left).merge([sample.a]);
        for instances in [Instances::Fresh, Instances::Kept] {
            let twin = run(&mut **native.borrow_mut(), instances, &term);
            let guest = run(&mut component, instances, &term);
            if twin != guest {
                let told = format!("{instances:?} {term}\n  twin: {twin:?}\n  guest: {guest:?}");
                return Err(TestCaseError::fail(told));
            }
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{qname}: {reason}"),
        Err(TestError::Abort(reason)) => panic!("{qname}: samples can't be made: {reason}"),
    }
}

/// A term's state and value; where there is none, why.
type Outcome = Result<(Vec<u8>, Result<Json, Fault>), Fault>;

fn run(subject: &mut dyn Subject, instances: Instances, term: &Term) -> Outcome {
    subject.begin(instances).unwrap();
    let accumulator = make(subject, term).map_err(kind)?;
    let state = subject.state(accumulator).map_err(kind)?;
    Ok((state, subject.evaluate(accumulator).map_err(kind)))
}

/// What a host says of a trap is its own.
fn kind(fault: Fault) -> Fault {
    match fault {
        Fault::Host { kind, .. } => Fault::Host {
            kind,
            message: String::new(),
        },
        fault => fault,
    }
}
