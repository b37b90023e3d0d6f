//! Aggregates: first that calls come to a good end at all, then the laws.

use proptest::strategy::Strategy;

use super::{Breach, Finding, Options, Promise, Verdict, search, told};
use crate::law::{
    Batch, Fault, Instances, Law, Plugin, Sample, Subject, Term, Trial, make, try_law,
};

/// Bytes that a state may have after so many updates with one row.
const STATE_BYTES: usize = 1 << 20;
const UPDATES: usize = 40;

pub(super) fn try_one(
    plugin: &mut Plugin,
    qname: &str,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    let Some(mut subject) = plugin.aggregate(qname) else {
        return Ok(());
    };
    let arguments = subject.signature().arguments.clone();
    let samples = Sample::any(&arguments).prop_map(|sample| {
        let rows = sample.left.clone();
        (sample.s.update(&sample.left).merge([sample.a]), rows)
    });
    let mut outcome = search(options, &samples, |(term, rows)| {
        sound(&mut subject, &term, !rows.0.is_empty())
    });
    if matches!(outcome, Ok(None)) {
        outcome = grows(&mut subject);
    }
    let promises = [
        Promise::Trap,
        Promise::Limit,
        Promise::Answer,
        Promise::StateSize,
    ];
    let good = told(qname, &promises, outcome, tell)?;
    for law in Law::ALL {
        let verdict = if !good {
            let reason = "its calls do not come to a good end".to_owned();
            Verdict::Untried { reason }
        } else if law.is_of_order() && options.ordered.iter().any(|name| name == qname) {
            let reason = "its value keeps the order of rows on purpose".to_owned();
            Verdict::Untried { reason }
        } else {
            match try_law(&mut subject, law, &options.config()) {
                Ok(Trial::Held) => Verdict::Kept,
                Ok(Trial::Untried) => Verdict::Untried {
                    reason: "the host can't keep instances".to_owned(),
                },
                Ok(Trial::Broken(found)) => Verdict::Broken {
                    counterexample: found.sides(),
                },
                Err(fault @ Fault::Spent) => Verdict::Untried {
                    reason: fault.to_string(),
                },
                Err(fault) => return Err(fault),
            }
        };
        tell(Finding {
            function: qname.to_owned(),
            promise: law.id().to_owned(),
            statement: format!("{}: {}", law.name(), law.statement()),
            verdict,
        });
    }
    Ok(())
}

/// Whether a state can be made and, when rows went into it, evaluated. No rows are the business of L16.
fn sound(subject: &mut dyn Subject, term: &Term, evaluate: bool) -> Result<Breach, Fault> {
    subject.begin(Instances::Fresh)?;
    let made = make(subject, term);
    let (shown, result) = match made {
        Ok(accumulator) if evaluate => (
            format!("E({term})"),
            subject.evaluate(accumulator).map(drop),
        ),
        made => (term.to_string(), made.map(drop)),
    };
    match result {
        Err(fault) if fault.ends() => Err(fault),
        Err(fault) => {
            Ok(Promise::of(&fault).map(|promise| (promise, format!("  {shown}\n    = {fault}"))))
        }
        Ok(()) => Ok(None),
    }
}

/// Whether one row at a time makes a state swell.
fn grows(subject: &mut dyn Subject) -> Result<Breach, Fault> {
    subject.begin(Instances::Fresh)?;
    let arguments = subject.signature().arguments.len();
    let row = Batch(vec![vec![crate::law::Cell::Null; arguments]]);
    let accumulator = match subject.open() {
        Ok(accumulator) => accumulator,
        Err(fault) if fault.ends() => return Err(fault),
        Err(_) => return Ok(None),
    };
    for update in 1..=UPDATES {
        let state = match subject.update(accumulator, &row) {
            Ok(()) => subject.state(accumulator),
            Err(fault) => Err(fault),
        };
        let size = match state {
            Ok(state) => state.len(),
            Err(fault) if fault.ends() => return Err(fault),
            Err(_) => return Ok(None),
        };
        if size > STATE_BYTES {
            let shown = format!(
                "  {update} updates with one row of nulls\n    = a state of {size} bytes; more than {STATE_BYTES} is taken for boundless"
            );
            return Ok(Some((Promise::StateSize, shown)));
        }
    }
    Ok(None)
}
