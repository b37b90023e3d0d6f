//! Expressions inside of a pattern that mention what the same pattern binds: nothing is bound yet while it is matched, so
//! the values are put in place of the names.

use fixtures::abi::{Type, Value};

use crate::case::model::{Expr, ExprKind, TextPart};

/// Names and what they were bound to, the latest last.
type Bound = [(String, Value, Type)];

/// The expression with the names that this very pattern has bound put in place.
pub(super) fn substitute(expr: &Expr, bound: &Bound) -> Expr {
    let all = |exprs: &[Expr]| exprs.iter().map(|expr| substitute(expr, bound)).collect();
    let one = |expr: &Expr| Box::new(substitute(expr, bound));
    let kind = match &expr.kind {
        ExprKind::Var(name) => match latest(name, bound) {
            Some(value) => ExprKind::Const(value.clone()),
            None => ExprKind::Var(name.clone()),
        },
        ExprKind::Instance { guest, index } => ExprKind::Instance {
            guest: guest.clone(),
            index: one(index),
        },
        ExprKind::List(elements) => ExprKind::List(all(elements)),
        ExprKind::Record(fields) => ExprKind::Record(all(fields)),
        ExprKind::Tuple(elements) => ExprKind::Tuple(all(elements)),
        ExprKind::Variant(case, payload) => ExprKind::Variant(*case, payload.as_deref().map(one)),
        ExprKind::Text(parts) => ExprKind::Text(substitute_text(parts, bound)),
        ExprKind::Concat(parts) => ExprKind::Concat(all(parts)),
        ExprKind::SizeLe32(part) => ExprKind::SizeLe32(one(part)),
        ExprKind::Const(_) | ExprKind::Repeat(..) => expr.kind.clone(),
    };
    Expr {
        ty: expr.ty.clone(),
        kind,
        span: expr.span,
    }
}

/// The same for the parts of a text.
pub(super) fn substitute_text(parts: &[TextPart], bound: &Bound) -> Vec<TextPart> {
    let one = |part: &TextPart| match part {
        TextPart::Var(name) => match latest(name, bound) {
            Some(Value::String(text)) => TextPart::Literal(text.clone()),
            _ => part.clone(),
        },
        part => part.clone(),
    };
    parts.iter().map(one).collect()
}

fn latest<'a>(name: &str, bound: &'a Bound) -> Option<&'a Value> {
    bound
        .iter()
        .rev()
        .find(|(bound, ..)| bound == name)
        .map(|(_, value, _)| value)
}
