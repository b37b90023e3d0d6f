//! JSON documents against the JSON Schemas of a contract, draft 2020-12. Nothing is ever fetched: a schema stands alone.

use std::{fmt, sync::Arc};

use jsonschema::{
    Draft, ValidationError, Validator,
    error::ValidationErrorKind,
    paths::{Location, LocationSegment},
};
use serde_json::Value;
use thiserror::Error;

use super::json::{self, Mismatch};

/// A schema, read and compiled once; copies are cheap.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    name: String,
    bytes: Vec<u8>,
    validator: Validator,
}

/// Why bytes are no schema.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// They are no JSON.
    #[error("no JSON: {0}")]
    Json(String),
    /// The JSON is no schema of draft 2020-12, or refers to one that is not in it.
    #[error("no JSON Schema: {0}")]
    Schema(String),
}

impl Schema {
    /// Compiles the schema of this name.
    ///
    /// # Errors
    /// When the bytes are no JSON Schema, or one that refers to others outside itself.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Result<Schema, SchemaError> {
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| SchemaError::Json(error.to_string()))?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&document)
            .map_err(|error| SchemaError::Schema(error.to_string()))?;
        Ok(Schema(Arc::new(Inner {
            name: name.into(),
            bytes,
            validator,
        })))
    }

    /// What a case calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The file, as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Holds a document to the schema.
    ///
    /// # Errors
    /// The first place where the document departs: its path, the path in the schema that refuses it, and what is there. Of
    /// several alternatives the one that the document seems to mean is told.
    pub fn check(&self, document: &Value) -> Result<(), Mismatch> {
        let Some(error) = self.0.validator.iter_errors(document).next() else {
            return Ok(());
        };
        let error = meant(&error);
        let (error, values) = match constants(error) {
            Some((tag, values)) => (tag, Some(values)),
            None => (error, None),
        };
        let instance = json::brief(error.instance());
        let said = match values {
            Some(values) => format!("{instance} is none of {}", values.join(", ")),
            None => error.masked_with(instance.as_str()).to_string(),
        };
        Err(Mismatch {
            path: path(error.instance_path()),
            expected: format!("schema \"{}\", {}", self.name(), error.schema_path()),
            actual: match said.starts_with(&instance) {
                true => said,
                false => format!("{instance}: {said}"),
            },
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.0.name).finish()
    }
}

/// The error below an alternative that says most: that of the branch whose type and tag the document has, or one that
/// every branch makes.
fn meant<'e, 'i>(error: &'e ValidationError<'i>) -> &'e ValidationError<'i> {
    let Some(branches) = branches(error) else {
        return error;
    };
    let depth = depth(error);
    let another = |inner: &ValidationError<'_>| match inner.kind() {
        ValidationErrorKind::Type { .. } => self::depth(inner) == depth,
        ValidationErrorKind::Constant { .. } => self::depth(inner) <= depth + 1,
        _ => false,
    };
    let mut fitting = branches.iter().filter(|branch| !branch.iter().any(another));
    if let (Some(branch), None) = (fitting.next(), fitting.next()) {
        return branch.first().map_or(error, meant);
    }
    let Some((first, others)) = branches.split_first() else {
        return error;
    };
    let same = |a: &ValidationError<'_>, b: &ValidationError<'_>| {
        a.instance_path() == b.instance_path() && a.to_string() == b.to_string()
    };
    let shared = |inner: &&ValidationError<'_>| {
        let mut others = others.iter();
        others.all(|branch| branch.iter().any(|other| same(inner, other)))
    };
    first.iter().find(shared).unwrap_or(error)
}

/// Where an alternative is one of constants at one place, the error of the first and all of them, as JSON.
fn constants<'e, 'i>(
    error: &'e ValidationError<'i>,
) -> Option<(&'e ValidationError<'i>, Vec<String>)> {
    let constant = |branch: &'e Vec<ValidationError<'i>>| {
        branch.iter().find_map(|inner| match inner.kind() {
            ValidationErrorKind::Constant { expected_value } => {
                Some((inner, expected_value.to_string()))
            }
            _ => None,
        })
    };
    let all: Vec<_> = branches(error)?
        .iter()
        .map(constant)
        .collect::<Option<_>>()?;
    let (first, _) = all.first()?;
    let place = first.instance_path();
    let together = all.iter().all(|(inner, _)| inner.instance_path() == place);
    let values = all.iter().map(|(_, value)| value.clone()).collect();
    together.then_some((*first, values))
}

fn branches<'e, 'i>(error: &'e ValidationError<'i>) -> Option<&'e Vec<Vec<ValidationError<'i>>>> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            Some(context)
        }
        _ => None,
    }
}

fn depth(error: &ValidationError<'_>) -> usize {
    error.instance_path().segments().count()
}

/// `$.entries[0].id`
fn path(location: &Location) -> String {
    let start = "$".to_owned();
    location
        .segments()
        .fold(start, |path, segment| match segment {
            LocationSegment::Property(name) => json::member(&path, &name),
            LocationSegment::Index(index) => format!("{path}[{index}]"),
        })
}
