//! Scalars: a value a row, from that row alone.

use proptest::strategy::Strategy;
use reference_host::uni::{Function, FunctionKind, NullHandling, Volatility};
use serde_json::{Value as Json, json};

use super::{Breach, Finding, Options, Promise, Verdict, search, told};
use crate::law::{Batch, Cell, Fault, Instances, Plugin, Wire, batches, wire};

pub(super) fn try_one(
    plugin: &mut Plugin,
    function: &Function,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    let FunctionKind::Scalar {
        volatility,
        null_handling,
        ..
    } = function.kind
    else {
        return Ok(());
    };
    let qname = &function.qname;
    let arguments: Vec<Wire> = function.args.iter().copied().map(wire).collect();
    let two = (batches(&arguments), batches(&arguments));
    let present = two
        .clone()
        .prop_map(|(one, two)| (filled(&one), filled(&two)));

    // Without nulls first: what goes wrong then has nothing to do with them.
    let calm = [Promise::Trap, Promise::Limit, Promise::Answer];
    let outcome = search(options, &present, |(batch, _)| {
        sound(plugin, qname, &arguments, &batch)
    });
    let good = told(qname, &calm, outcome, tell)?;
    let rest = [Promise::Nulls, Promise::Determinism, Promise::RowAlignment];
    if !good {
        for promise in rest {
            let reason = "its calls do not come to a good end".to_owned();
            tell(promise.finding(qname, Verdict::Untried { reason }));
        }
        return Ok(());
    }

    let outcome = search(options, &two, |(batch, _)| {
        nulls(plugin, qname, &arguments, &batch, null_handling)
    });
    let takes_nulls = told(qname, &[Promise::Nulls], outcome, tell)?;

    if volatility == Volatility::Volatile {
        let reason = "it is registered as volatile".to_owned();
        for promise in [Promise::Determinism, Promise::RowAlignment] {
            let reason = reason.clone();
            tell(promise.finding(qname, Verdict::Untried { reason }));
        }
        return Ok(());
    }
    let samples = if takes_nulls {
        two.boxed()
    } else {
        present.boxed()
    };
    let outcome = search(options, &samples, |(batch, past)| {
        determined(plugin, qname, &arguments, &batch, &past)
    });
    if !told(qname, &[Promise::Determinism], outcome, tell)? {
        let reason = "`determinism` is broken".to_owned();
        tell(Promise::RowAlignment.finding(qname, Verdict::Untried { reason }));
        return Ok(());
    }
    let outcome = search(options, &samples, |(one, two)| {
        aligned(plugin, qname, &arguments, &one, &two)
    });
    told(qname, &[Promise::RowAlignment], outcome, tell).map(drop)
}

/// Every null replaced by a value.
fn filled(batch: &Batch) -> Batch {
    let keep = |row: &&Vec<Cell>| !row.contains(&Cell::Null);
    Batch(batch.0.iter().filter(keep).cloned().collect())
}

fn invoke(
    plugin: &mut Plugin,
    qname: &str,
    arguments: &[Wire],
    batch: &Batch,
) -> Result<Result<Vec<Json>, Fault>, Fault> {
    let answer = plugin.attempt(
        "invoke-scalar",
        json!([qname, batch.to_json(arguments), batch.0.len()]),
    );
    match answer {
        Ok(column) => match column
            .as_object()
            .and_then(|members| members.values().next())
        {
            Some(Json::Array(cells)) => Ok(Ok(cells.clone())),
            _ => Err(Fault::Lost(format!("`invoke-scalar` answered {column}"))),
        },
        Err(fault) if fault.ends() => Err(fault),
        Err(fault) => Ok(Err(fault)),
    }
}

fn call(qname: &str, batch: &Batch) -> String {
    let name = qname.rsplit('.').next().unwrap_or(qname);
    format!("{name}({batch})")
}

