//! One JSON event a line, for programs.

use serde_json::{Value as Json, json};

use super::summary::Summary;
use crate::{case::model::Case, host::protocol::Hello, run::verdict::Outcome};

/// A host is up.
pub fn started(hello: &Hello, cases: usize) -> Json {
    json!({"event": "started", "host": hello.name, "version": hello.version, "cases": cases})
}

/// A case is over.
pub fn ended(case: &Case, outcome: &Outcome) -> Json {
    let mut event = json!({"event": "case", "level": case.level.name(), "contract": case.contract, "hash": case.hash});
    if let (Json::Object(event), Ok(Json::Object(outcome))) =
        (&mut event, serde_json::to_value(outcome))
    {
        event.extend(outcome);
    }
    event
}

/// Everything is over.
pub fn finished(summary: &Summary, exit: u8) -> Json {
    let mut event = json!({"event": "finished", "exit": exit});
    if let (Json::Object(event), Ok(Json::Object(summary))) =
        (&mut event, serde_json::to_value(summary))
    {
        event.extend(summary);
    }
    event
}

/// A case as `list` tells it.
pub fn listed(case: &Case) -> Json {
    let line = case
        .source
        .text
        .get(..case.span.start)
        .map_or(1, |before| before.matches('\n').count() + 1);
    json!({
        "id": case.id,
        "level": case.level.name(),
        "contract": case.contract,
        "needs": case.needs,
        "quotes": case.quotes,
        "file": case.source.name,
        "line": line,
        "hash": case.hash,
    })
}
