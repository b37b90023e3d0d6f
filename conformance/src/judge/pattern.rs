//! Patterns against values. What a pattern binds or remembers takes effect only when the whole pattern matches: the
//! alternatives of `one-of`, the elements that `contains` passes over and everything under `not` leave nothing behind.

use std::fmt;

use fixtures::abi::{Type, Value};

pub use super::pattern_describe::describe;
use super::{
    evaluate,
    pattern_difference::{difference, push_step},
    pattern_payload::{self, Departure},
    pattern_render::{abbreviate, case_name, render},
    pattern_substitute::{substitute, substitute_text},
};
use crate::case::model::{Comparison, Expr, ExprKind, Pattern, PatternKind, TextPart};

/// What every transcript starts with, whatever carries it.
const TRANSCRIPT: &str = "witgate/transcript/";

/// The names of a case, as far as patterns use them.
pub trait Scope {
    /// A bound value.
    fn value(&self, name: &str) -> Option<Value>;

    /// Binds a value; an earlier one of that name is gone.
    fn bind(&mut self, name: &str, value: Value, ty: &Type);

    /// The value of an expression, see [`evaluate::evaluate`].
    fn evaluate(&self, expr: &Expr) -> Result<Value, String>;

    /// The text of its parts, see [`evaluate::text`].
    fn text(&self, parts: &[TextPart]) -> Result<String, String>;

    /// Whether a value differs from every value that met this name.
    fn distinct(&self, name: &str, value: &Value) -> bool;

    /// Whether a value equals every value that met this name.
    fn same(&self, name: &str, value: &Value) -> bool;

    /// Remembers that a value met a name of `distinct` or `same`.
    fn meet(&mut self, name: &str, value: &Value);
}

/// Where a value departs from a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The place in the value, empty for the value itself: `[3].message`, `err.code`.
    pub path: String,
    /// What the pattern asks for there, as a case file writes it.
    pub expected: String,
    /// What is there, as WAVE, abbreviated.
    pub actual: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.actual)
    }
}

impl std::error::Error for Mismatch {}

/// Compares a value with a pattern; when it matches, binds and remembers what the pattern says.
pub fn matches(pattern: &Pattern, value: &Value, scope: &mut dyn Scope) -> Result<(), Mismatch> {
    let mut matcher = Matcher {
        scope,
        bound: Vec::new(),
        met: Vec::new(),
        path: String::new(),
    };
    matcher.matches(pattern, value)?;
    let Matcher { bound, met, .. } = matcher;
    for (name, value, ty) in bound {
        scope.bind(&name, value, &ty);
    }
    for (name, value) in met {
        scope.meet(&name, &value);
    }
    Ok(())
}

struct Matcher<'a> {
    scope: &'a dyn Scope,
    /// What will be bound.
    bound: Vec<(String, Value, Type)>,
    /// What will be remembered.
    met: Vec<(String, Value)>,
    path: String,
}

type Matched = Result<(), Mismatch>;

