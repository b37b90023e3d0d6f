//! Rows as JSON, without loss: from the text one can tell every value and its storage class again.
//!
//! | SQLite | JSON |
//! |---|---|
//! | `NULL` | `null` |
//! | `INTEGER` | a number without point and exponent, all digits of the 64 bits |
//! | `REAL` | a number with a point or an exponent, the shortest that reads back to the same value; `{"real": "inf"}` and `{"real": "-inf"}` for the infinities. SQLite has no NaN: it stores `NULL` |
//! | `TEXT` | a string; `{"text": "HEX"}` when its bytes are not UTF-8 |
//! | `BLOB` | `{"blob": "HEX"}`, lower-case digits |
//!
//! A row is an object with its members in the order of the columns. A name that was there before in the row gets
//! `:1`, `:2`, … behind it, the first that is free. A result without rows is `[]`.

use std::collections::HashSet;

use rusqlite::Statement;
use rusqlite::types::ValueRef;

use crate::akshi::error::CallError;
use crate::akshi::files::failure;

/// Runs the statement; its rows as JSON of at most so many bytes.
///
/// # Errors
/// What SQLite says, or that the JSON would be too long.
pub(super) fn to_json(statement: &mut Statement<'_>, most: usize) -> Result<String, CallError> {
    let keys: Vec<Vec<u8>> = distinct(statement.column_names())
        .iter()
        .map(|name| json_string(name))
        .collect();
    let mut json = vec![b'['];
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| failure(&error))? {
        if json.len() > 1 {
            json.push(b',');
        }
        json.push(b'{');
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(key);
            json.push(b':');
            let value = row.get_ref(index).map_err(|error| failure(&error))?;
            push(&mut json, value);
            if json.len() >= most {
                return Err(CallError::failed(format!(
                    "limit reached: the result is longer than {most} bytes of JSON"
                )));
            }
        }
        json.push(b'}');
    }
    json.push(b']');
    String::from_utf8(json).map_err(|_| CallError::failed("the result is not UTF-8"))
}

/// The names, each made different from those before it.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let given: HashSet<&str> = names.iter().copied().collect();
    let mut taken: HashSet<String> = HashSet::new();
    names
        .iter()
        .map(|name| {
            let mut free = (*name).to_owned();
            let mut number = 0_u32;
            // A name that another column has of itself stays with that column.
            while taken.contains(&free) || (number > 0 && given.contains(free.as_str())) {
                number += 1;
                free = format!("{name}:{number}");
            }
            taken.insert(free.clone());
            free
        })
        .collect()
}

fn push(json: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => json.extend_from_slice(b"null"),
        ValueRef::Integer(number) => json.extend_from_slice(number.to_string().as_bytes()),
        ValueRef::Real(number) if number.is_finite() => {
            json.extend_from_slice(serde_json::json!(number).to_string().as_bytes());
        }
        ValueRef::Real(number) => {
            let name = if number > 0.0 { "inf" } else { "-inf" };
            json.extend_from_slice(format!(r#"{{"real":"{name}"}}"#).as_bytes());
        }
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json.extend(json_string(text)),
            Err(_) => push_hex(json, "text", bytes),
        },
        ValueRef::Blob(bytes) => push_hex(json, "blob", bytes),
    }
}

fn push_hex(json: &mut Vec<u8>, class: &str, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    json.extend_from_slice(format!(r#"{{"{class}":""#).as_bytes());
    for byte in bytes {
        json.push(DIGITS[usize::from(byte >> 4)]);
        json.push(DIGITS[usize::from(byte & 15)]);
    }
    json.extend_from_slice(br#""}"#);
}

fn json_string(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}
