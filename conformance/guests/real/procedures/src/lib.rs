//! A plugin of `uni:plugin@0.1.0`, world `procedure-plugin`: `range(from, to)` yields whole numbers, three to a batch.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};

wit_bindgen::generate!({
    path: "../../../../wit/uni",
    world: "procedure-plugin",
});

struct Plugin;

export!(Plugin);

impl Guest for Plugin {
    fn manifest() -> String {
        r#"{"id": "series.real", "version": "1.0.0", "capabilities": ["procedure"]}"#.to_owned()
    }

    fn register() -> String {
        r#"{"entries": [{"kind": "procedure", "qname": "series.real.range",
            "args": [{"kind": "primitive", "arrow": "int64"}, {"kind": "primitive", "arrow": "int64"}],
            "yields": [{"kind": "primitive", "arrow": "int64"}], "mode": "read"
        }]}"#
            .to_owned()
    }

    fn invoke_procedure(_qname: String, args_ipc: Vec<u8>) -> Result<Vec<u8>, FnError> {
        range(&args_ipc).map_err(|problem| FnError {
            code: 0x103,
            message: problem.to_string(),
            retryable: false,
        })
    }
}

fn range(arguments: &[u8]) -> Result<Vec<u8>, ArrowError> {
    let wrong = || ArrowError::InvalidArgumentError("expected two whole numbers".to_owned());
    let batch = StreamReader::try_new(arguments, None)?
        .next()
        .ok_or_else(wrong)??;
    let number = |index: usize| {
        let column = batch.columns().get(index)?.as_primitive_opt::<Int64Type>()?;
        column.iter().next().flatten()
    };
    let (from, to) = number(0).zip(number(1)).ok_or_else(wrong)?;
    let to = to.min(from.saturating_add(10_000));
    let schema = Arc::new(Schema::new(vec![Field::new("yield0", DataType::Int64, true)]));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    let mut next = from;
    while next < to {
        let end = to.min(next.saturating_add(3));
        let column = Arc::new(Int64Array::from_iter_values(next..end));
        writer.write(&RecordBatch::try_new(schema.clone(), vec![column])?)?;
        next = end;
    }
    writer.into_inner()
}
