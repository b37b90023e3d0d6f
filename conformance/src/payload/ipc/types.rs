//! Column types by the names that case files use: `int64`, `dictionary(utf8)`, `list(int64)`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::payload::PayloadError;

/// How deep types may nest.
const MAX_DEPTH: usize = 16;

/// The Arrow type of a name. `dictionary(T)` has `int32` keys (`dictionary(K, T)` says others), the elements of lists are
/// nullable fields named `item`, those of `struct(a: T, b: U)` are nullable.
pub fn known_type(name: &str) -> Result<DataType, PayloadError> {
    let mut rest = name.trim();
    let ty = parse(&mut rest, 0).ok_or_else(|| PayloadError::UnknownType(name.to_owned()))?;
    if rest.is_empty() {
        Ok(ty)
    } else {
        Err(PayloadError::UnknownType(name.to_owned()))
    }
}

/// The name of an Arrow type, the inverse of [`known_type`] where that knows the type, Arrow's own name otherwise.
pub fn type_name(ty: &DataType) -> String {
    if let Some((name, _)) = SIMPLE.iter().find(|(_, simple)| simple == ty) {
        return (*name).to_owned();
    }
    match ty {
        DataType::Timestamp(unit, zone) => {
            let zone = zone
                .as_ref()
                .map(|zone| format!("({zone})"))
                .unwrap_or_default();
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            format!("timestamp_{unit}{zone}")
        }
        DataType::Dictionary(key, value) if **key == DataType::Int32 => {
            format!("dictionary({})", type_name(value))
        }
        DataType::Dictionary(key, value) => {
            format!("dictionary({}, {})", type_name(key), type_name(value))
        }
        DataType::List(field) => format!("list({})", type_name(field.data_type())),
        DataType::LargeList(field) => format!("large_list({})", type_name(field.data_type())),
        DataType::FixedSizeList(field, size) => {
            format!("fixed_size_list({}, {size})", type_name(field.data_type()))
        }
        DataType::FixedSizeBinary(size) => format!("fixed_size_binary({size})"),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// Types that are one word.
const SIMPLE: &[(&str, DataType)] = &[
    ("null", DataType::Null),
    ("boolean", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("utf8", DataType::Utf8),
    ("largeutf8", DataType::LargeUtf8),
    ("utf8view", DataType::Utf8View),
    ("binary", DataType::Binary),
    ("largebinary", DataType::LargeBinary),
    ("binaryview", DataType::BinaryView),
    ("date32", DataType::Date32),
    ("date64", DataType::Date64),
    ("timestamp_s", DataType::Timestamp(TimeUnit::Second, None)),
    (
        "timestamp_ms",
        DataType::Timestamp(TimeUnit::Millisecond, None),
    ),
    (
        "timestamp_us",
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ),
    (
        "timestamp_ns",
        DataType::Timestamp(TimeUnit::Nanosecond, None),
    ),
];

fn parse(rest: &mut &str, depth: usize) -> Option<DataType> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = word(rest)?;
    if let Some((_, ty)) = SIMPLE.iter().find(|(simple, _)| *simple == name) {
        return Some(ty.clone());
    }
    take(rest, "(")?;
    let ty = match name {
        "list" => DataType::List(item(parse(rest, depth + 1)?)),
        "large_list" => DataType::LargeList(item(parse(rest, depth + 1)?)),
        "fixed_size_list" => {
            let element = item(parse(rest, depth + 1)?);
            take(rest, ",")?;
            DataType::FixedSizeList(element, size(rest)?)
        }
        "fixed_size_binary" => DataType::FixedSizeBinary(size(rest)?),
        "dictionary" => {
            let first = parse(rest, depth + 1)?;
            let (key, value) = match take(rest, ",") {
                Some(()) => (first, parse(rest, depth + 1)?),
                None => (DataType::Int32, first),
            };
            if !key.is_dictionary_key_type() {
                return None;
            }
            DataType::Dictionary(Box::new(key), Box::new(value))
        }
        "struct" => {
            let mut fields = Vec::new();
            loop {
                let name = word(rest)?;
                take(rest, ":")?;
                fields.push(Field::new(name, parse(rest, depth + 1)?, true));
                if take(rest, ",").is_none() {
                    break;
                }
            }
            DataType::Struct(fields.into())
        }
        _ => return None,
    };
    take(rest, ")")?;
    Some(ty)
}

fn item(ty: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(ty, true))
}

fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    (!word.is_empty()).then_some(word)
}

fn size(rest: &mut &str) -> Option<i32> {
    word(rest)?.parse().ok().filter(|size| *size >= 0)
}

fn take(rest: &mut &str, token: &str) -> Option<()> {
    *rest = rest.strip_prefix(token)?.trim_start();
    Some(())
}
