//! JSON documents against JSON Schemas: what is said of those that do not fit, and which schemas there cannot be.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use conformance::payload::schema::Schema;
use serde_json::{Value, json};

fn schema(document: Value) -> Schema {
    Schema::new("s", document.to_string().into_bytes()).unwrap()
}

fn entries() -> Schema {
    schema(json!({
        "type": "object",
        "required": ["entries"],
        "properties": {
            "entries": {"type": "array", "items": {"$ref": "#/$defs/entry"}},
            "note": {"anyOf": [{"$ref": "#/$defs/note"}, {"type": "null"}]},
        },
        "$defs": {
            "entry": {"oneOf": [
                {
                    "type": "object",
                    "required": ["kind", "rows"],
                    "properties": {"kind": {"const": "table"}, "rows": {"type": "integer", "minimum": 0}},
                },
                {
                    "type": "object",
                    "required": ["kind", "name", "mode"],
                    "properties": {
                        "kind": {"const": "view"},
                        "name": {"type": "string"},
                        "mode": {"oneOf": [{"const": "fast"}, {"const": "slow"}]},
                    },
                },
            ]},
            "note": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        },
    }))
}

#[test]
fn documents_that_fit() {
    for document in [
        json!({"entries": []}),
        json!({"entries": [{"kind": "table", "rows": 0}, {"kind": "view", "name": "v", "mode": "slow"}]}),
        json!({"entries": [], "note": null, "else": 1}),
        json!({"entries": [], "note": {"text": ""}}),
    ] {
        assert_eq!(entries().check(&document), Ok(()), "{document}");
    }
}

#[test]
fn mismatches_say_where() {
    let documents = [
        json!(null),
        json!({}),
        json!({"entries": {}}),
        json!({"entries": [1]}),
        json!({"entries": [{"kind": "table", "rows": 0}, {"kind": "table", "rows": -1}]}),
        json!({"entries": [{"kind": "view", "name": 7, "mode": "fast"}]}),
        json!({"entries": [{"kind": "view", "name": "v", "mode": "brisk"}]}),
        json!({"entries": [{"kind": "index", "name": "v"}]}),
        json!({"entries": [{"name": "v"}]}),
        json!({"entries": [], "note": {"text": "x".repeat(2)}, "weird key": 1}),
        json!({"entries": [], "note": {"text": ["x".repeat(400)]}}),
        json!({"entries": [], "note": {}}),
    ];
    let said: Vec<String> = documents
        .iter()
        .map(|document| match entries().check(document) {
            Ok(()) => "fits".to_owned(),
            Err(mismatch) => mismatch.to_string(),
        })
        .collect();
    insta::assert_snapshot!("mismatches_say_where", said.join("\n"));
}

#[test]
fn schemas_that_cannot_be() {
    let texts = [
        "{",
        "7",
        r#"{"type": "thing"}"#,
        r##"{"$ref": "#/$defs/missing"}"##,
        r#"{"$ref": "https://example.com/other.json"}"#,
        r#"{"$ref": "http://127.0.0.1:9/other.json"}"#,
        r#"{"$ref": "file:///etc/hostname"}"#,
        r#"{"pattern": "("}"#,
    ];
    let said: Vec<String> = texts
        .iter()
        .map(|text| match Schema::new("s", text.as_bytes().to_vec()) {
            Ok(_) => format!("{text}: a schema"),
            Err(error) => format!("{text}: {error}"),
        })
        .collect();
    insta::assert_snapshot!("schemas_that_cannot_be", said.join("\n"));
}

#[test]
fn paths_are_those_of_json_patterns() {
    let names = schema(json!({"additionalProperties": {"items": {"type": "string"}}}));
    let path = |document: Value| names.check(&document).unwrap_err().path;
    assert_eq!(path(json!({"a b": ["", 1]})), r#"$["a b"][1]"#);
    assert_eq!(path(json!({"a/b~c": [1]})), r#"$["a/b~c"][0]"#);
    assert_eq!(path(json!({"plain": [1]})), "$.plain[0]");
}
