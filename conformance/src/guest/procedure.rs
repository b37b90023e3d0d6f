//! Procedures: what they yield is of the registered columns.

use reference_host::uni::Function;
use serde_json::{Value as Json, json};

use super::{Finding, Options, Promise, search, told};
use crate::law::{Batch, Fault, Instances, Plugin, Wire, row, wire};

pub(super) fn try_one(
    plugin: &mut Plugin,
    function: &Function,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    let qname = &function.qname;
    let arguments: Vec<Wire> = function.args.iter().copied().map(wire).collect();
    let outcome = search(options, &row(&arguments), |row| {
        plugin.ready(Instances::Fresh)?;
        let row = Batch(vec![row]);
        let columns: Json = row.to_json(&arguments);
        match plugin.attempt("invoke-procedure", json!([qname, columns])) {
            Ok(_) => Ok(None),
            Err(fault) if fault.ends() => Err(fault),
            Err(fault) => Ok(Promise::of(&fault)
                .map(|promise| (promise, format!("  call {row}\n    = {fault}")))),
        }
    });
    let promises = [Promise::Trap, Promise::Limit, Promise::Answer];
    told(qname, &promises, outcome, tell).map(drop)
}
