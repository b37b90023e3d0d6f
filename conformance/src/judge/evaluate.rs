//! Builds values: host steps' arguments and the values inside of patterns.

use fixtures::abi::{Type, Value};

use crate::case::model::{Expr, ExprKind, TextPart};

/// Bytes that one value may be built of.
const MAX_BYTES: usize = 1 << 30;

/// What the names in an expression stand for.
pub trait Lookup {
    /// A bound value. The runner also answers a guest's name with the id of its (first) instance.
    fn var(&self, name: &str) -> Option<Value>;

    /// The turn a loop variable is at, from 0.
    fn turn(&self, name: &str) -> Option<u32>;

    /// A value of the run's surroundings, as in `http`.
    fn surrounding(&self, name: &str) -> Option<String>;

    /// The id of one of several instances of a guest.
    fn instance(&self, guest: &str, index: u32) -> Option<Value>;
}

/// The value of an expression. The error is a fragment for a report.
pub fn evaluate(expr: &Expr, names: &dyn Lookup) -> Result<Value, String> {
    match &expr.kind {
        ExprKind::Const(value) => Ok(value.clone()),
        ExprKind::Var(name) => match names.var(name) {
            Some(value) => Ok(value),
            None => match names.turn(name) {
                Some(turn) => number(turn, &expr.ty),
                None => Err(format!("`${name}` has no value")),
            },
        },
        ExprKind::Instance { guest, index } => {
            let value = evaluate(index, names)?;
            let index = integer(&value).and_then(|index| u32::try_from(index).ok());
            let index = index.ok_or_else(|| format!("the index of `${guest}` is no number"))?;
            names
                .instance(guest, index)
                .ok_or_else(|| format!("guest `{guest}` has no instance {index}"))
        }
        ExprKind::List(elements) => {
            let elements = elements
                .iter()
                .map(|element| evaluate(element, names))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(if is_bytes(&expr.ty) {
                bytes_of(elements)?
            } else {
                Value::List(elements)
            })
        }
        ExprKind::Record(fields) => Ok(Value::Record(all(fields, names)?)),
        ExprKind::Tuple(elements) => Ok(Value::Tuple(all(elements, names)?)),
        ExprKind::Variant(case, payload) => {
            let payload = payload
                .as_ref()
                .map(|payload| evaluate(payload, names))
                .transpose()?;
            variant(&expr.ty, *case, payload)
        }
        ExprKind::Text(parts) => text_value(text(parts, names)?.into_bytes(), &expr.ty),
        ExprKind::Repeat(bytes, count) => {
            let length = usize::try_from(*count)
                .ok()
                .and_then(|count| bytes.len().checked_mul(count));
            match length {
                Some(length) if length <= MAX_BYTES => text_value(
                    bytes.repeat(length.checked_div(bytes.len()).unwrap_or(0)),
                    &expr.ty,
                ),
                _ => Err(format!("a value of more than {MAX_BYTES} bytes")),
            }
        }
        ExprKind::Concat(parts) => {
            let mut all = Vec::new();
            for part in parts {
                let value = evaluate(part, names)?;
                let part = bytes(&value).ok_or("a part of `concat` is neither text nor bytes")?;
                if all.len() + part.len() > MAX_BYTES {
                    return Err(format!("a value of more than {MAX_BYTES} bytes"));
                }
                all.extend_from_slice(part);
            }
            text_value(all, &expr.ty)
        }
        ExprKind::SizeLe32(part) => {
            let value = evaluate(part, names)?;
            let size = bytes(&value)
                .ok_or("`size-le32` of what is neither text nor bytes")?
                .len();
            let size = u32::try_from(size).map_err(|_| "`size-le32` of more than 4 GiB")?;
            text_value(size.to_le_bytes().to_vec(), &expr.ty)
        }
    }
}

