//! WIT values as JSON, by the table in `docs/adapter-protocol.md`, "Values are mapped to JSON by their WIT type".

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fixtures::abi::{Label, Type, Value};
use serde_json::{Map, Number, Value as Json};

/// Integers up to here (and down to minus this) are doubles without loss and travel as numbers.
const DOUBLE_EXACT: u64 = 1 << 53;

/// Longest excerpt of a value in an error, in characters.
const EXCERPT: usize = 48;

/// A JSON value that is not of the WIT type it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct JsonError {
    /// Where in the JSON, `$` being all of it: `$.ok[2].name`.
    pub path: String,
    /// What the type asks for.
    pub expected: String,
    /// What is there, shortened.
    pub found: String,
}

impl JsonError {
    fn new(expected: impl Into<String>, found: &Json) -> Self {
        Self {
            path: String::new(),
            expected: expected.into(),
            found: describe(found),
        }
    }

    fn under(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

/// The JSON of `value`, which is of type `ty`.
///
/// # Panics
/// When `value` is not of type `ty`, or is or holds a handle: driver interfaces have none, and who builds a value has
/// checked it.
#[must_use]
pub fn to_json(ty: &Type, value: &Value) -> Json {
    match (ty, value) {
        (Type::Bool, Value::Bool(value)) => Json::Bool(*value),
        (Type::S8, Value::S8(value)) => (*value).into(),
        (Type::U8, Value::U8(value)) => (*value).into(),
        (Type::S16, Value::S16(value)) => (*value).into(),
        (Type::U16, Value::U16(value)) => (*value).into(),
        (Type::S32, Value::S32(value)) => (*value).into(),
        (Type::U32, Value::U32(value)) => (*value).into(),
        (Type::S64, Value::S64(value)) if value.unsigned_abs() > DOUBLE_EXACT => {
            value.to_string().into()
        }
        (Type::S64, Value::S64(value)) => (*value).into(),
        (Type::U64, Value::U64(value)) if *value > DOUBLE_EXACT => value.to_string().into(),
        (Type::U64, Value::U64(value)) => (*value).into(),
        (Type::F32, Value::F32(value)) => float_to_json(f64::from(*value)),
        (Type::F64, Value::F64(value)) => float_to_json(*value),
        (Type::Char, Value::Char(value)) => value.to_string().into(),
        (Type::String, Value::String(value)) => value.as_str().into(),
        (Type::List(_) | Type::FixedList(..), Value::Bytes(bytes)) => bytes_to_json(bytes),
        (Type::List(element) | Type::FixedList(element, _), Value::List(values)) => {
            values.iter().map(|value| to_json(element, value)).collect()
        }
        (Type::Record(fields), Value::Record(values)) => fields
            .iter()
            .zip(values)
            .map(|(field, value)| (field.name.to_string(), to_json(&field.ty, value)))
            .collect::<Map<_, _>>()
            .into(),
        (Type::Tuple(types), Value::Tuple(values)) => types
            .iter()
            .zip(values)
            .map(|(ty, value)| to_json(ty, value))
            .collect(),
        (Type::Variant(cases), Value::Variant(index, payload))
            if (*index as usize) < cases.len() =>
        {
            let case = &cases[*index as usize];
            member(
                &case.name,
                payload_to_json(case.ty.as_ref(), payload.as_deref()),
            )
        }
        (Type::Enum(labels), Value::Enum(index)) if (*index as usize) < labels.len() => {
            labels[*index as usize].as_ref().into()
        }
        (Type::Option(_), Value::Option(None)) => Json::Null,
        (Type::Option(inner), Value::Option(Some(value))) => member("some", to_json(inner, value)),
        (Type::Result(ok, _), Value::Result(Ok(payload))) => {
            member("ok", payload_to_json(ok.as_deref(), payload.as_deref()))
        }
        (Type::Result(_, err), Value::Result(Err(payload))) => {
            member("err", payload_to_json(err.as_deref(), payload.as_deref()))
        }
        (Type::Flags(labels), Value::Flags(bits)) => labels
            .iter()
            .enumerate()
            .filter(|(bit, _)| *bit < 32 && bits >> bit & 1 == 1)
            .map(|(_, label)| Json::from(label.as_ref()))
            .collect(),
        (ty, value) => panic!("{value:?} can't travel as {ty:?}"),
    }
}

/// The value of type `ty` that `json` stands for.
///
/// # Errors
/// When `json` is not of that type; the first place where it is not.
pub fn from_json(ty: &Type, json: &Json) -> Result<Value, JsonError> {
    read(ty, json).map_err(|error| error.under("$"))
}

fn read(ty: &Type, json: &Json) -> Result<Value, JsonError> {
    let misfit = || JsonError::new(expectation(ty), json);
    Ok(match ty {
        Type::Bool => Value::Bool(json.as_bool().ok_or_else(misfit)?),
        Type::S8 => Value::S8(integer(ty, json)?),
        Type::U8 => Value::U8(integer(ty, json)?),
        Type::S16 => Value::S16(integer(ty, json)?),
        Type::U16 => Value::U16(integer(ty, json)?),
        Type::S32 => Value::S32(integer(ty, json)?),
        Type::U32 => Value::U32(integer(ty, json)?),
        Type::S64 => Value::S64(integer(ty, json)?),
        Type::U64 => Value::U64(integer(ty, json)?),
        Type::F32 => Value::F32(narrow(float(json).ok_or_else(misfit)?).ok_or_else(misfit)?),
        Type::F64 => Value::F64(float(json).ok_or_else(misfit)?),
        Type::Char => {
            let mut chars = json.as_str().ok_or_else(misfit)?.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => Value::Char(only),
                _ => return Err(misfit()),
            }
        }
        Type::String => Value::String(json.as_str().ok_or_else(misfit)?.to_owned()),
        Type::List(element) if **element == Type::U8 => {
            Value::Bytes(bytes(json).ok_or_else(misfit)?)
        }
        Type::FixedList(element, length) if **element == Type::U8 => {
            let bytes = bytes(json).filter(|bytes| bytes.len() == *length as usize);
            Value::Bytes(bytes.ok_or_else(misfit)?)
        }
        Type::List(element) => {
            Value::List(elements(json.as_array().ok_or_else(misfit)?, |_| element)?)
        }
        Type::FixedList(element, length) => {
            let array = json
                .as_array()
                .filter(|array| array.len() == *length as usize);
            Value::List(elements(array.ok_or_else(misfit)?, |_| element)?)
        }
        Type::Tuple(types) => {
            let array = json.as_array().filter(|array| array.len() == types.len());
            Value::Tuple(elements(array.ok_or_else(misfit)?, |index| &types[index])?)
        }
        Type::Record(fields) => {
            let object = json.as_object().ok_or_else(misfit)?;
            if let Some(stranger) = object
                .keys()
                .find(|key| fields.iter().all(|field| *field.name != ***key))
            {
                return Err(JsonError {
                    found: format!("the field `{stranger}`"),
                    ..misfit()
                });
            }
            let mut values = Vec::with_capacity(fields.len());
            for field in fields.iter() {
                let value = object
                    .get(&*field.name)
                    .ok_or_else(|| JsonError::new(format!("the field `{}`", field.name), json))?;
                values.push(
                    read(&field.ty, value)
                        .map_err(|error| error.under(&format!(".{}", field.name)))?,
                );
            }
            Value::Record(values)
        }
        Type::Variant(cases) => {
            let (name, value) = only_member(json).ok_or_else(misfit)?;
            let index = cases
                .iter()
                .position(|case| *case.name == *name)
                .ok_or_else(misfit)?;
            Value::Variant(
                ordinal(index),
                payload(name, cases[index].ty.as_ref(), value)?,
            )
        }
        Type::Enum(labels) => Value::Enum(
            json.as_str()
                .and_then(|name| place(labels, name))
                .ok_or_else(misfit)?,
        ),
        Type::Option(_) if json.is_null() => Value::Option(None),
        Type::Option(inner) => match only_member(json) {
            Some(("some", value)) => Value::Option(payload("some", Some(inner), value)?),
            _ => return Err(misfit()),
        },
        Type::Result(ok, err) => match only_member(json) {
            Some(("ok", value)) => Value::Result(Ok(payload("ok", ok.as_deref(), value)?)),
            Some(("err", value)) => Value::Result(Err(payload("err", err.as_deref(), value)?)),
            _ => return Err(misfit()),
        },
        Type::Flags(labels) => {
            let mut bits = 0u32;
            for (index, name) in json.as_array().ok_or_else(misfit)?.iter().enumerate() {
                let bit = name
                    .as_str()
                    .and_then(|name| place(labels, name))
                    .filter(|bit| *bit < 32 && bits >> bit & 1 == 0)
                    .ok_or_else(|| {
                        JsonError::new(expectation(ty), name).under(&format!("[{index}]"))
                    })?;
                bits |= 1 << bit;
            }
            Value::Flags(bits)
        }
        Type::Own(_) | Type::Borrow(_) => return Err(misfit()),
    })
}

/// What `ty` looks like in JSON, for an error.
fn expectation(ty: &Type) -> String {
    match ty {
        Type::Bool => "true or false".into(),
        Type::S8 => range(i8::MIN, i8::MAX),
        Type::U8 => range(u8::MIN, u8::MAX),
        Type::S16 => range(i16::MIN, i16::MAX),
        Type::U16 => range(u16::MIN, u16::MAX),
        Type::S32 => range(i32::MIN, i32::MAX),
        Type::U32 => range(u32::MIN, u32::MAX),
        Type::S64 => range(i64::MIN, i64::MAX) + ", or its digits as a string",
        Type::U64 => range(u64::MIN, u64::MAX) + ", or its digits as a string",
        Type::F32 => r#"a number that an f32 can hold, "nan", "inf", "-inf" or "-0.0""#.into(),
        Type::F64 => r#"a number, "nan", "inf", "-inf" or "-0.0""#.into(),
        Type::Char => "a string of one character".into(),
        Type::String => "a string".into(),
        Type::List(element) if **element == Type::U8 => "a base64 string".into(),
        Type::FixedList(element, length) if **element == Type::U8 => {
            format!("{length} bytes as a base64 string")
        }
        Type::List(_) => "an array".into(),
        Type::FixedList(_, length) => format!("an array of {length}"),
        Type::Tuple(types) => format!("an array of {}", types.len()),
        Type::Record(fields) => {
            format!(
                "an object of the fields {}",
                names(fields.iter().map(|field| &field.name))
            )
        }
        Type::Variant(cases) => format!(
            "an object of one member out of {}",
            names(cases.iter().map(|case| &case.name))
        ),
        Type::Enum(labels) => format!("one of the strings {}", names(labels.iter())),
        Type::Option(_) => r#"null or {"some": ...}"#.into(),
        Type::Result(..) => r#"{"ok": ...} or {"err": ...}"#.into(),
        Type::Flags(labels) => format!(
            "an array of names, each once, out of {}",
            names(labels.iter())
        ),
        Type::Own(_) | Type::Borrow(_) => "nothing, for handles don't travel".into(),
    }
}

fn range<T: std::fmt::Display>(first: T, last: T) -> String {
    format!("a whole number from {first} to {last}")
}

fn names<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    labels
        .map(|label| format!("`{label}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe(json: &Json) -> String {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => json.to_string(),
        Json::String(text) => match text.char_indices().nth(EXCERPT) {
            Some((end, _)) => format!("{}... of {} bytes", Json::from(&text[..end]), text.len()),
            None => json.to_string(),
        },
        Json::Array(values) => format!("an array of {}", values.len()),
        Json::Object(members) if members.is_empty() => "an empty object".into(),
        Json::Object(members) => {
            let keys = members
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("`, `");
            match keys.char_indices().nth(EXCERPT) {
                Some((end, _)) => format!(
                    "an object of {} members, `{}...",
                    members.len(),
                    &keys[..end]
                ),
                None => format!("an object with `{keys}`"),
            }
        }
    }
}

/// Bytes as they travel, base64.
pub(crate) fn bytes_to_json(bytes: &[u8]) -> Json {
    STANDARD.encode(bytes).into()
}

fn member(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn only_member(json: &Json) -> Option<(&str, &Json)> {
    let object = json.as_object().filter(|object| object.len() == 1)?;
    object
        .iter()
        .next()
        .map(|(name, value)| (name.as_str(), value))
}

fn payload_to_json(ty: Option<&Type>, value: Option<&Value>) -> Json {
    match (ty, value) {
        (Some(ty), Some(value)) => to_json(ty, value),
        (None, None) => Json::Null,
        (ty, value) => panic!("the payload {value:?} can't travel as {ty:?}"),
    }
}

fn payload(name: &str, ty: Option<&Type>, json: &Json) -> Result<Option<Box<Value>>, JsonError> {
    let value = match ty {
        Some(ty) => read(ty, json).map(|value| Some(Box::new(value))),
        None if json.is_null() => Ok(None),
        None => Err(JsonError::new("null, for there is no payload", json)),
    };
    value.map_err(|error| error.under(&format!(".{name}")))
}

fn elements<'a>(array: &[Json], ty: impl Fn(usize) -> &'a Type) -> Result<Vec<Value>, JsonError> {
    let element =
        |(index, json)| read(ty(index), json).map_err(|error| error.under(&format!("[{index}]")));
    array.iter().enumerate().map(element).collect()
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    STANDARD.decode(json.as_str()?).ok()
}

fn place(labels: &[Label], name: &str) -> Option<u32> {
    labels
        .iter()
        .position(|label| **label == *name)
        .map(ordinal)
}

/// Labels of one type are far fewer than 2^32.
fn ordinal(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn integer<T: TryFrom<i128>>(ty: &Type, json: &Json) -> Result<T, JsonError> {
    let wide = match json {
        Json::Number(number) => whole(number),
        Json::String(text) if matches!(ty, Type::S64 | Type::U64) => digits(text),
        _ => None,
    };
    wide.and_then(|wide| T::try_from(wide).ok())
        .ok_or_else(|| JsonError::new(expectation(ty), json))
}

/// `3`, and `3.0` too: the two are one number to JSON, and some libraries know only doubles.
fn whole(number: &Number) -> Option<i128> {
    let exact = number
        .as_u64()
        .map(i128::from)
        .or_else(|| number.as_i64().map(i128::from));
    exact.or_else(|| {
        let double = number.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within ±2^53")]
        (double.fract() == 0.0 && double.abs() <= DOUBLE_EXACT as f64).then_some(double as i128)
    })
}

fn digits(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let plain = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn float(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.as_str() {
            "nan" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            "-0.0" => Some(-0.0),
            _ => None,
        },
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest f32 is meant"
)]
fn narrow(wide: f64) -> Option<f32> {
    let narrow = wide as f32;
    (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
}

pub(crate) fn float_to_json(value: f64) -> Json {
    if value.is_nan() {
        "nan".into()
    } else if value == f64::INFINITY {
        "inf".into()
    } else if value == f64::NEG_INFINITY {
        "-inf".into()
    } else if value == 0.0 && value.is_sign_negative() {
        "-0.0".into()
    } else {
        value.into()
    }
}
