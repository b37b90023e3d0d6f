//! One JSON event a line, for programs.

use serde_json::{Value as Json, json};

use super::summary::Summary;
use crate::{
    case::model::{Case, Span},
    host::protocol::Hello,
    run::verdict::{Outcome, Verdict},
};

/// A host is up.
pub fn started(hello: &Hello, cases: usize) -> Json {
    json!({"event": "started", "host": hello.name, "version": hello.version, "cases": cases})
}

/// A case is over; `known` when its verdict is one that the user knows and accepts.
pub fn ended(case: &Case, outcome: &Outcome, known: bool) -> Json {
    let span = match &outcome.verdict {
        Verdict::Fail(failure) => failure.span,
        Verdict::Timeout { span, .. } | Verdict::NotRun { span, .. } => *span,
        _ => None,
    };
    let mut event = json!({
        "event": "case",
        "level": case.level.name(),
        "contract": case.contract,
        "profile": case.profile,
        "hash": case.hash,
        "known": known,
        "file": case.source.name,
        "line": line(case, span.unwrap_or(case.span)),
    });
    if let (Json::Object(event), Ok(Json::Object(outcome))) =
        (&mut event, serde_json::to_value(outcome))
    {
        event.extend(outcome);
    }
    event
}

/// Everything is over. `notes` say what is wrong with the run as a whole.
pub fn finished(summary: &Summary, notes: &[String], exit: u8) -> Json {
    let mut event = json!({"event": "finished", "exit": exit, "notes": notes});
    if let (Json::Object(event), Ok(Json::Object(summary))) =
        (&mut event, serde_json::to_value(summary))
    {
        event.extend(summary);
    }
    event
}

/// A case as `list` tells it.
pub fn listed(case: &Case) -> Json {
    json!({
        "id": case.id,
        "level": case.level.name(),
        "contract": case.contract,
        "profile": case.profile,
        "needs": case.needs,
        "quotes": case.quotes,
        "file": case.source.name,
        "line": line(case, case.span),
        "hash": case.hash,
    })
}

/// From 1.
fn line(case: &Case, span: Span) -> usize {
    let before = case.source.text.get(..span.start).unwrap_or_default();
    before.matches('\n').count() + 1
}
