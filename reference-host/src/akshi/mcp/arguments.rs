//! The arguments of a tool: a JSON object that reaches the server as it was written.

use serde_json::{Map, Number, Value};

/// Reads a JSON object; blank text is an empty one.
///
/// # Errors
/// When it is none, is longer than `most` bytes, or has a number that would not stay what it is.
pub(super) fn read(text: &str, most: usize) -> Result<Map<String, Value>, String> {
    if text.len() > most {
        let length = text.len();
        return Err(format!(
            "limit reached: arguments of {length} bytes, allowed are {most}"
        ));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value = serde_json::from_str(text);
    match value.map_err(|error| format!("the arguments are no JSON: {error}"))? {
        Value::Object(object) => match numbers(text).find(|number| !is_kept(number)) {
            Some(number) => Err(format!("the number {number} cannot be sent exactly")),
            None => Ok(object),
        },
        _ => Err("the arguments are no JSON object".into()),
    }
}

/// The numbers of a valid JSON text.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[at..];
            if let Some(string) = rest.strip_prefix('"') {
                rest = behind_string(string);
                continue;
            }
            let part_of_it =
                |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|c| !part_of_it(c)).unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            rest = behind;
            return Some(number);
        }
    })
}

fn behind_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Whether the number is written out with the same value.
fn is_kept(number: &str) -> bool {
    let written = serde_json::from_str::<Number>(number).map(|number| number.to_string());
    written.is_ok_and(|written| {
        let value = decimal(number);
        value.is_some() && value == decimal(&written)
    })
}

/// A decimal number without zeros at either end: whether it is negative, its digits, and the power of ten of the last.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let digits = format!("{whole}{fraction}");
    let short = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - short.len()).ok()?;
    let behind = i64::try_from(fraction.len()).ok()?;
    let short = short.trim_start_matches('0');
    if short.is_empty() {
        return Some((negative, String::new(), 0));
    }
    let power = exponent.checked_sub(behind)?.checked_add(zeros)?;
    Some((negative, short.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_and_nothing_else() {
        assert!(read("", 10).expect("empty").is_empty());
        assert!(read(" \n", 10).expect("empty").is_empty());
        assert_eq!(read(r#"{"a": [1, "2"]}"#, 100).expect("an object").len(), 1);
        for text in ["[]", "null", "1", "\"{}\"", "{", "{} {}", "{a: 1}", "x"] {
            assert!(read(text, 100).is_err(), "{text}");
        }
        assert!(read("{\"a\": 1}", 7).is_err());
    }

    #[test]
    fn numbers_stay_what_they_are_or_are_refused() {
        for number in [
            "0",
            "-0",
            "-0.0",
            "1",
            "-1",
            "1.0",
            "1.50",
            "0.1",
            "1e3",
            "1E+3",
            "100e-2",
            "1e308",
            "5e-324",
            "9007199254740993",
            "-9223372036854775808",
            "18446744073709551615",
            "100000000000000000000",
        ] {
            let text = format!("{{\"12345678901234567890123\": [{number}], \"b\\\"\": {{}}}}");
            assert!(
                read(&text, 1000).is_ok(),
                "{number}: {:?}",
                read(&text, 1000)
            );
        }
        for number in [
            "18446744073709551617",
            "0.1000000000000000000001",
            "1e400",
            "1e-400",
            "9007199254740993.0",
        ] {
            assert!(
                read(&format!("{{\"a\": {number}}}"), 1000).is_err(),
                "{number}"
            );
        }
    }
}
