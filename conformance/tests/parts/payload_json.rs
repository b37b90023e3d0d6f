//! JSON documents against patterns: which match, and what is said of those that do not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use conformance::{
    case::model::{JsonPattern, TextPart},
    payload::json::{describe, matches},
};
use serde_json::{Value, json};

/// The pattern that a document is of itself; `"_"` is anything.
fn pattern(document: &Value) -> JsonPattern {
    match document {
        Value::Null => JsonPattern::Null,
        Value::Bool(value) => JsonPattern::Bool(*value),
        Value::Number(number) => JsonPattern::Number(number.clone()),
        Value::String(text) if text == "_" => JsonPattern::Any,
        Value::String(text) if text == "i" => JsonPattern::Text(vec![
            TextPart::Literal("key-\"".to_owned()),
            TextPart::Loop("i".to_owned()),
        ]),
        Value::String(text) => JsonPattern::Text(vec![TextPart::Literal(text.clone())]),
        Value::Array(elements) => JsonPattern::Array(elements.iter().map(pattern).collect()),
        Value::Object(members) => JsonPattern::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), pattern(value)))
                .collect(),
        ),
    }
}

fn compare(expected: &Value, actual: &Value, exactly: bool) -> Result<(), String> {
    let mut text = |parts: &[TextPart]| {
        let part = |part: &TextPart| match part {
            TextPart::Literal(text) => Ok(text.clone()),
            TextPart::Loop(_) => Ok("000007".to_owned()),
            _ => Err("it has no value".to_owned()),
        };
        parts.iter().map(part).collect()
    };
    matches(&pattern(expected), actual, exactly, &mut text).map_err(|mismatch| mismatch.to_string())
}

#[test]
fn equal_documents_match() {
    for document in [
        json!(null),
        json!(true),
        json!(1),
        json!(-1.5),
        json!("x"),
        json!([1, [2]]),
        json!({"a": {"b": []}}),
    ] {
        compare(&document, &document, true).unwrap();
    }
    compare(&json!("_"), &json!({"a": 1}), true).unwrap();
    compare(&json!("i"), &json!("key-\"000007"), true).unwrap();
}

#[test]
fn more_members_are_free_unless_refused() {
    let (expected, actual) = (
        json!({"a": [{"b": 1}]}),
        json!({"a": [{"b": 1, "c": 2}], "d": 3}),
    );
    compare(&expected, &actual, false).unwrap();
    compare(&expected, &actual, true).unwrap_err();
    compare(&json!({"a": "_"}), &json!({"a": null}), true).unwrap();
}

#[test]
fn numbers_are_compared_by_value() {
    compare(&json!(1), &json!(1.0), true).unwrap();
    compare(&json!(u64::MAX), &json!(u64::MAX), true).unwrap();
    compare(
        &json!(9007199254740993_i64),
        &json!(9007199254740992.0),
        true,
    )
    .unwrap_err();
    compare(&json!(u64::MAX), &json!(-1), true).unwrap_err();
    compare(&json!(1e300), &json!(1e300), true).unwrap();
}

#[test]
fn mismatches_say_where() {
    let table = [
        (json!(null), json!(false)),
        (json!(1), json!(2)),
        (json!("a"), json!("b")),
        (json!("i"), json!("key-\"7")),
        (json!({"a": [1, 2]}), json!({"a": [1, 3]})),
        (json!({"a": [1, 2]}), json!({"a": [1]})),
        (json!({"a b": {"": 1}}), json!({"a b": {"": 2}})),
        (json!({"a": {"b": "i"}}), json!({"a": {}})),
        (json!({"a": "_"}), json!({})),
        (json!({}), json!({"x": "y"})),
        (json!({}), json!([])),
        (json!([]), json!("long ".repeat(100))),
    ];
    let errors = table.map(|(expected, actual)| compare(&expected, &actual, true).unwrap_err());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn patterns_are_described_as_written() {
    let written = pattern(&json!({"a b": [null, true, 1.5, "_", "i", "é\n"]}));
    assert_eq!(
        describe(&written),
        r#"{"a b": [null, true, 1.5, _, "key-\"\{i}", "é\n"]}"#
    );
}
