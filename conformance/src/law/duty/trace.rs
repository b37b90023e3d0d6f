//! Reads the states of the aggregates of `plans.wat` that write down what is done to them.

use crate::payload::{ipc, literal::IpcValue};

/// How deep merges may nest.
const DEPTH: usize = 32;

/// Bytes that are shown of a state.
const SHOWN: usize = 24;

/// A state, by what was done to it.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) operations: Vec<Operation>,
    /// Its bytes. Not borrowed from the whole: merged states come out of a column.
    pub(super) bytes: Vec<u8>,
}

/// One call, with the name it was made by.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) qname: String,
    pub(super) what: What,
}

/// What was called.
#[derive(Clone, Debug)]
pub(super) enum What {
    New,
    /// Number and payload of each row.
    Update(Vec<(Option<i64>, Option<Vec<u8>>)>),
    Merge(Vec<State>),
}

/// Reads a state; what it can't read was never written by the aggregate.
pub(super) fn read(bytes: &[u8]) -> Result<State, String> {
    state(bytes, 0)
}

fn state(bytes: &[u8], depth: usize) -> Result<State, String> {
    if depth > DEPTH {
        return Err("merges are nested too deep".to_owned());
    }
    let mut operations = Vec::new();
    let mut rest = bytes;
    while let Some((tag, behind)) = rest.split_first() {
        let at = bytes.len() - rest.len();
        let cut = || {
            format!(
                "the state {} ends inside of its operation at byte {at}",
                hex(bytes)
            )
        };
        let (qname, behind) = counted(behind).ok_or_else(cut)?;
        let (stream, behind) = counted(behind).ok_or_else(cut)?;
        let what = match tag {
            b'N' => What::New,
            b'U' => What::Update(update(stream)?),
            b'M' => What::Merge(merge(stream, depth)?),
            _ => {
                return Err(format!(
                    "the state {} has no operation at byte {at}",
                    hex(bytes)
                ));
            }
        };
        operations.push(Operation {
            qname: String::from_utf8_lossy(qname).into_owned(),
            what,
        });
        rest = behind;
    }
    Ok(State {
        operations,
        bytes: bytes.to_vec(),
    })
}

/// Four little-endian length bytes, and so many.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

type Rows = Vec<(Option<i64>, Option<Vec<u8>>)>;

fn update(stream: &[u8]) -> Result<Rows, String> {
    let mut rows = Vec::new();
    for batch in columns(stream, &["int64", "binary"])? {
        let mut columns = batch.into_iter();
        let (numbers, payloads) = (columns.next(), columns.next());
        let payloads = payloads.into_iter().flatten();
        for (number, payload) in numbers.into_iter().flatten().zip(payloads) {
            let number = match number {
                IpcValue::Integer(number) => Some(number),
                _ => None,
            };
            let payload = match payload {
                IpcValue::Bytes(bytes) => Some(bytes),
                _ => None,
            };
            rows.push((number, payload));
        }
    }
    Ok(rows)
}

fn merge(stream: &[u8], depth: usize) -> Result<Vec<State>, String> {
    let batches = columns(stream, &["binary"])?;
    let states = batches.into_iter().flatten().flatten();
    states
        .map(|value| match value {
            IpcValue::Bytes(bytes) => state(&bytes, depth + 1),
            _ => Err("a merged state is null".to_owned()),
        })
        .collect()
}

fn columns(stream: &[u8], types: &[&str]) -> Result<Vec<Vec<Vec<IpcValue>>>, String> {
    let content = ipc::decode(stream).map_err(|error| error.to_string())?;
    let found: Vec<&str> = content.columns.iter().map(|one| one.ty.as_str()).collect();
    if found == types {
        Ok(content.batches)
    } else {
        Err(format!("a batch has the columns [{}]", found.join(", ")))
    }
}

/// Bytes as people read them: `00 ff`, the first of them when there are many.
pub(super) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "of no bytes".to_owned();
    }
    let shown: Vec<_> = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let more = if bytes.len() > SHOWN {
        format!(" … ({} bytes)", bytes.len())
    } else {
        String::new()
    };
    shown.join(" ") + &more
}
