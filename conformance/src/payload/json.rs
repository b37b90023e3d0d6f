//! JSON documents against JSON patterns.

use std::fmt;

use serde_json::{Number, Value};

use crate::case::model::{JsonPattern, TextPart};

/// Where a document departs from a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON path, `$` for the document: `$.entries[0].name`.
    pub path: String,
    /// What the pattern asks for.
    pub expected: String,
    /// What is there, as JSON, or `nothing`.
    pub actual: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.path, self.expected, self.actual
        )
    }
}

/// Compares a document with a pattern. `exactly` refuses members that the pattern does not name; `resolve_text` makes the
/// text of a pattern from its parts, and its error is the mismatch of that place.
pub fn matches(
    pattern: &JsonPattern,
    value: &Value,
    exactly: bool,
    resolve_text: &mut dyn FnMut(&[TextPart]) -> Result<String, String>,
) -> Result<(), Mismatch> {
    Matcher {
        exactly,
        resolve_text,
    }
    .matches(pattern, value, "$")
}

/// A pattern as a case file writes it.
pub fn describe(pattern: &JsonPattern) -> String {
    match pattern {
        JsonPattern::Any => "_".to_owned(),
        JsonPattern::Null => "null".to_owned(),
        JsonPattern::Bool(value) => value.to_string(),
        JsonPattern::Number(number) => number.to_string(),
        JsonPattern::Text(parts) => text(parts),
        JsonPattern::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(describe).collect();
            format!("[{}]", elements.join(", "))
        }
        JsonPattern::Object(members) => {
            let member = |(name, value): &(String, JsonPattern)| {
                format!("{}: {}", quoted(name), describe(value))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

struct Matcher<'a> {
    exactly: bool,
    resolve_text: &'a mut dyn FnMut(&[TextPart]) -> Result<String, String>,
}

impl Matcher<'_> {
    fn matches(
        &mut self,
        pattern: &JsonPattern,
        value: &Value,
        path: &str,
    ) -> Result<(), Mismatch> {
        let mismatch = |expected: String| Mismatch {
            path: path.to_owned(),
            expected,
            actual: brief(value),
        };
        match (pattern, value) {
            (JsonPattern::Any, _) | (JsonPattern::Null, Value::Null) => Ok(()),
            (JsonPattern::Bool(expected), Value::Bool(actual)) if expected == actual => Ok(()),
            (JsonPattern::Number(expected), Value::Number(actual)) if equal(expected, actual) => {
                Ok(())
            }
            (JsonPattern::Text(parts), value) => {
                let expected = (self.resolve_text)(parts).map_err(mismatch)?;
                if value.as_str() == Some(&expected) {
                    Ok(())
                } else {
                    Err(mismatch(quoted(&expected)))
                }
            }
            (JsonPattern::Array(expected), Value::Array(actual)) => {
                if expected.len() != actual.len() {
                    return Err(mismatch(format!("an array of {}", expected.len())));
                }
                let mut elements = expected.iter().zip(actual).enumerate();
                elements.try_for_each(|(index, (pattern, value))| {
                    self.matches(pattern, value, &format!("{path}[{index}]"))
                })
            }
            (JsonPattern::Object(expected), Value::Object(actual)) => {
                for (name, pattern) in expected {
                    let path = member(path, name);
                    match actual.get(name) {
                        Some(value) => self.matches(pattern, value, &path)?,
                        None => {
                            return Err(Mismatch {
                                path,
                                expected: describe(pattern),
                                actual: "nothing".to_owned(),
                            });
                        }
                    }
                }
                let known = |name: &String| expected.iter().any(|(expected, _)| expected == name);
                match actual.iter().find(|(name, _)| self.exactly && !known(name)) {
                    Some((name, value)) => Err(Mismatch {
                        path: member(path, name),
                        expected: "no such member".to_owned(),
                        actual: brief(value),
                    }),
                    None => Ok(()),
                }
            }
            (pattern, _) => Err(mismatch(describe(pattern))),
        }
    }
}

/// Equality of value: `1` is `1.0`; integers are never rounded.
fn equal(a: &Number, b: &Number) -> bool {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a == b,
        // A float that is no integer cannot equal one.
        (None, None) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

fn integer(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    // Every float below 2^100 that is whole is exactly an i128.
    number
        .as_f64()
        .filter(|number| number.fract() == 0.0 && number.abs() < 2f64.powi(100))
        .map(|number| number as i128)
}

pub(super) fn member(path: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain {
        format!("{path}.{name}")
    } else {
        format!("{path}[{}]", quoted(name))
    }
}

fn text(parts: &[TextPart]) -> String {
    let mut out = String::from("\"");
    for part in parts {
        match part {
            TextPart::Literal(literal) => {
                let quoted = quoted(literal);
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            TextPart::Loop(name) | TextPart::Surrounding(name) | TextPart::Var(name) => {
                out.push_str("\\{");
                out.push_str(name);
                out.push('}');
            }
        }
    }
    out.push('"');
    out
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

pub(super) fn brief(value: &Value) -> String {
    const LIMIT: usize = 200;
    let text = value.to_string();
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
