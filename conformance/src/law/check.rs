//! Tries a law on samples, and shrinks what breaks it.

use std::fmt;

use proptest::test_runner::Config;
use serde_json::Value as Json;

use super::{
    Law,
    sample::Sample,
    search::smallest,
    subject::{Fault, Instances, Subject, make},
    term::{Batch, Term},
};

/// How a law fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It held on every sample.
    Held,
    /// It could not be tried: the host keeps no instances, and the law is about them.
    Untried,
    /// It was broken.
    Broken(Box<Counterexample>),
}

/// The smallest sample found that breaks a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The law.
    pub law: Law,
    /// One side, in the notation of `docs/laws.md`.
    pub left: String,
    /// The other side.
    pub right: String,
    /// What the left side came to.
    pub left_value: String,
    /// What the right side came to.
    pub right_value: String,
}

impl Counterexample {
    /// Both sides and what they came to, four lines.
    #[must_use]
    pub fn sides(&self) -> String {
        let Self {
            left,
            right,
            left_value,
            right_value,
            ..
        } = self;
        format!("  {left}\n    = {left_value}\n  {right}\n    = {right_value}")
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let law = self.law;
        writeln!(f, "{} {}: {}", law.id(), law.name(), law.statement())?;
        f.write_str(&self.sides())
    }
}

/// Tries these laws, each on as many samples as `config` says.
///
/// # Errors
/// When the host is lost, or the plugin spent.
pub fn try_all(
    subject: &mut dyn Subject,
    laws: &[Law],
    config: &Config,
) -> Result<Vec<(Law, Trial)>, Fault> {
    laws.iter()
        .map(|law| Ok((*law, try_law(subject, *law, config)?)))
        .collect()
}

/// Tries one law.
///
/// # Errors
/// When the host is lost, or the plugin spent.
pub fn try_law(subject: &mut dyn Subject, law: Law, config: &Config) -> Result<Trial, Fault> {
    if matches!(law, Law::L14 | Law::L15) && !subject.keeps() {
        return Ok(Trial::Untried);
    }
    let strategy = Sample::any(&subject.signature().arguments);
    let mut config = config.clone();
    if law == Law::L16 {
        // There is but one fresh state.
        config.cases = 1;
    }
    let found = smallest(&config, &strategy, |sample, _| {
        try_sample(subject, law, &sample)
    })?;
    Ok(match found {
        Some(found) => Trial::Broken(Box::new(found)),
        None => Trial::Held,
    })
}

/// What a state gives: a value, or a fault that is no fault of the host.
type Given = Result<Json, Fault>;

fn try_sample(
    subject: &mut dyn Subject,
    law: Law,
    sample: &Sample,
) -> Result<Option<Counterexample>, Fault> {
    let Sample {
        s,
        a,
        b,
        left,
        right,
        ..
    } = sample.clone();
    let new = || Term::New;
    let (one, other) = match law {
        Law::L1 => return determinism(subject, sample),
        Law::L14 => return self_contained(subject, sample),
        Law::L15 => return pure_evaluation(subject, sample),
        Law::L16 => return total(subject),
        Law::L2 => (new().merge([s.clone()]), s),
        Law::L3 => (s.clone().merge([new()]), s),
        Law::L4 => (s.clone().merge([]), s),
        Law::L5 => (
            s.clone().merge([a.clone(), b.clone()]),
            s.merge([a]).merge([b]),
        ),
        Law::L6 => (
            s.clone().merge([a.clone().merge([b.clone()])]),
            s.merge([a]).merge([b]),
        ),
        Law::L7 => (s.clone().merge([a.clone(), b.clone()]), s.merge([b, a])),
        Law::L8 => (
            s.clone().update(&left).update(&right),
            s.update(&left.then(&right)),
        ),
        Law::L9 => (
            new().update(&left).merge([new().update(&right)]),
            new().update(&left.then(&right)),
        ),
        Law::L10 => {
            let single = |row: &Vec<_>| new().update(&Batch(vec![row.clone()]));
            (new().merge(left.0.iter().map(single)), new().update(&left))
        }
        Law::L11 => (s.clone().update(&Batch::default()), s),
        Law::L12 => (s.clone().update(&sample.permuted()), s.update(&left)),
        Law::L13 => (
            s.clone().merge([a.clone()]).update(&left),
            s.update(&left).merge([a]),
        ),
    };
    subject.begin(Instances::Fresh)?;
    for steps in continuations(sample) {
        let one = steps.iter().fold(one.clone(), |term, step| term.step(step));
        let other = steps
            .iter()
            .fold(other.clone(), |term, step| term.step(step));
        let values = (value(subject, &one)?, value(subject, &other)?);
        if !alike(&values.0, &values.1) {
            return Ok(Some(Counterexample {
                law,
                left: format!("E({one})"),
                right: format!("E({other})"),
                left_value: show(&values.0),
                right_value: show(&values.1),
            }));
        }
    }
    Ok(None)
}