fn sound(
    plugin: &mut Plugin,
    qname: &str,
    arguments: &[Wire],
    batch: &Batch,
) -> Result<Breach, Fault> {
    plugin.ready(Instances::Fresh)?;
    let answer = invoke(plugin, qname, arguments, batch)?;
    Ok(answer.err().and_then(|fault| {
        let promise = Promise::of(&fault)?;
        Some((promise, format!("  {}\n    = {fault}", call(qname, batch))))
    }))
}

/// Nulls among the arguments are no reason to fail; where the host deals with them, they give null.
fn nulls(
    plugin: &mut Plugin,
    qname: &str,
    arguments: &[Wire],
    batch: &Batch,
    handling: NullHandling,
) -> Result<Breach, Fault> {
    plugin.ready(Instances::Fresh)?;
    let breach = |shown: String| {
        Some((
            Promise::Nulls,
            format!("  {}\n    = {shown}", call(qname, batch)),
        ))
    };
    Ok(match invoke(plugin, qname, arguments, batch)? {
        Err(fault) => Promise::of(&fault).and_then(|_| breach(fault.to_string())),
        Ok(cells) => {
            let rows = batch.0.iter().zip(&cells);
            let wrong = |(row, cell): &(&Vec<Cell>, &Json)| {
                handling == NullHandling::Propagate && row.contains(&Cell::Null) && !cell.is_null()
            };
            let mut rows = rows;
            match rows.find(wrong) {
                Some((_, cell)) => breach(format!(
                    "{cell} in a row with a null, though nulls are propagated"
                )),
                None => None,
            }
        }
    })
}

fn determined(
    plugin: &mut Plugin,
    qname: &str,
    arguments: &[Wire],
    batch: &Batch,
    past: &Batch,
) -> Result<Breach, Fault> {
    plugin.ready(Instances::Fresh)?;
    let first = invoke(plugin, qname, arguments, batch)?;
    if plugin.keeps() {
        plugin.ready(Instances::Kept)?;
    }
    let _past = invoke(plugin, qname, arguments, past)?;
    let second = invoke(plugin, qname, arguments, batch)?;
    Ok((!alike(&first, &second)).then(|| {
        let call = call(qname, batch);
        let past = past.to_string();
        let shown = format!(
            "  {call}\n    = {}\n  {call}, on an instance that was asked for {past} before\n    = {}",
            show(&first),
            show(&second)
        );
        (Promise::Determinism, shown)
    }))
}

fn aligned(
    plugin: &mut Plugin,
    qname: &str,
    arguments: &[Wire],
    one: &Batch,
    two: &Batch,
) -> Result<Breach, Fault> {
    plugin.ready(Instances::Fresh)?;
    let both = one.then(two);
    let whole = invoke(plugin, qname, arguments, &both)?;
    let parts = (
        invoke(plugin, qname, arguments, one)?,
        invoke(plugin, qname, arguments, two)?,
    );
    // A row that is an error may make its whole batch one.
    let (Ok(whole), (Ok(first), Ok(second))) = (&whole, &parts) else {
        return Ok(None);
    };
    Ok((*whole != [&first[..], second].concat()).then(|| {
        let shown = format!(
            "  {}\n    = {}\n  {}, {}\n    = {}, {}",
            call(qname, &both),
            show(&Ok(whole.clone())),
            call(qname, one),
            call(qname, two),
            show(&parts.0),
            show(&parts.1),
        );
        (Promise::RowAlignment, shown)
    }))
}

fn alike(one: &Result<Vec<Json>, Fault>, two: &Result<Vec<Json>, Fault>) -> bool {
    match (one, two) {
        (Ok(one), Ok(two)) => one == two,
        (Err(one), Err(two)) => Promise::of(one) == Promise::of(two),
        _ => false,
    }
}

fn show(answer: &Result<Vec<Json>, Fault>) -> String {
    match answer {
        Ok(cells) => {
            let cells: Vec<_> = cells
                .iter()
                .map(|cell| match cell.get("some") {
                    Some(value) => value.to_string(),
                    None => "null".to_owned(),
                })
                .collect();
            format!("[{}]", cells.join(", "))
        }
        Err(fault) => fault.to_string(),
    }
}
