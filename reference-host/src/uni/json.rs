//! JSON of the control exports: a tree that keeps duplicate keys, and readers that say where and what they expected.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A mistake in the answer of `manifest` or `register`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{path}: {problem}, expected {expected}", Position(*.position))]
pub struct JsonError {
    /// Where, as a JSON path: `$.entries[0].signature.returns`.
    pub path: String,
    /// Line and column, 1-based, where the text itself is broken; `None` where it is JSON but not what was expected.
    pub position: Option<(usize, usize)>,
    /// What is there.
    pub problem: String,
    /// What would have been right.
    pub expected: String,
}

struct Position(Option<(usize, usize)>);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, "line {line}, column {column}: "),
            None => Ok(()),
        }
    }
}

/// Parses one JSON text. Surrounding white space is allowed; a byte order mark and trailing text are not.
pub(super) fn parse(text: &str) -> Result<Node, JsonError> {
    let broken = |problem: String, position| JsonError {
        path: "$".into(),
        position: Some(position),
        problem,
        expected: "one JSON object".into(),
    };
    if text.starts_with('\u{feff}') {
        return Err(broken("byte order mark".into(), (1, 1)));
    }
    serde_json::from_str(text).map_err(|e| {
        let full = e.to_string();
        let problem = full
            .rsplit_once(" at line ")
            .map_or(full.as_str(), |(head, _)| head);
        broken(problem.to_owned(), (e.line(), e.column()))
    })
}

/// A JSON value whose objects keep their order and their duplicates.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(b) => format!("boolean {b}"),
            Self::Unsigned(n) => format!("number {n}"),
            Self::Signed(n) => format!("number {n}"),
            Self::Float(n) => format!("number {n:?}"),
            Self::String(s) => format!("string {}", quoted(s)),
            Self::Array(_) => "an array".into(),
            Self::Object(_) => "an object".into(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;
        impl<'de> Visitor<'de> for Tree {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E: de::Error>(self, v: bool) -> Result<Node, E> {
                Ok(Node::Bool(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Node, E> {
                Ok(Node::Unsigned(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Node, E> {
                Ok(Node::Signed(v))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Node, E> {
                Ok(Node::Float(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Node, E> {
                Ok(Node::String(v.to_owned()))
            }
            fn visit_string<E: de::Error>(self, v: String) -> Result<Node, E> {
                Ok(Node::String(v))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Object(entries))
            }
        }
        deserializer.deserialize_any(Tree)
    }
}

/// A node and where it is.
pub(super) struct Value<'a> {
    node: &'a Node,
    path: String,
}

impl<'a> Value<'a> {
    /// The root of a text.
    pub(super) fn root(node: &'a Node) -> Self {
        Self {
            node,
            path: "$".into(),
        }
    }

    /// An error about this value: `problem` is what it is, `expected` what it should be.
    pub(super) fn error(
        &self,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> JsonError {
        JsonError {
            path: self.path.clone(),
            position: None,
            problem: problem.into(),
            expected: expected.into(),
        }
    }

    fn mismatch(&self, expected: &str) -> JsonError {
        self.error(self.node.describe(), expected)
    }

    /// The value as an object with no fields but `known`, none of them twice.
    pub(super) fn object(&self, known: &[&str]) -> Result<Object<'a>, JsonError> {
        let Node::Object(fields) = self.node else {
            return Err(self.mismatch("an object"));
        };
        for (i, (name, _)) in fields.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let expected = match known {
                    [] => "no fields".into(),
                    _ => format!("only the fields {}", list(known)),
                };
                return Err(self.error(format!("unknown field {}", quoted(name)), expected));
            }
            if fields[..i].iter().any(|(other, _)| other == name) {
                return Err(self.error(
                    format!("duplicate field {}", quoted(name)),
                    "each field at most once",
                ));
            }
        }
        Ok(Object {
            fields,
            path: self.path.clone(),
        })
    }

    /// The string field `name` of an object, before the object's other fields are known.
    pub(super) fn tag(&self, name: &str) -> Result<String, JsonError> {
        let Node::Object(fields) = self.node else {
            return Err(self.mismatch("an object"));
        };
        let object = Object {
            fields,
            path: self.path.clone(),
        };
        Ok(object.required(name, "a string")?.string()?.to_owned())
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.node, Node::Object(_))
    }

    /// The elements of an array.
    pub(super) fn array(&self) -> Result<Vec<Value<'a>>, JsonError> {
        let Node::Array(items) = self.node else {
            return Err(self.mismatch("an array"));
        };
        let item = |(i, node)| Value {
            node,
            path: format!("{}[{i}]", self.path),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// An array of strings.
    pub(super) fn strings(&self) -> Result<Vec<String>, JsonError> {
        self.array()?
            .iter()
            .map(|v| v.string().map(str::to_owned))
            .collect()
    }

    pub(super) fn string(&self) -> Result<&'a str, JsonError> {
        match self.node {
            Node::String(s) => Ok(s),
            _ => Err(self.mismatch("a string")),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, JsonError> {
        match self.node {
            Node::Bool(b) => Ok(*b),
            _ => Err(self.mismatch("a boolean")),
        }
    }

    /// An integer of `min..=max`, written without fraction or exponent.
    pub(super) fn integer(&self, min: u64, max: u64) -> Result<u64, JsonError> {
        match self.node {
            Node::Unsigned(n) if (min..=max).contains(n) => Ok(*n),
            _ => Err(self.mismatch(&format!("an integer from {min} to {max}"))),
        }
    }

    /// One of `choices` by its name.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, JsonError> {
        let text = self.string()?;
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                self.error(
                    format!("unknown value {}", quoted(text)),
                    format!("one of {}", list(&names)),
                )
            })
    }
}

/// The fields of an object.
pub(super) struct Object<'a> {
    fields: &'a [(String, Node)],
    path: String,
}

impl<'a> Object<'a> {
    /// A field that must be there; `expected` names its type, with an article.
    pub(super) fn required(&self, name: &str, expected: &str) -> Result<Value<'a>, JsonError> {
        self.find(name).ok_or_else(|| JsonError {
            path: self.path.clone(),
            position: None,
            problem: format!("missing field {}", quoted(name)),
            expected: format!("{expected} there"),
        })
    }

    /// A field that may be absent or null.
    pub(super) fn optional(&self, name: &str) -> Option<Value<'a>> {
        self.find(name).filter(|v| !matches!(v.node, Node::Null))
    }

    /// A field that may be absent, but not null.
    pub(super) fn find(&self, name: &str) -> Option<Value<'a>> {
        let (_, node) = self.fields.iter().find(|(n, _)| n == name)?;
        Some(Value {
            node,
            path: format!("{}.{name}", self.path),
        })
    }
}

/// `text` in quotes, cut to a length that fits a message.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
