//! The suite itself: what each stage takes for a case, and that the time grows with the number of cases and no faster.
//!
//! Parsing, generating and encoding are timed over all cases; compiling, running, decoding and judging over every 32nd that
//! demands no wait. The floor of the whole is what `witgate run --timings` shows, too: the same guests compiled,
//! instantiated and run on the same host, with nothing planned, decoded or judged.

mod growth;
mod sample;

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::times::{Record, Times, keep};
use conformance::case::model::Case;
use conformance::contract::Files;
use conformance::plan::{self, Puppet};
use conformance::suite::Suite;
use conformance::testbed::Testbed;
use criterion::Criterion;
use fixtures::puppet::{transcript, vary};
use reference_host::engine;
use wasmtime::component::Component;

use crate::sample::Sample;

/// How often each stage is timed over all its cases.
const ROUNDS: usize = 3;

fn main() {
    let suite = load();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .without_plots()
        .configure_from_args();
    let mut records = Vec::new();
    stages(&suite, &mut criterion, &mut records);
    growth::measure(&mut records);
    keep("suite", &records).expect("target/criterion can be written");
    criterion.final_summary();
}

fn load() -> Suite {
    Suite::load(&Files::embedded()).expect("the suite has no mistakes")
}

fn stages(suite: &Suite, criterion: &mut Criterion, records: &mut Vec<Record>) {
    let all: Vec<&Case> = suite.cases.iter().collect();
    let puppets = generate(suite, &all);
    let components = encode(&puppets);
    let sample = Sample::new(suite, &all);
    let chosen = encode(&generate(suite, &sample.cases));
    // What a case is to be divided by: stages before the run see all cases, those after it the sample.
    let (whole, part) = (all.len(), sample.cases.len());

    let mut stage = |name: &str, cases: usize, work: &mut dyn FnMut()| {
        let mut group = criterion.benchmark_group("suite");
        group.bench_function(name, |bencher| bencher.iter(&mut *work));
        group.finish();
        let rounds = (0..ROUNDS).map(|_| timed(&mut *work));
        records.push(per_case(name, rounds, cases));
    };
    stage("parse and check", whole, &mut || {
        black_box(load());
    });
    stage("generate", whole, &mut || {
        black_box(generate(suite, &all));
    });
    stage("encode", whole, &mut || {
        black_box(encode(&puppets));
    });
    stage("compile", part, &mut || compile(&chosen));
    stage("decode", part, &mut || {
        for text in &sample.transcripts {
            black_box(transcript::decode(text)).expect("it was decoded before");
        }
    });
    drop(components);
    let rounds: Vec<_> = (0..ROUNDS).map(|_| sample.run()).collect();
    let of = |pick: fn(&sample::Spent) -> Duration| {
        let times: Vec<Duration> = rounds.iter().map(pick).collect();
        times.into_iter()
    };
    records.push(per_case(
        "run, compiled before",
        of(|spent| spent.host),
        part,
    ));
    records.push(per_case("judge", of(|spent| spent.judge), part));
    // Every run sees other guests, so that nothing is found compiled.
    let walls: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| sample.beside_floor()).collect();
    let times = |pick: fn(&(Duration, Duration)) -> Duration| {
        Times::new(walls.iter().map(pick).map(|wall| each(wall, part)))
    };
    records.push(
        Record::times("suite", "whole run, a case", &times(|walls| walls.0))
            .above(&times(|walls| walls.1)),
    );
}

fn generate(suite: &Suite, cases: &[&Case]) -> Vec<Puppet> {
    let surroundings = Testbed::example_surroundings();
    let puppets = cases.iter().flat_map(|case| {
        let (contract, worlds) = &suite.contracts[&case.contract];
        plan::puppets(case, contract, worlds, &surroundings).expect("every case has guests")
    });
    puppets.collect()
}

fn encode(puppets: &[Puppet]) -> Vec<Vec<u8>> {
    let components = puppets.iter().map(Puppet::encode);
    components
        .collect::<Result<_, _>>()
        .expect("every guest is small enough")
}

/// Compiles guests that were never seen before. A few are made to be refused.
fn compile(components: &[Vec<u8>]) {
    let engine = engine::shared().expect("an engine");
    for component in components {
        let mut component = component.clone();
        vary(&mut component);
        drop(black_box(Component::from_binary(engine, &component)));
    }
}

fn timed(work: &mut dyn FnMut()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn per_case(name: &str, rounds: impl Iterator<Item = Duration>, cases: usize) -> Record {
    let times = Times::new(rounds.map(|round| each(round, cases)));
    Record::times("suite", format!("{name}, a case"), &times).note(format!("over {cases} cases"))
}

fn each(round: Duration, cases: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand cases")]
    round.div_f64(cases.max(1) as f64)
}
