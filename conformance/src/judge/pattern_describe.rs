//! Patterns as a case file writes them, for reports.

use fixtures::abi::Type;

use super::pattern_render::{case_name, quoted, render};
use crate::{
    case::model::{
        Comparison, Expr, ExprKind, IpcBatchPattern, IpcColumnPattern, IpcPattern, IpcValuePattern,
        Pattern, PatternKind, TextPart,
    },
    payload::{json, literal::IpcValue},
};

/// A pattern as a case file writes it.
pub fn describe(pattern: &Pattern) -> String {
    match &pattern.kind {
        PatternKind::Any => "_".to_owned(),
        PatternKind::Equal(expr) => describe_expr(expr),
        PatternKind::Bind(name) => format!("let {name}"),
        PatternKind::Case(case, payload) => {
            let payload = payload
                .as_ref()
                .map(|payload| format!("({})", describe(payload)))
                .unwrap_or_default();
            format!("{}{payload}", case_name(&pattern.ty, *case))
        }
        PatternKind::Record(fields) => {
            let names: &[_] = match &pattern.ty {
                Type::Record(names) => names,
                _ => &[],
            };
            let mut parts = Vec::new();
            for (index, field) in fields.iter().enumerate() {
                let name = names.get(index).map_or("?", |field| &field.name);
                parts.extend(
                    field
                        .as_ref()
                        .map(|field| format!("{name}: {}", describe(field))),
                );
            }
            if fields.iter().any(Option::is_none) {
                parts.push("..".to_owned());
            }
            format!("{{{}}}", parts.join(", "))
        }
        PatternKind::Tuple(elements) => format!("({})", join(elements)),
        PatternKind::List(elements) => format!("[{}]", join(elements)),
        PatternKind::Contains(element, count) => {
            let count = match count {
                None => String::new(),
                Some(1) => " once".to_owned(),
                Some(count) => format!(" {count} times"),
            };
            format!("contains {}{count}", describe(element))
        }
        PatternKind::ContainsText(text) => format!("contains {}", describe_expr(text)),
        PatternKind::ContainsBytes(bytes) => {
            format!("contains-bytes {}", IpcValue::Bytes(bytes.clone()))
        }
        PatternKind::Each(element) => format!("each {}", describe(element)),
        PatternKind::Unordered(elements) => format!("unordered [{}]", join(elements)),
        PatternKind::Length(Comparison::Equal, length) => format!("length {length}"),
        PatternKind::Length(comparison, length) => format!("length {} {length}", sign(*comparison)),
        PatternKind::Compare(Comparison::Equal, expr) => describe_expr(expr),
        PatternKind::Compare(comparison, expr) => {
            format!("{} {}", sign(*comparison), describe_expr(expr))
        }
        PatternKind::Range(low, high) => format!("{}..{}", describe_expr(low), describe_expr(high)),
        PatternKind::StartsWith(text) => format!("starts-with {}", describe_expr(text)),
        PatternKind::EndsWith(text) => format!("ends-with {}", describe_expr(text)),
        PatternKind::Matches(regex) => format!("matches {}", quoted(regex)),
        PatternKind::Schema(schema) => format!("schema {}", quoted(schema.name())),
        PatternKind::And(patterns) => patterns
            .iter()
            .map(describe)
            .collect::<Vec<_>>()
            .join(" and "),
        PatternKind::OneOf(patterns) => format!("one-of({})", join(patterns)),
        PatternKind::Not(pattern) => format!("not {}", describe(pattern)),
        PatternKind::Distinct(name) => format!("distinct {name}"),
        PatternKind::Same(name) => format!("same {name}"),
        PatternKind::Json { exactly, pattern } => {
            format!(
                "json {}{}",
                if *exactly { "exactly " } else { "" },
                json::describe(pattern)
            )
        }
        PatternKind::Ipc(IpcPattern::One(batch)) => format!("ipc {}", describe_batch(batch)),
        PatternKind::Ipc(IpcPattern::Batches(batches)) => {
            format!(
                "ipc [{}]",
                batches
                    .iter()
                    .map(describe_batch)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        PatternKind::Trace { rows, in_order } => {
            let row = |row: &Option<i64>| row.map_or("null".to_owned(), |row| row.to_string());
            let rows: Vec<String> = rows.iter().map(row).collect();
            format!(
                "trace(rows [{}]{})",
                rows.join(", "),
                if *in_order { " in-order" } else { "" }
            )
        }
        PatternKind::Transcript => "transcript".to_owned(),
    }
}

/// A value as a case file writes it.
pub(super) fn describe_expr(expr: &Expr) -> String {
    let all = |exprs: &[Expr]| {
        exprs
            .iter()
            .map(describe_expr)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match &expr.kind {
        ExprKind::Const(value) => render(&expr.ty, value),
        ExprKind::Var(name) => format!("${name}"),
        ExprKind::Instance { guest, index } => format!("${guest}[{}]", describe_expr(index)),
        ExprKind::List(elements) => format!("[{}]", all(elements)),
        ExprKind::Record(fields) => {
            let names: &[_] = match &expr.ty {
                Type::Record(names) => names,
                _ => &[],
            };
            let name = |index: usize| names.get(index).map_or("?", |field| &field.name);
            let fields = fields
                .iter()
                .enumerate()
                .map(|(index, field)| format!("{}: {}", name(index), describe_expr(field)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Tuple(elements) => format!("({})", all(elements)),
        ExprKind::Variant(case, None) => case_name(&expr.ty, *case),
        ExprKind::Variant(case, Some(payload)) => {
            format!("{}({})", case_name(&expr.ty, *case), describe_expr(payload))
        }
        ExprKind::Text(parts) => describe_text(parts),
        ExprKind::Repeat(bytes, count) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{} * {count}", quoted(text)),
            Err(_) => format!("{} * {count}", IpcValue::Bytes(bytes.clone())),
        },
        ExprKind::Concat(parts) => format!("concat({})", all(parts)),
        ExprKind::SizeLe32(part) => format!("size-le32({})", describe_expr(part)),
    }
}

/// A batch pattern as a case file writes it.
pub(super) fn describe_batch(batch: &IpcBatchPattern) -> String {
    let mut parts = Vec::new();
    parts.extend(batch.rows.map(|rows| format!("rows {rows}")));
    parts.extend(batch.column_count.map(|count| format!("columns {count}")));
    parts.extend(batch.columns.iter().flatten().map(describe_column));
    if parts.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", parts.join(", "))
    }
}

fn describe_column(column: &IpcColumnPattern) -> String {
    let name = column.name.as_deref().unwrap_or("_");
    let ty = column.ty.as_deref().unwrap_or("_");
    match &column.values {
        None => format!("{name}: {ty} _"),
        Some(values) => {
            let values: Vec<String> = values.iter().map(describe_ipc_value).collect();
            format!("{name}: {ty} [{}]", values.join(", "))
        }
    }
}

/// A value pattern of a column as a case file writes it.
pub(super) fn describe_ipc_value(value: &IpcValuePattern) -> String {
    match value {
        IpcValuePattern::Any => "_".to_owned(),
        IpcValuePattern::Null => IpcValue::Null.to_string(),
        IpcValuePattern::Bool(value) => IpcValue::Bool(*value).to_string(),
        IpcValuePattern::Integer(value) => IpcValue::Integer(*value).to_string(),
        IpcValuePattern::Float(value) => IpcValue::Float(*value).to_string(),
        IpcValuePattern::Text(text) => IpcValue::Text(text.clone()).to_string(),
        IpcValuePattern::Bytes(bytes) => IpcValue::Bytes(bytes.clone()).to_string(),
        IpcValuePattern::List(values) => {
            format!(
                "[{}]",
                values
                    .iter()
                    .map(describe_ipc_value)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

fn describe_text(parts: &[TextPart]) -> String {
    let mut out = String::from("\"");
    for part in parts {
        match part {
            TextPart::Literal(text) => {
                let quoted = quoted(text);
                out.push_str(&quoted[1..quoted.len().saturating_sub(1)]);
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

fn join(patterns: &[Pattern]) -> String {
    patterns.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
    }
}
