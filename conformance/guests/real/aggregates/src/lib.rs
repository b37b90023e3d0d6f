//! A plugin of `uni:plugin@0.1.0`, world `aggregate-plugin`: decodes Arrow IPC, calls the aggregate, encodes its answer.

// By path, not as a dependency: where a dependency outside this workspace lies would show in the bytes.
#[path = "../../../aggregates/src/lib.rs"]
#[allow(dead_code, reason = "one of lawful and unlawful is left out")]
mod aggregates;

use std::{cell::RefCell, fmt::Write as _};

use self::aggregates::{Aggregate, Failure, Memory, Rows, type_name};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{Field, Schema},
};

wit_bindgen::generate!({
    path: "../../../../wit/uni",
    world: "aggregate-plugin",
});

#[cfg(not(feature = "unlawful"))]
const ID: &str = "laws.lawful";
#[cfg(feature = "unlawful")]
const ID: &str = "laws.unlawful";

struct Plugin;

export!(Plugin);

thread_local! {
    /// What this instance remembers.
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Guest for Plugin {
    fn manifest() -> String {
        format!(r#"{{"id": "{ID}", "version": "1.0.0", "capabilities": ["aggregate-fn"]}}"#)
    }

    fn register() -> String {
        let mut entries = String::new();
        for aggregate in aggregates() {
            let primitive =
                |ty| format!(r#"{{"kind": "primitive", "arrow": "{}"}}"#, type_name(ty));
            let arguments: Vec<_> = aggregate.arguments().iter().map(primitive).collect();
            let separator = if entries.is_empty() { "" } else { "," };
            // Writing to a string can't fail.
            let _ = write!(
                entries,
                r#"{separator}{{"kind": "aggregate", "qname": "{ID}.{}", "signature": {{"args": [{}], "returns": {}}},
                "state": {{"kind": "primitive", "arrow": "binary"}}}}"#,
                aggregate.name(),
                arguments.join(","),
                primitive(&aggregate.returns()),
            );
        }
        format!(r#"{{"entries": [{entries}]}}"#)
    }

    fn agg_new(qname: String) -> Result<Vec<u8>, FnError> {
        let aggregate = find(&qname)?;
        settle(with_memory(|memory| aggregate.new_state(memory)))
    }

    fn agg_update(qname: String, state: Vec<u8>, values_ipc: Vec<u8>) -> Result<Vec<u8>, FnError> {
        let aggregate = find(&qname)?;
        let batches = read(&values_ipc)?;
        let mut state = state;
        for batch in &batches {
            let rows = Rows {
                columns: batch.columns(),
                rows: batch.num_rows(),
            };
            state = settle(with_memory(|memory| aggregate.update(memory, &state, rows)))?;
        }
        Ok(state)
    }

    fn agg_merge(
        qname: String,
        state: Vec<u8>,
        other_states_ipc: Vec<u8>,
    ) -> Result<Vec<u8>, FnError> {
        let aggregate = find(&qname)?;
        let batches = read(&other_states_ipc)?;
        let mut others = Vec::new();
        for batch in &batches {
            let column = batch
                .columns()
                .first()
                .and_then(|column| column.as_binary_opt::<i32>())
                .ok_or_else(|| error(0x101, "partial states are no Binary column".to_owned()))?;
            others.extend((0..column.len()).map(|row| column.value(row)));
        }
        settle(with_memory(|memory| {
            aggregate.merge(memory, &state, &others)
        }))
    }

    fn agg_evaluate(qname: String, state: Vec<u8>) -> Result<Vec<u8>, FnError> {
        let aggregate = find(&qname)?;
        match with_memory(|memory| aggregate.evaluate(memory, &state)) {
            Ok(value) => write(value),
            Err(failure) => settle(Err(failure)),
        }
    }
}

fn aggregates() -> Vec<&'static dyn Aggregate> {
    if cfg!(feature = "unlawful") {
        let unlawful = aggregates::unlawful()
            .iter()
            .map(|(aggregate, _)| *aggregate);
        let hostile = aggregates::hostile()
            .iter()
            .map(|(aggregate, _)| *aggregate);
        unlawful.chain(hostile).collect()
    } else {
        aggregates::lawful().to_vec()
    }
}

fn find(qname: &str) -> Result<&'static dyn Aggregate, FnError> {
    let name = qname
        .strip_prefix(ID)
        .and_then(|rest| rest.strip_prefix('.'));
    let all = aggregates();
    all.into_iter()
        .find(|aggregate| Some(aggregate.name()) == name)
        .ok_or_else(|| error(0x102, format!("no aggregate {qname:?}")))
}

fn with_memory<T>(call: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(call)
}

/// Carries out what an aggregate says in place of a state.
fn settle(result: Result<Vec<u8>, Failure>) -> Result<Vec<u8>, FnError> {
    match result {
        Ok(state) => Ok(state),
        Err(Failure::Error { code, message }) => Err(error(code, message)),
        Err(Failure::Raw(bytes)) => Ok(bytes),
        Err(Failure::Trap) => std::process::abort(),
        Err(Failure::Never) => loop {
            std::hint::spin_loop();
        },
    }
}

fn read(bytes: &[u8]) -> Result<Vec<RecordBatch>, FnError> {
    stream::read(bytes).map_err(|problem| error(0x103, format!("no Arrow IPC stream: {problem}")))
}

fn write(value: ArrayRef) -> Result<Vec<u8>, FnError> {
    let field = Field::new("value", value.data_type().clone(), true);
    let bytes = stream::write(Schema::new(vec![field]), 1, |_| vec![value.clone()]);
    bytes.map_err(|problem| error(0x104, problem.to_string()))
}

fn error(code: u32, message: String) -> FnError {
    FnError {
        code,
        message,
        retryable: false,
    }
}
