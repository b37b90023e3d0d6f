//! Traces: what the free-monoid guest writes as aggregate state, so that one value tells every call that led to it.
//! A trace is operations in a row: `N` starts a state; `U`, four little-endian length bytes and an Arrow IPC stream are
//! an update with one `int64` column; `M`, a length and a stream are a merge with one binary column of states, each of
//! them a trace.

use super::{
    PayloadError,
    ipc::{self, IpcContent},
    literal::IpcValue,
};

/// How deep merges may nest.
pub const MAX_DEPTH: usize = 32;

/// What a trace tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Values of all updates, in the order of the trace: a merged state's rows stand where it was merged.
    pub rows: Vec<Option<i64>>,
    /// `N` operations, in merged states too.
    pub states: usize,
    /// `U` operations, in merged states too.
    pub updates: usize,
    /// `M` operations, in merged states too.
    pub merges: usize,
}

/// Reads a trace and checks that it is rooted: this state and every merged one starts with `N` and has no other `N`.
pub fn parse(bytes: &[u8]) -> Result<Trace, PayloadError> {
    let mut trace = Trace::default();
    trace.state(bytes, &mut Vec::new(), 0)?;
    Ok(trace)
}

impl Trace {
    /// `place` is the way from the whole trace to this state.
    fn state(
        &mut self,
        bytes: &[u8],
        place: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), PayloadError> {
        if depth > MAX_DEPTH {
            return Err(error(place, "merges are nested too deep"));
        }
        if bytes.is_empty() {
            return Err(error(
                place,
                "the state is empty: it does not start with `new`",
            ));
        }
        let mut at = 0;
        let mut operation = 0;
        while let Some(tag) = bytes.get(at) {
            place.push(format!("operation {operation} (byte {at})"));
            at += 1;
            match tag {
                b'N' if operation == 0 => self.states += 1,
                b'N' => return Err(error(place, "`new` in the middle of a state")),
                b'U' | b'M' if operation == 0 => {
                    return Err(error(place, "the state does not start with `new`"));
                }
                b'U' => {
                    self.updates += 1;
                    self.update(argument(bytes, &mut at, place)?, place)?;
                }
                b'M' => {
                    self.merges += 1;
                    self.merge(argument(bytes, &mut at, place)?, place, depth)?;
                }
                other => return Err(error(place, format!("no operation: byte 0x{other:02x}"))),
            }
            place.pop();
            operation += 1;
        }
        Ok(())
    }

    fn update(&mut self, stream: &[u8], place: &[String]) -> Result<(), PayloadError> {
        let content = content(stream, place)?;
        column(&content, &["int64"], place)?;
        for value in content.batches.into_iter().flatten().flatten() {
            self.rows.push(match value {
                IpcValue::Null => None,
                IpcValue::Integer(value) => Some(value),
                other => return Err(error(place, format!("{other} is no int64"))),
            });
        }
        Ok(())
    }

    fn merge(
        &mut self,
        stream: &[u8],
        place: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), PayloadError> {
        let content = content(stream, place)?;
        column(&content, &["binary", "largebinary"], place)?;
        for (index, value) in content.batches.into_iter().flatten().flatten().enumerate() {
            place.push(format!("state {index}"));
            match value {
                IpcValue::Bytes(state) => self.state(&state, place, depth + 1)?,
                IpcValue::Null => return Err(error(place, "the state is null")),
                other => return Err(error(place, format!("{other} is no state"))),
            }
            place.pop();
        }
        Ok(())
    }
}

/// The bytes of an operation: four length bytes, then so many.
fn argument<'a>(
    bytes: &'a [u8],
    at: &mut usize,
    place: &[String],
) -> Result<&'a [u8], PayloadError> {
    let rest = &bytes[*at..];
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| error(place, "the state ends inside of a length"))?;
    let length = u32::from_le_bytes(*length);
    let argument = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length));
    let argument = argument.ok_or_else(|| {
        error(
            place,
            format!(
                "the argument should have {length} bytes, {} are left",
                rest.len()
            ),
        )
    })?;
    *at += 4 + argument.len();
    Ok(argument)
}

fn content(stream: &[u8], place: &[String]) -> Result<IpcContent, PayloadError> {
    ipc::decode(stream).map_err(|reason| error(place, reason.to_string()))
}

fn column(content: &IpcContent, types: &[&str], place: &[String]) -> Result<(), PayloadError> {
    let found: Vec<&str> = content
        .columns
        .iter()
        .map(|column| column.ty.as_str())
        .collect();
    match found.as_slice() {
        [one] if types.contains(one) => Ok(()),
        _ => {
            let wanted = types.join(" or ");
            Err(error(
                place,
                format!(
                    "the argument has columns [{}], not one of {wanted}",
                    found.join(", ")
                ),
            ))
        }
    }
}

fn error(place: &[String], reason: impl Into<String>) -> PayloadError {
    let place = if place.is_empty() {
        "the whole".to_owned()
    } else {
        place.join(", ")
    };
    PayloadError::Trace {
        place,
        reason: reason.into(),
    }
}
