//! Values made of values: cases with payloads, lists, tuples, records, texts put together.

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{Expr, ExprKind, Span},
};
use super::{
    Checker,
    scope::is_bytes,
    syntax::{Field, Name, Term, TermKind},
};

/// Bytes a repeated text may have.
const MAX_REPEATED: u64 = 1 << 30;

impl Checker<'_> {
    pub(super) fn apply(
        &mut self,
        name: &Name,
        escaped: bool,
        arguments: &[Term],
        ty: &Type,
        term: &Term,
    ) -> Option<ExprKind> {
        let word = name.text.as_str();
        if !escaped && (*ty == Type::String || is_bytes(ty)) {
            return match word {
                "concat" => self.concat(arguments, ty),
                "size-le32" if is_bytes(ty) => self.size_le32(arguments, term.span),
                _ => self.mismatch(term, ty),
            };
        }
        let (index, payload) = match ty {
            Type::Option(some) if word == "some" => (1, Some((**some).clone())),
            Type::Result(ok, _) if word == "ok" => (0, ok.as_deref().cloned()),
            Type::Result(_, err) if word == "err" => (1, err.as_deref().cloned()),
            Type::Variant(cases) => {
                let index =
                    self.case_index(word, name.span, cases.iter().map(|case| &*case.name))?;
                (
                    index,
                    cases.get(index as usize).and_then(|case| case.ty.clone()),
                )
            }
            _ => return self.mismatch(term, ty),
        };
        let inner = self.payload(word, arguments, payload.as_ref(), term.span)?;
        let inner = self.value(inner.0, inner.1)?;
        let ExprKind::Const(value) = inner.kind else {
            return Some(ExprKind::Variant(index, Some(Box::new(inner))));
        };
        let value = Some(Box::new(value));
        Some(ExprKind::Const(match ty {
            Type::Option(_) => Value::Option(value),
            Type::Result(..) if index == 0 => Value::Result(Ok(value)),
            Type::Result(..) => Value::Result(Err(value)),
            _ => Value::Variant(index, value),
        }))
    }

    /// The one payload of a case and its type.
    pub(super) fn payload<'t>(
        &mut self,
        word: &str,
        arguments: &'t [Term],
        payload: Option<&'t Type>,
        span: Span,
    ) -> Option<(&'t Term, &'t Type)> {
        match (arguments, payload) {
            ([argument], Some(payload)) => Some((argument, payload)),
            (_, None) => {
                let problem = Problem::new(
                    "wrong-type",
                    span,
                    format!("`{word}` has no payload"),
                    format!("expected `{word}` alone"),
                );
                self.problems.push(problem);
                None
            }
            (_, Some(payload)) => {
                let payload = self.describe(payload);
                let message = format!("`{word}` has one payload, found {}", arguments.len());
                self.problems.push(Problem::new(
                    "wrong-type",
                    span,
                    message,
                    format!("expected `{word}({payload})`"),
                ));
                None
            }
        }
    }

    pub(super) fn concat(&mut self, arguments: &[Term], ty: &Type) -> Option<ExprKind> {
        let mut parts = Vec::new();
        for argument in arguments {
            let text = matches!(&argument.kind, TermKind::Var(name, _) if self.lookup(&name.text).is_some_and(|binding| binding.ty == Type::String));
            parts.push(if text {
                self.value(argument, &Type::String)
            } else {
                self.value(argument, ty)
            });
        }
        Some(ExprKind::Concat(parts.into_iter().collect::<Option<_>>()?))
    }

    pub(super) fn size_le32(&mut self, arguments: &[Term], span: Span) -> Option<ExprKind> {
        let [argument] = arguments else {
            self.problems.push(Problem::new(
                "argument-count",
                span,
                "`size-le32` takes one value",
                format!("{} given", arguments.len()),
            ));
            return None;
        };
        let text = match &argument.kind {
            TermKind::Var(name, _) => self
                .lookup(&name.text)
                .is_some_and(|binding| binding.ty == Type::String),
            TermKind::Text(_) => true,
            _ => false,
        };
        let ty = if text {
            Type::String
        } else {
            Type::List(Type::U8.into())
        };
        self.value(argument, &ty)
            .map(|value| ExprKind::SizeLe32(Box::new(value)))
    }

    pub(super) fn list(&mut self, terms: &[Term], ty: &Type, term: &Term) -> Option<ExprKind> {
        let (Type::List(element) | Type::FixedList(element, _)) = ty else {
            return self.mismatch(term, ty);
        };
        let items = self.each(terms, |this, term| this.value(term, element))?;
        if let Some(values) = constants(&items) {
            let length = values.len();
            return self.sized(list_value(values, element), length, ty, term);
        }
        Some(ExprKind::List(items))
    }

    /// Checks every term, so that each mistake is reported, then collects.
    pub(super) fn each<T>(
        &mut self,
        terms: &[Term],
        mut check: impl FnMut(&mut Self, &Term) -> Option<T>,
    ) -> Option<Vec<T>> {
        let checked: Vec<Option<T>> = terms.iter().map(|term| check(self, term)).collect();
        checked.into_iter().collect()
    }

    /// Holds a list of fixed length to its length.
    pub(super) fn sized(
        &mut self,
        value: Value,
        length: usize,
        ty: &Type,
        term: &Term,
    ) -> Option<ExprKind> {
        match ty {
            Type::FixedList(_, wanted) if *wanted as usize != length => {
                let problem = Problem::new(
                    "wrong-type",
                    term.span,
                    format!("expected {wanted} elements, found {length}"),
                    format!("{length} elements"),
                );
                self.problems.push(problem);
                None
            }
            _ => Some(ExprKind::Const(value)),
        }
    }

    pub(super) fn tuple(&mut self, terms: &[Term], ty: &Type, term: &Term) -> Option<ExprKind> {
        let Type::Tuple(types) = ty else {
            return self.mismatch(term, ty);
        };
        if terms.len() != types.len() {
            let message = format!("expected {} elements, found {}", types.len(), terms.len());
            self.problems.push(Problem::new(
                "wrong-type",
                term.span,
                message,
                format!("expected {}", self.describe(ty)),
            ));
            return None;
        }
        let mut types = types.iter();
        let items = self.each(terms, |this, term| this.value(term, types.next()?))?;
        Some(constants(&items).map_or(ExprKind::Tuple(items), |values| {
            ExprKind::Const(Value::Tuple(values))
        }))
    }

    pub(super) fn record(
        &mut self,
        fields: &[Field],
        rest: Option<Span>,
        ty: &Type,
        term: &Term,
    ) -> Option<ExprKind> {
        if let Some(rest) = rest {
            return self.not_a_value("..", rest);
        }
        match ty {
            Type::Flags(labels) => {
                let mut bits = 0u32;
                for field in fields {
                    let index = self.case_index(
                        &field.name.text,
                        field.name.span,
                        labels.iter().map(|label| &**label),
                    )?;
                    bits |= 1u32.checked_shl(index).unwrap_or(0);
                }
                Some(ExprKind::Const(Value::Flags(bits)))
            }
            Type::Record(_) => {
                let found = self.fields(fields, ty)?;
                let items = self.record_fields(&found, ty, None, term)?;
                Some(constants(&items).map_or(ExprKind::Record(items), |values| {
                    ExprKind::Const(Value::Record(values))
                }))
            }
            _ => self.mismatch(term, ty),
        }
    }

    /// The terms of a record's fields, in order of declaration; reports unknown and repeated ones.
    pub(super) fn fields<'t>(
        &mut self,
        fields: &'t [Field],
        ty: &Type,
    ) -> Option<Vec<Option<&'t Term>>> {
        let Type::Record(declared) = ty else {
            return None;
        };
        let mut found: Vec<Option<&Term>> = vec![None; declared.len()];
        let mut good = true;
        for field in fields {
            let Some(index) = declared
                .iter()
                .position(|declared| *declared.name == *field.name.text)
            else {
                let help = closest_or_all(
                    &field.name.text,
                    "fields",
                    declared.iter().map(|field| &*field.name),
                );
                let message = format!("there is no field `{}`", field.name.text);
                self.problems.push(
                    Problem::new("unknown-field", field.name.span, message, "unknown field")
                        .maybe_help(help),
                );
                good = false;
                continue;
            };
            match (&field.value, found.get_mut(index)) {
                (Some(value), Some(slot @ None)) => *slot = Some(value),
                (None, _) => {
                    let message = format!("the field `{}` has no value", field.name.text);
                    self.problems.push(Problem::new(
                        "missing-field",
                        field.name.span,
                        message,
                        "expected `: VALUE`",
                    ));
                    good = false;
                }
                _ => {
                    let message = format!("the field `{}` is given twice", field.name.text);
                    self.problems.push(Problem::new(
                        "duplicate",
                        field.name.span,
                        message,
                        "again here",
                    ));
                    good = false;
                }
            }
        }
        good.then_some(found)
    }

    /// Values of a record's fields; one that is not given is `none` if it is an option, or comes from `defaults`.
    pub(super) fn record_fields(
        &mut self,
        found: &[Option<&Term>],
        ty: &Type,
        defaults: Option<&[Expr]>,
        term: &Term,
    ) -> Option<Vec<Expr>> {
        let Type::Record(declared) = ty else {
            return None;
        };
        let mut items = Vec::new();
        let mut missing = Vec::new();
        for (index, (field, given)) in declared.iter().zip(found).enumerate() {
            let default = defaults.and_then(|defaults| defaults.get(index)).cloned();
            let item = match (given, default, &field.ty) {
                (Some(given), ..) => {
                    let value = self.value(given, &field.ty);
                    if value.as_ref().is_some_and(|value| {
                        !matches!(value.kind, ExprKind::Const(Value::Option(None)))
                    }) {
                        self.need_field(ty, index);
                    }
                    value
                }
                (None, Some(value), _) => Some(Expr {
                    span: term.span,
                    ..value
                }),
                (None, None, Type::Option(_)) => Some(Expr {
                    ty: field.ty.clone(),
                    kind: ExprKind::Const(Value::Option(None)),
                    span: term.span,
                }),
                (None, None, _) => {
                    missing.push(format!("`{}`", field.name));
                    None
                }
            };
            items.push(item);
        }
        if !missing.is_empty() {
            let plural = if missing.len() == 1 {
                "field"
            } else {
                "fields"
            };
            let message = format!("missing {plural} {}", missing.join(", "));
            self.problems.push(
                Problem::new("missing-field", term.span, message, "in this record")
                    .help("only fields of an option type may go"),
            );
        }
        items.into_iter().collect()
    }

    pub(super) fn repeat(
        &mut self,
        inner: &Term,
        count: u32,
        ty: &Type,
        term: &Term,
    ) -> Option<ExprKind> {
        let value = self.value(inner, ty)?;
        let bytes = match value.kind {
            ExprKind::Const(Value::String(text)) => text.into_bytes(),
            ExprKind::Const(Value::Bytes(bytes)) => bytes,
            _ => {
                let problem = Problem::new(
                    "wrong-type",
                    inner.span,
                    "only constant text or bytes can be repeated",
                    "not constant text or bytes",
                );
                self.problems.push(problem);
                return None;
            }
        };
        if bytes.len() as u64 * u64::from(count) > MAX_REPEATED {
            let message = format!("more than {MAX_REPEATED} bytes");
            self.problems
                .push(Problem::new("number-range", term.span, message, "too much"));
            return None;
        }
        Some(ExprKind::Repeat(bytes, count))
    }
}

/// The values of expressions that are all constant.
pub(super) fn constants(items: &[Expr]) -> Option<Vec<Value>> {
    let constant = |item: &Expr| match &item.kind {
        ExprKind::Const(value) => Some(value.clone()),
        _ => None,
    };
    items.iter().map(constant).collect()
}

/// A list of these values; `list<u8>` is kept as bytes.
pub(super) fn list_value(values: Vec<Value>, element: &Type) -> Value {
    if *element != Type::U8 {
        return Value::List(values);
    }
    let byte = |value: &Value| {
        if let Value::U8(byte) = value {
            *byte
        } else {
            0
        }
    };
    Value::Bytes(values.iter().map(byte).collect())
}