impl Matcher<'_> {
    fn matches(&mut self, pattern: &Pattern, value: &Value) -> Matched {
        match &pattern.kind {
            PatternKind::Any => Ok(()),
            PatternKind::Equal(expr) => self.equal(pattern, expr, value),
            PatternKind::Bind(name) => {
                self.bound
                    .push((name.clone(), value.clone(), pattern.ty.clone()));
                Ok(())
            }
            PatternKind::Case(case, payload) => {
                self.case(pattern, *case, payload.as_deref(), value)
            }
            PatternKind::Record(fields) => self.record(pattern, fields, value),
            PatternKind::Tuple(elements) => match value {
                Value::Tuple(values) if values.len() == elements.len() => {
                    let mut pairs = elements.iter().zip(values).enumerate();
                    pairs.try_for_each(|(index, (element, value))| {
                        self.at(&format!(".{index}"), element, value)
                    })
                }
                _ => Err(self.mismatch(pattern, value)),
            },
            PatternKind::List(elements) => {
                let values = self.elements(pattern, value)?;
                self.count(pattern, elements.len(), &values, value)?;
                let mut pairs = elements.iter().zip(&values).enumerate();
                pairs.try_for_each(|(index, (element, value))| {
                    self.at(&format!("[{index}]"), element, value)
                })
            }
            PatternKind::Contains(element, count) => self.contains(pattern, element, *count, value),
            PatternKind::Each(element) => {
                let values = self.elements(pattern, value)?;
                let mut values = values.iter().enumerate();
                values.try_for_each(|(index, value)| self.at(&format!("[{index}]"), element, value))
            }
            PatternKind::Unordered(elements) => self.unordered(pattern, elements, value),
            PatternKind::ContainsText(expr) => {
                self.text(pattern, expr, value, |text, part| text.contains(part))
            }
            PatternKind::StartsWith(expr) => {
                self.text(pattern, expr, value, |text, part| text.starts_with(part))
            }
            PatternKind::EndsWith(expr) => {
                self.text(pattern, expr, value, |text, part| text.ends_with(part))
            }
            PatternKind::ContainsBytes(part) => {
                let found = evaluate::bytes(value).is_some_and(|bytes| {
                    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
                });
                self.demand(found, pattern, value)
            }
            PatternKind::Length(comparison, length) => {
                let actual = match value {
                    Value::List(values) => Some(values.len()),
                    value => evaluate::bytes(value).map(<[u8]>::len),
                };
                let actual = actual.and_then(|actual| u64::try_from(actual).ok());
                let Some(actual) = actual else {
                    return Err(self.mismatch(pattern, value));
                };
                if holds(*comparison, actual.partial_cmp(length)) {
                    return Ok(());
                }
                Err(self.departure(
                    describe(pattern),
                    format!("length {actual}: {}", render(&pattern.ty, value)),
                ))
            }
            PatternKind::Compare(comparison, expr) => {
                let bound = self.evaluate(pattern, expr)?;
                let holds = holds(*comparison, order(value, &bound));
                self.demand(holds, pattern, value)
            }
            PatternKind::Range(low, high) => {
                let (low, high) = (self.evaluate(pattern, low)?, self.evaluate(pattern, high)?);
                let above = holds(Comparison::AtLeast, order(value, &low));
                let below = holds(Comparison::AtMost, order(value, &high));
                self.demand(above && below, pattern, value)
            }
            PatternKind::Matches(regex) => {
                let regex = regex_lite::Regex::new(regex).map_err(|error| {
                    self.departure(describe(pattern), format!("no regular expression: {error}"))
                })?;
                self.demand(
                    as_text(value).is_some_and(|text| regex.is_match(text)),
                    pattern,
                    value,
                )
            }
            PatternKind::And(patterns) => patterns
                .iter()
                .try_for_each(|pattern| self.matches(pattern, value)),
            PatternKind::OneOf(patterns) => {
                if patterns
                    .iter()
                    .any(|pattern| self.attempt(pattern, value).is_ok())
                {
                    return Ok(());
                }
                Err(self.mismatch(pattern, value))
            }
            PatternKind::Not(inner) => {
                let (bound, met) = (self.bound.len(), self.met.len());
                let matched = self.attempt(inner, value).is_ok();
                self.bound.truncate(bound);
                self.met.truncate(met);
                self.demand(!matched, pattern, value)
            }
            PatternKind::Distinct(name) => {
                let here = self
                    .met
                    .iter()
                    .any(|(met, other)| met == name && other == value);
                self.demand(!here && self.scope.distinct(name, value), pattern, value)?;
                self.met.push((name.clone(), value.clone()));
                Ok(())
            }
            PatternKind::Same(name) => {
                let here = self
                    .met
                    .iter()
                    .all(|(met, other)| met != name || other == value);
                self.demand(here && self.scope.same(name, value), pattern, value)?;
                self.met.push((name.clone(), value.clone()));
                Ok(())
            }
            PatternKind::Json {
                exactly,
                pattern: json,
            } => {
                let bound = &self.bound;
                let scope = self.scope;
                let mut text = |parts: &[TextPart]| scope.text(&substitute_text(parts, bound));
                let result = pattern_payload::json(json, *exactly, value, &mut text);
                self.payload(pattern, value, result)
            }
            PatternKind::Schema(schema) => {
                let result = pattern_payload::schema(schema, value);
                self.payload(pattern, value, result)
            }
            PatternKind::Ipc(ipc) => {
                let result = pattern_payload::ipc(ipc, value);
                self.payload(pattern, value, result)
            }
            PatternKind::Trace { rows, in_order } => {
                let result = pattern_payload::trace(rows, *in_order, value);
                self.payload(pattern, value, result)
            }
            PatternKind::Transcript => self.demand(carries_transcript(value), pattern, value),
        }
    }

    /// Matches without leaving effects behind when it fails.
    fn attempt(&mut self, pattern: &Pattern, value: &Value) -> Matched {
        let (bound, met) = (self.bound.len(), self.met.len());
        self.matches(pattern, value).inspect_err(|_| {
            self.bound.truncate(bound);
            self.met.truncate(met);
        })
    }

    /// Matches a part of the value.
    fn at(&mut self, step: &str, pattern: &Pattern, value: &Value) -> Matched {
        let length = self.path.len();
        push_step(&mut self.path, step);
        let matched = self.matches(pattern, value);
        self.path.truncate(length);
        matched
    }

    fn equal(&mut self, pattern: &Pattern, expr: &Expr, value: &Value) -> Matched {
        let expected = match &expr.kind {
            ExprKind::Const(expected) if expected == value => return Ok(()),
            ExprKind::Const(expected) => expected.clone(),
            _ => self.evaluate(pattern, expr)?,
        };
        if expected == *value {
            return Ok(());
        }
        Err(difference(&pattern.ty, &expected, value, self.path.clone()))
    }

    fn case(
        &mut self,
        pattern: &Pattern,
        case: u32,
        payload: Option<&Pattern>,
        value: &Value,
    ) -> Matched {
        let (actual, content) = match value {
            Value::Variant(case, content) => (*case, content.as_deref()),
            Value::Enum(case) => (*case, None),
            Value::Option(None) => (0, None),
            Value::Option(Some(content)) => (1, Some(&**content)),
            Value::Result(Ok(content)) => (0, content.as_deref()),
            Value::Result(Err(content)) => (1, content.as_deref()),
            _ => return Err(self.mismatch(pattern, value)),
        };
        match (payload, content) {
            _ if actual != case => Err(self.mismatch(pattern, value)),
            (None, _) => Ok(()),
            (Some(payload), Some(content)) => self.at(
                &format!(".{}", case_name(&pattern.ty, case)),
                payload,
                content,
            ),
            // `ok(_)` of a result without a payload.
            (Some(payload), None) if matches!(payload.kind, PatternKind::Any) => Ok(()),
            (Some(_), None) => Err(self.mismatch(pattern, value)),
        }
    }

    fn record(&mut self, pattern: &Pattern, fields: &[Option<Pattern>], value: &Value) -> Matched {
        let (Value::Record(values), Type::Record(names)) = (value, &pattern.ty) else {
            return Err(self.mismatch(pattern, value));
        };
        if values.len() != fields.len() || names.len() != fields.len() {
            return Err(self.mismatch(pattern, value));
        }
        for ((field, value), name) in fields.iter().zip(values).zip(names.iter()) {
            if let Some(field) = field {
                self.at(&format!(".{}", name.name), field, value)?;
            }
        }
        Ok(())
    }

    fn contains(
        &mut self,
        pattern: &Pattern,
        element: &Pattern,
        count: Option<u32>,
        value: &Value,
    ) -> Matched {
        let values = self.elements(pattern, value)?;
        let mut found = 0;
        for value in &values {
            if self.attempt(element, value).is_ok() {
                found += 1;
                if count.is_none() {
                    return Ok(());
                }
            }
        }
        if count == Some(found) {
            return Ok(());
        }
        let actual = format!(
            "{found} of {}: {}",
            elements(values.len()),
            render(&pattern.ty, value)
        );
        Err(self.departure(describe(pattern), actual))
    }

    /// Finds a partner for every pattern (augmenting paths), then matches the pairs in order.
    fn unordered(&mut self, pattern: &Pattern, patterns: &[Pattern], value: &Value) -> Matched {
        let values = self.elements(pattern, value)?;
        self.count(pattern, patterns.len(), &values, value)?;
        let mut fits = Vec::with_capacity(patterns.len());
        for element in patterns {
            let (bound, met) = (self.bound.len(), self.met.len());
            let mut row = Vec::new();
            for (index, value) in values.iter().enumerate() {
                if self.attempt(element, value).is_ok() {
                    row.push(index);
                }
                self.bound.truncate(bound);
                self.met.truncate(met);
            }
            fits.push(row);
        }
        let mut owner = vec![None; values.len()];
        for (index, element) in patterns.iter().enumerate() {
            if !augment(index, &fits, &mut owner, &mut vec![false; values.len()]) {
                let expected = format!("an element for {}", describe(element));
                return Err(self.departure(expected, render(&pattern.ty, value)));
            }
        }
        for (index, element) in patterns.iter().enumerate() {
            let partner = owner.iter().position(|owner| *owner == Some(index));
            if let Some(partner) = partner {
                self.at(&format!("[{partner}]"), element, &values[partner])?;
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        pattern: &Pattern,
        expr: &Expr,
        value: &Value,
        test: fn(&str, &str) -> bool,
    ) -> Matched {
        let part = self.evaluate(pattern, expr)?;
        let holds = match (as_text(value), as_text(&part)) {
            (Some(text), Some(part)) => test(text, part),
            _ => false,
        };
        self.demand(holds, pattern, value)
    }

    /// The elements of a list, bytes one by one.
    fn elements(&self, pattern: &Pattern, value: &Value) -> Result<Vec<Value>, Mismatch> {
        match value {
            Value::List(values) => Ok(values.clone()),
            Value::Bytes(bytes) => Ok(bytes.iter().copied().map(Value::U8).collect()),
            _ => Err(self.mismatch(pattern, value)),
        }
    }

    fn count(
        &self,
        pattern: &Pattern,
        expected: usize,
        values: &[Value],
        value: &Value,
    ) -> Matched {
        if values.len() == expected {
            return Ok(());
        }
        let expected = format!("{}: {}", elements(expected), abbreviate(describe(pattern)));
        Err(self.departure(
            expected,
            format!("{}: {}", elements(values.len()), render(&pattern.ty, value)),
        ))
    }

    fn evaluate(&self, pattern: &Pattern, expr: &Expr) -> Result<Value, Mismatch> {
        let value = match self.bound.is_empty() {
            true => self.scope.evaluate(expr),
            false => self.scope.evaluate(&substitute(expr, &self.bound)),
        };
        value.map_err(|error| self.departure(describe(pattern), error))
    }

    fn payload(&self, pattern: &Pattern, value: &Value, result: Result<(), Departure>) -> Matched {
        result.map_err(|departure| match departure {
            Departure::At {
                path,
                expected,
                actual,
            } => {
                let gap = if self.path.is_empty() || path.is_empty() {
                    ""
                } else {
                    " "
                };
                let path = format!("{}{gap}{path}", self.path);
                Mismatch {
                    path,
                    expected: abbreviate(expected),
                    actual: abbreviate(actual),
                }
            }
            Departure::Unreadable(reason) => {
                let actual = format!("{} ({reason})", render(&pattern.ty, value));
                Mismatch {
                    path: self.path.clone(),
                    expected: abbreviate(describe(pattern)),
                    actual,
                }
            }
        })
    }

    fn demand(&self, holds: bool, pattern: &Pattern, value: &Value) -> Matched {
        if holds {
            Ok(())
        } else {
            Err(self.mismatch(pattern, value))
        }
    }

    fn mismatch(&self, pattern: &Pattern, value: &Value) -> Mismatch {
        self.departure(describe(pattern), render(&pattern.ty, value))
    }

    fn departure(&self, expected: String, actual: String) -> Mismatch {
        Mismatch {
            path: self.path.clone(),
            expected: abbreviate(expected),
            actual,
        }
    }
}

fn augment(
    pattern: usize,
    fits: &[Vec<usize>],
    owner: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for &element in &fits[pattern] {
        if std::mem::replace(&mut seen[element], true) {
            continue;
        }
        if owner[element].is_none_or(|other| augment(other, fits, owner, seen)) {
            owner[element] = Some(pattern);
            return true;
        }
    }
    false
}

fn holds(comparison: Comparison, order: Option<std::cmp::Ordering>) -> bool {
    order.is_some_and(|order| match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    })
}

/// The order of two numbers; a NaN has none.
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (evaluate::integer(a), evaluate::integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => float(a)?.partial_cmp(&float(b)?),
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F32(value) => Some((*value).into()),
        Value::F64(value) => Some(*value),
        // Only where a float is compared with an integer; the checker gives both one type.
        value => evaluate::integer(value).map(|value| value as f64),
    }
}

fn as_text(value: &Value) -> Option<&str> {
    evaluate::bytes(value).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

fn carries_transcript(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(TRANSCRIPT),
        Value::Bytes(bytes) => bytes
            .windows(TRANSCRIPT.len())
            .any(|window| window == TRANSCRIPT.as_bytes()),
        Value::List(values) | Value::Record(values) | Value::Tuple(values) => {
            values.iter().any(carries_transcript)
        }
        Value::Variant(_, Some(value)) | Value::Option(Some(value)) => carries_transcript(value),
        Value::Result(Ok(Some(value)) | Err(Some(value))) => carries_transcript(value),
        _ => false,
    }
}

fn elements(count: usize) -> String {
    format!("{count} element{}", if count == 1 { "" } else { "s" })
}
