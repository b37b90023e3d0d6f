//! Times a scalar function of a plugin on the published host, as `ScalarPluginFn::invoke` carries it out:
//! `arrow-path PLUGIN.wasm QNAME ROWS CALLS` prints one JSON object, `{"rows": ROWS, "nanos": [...]}`, with the time of each
//! call over one column of ROWS numbers. The benchmark `arrow_path` of the main workspace runs it beside the host there.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use uni_plugin::{Capability, CapabilitySet, PluginId, PluginRegistrar, PluginRegistry, QName};
use uni_plugin_wasm::WasmLoader;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [plugin, qname, rows, calls] = arguments.as_slice() else {
        return Err("expected: arrow-path PLUGIN.wasm QNAME ROWS CALLS".into());
    };
    let (rows, calls): (usize, usize) = (rows.parse()?, calls.parse()?);
    let mut grants = CapabilitySet::new();
    for capability in [
        Capability::ScalarFn,
        Capability::AggregateFn,
        Capability::Procedure,
    ] {
        grants.insert(capability);
    }
    let registry = PluginRegistry::new();
    let mut registrar = PluginRegistrar::new(PluginId::new("wasm.loading"), &grants, &registry);
    WasmLoader::new().load(&std::fs::read(plugin)?, &grants, &mut registrar)?;
    registrar.commit_to_registry()?;
    let entry = registry
        .scalar_fn(&QName::parse(qname)?)
        .ok_or("the plugin has no such function")?;

    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows)?));
    let column = [ColumnarValue::Array(column)];
    let mut nanos = Vec::with_capacity(calls);
    for call in 0..calls + 3 {
        let begin = Instant::now();
        let answer = entry.function.invoke(&column, rows)?;
        let time = begin.elapsed().as_nanos();
        if answer.into_array(rows)?.len() != rows {
            return Err("the plugin did not answer with the column".into());
        }
        // The first calls find nothing in its place.
        if call >= 3 {
            nanos.push(time);
        }
    }
    println!("{{\"rows\": {rows}, \"nanos\": {nanos:?}}}");
    Ok(())
}