/// The text of its parts; a loop variable has six digits.
pub fn text(parts: &[TextPart], names: &dyn Lookup) -> Result<String, String> {
    let part = |part: &TextPart| match part {
        TextPart::Literal(literal) => Ok(literal.clone()),
        TextPart::Loop(name) => names
            .turn(name)
            .map(|turn| format!("{turn:06}"))
            .ok_or_else(|| format!("no loop counts `{name}`")),
        TextPart::Surrounding(name) => names
            .surrounding(name)
            .ok_or_else(|| format!("the surroundings have no `{name}`")),
        TextPart::Var(name) => match names.var(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("`${name}` is no text")),
            None => Err(format!("`${name}` has no value")),
        },
    };
    parts.iter().map(part).collect()
}

/// The bytes of a text or a byte list.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::String(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        // An empty list may come without knowing that it is one of bytes.
        Value::List(elements) if elements.is_empty() => Some(&[]),
        _ => None,
    }
}

/// The number in an integer value.
pub(super) fn integer(value: &Value) -> Option<i128> {
    Some(match value {
        Value::S8(value) => (*value).into(),
        Value::U8(value) => (*value).into(),
        Value::S16(value) => (*value).into(),
        Value::U16(value) => (*value).into(),
        Value::S32(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::S64(value) => (*value).into(),
        Value::U64(value) => (*value).into(),
        _ => return None,
    })
}

fn all(parts: &[Expr], names: &dyn Lookup) -> Result<Vec<Value>, String> {
    parts.iter().map(|part| evaluate(part, names)).collect()
}

fn number(turn: u32, ty: &Type) -> Result<Value, String> {
    let narrow = |_| format!("turn {turn} is too large here");
    Ok(match ty {
        Type::S8 => Value::S8(turn.try_into().map_err(narrow)?),
        Type::U8 => Value::U8(turn.try_into().map_err(narrow)?),
        Type::S16 => Value::S16(turn.try_into().map_err(narrow)?),
        Type::U16 => Value::U16(turn.try_into().map_err(narrow)?),
        Type::S32 => Value::S32(turn.try_into().map_err(narrow)?),
        Type::U32 => Value::U32(turn),
        Type::S64 => Value::S64(turn.into()),
        Type::U64 => Value::U64(turn.into()),
        // A turn is exact in a double, and in a single as long as loops stay below 2^24.
        Type::F32 => Value::F32(turn as f32),
        Type::F64 => Value::F64(turn.into()),
        _ => return Err("a loop variable stands where no number can".to_owned()),
    })
}

fn variant(ty: &Type, case: u32, payload: Option<Value>) -> Result<Value, String> {
    let payload = payload.map(Box::new);
    match (ty, case) {
        (Type::Variant(_), case) => Ok(Value::Variant(case, payload)),
        (Type::Enum(_), case) => Ok(Value::Enum(case)),
        (Type::Option(_), 0) => Ok(Value::Option(None)),
        (Type::Option(_), 1) => Ok(Value::Option(payload)),
        (Type::Result(..), 0) => Ok(Value::Result(Ok(payload))),
        (Type::Result(..), 1) => Ok(Value::Result(Err(payload))),
        _ => Err(format!("case {case} of a type that has no such case")),
    }
}

fn is_bytes(ty: &Type) -> bool {
    match ty {
        Type::List(element) | Type::FixedList(element, _) => **element == Type::U8,
        _ => false,
    }
}

fn bytes_of(elements: Vec<Value>) -> Result<Value, String> {
    let byte = |value| match value {
        Value::U8(byte) => Ok(byte),
        _ => Err("an element of a list of bytes is no byte".to_owned()),
    };
    elements
        .into_iter()
        .map(byte)
        .collect::<Result<_, _>>()
        .map(Value::Bytes)
}

fn text_value(bytes: Vec<u8>, ty: &Type) -> Result<Value, String> {
    if is_bytes(ty) {
        return Ok(Value::Bytes(bytes));
    }
    String::from_utf8(bytes)
        .map(Value::String)
        .map_err(|_| "a text that is not UTF-8".to_owned())
}