/// States are compared as they are, and after what comes after.
fn continuations(sample: &Sample) -> Vec<&[super::term::Step]> {
    let mut all = vec![&sample.after[..0]];
    all.extend((!sample.after.is_empty()).then_some(&sample.after[..]));
    all
}

/// The bytes of one state, made on a new instance, on an instance with a past, and once more on that one.
fn determinism(
    subject: &mut dyn Subject,
    sample: &Sample,
) -> Result<Option<Counterexample>, Fault> {
    let term = sample
        .s
        .clone()
        .update(&sample.left)
        .merge([sample.a.clone()]);
    subject.begin(Instances::Fresh)?;
    let first = bytes(subject, &term)?;
    let again = if subject.keeps() {
        subject.begin(Instances::Kept)?;
        let _past = value(subject, &sample.b)?;
        bytes(subject, &term)?
    } else {
        bytes(subject, &term)?
    };
    Ok((!alike(&first, &again)).then(|| Counterexample {
        law: Law::L1,
        left: term.to_string(),
        right: format!("{term}, on an instance that made E({}) before", sample.b),
        left_value: show(&first),
        right_value: show(&again),
    }))
}

/// One value with an instance per call, and with one instance for all calls.
fn self_contained(
    subject: &mut dyn Subject,
    sample: &Sample,
) -> Result<Option<Counterexample>, Fault> {
    let term = sample
        .s
        .clone()
        .update(&sample.left)
        .merge([sample.a.clone()]);
    subject.begin(Instances::Fresh)?;
    let fresh = value(subject, &term)?;
    subject.begin(Instances::Kept)?;
    let kept = value(subject, &term)?;
    Ok((!alike(&fresh, &kept)).then(|| Counterexample {
        law: Law::L14,
        left: format!("E({term}), an instance per call"),
        right: format!("E({term}), one instance for all calls"),
        left_value: show(&fresh),
        right_value: show(&kept),
    }))
}

fn pure_evaluation(
    subject: &mut dyn Subject,
    sample: &Sample,
) -> Result<Option<Counterexample>, Fault> {
    let term = sample.s.clone().update(&sample.left);
    subject.begin(Instances::Kept)?;
    let accumulator = match given(make(subject, &term))? {
        Ok(accumulator) => accumulator,
        Err(_) => return Ok(None),
    };
    let before = given(subject.state(accumulator))?;
    let first = given(subject.evaluate(accumulator))?;
    let second = given(subject.evaluate(accumulator))?;
    let after = given(subject.state(accumulator))?;
    let found = |left: String, right: String, left_value, right_value| {
        Some(Counterexample {
            law: Law::L15,
            left,
            right,
            left_value,
            right_value,
        })
    };
    Ok(if !alike(&first, &second) {
        found(
            format!("E({term})"),
            format!("E({term}), once more"),
            show(&first),
            show(&second),
        )
    } else if before != after {
        let hex = |state: Result<Vec<u8>, Fault>| show(&state.map(|state| hex(&state)));
        found(
            term.to_string(),
            format!("{term}, after E"),
            hex(before),
            hex(after),
        )
    } else {
        None
    })
}

fn total(subject: &mut dyn Subject) -> Result<Option<Counterexample>, Fault> {
    subject.begin(Instances::Fresh)?;
    let given = value(subject, &Term::New)?;
    Ok(
        matches!(given, Err(Fault::Host { .. })).then(|| Counterexample {
            law: Law::L16,
            left: "E(N)".to_owned(),
            right: "a value or an fn-error".to_owned(),
            left_value: show(&given),
            right_value: "anything but this".to_owned(),
        }),
    )
}

/// `E(term)`.
fn value(subject: &mut dyn Subject, term: &Term) -> Result<Given, Fault> {
    let made = make(subject, term).and_then(|accumulator| subject.evaluate(accumulator));
    given(made)
}

/// The bytes of a term's state, as hexadecimal text.
fn bytes(subject: &mut dyn Subject, term: &Term) -> Result<Given, Fault> {
    let made = make(subject, term).and_then(|accumulator| subject.state(accumulator));
    given(made.map(|state| hex(&state)))
}

fn hex(bytes: &[u8]) -> Json {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Json::String(digits)
}

/// Keeps what can be held against the plugin apart from what can't.
fn given<T>(result: Result<T, Fault>) -> Result<Result<T, Fault>, Fault> {
    match result {
        Err(fault) if fault.ends() => Err(fault),
        result => Ok(result),
    }
}

/// Values must be equal; of faults only the kind counts.
fn alike(one: &Given, other: &Given) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(Fault::Plugin { .. }), Err(Fault::Plugin { .. })) => true,
        (Err(Fault::Host { kind: one, .. }), Err(Fault::Host { kind: other, .. })) => one == other,
        _ => false,
    }
}

fn show(given: &Given) -> String {
    match given {
        Ok(value) => shorten(&value.to_string()),
        Err(fault) => shorten(&fault.to_string()),
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
