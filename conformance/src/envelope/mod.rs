//! The JSON that crosses the boundary of each contract as text, as the suite reads the contracts: Rust types of which the
//! schemas in `cases/CONTRACT/schemas` are made. They say what any host and guest may write; limits that are one host's own
//! are not in them. What the reference host reads and writes is its own affair and lies elsewhere.

pub mod akshi;
pub mod uni;
pub mod yoi;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// RFC 3339, as far as a pattern tells.
const RFC3339: &str = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$";

/// Every schema: its contract, its name, the document.
pub fn schemas() -> Vec<(&'static str, &'static str, Value)> {
    let all = [
        ("akshi", akshi::schemas()),
        ("uni", uni::schemas()),
        ("yoi", yoi::schemas()),
    ];
    all.into_iter()
        .flat_map(|(contract, schemas)| {
            let named = schemas.into_iter();
            named.map(move |(name, schema)| (contract, name, schema))
        })
        .collect()
}

/// The schema of a type, draft 2020-12.
fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}
