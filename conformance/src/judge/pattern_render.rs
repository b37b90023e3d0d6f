//! Values as WAVE for reports: bounded, so that a megabyte never reaches a terminal, and total, so that a value that does
//! not fit its type is shown too.

use std::fmt::Write;

use fixtures::abi::{Label, Type, Value};

/// Characters of a rendered value, about.
const LIMIT: usize = 240;
/// Bytes of a byte list that are shown.
const BYTES: usize = 32;

/// The value as WAVE, abbreviated with `…`.
pub(super) fn render(ty: &Type, value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, Some(ty), value);
    abbreviate(out)
}

/// The first characters of a text.
pub(super) fn abbreviate(text: String) -> String {
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A text as WAVE quotes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    write_text(&mut out, text);
    out
}

/// The name of a case of a variant, enum, option or result.
pub(super) fn case_name(ty: &Type, case: u32) -> String {
    let index = usize::try_from(case).unwrap_or(usize::MAX);
    let name = match ty {
        Type::Variant(cases) => cases.get(index).map(|case| case.name.to_string()),
        Type::Enum(labels) => labels.get(index).map(Label::to_string),
        Type::Option(_) => ["none", "some"].get(index).map(|name| (*name).to_owned()),
        Type::Result(..) => ["ok", "err"].get(index).map(|name| (*name).to_owned()),
        _ => None,
    };
    name.unwrap_or_else(|| format!("case-{case}"))
}

/// The type of a case's payload.
pub(super) fn case_type(ty: &Type, case: u32) -> Option<&Type> {
    match (ty, case) {
        (Type::Variant(cases), case) => cases.get(usize::try_from(case).ok()?)?.ty.as_ref(),
        (Type::Option(some), 1) => Some(some),
        (Type::Result(ok, _), 0) => ok.as_deref(),
        (Type::Result(_, err), 1) => err.as_deref(),
        _ => None,
    }
}

fn write_value(out: &mut String, ty: Option<&Type>, value: &Value) {
    // Everything behind the limit is cut away in the end.
    if out.len() > 4 * LIMIT {
        return;
    }
    match value {
        Value::Bool(value) => show(out, value),
        Value::S8(value) => show(out, value),
        Value::U8(value) => show(out, value),
        Value::S16(value) => show(out, value),
        Value::U16(value) => show(out, value),
        Value::S32(value) => show(out, value),
        Value::U32(value) => show(out, value),
        Value::S64(value) => show(out, value),
        Value::U64(value) => show(out, value),
        Value::F32(value) => write_float(out, (*value).into(), format!("{value:?}")),
        Value::F64(value) => write_float(out, *value, format!("{value:?}")),
        Value::Char(value) => {
            out.push('\'');
            if *value == '\'' { out.push_str("\\'") } else { escape(out, *value) }
            out.push('\'');
        }
        Value::String(text) => write_text(out, text),
        Value::Bytes(bytes) => {
            out.push_str("hex \"");
            for byte in bytes.iter().take(BYTES) {
                show(out, format_args!("{byte:02x}"));
            }
            out.push('"');
            if bytes.len() > BYTES {
                show(out, format_args!("… ({} bytes)", bytes.len()));
            }
        }
        Value::List(elements) => {
            let element = match ty {
                Some(Type::List(element) | Type::FixedList(element, _)) => Some(&**element),
                _ => None,
            };
            sequence(out, '[', ']', elements, |out, _, value| write_value(out, element, value));
        }
        Value::Record(fields) => {
            let types: &[_] = match ty {
                Some(Type::Record(types)) => types,
                _ => &[],
            };
            sequence(out, '{', '}', fields, |out, index, value| {
                let field = types.get(index);
                out.push_str(field.map_or("?", |field| &field.name));
                out.push_str(": ");
                write_value(out, field.map(|field| &field.ty), value);
            });
        }
        Value::Tuple(elements) => {
            let types: &[_] = match ty {
                Some(Type::Tuple(types)) => types,
                _ => &[],
            };
            sequence(out, '(', ')', elements, |out, index, value| write_value(out, types.get(index), value));
        }
        Value::Variant(case, payload) => write_case(out, ty, *case, payload.as_deref()),
        Value::Enum(case) => write_case(out, ty, *case, None),
        Value::Option(None) => out.push_str("none"),
        Value::Option(Some(value)) => {
            out.push_str("some");
            write_payload(out, ty.and_then(|ty| case_type(ty, 1)), value);
        }
        Value::Result(Ok(payload)) => {
            out.push_str("ok");
            payload.iter().for_each(|value| write_payload(out, ty.and_then(|ty| case_type(ty, 0)), value));
        }
        Value::Result(Err(payload)) => {
            out.push_str("err");
            payload.iter().for_each(|value| write_payload(out, ty.and_then(|ty| case_type(ty, 1)), value));
        }
        Value::Flags(bits) => {
            let labels: &[_] = match ty {
                Some(Type::Flags(labels)) => labels,
                _ => &[],
            };
            let set: Vec<u32> = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1).collect();
            sequence(out, '{', '}', &set, |out, _, bit| {
                let label = usize::try_from(*bit).ok().and_then(|bit| labels.get(bit));
                match label {
                    Some(label) => out.push_str(label),
                    None => show(out, format_args!("bit-{bit}")),
                }
            });
        }
        Value::Own(handle) => show(out, format_args!("own({})", handle.0)),
        Value::Borrow(handle) => show(out, format_args!("borrow({})", handle.0)),
        Value::Opaque(words) => show(out, format_args!("opaque({words})")),
    }
}

fn write_case(out: &mut String, ty: Option<&Type>, case: u32, payload: Option<&Value>) {
    match ty {
        Some(ty) => out.push_str(&case_name(ty, case)),
        None => show(out, format_args!("case-{case}")),
    }
    if let Some(payload) = payload {
        write_payload(out, ty.and_then(|ty| case_type(ty, case)), payload);
    }
}

fn write_payload(out: &mut String, ty: Option<&Type>, value: &Value) {
    out.push('(');
    write_value(out, ty, value);
    out.push(')');
}

fn sequence<T>(out: &mut String, open: char, close: char, items: &[T], mut each: impl FnMut(&mut String, usize, &T)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if out.len() > 4 * LIMIT {
            out.push('…');
            break;
        }
        each(out, index, item);
    }
    out.push(close);
}

fn write_float(out: &mut String, value: f64, finite: String) {
    if value.is_nan() {
        out.push_str("nan");
    } else {
        out.push_str(finite.strip_suffix(".0").unwrap_or(&finite));
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars().take(LIMIT) {
        if c == '"' { out.push_str("\\\"") } else { escape(out, c) }
    }
    out.push('"');
    if text.chars().nth(LIMIT).is_some() {
        show(out, format_args!("… ({} bytes)", text.len()));
    }
}

fn escape(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => show(out, format_args!("\\u{{{:x}}}", u32::from(c))),
        c => out.push(c),
    }
}

fn show(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{value}");
}
