//! What guests cost, over the whole suite: every case can be planned, guests are small, and making one takes no longer
//! than the engine takes to compile it.
//!
//! `cargo test -p conformance --test guests -- --nocapture` prints the figures.

#![expect(clippy::print_stdout, reason = "the figures are meant to be read")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use conformance::{
    case::model::{Guest, GuestKind},
    contract::Files,
    plan,
    suite::Suite,
    testbed::Testbed,
};

/// Bytes that a generated guest may have.
const MOST_BYTES: usize = 40_000;

/// Cases whose guest answers with one Arrow stream that is meant to be larger than that: it carries it whole.
const LARGE_ANSWERS: [&str; 2] = ["uni.ipc.large.", "uni.limit.output-over-payload"];

#[test]
fn guests_are_small_and_quickly_made() {
    let suite = Suite::load(&Files::embedded()).unwrap_or_else(|error| panic!("{error}"));
    let surroundings = Testbed::example_surroundings();
    let mut made = Duration::ZERO;
    let mut sizes = Vec::new();
    let mut sample = Vec::new();
    let mut large = Vec::new();
    for case in &suite.cases {
        let (contract, worlds) = &suite.contracts[&case.contract];
        let begun = Instant::now();
        let plan = plan::plan(case, contract, worlds, &surroundings)
            .unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let took = begun.elapsed();
        let puppets = case
            .guests
            .iter()
            .zip(plan.guests)
            .filter(|(guest, _)| matches!(guest.kind, GuestKind::Puppet { .. }));
        let mut any = false;
        for (guest, planned) in puppets {
            let size = planned.component.len();
            let answers = LARGE_ANSWERS.iter().any(|ids| case.id.starts_with(ids));
            if size > MOST_BYTES && !answers {
                large.push(format!(
                    "{}: guest `{}` has {size} bytes",
                    case.id, guest.name
                ));
            }
            sizes.push((size, case.id.clone()));
            // Compiling all of them would be the whole suite over again; every tenth tells enough.
            if sizes.len() % 10 == 0 {
                sample.push(planned.component);
            }
            any = true;
        }
        if any {
            made += took;
        }
    }
    sizes.sort();
    let begun = Instant::now();
    for component in &sample {
        reference_host::engine::compile(component).unwrap_or_else(|error| panic!("{error}"));
    }
    let compiled = begun.elapsed() / u32::try_from(sample.len().max(1)).unwrap_or(1);
    let generated = made / u32::try_from(sizes.len().max(1)).unwrap_or(1);
    let (median, _) = &sizes[sizes.len() / 2];
    let (largest, id) = &sizes[sizes.len() - 1];
    println!(
        "{} guests: median {median} bytes, largest {largest} bytes ({id}); made in {generated:?} each, \
         compiled in {compiled:?} each",
        sizes.len()
    );
    assert!(
        large.is_empty(),
        "at most {MOST_BYTES} bytes are allowed:\n{}",
        large.join("\n")
    );
    assert!(
        generated <= compiled,
        "a guest takes {generated:?} to make and {compiled:?} to compile"
    );
}

/// A guest by hand that is refused because it is no valid component would hide that a host does not see its real fault.
#[test]
fn guests_by_hand_are_valid() {
    let suite = Suite::load(&Files::embedded()).unwrap_or_else(|error| panic!("{error}"));
    let surroundings = Testbed::example_surroundings();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in &suite.cases {
        let by_hand = |guest: &Guest| match &guest.kind {
            GuestKind::Wat(source) | GuestKind::ComponentText(source) => Some(source.name.clone()),
            _ => None,
        };
        if case.guests.iter().all(|guest| by_hand(guest).is_none()) {
            continue;
        }
        let (contract, worlds) = &suite.contracts[&case.contract];
        let plan = plan::plan(case, contract, worlds, &surroundings)
            .unwrap_or_else(|error| panic!("{}: {error}", case.id));
        for (guest, planned) in case.guests.iter().zip(plan.guests) {
            let Some(name) = by_hand(guest) else { continue };
            if seen.insert((case.contract.clone(), name.clone()))
                && let Err(error) = reference_host::engine::compile(&planned.component)
            {
                wrong.push(format!("{}: {name}: {error:#}", case.contract));
            }
        }
    }
    assert!(seen.len() > 10, "{}", seen.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
