//! Patterns and expectations: a term and the type of the values it is matched with.

use std::collections::BTreeSet;

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{Expectation, Expr, ExprKind, Outcome, Pattern, PatternKind, Span},
};
use super::{
    Checker,
    compound::list_value,
    scope::{is_bytes, is_number},
    syntax::{self, Field, Name, Pattern as Form, Term, TermKind},
};
use crate::payload::schema::Schema;

/// What an expectation judges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged<'t> {
    /// The type; `None` when there is no value.
    pub(super) ty: Option<&'t Type>,
    /// Whether `trap` can be.
    pub(super) trap: bool,
    /// Whether `timeout` can be.
    pub(super) timeout: bool,
    /// Whether `returns` can be.
    pub(super) returns: bool,
    /// What it is, in words: `store-get`.
    pub(super) what: &'t str,
}

impl Checker<'_> {
    /// An expectation of a call, an event or a value.
    pub(super) fn expectation(
        &mut self,
        expectation: &syntax::Expectation,
        judged: Judged<'_>,
    ) -> Option<Expectation> {
        let several = expectation.outcomes.len() > 1;
        let mut names = BTreeSet::new();
        let mut outcomes = Some(Vec::new());
        for (name, outcome) in &expectation.outcomes {
            match name {
                Some(name) => {
                    self.named = true;
                    if !names.insert(name.text.as_str()) {
                        let problem = Problem::new(
                            "duplicate",
                            name.span,
                            format!("two outcomes are named `{}`", name.text),
                            "again here",
                        );
                        self.problems.push(problem);
                    }
                }
                None if several => {
                    let problem = Problem::new(
                        "unnamed-outcome",
                        outcome_span(outcome),
                        "one of several outcomes has no name",
                        "expected `NAME:` before it",
                    );
                    self.problems.push(problem.help("`same: some(\"x\") | taken: none`: the report says which one the host chose"));
                }
                None => {}
            }
            let binds = std::mem::replace(&mut self.binds, !several);
            let checked = self.outcome(outcome, judged);
            self.binds = binds;
            match (&mut outcomes, checked) {
                (Some(outcomes), Some(outcome)) => {
                    outcomes.push((name.as_ref().map(|name| name.text.clone()), outcome))
                }
                _ => outcomes = None,
            }
        }
        outcomes.map(|outcomes| Expectation {
            outcomes,
            span: expectation.span,
        })
    }

    fn outcome(&mut self, outcome: &syntax::Outcome, judged: Judged<'_>) -> Option<Outcome> {
        let mut refuse = |possible: bool, span: Span, word: &str, help: &str| {
            if !possible {
                let problem = Problem::new(
                    "wrong-outcome",
                    span,
                    format!("`{word}` cannot be the outcome of `{}`", judged.what),
                    "not here",
                );
                self.problems.push(problem.help(help));
            }
            possible
        };
        match outcome {
            syntax::Outcome::Returns(span) => {
                refuse(judged.returns, *span, "returns", "`_` is any value")
                    .then_some(Outcome::Returns)
            }
            syntax::Outcome::Trap(span) => {
                let help = "`trap` is the outcome of a guest's call or, in the host, of the event that tells how an instance ended";
                refuse(judged.trap, *span, "trap", help).then_some(Outcome::Trap)
            }
            syntax::Outcome::Timeout(span) => refuse(
                judged.timeout,
                *span,
                "timeout",
                "only `await` can time out",
            )
            .then_some(Outcome::Timeout),
            syntax::Outcome::Refused(span) => {
                let refusal = self
                    .contract
                    .world(&self.world)
                    .and_then(|world| world.refusal.clone())
                    .filter(|pattern| judged.trap && Some(&pattern.ty) == judged.ty);
                let help = "`refused` is the outcome of a guest's call whose failure the contract's `refusal` describes";
                refuse(refusal.is_some(), *span, "refused", help)
                    .then_some(Outcome::Refused(refusal?))
            }
            syntax::Outcome::Value(term) => match judged.ty {
                Some(ty) => self.pattern(term, ty).map(Outcome::Value),
                None if matches!(term.kind, TermKind::Wildcard) => Some(Outcome::Returns),
                None => {
                    let message = format!("`{}` returns no value", judged.what);
                    self.problems.push(
                        Problem::new("no-result", term.span, message, "nothing to match")
                            .help("leave it out, or write `returns` or `trap`"),
                    );
                    None
                }
            },
        }
    }

    /// The pattern a term stands for, for values of type `ty`.
    pub(super) fn pattern(&mut self, term: &Term, ty: &Type) -> Option<Pattern> {
        let kind = match &term.kind {
            TermKind::Wildcard => PatternKind::Any,
            TermKind::Pattern(form) => self.form(form, ty, term)?,
            TermKind::Word(word, escaped) => self.word_pattern(word, *escaped, ty, term)?,
            TermKind::Apply(name, escaped, arguments)
                if *escaped || !matches!(name.text.as_str(), "concat" | "size-le32") =>
            {
                self.case_pattern(name, arguments, ty, term)?
            }
            TermKind::List(terms) => self.list_pattern(terms, ty, term)?,
            TermKind::Tuple(terms) => self.tuple_pattern(terms, ty, term)?,
            TermKind::Record(fields, rest) if matches!(ty, Type::Record(_)) => {
                self.record_pattern(fields, rest.is_some(), ty, term)?
            }
            TermKind::Json { exactly, value, .. } => {
                if *ty != Type::String && !is_bytes(ty) {
                    return self.mismatch(term, ty);
                }
                PatternKind::Json {
                    exactly: *exactly,
                    pattern: self.json_pattern(value)?,
                }
            }
            TermKind::Ipc(ipc) if is_bytes(ty) => {
                PatternKind::Ipc(self.ipc_pattern(ipc, term.span)?)
            }
            _ => PatternKind::Equal(self.value(term, ty)?),
        };
        Some(Pattern {
            ty: ty.clone(),
            kind,
            span: term.span,
        })
    }

    fn form(&mut self, form: &Form, ty: &Type, term: &Term) -> Option<PatternKind> {
        Some(match form {
            Form::Let(name) => self.let_pattern(name, ty)?,
            Form::Contains(element, count) => return self.contains(element, *count, ty, term),
            Form::ContainsBytes(bytes) => {
                self.wants(is_bytes(ty), form, "list<u8>", ty, term)?;
                match self.constant(bytes, &Type::List(Type::U8.into()))? {
                    Value::Bytes(bytes) => PatternKind::ContainsBytes(bytes),
                    _ => return None,
                }
            }
            Form::Each(element) => match ty {
                Type::List(inner) | Type::FixedList(inner, _) => {
                    PatternKind::Each(Box::new(self.inside(|this| this.pattern(element, inner))?))
                }
                _ => {
                    return self
                        .wants(false, form, "a list", ty, term)
                        .map(|()| PatternKind::Any);
                }
            },
            Form::Unordered(terms) => match ty {
                Type::List(inner) | Type::FixedList(inner, _) => PatternKind::Unordered(
                    self.inside(|this| this.each(terms, |this, term| this.pattern(term, inner)))?,
                ),
                _ => {
                    return self
                        .wants(false, form, "a list", ty, term)
                        .map(|()| PatternKind::Any);
                }
            },
            Form::Length(comparison, length) => {
                self.wants(
                    matches!(ty, Type::List(_) | Type::FixedList(..) | Type::String),
                    form,
                    "a list or a string",
                    ty,
                    term,
                )?;
                PatternKind::Length(*comparison, *length)
            }
            Form::Compare(comparison, operand) => {
                self.wants(is_number(ty), form, "a number", ty, term)?;
                PatternKind::Compare(*comparison, self.value(operand, ty)?)
            }
            Form::Range(low, high) => {
                self.wants(is_number(ty), form, "a number", ty, term)?;
                let (low, high) = (self.value(low, ty), self.value(high, ty));
                PatternKind::Range(low?, high?)
            }
            Form::StartsWith(text) => {
                PatternKind::StartsWith(self.text_operand(text, form, ty, term)?)
            }
            Form::EndsWith(text) => PatternKind::EndsWith(self.text_operand(text, form, ty, term)?),
            Form::Matches(regex) => {
                self.wants(*ty == Type::String, form, "a string", ty, term)?;
                if let Err(error) = regex_lite::Regex::new(&regex.text) {
                    self.problems.push(Problem::new(
                        "regex",
                        regex.span,
                        format!("this is no regular expression: {error}"),
                        "not a regular expression",
                    ));
                    return None;
                }
                PatternKind::Matches(regex.text.clone())
            }
            Form::Schema(name) => {
                let fits = *ty == Type::String || is_bytes(ty);
                self.wants(fits, form, "a string or list<u8>", ty, term)?;
                PatternKind::Schema(self.schema(name)?)
            }
            Form::And(terms) => {
                PatternKind::And(self.each(terms, |this, term| this.pattern(term, ty))?)
            }
            Form::OneOf(terms) => {
                if terms.is_empty() {
                    self.problems.push(Problem::new(
                        "argument-count",
                        term.span,
                        "`one-of` of nothing matches nothing",
                        "no patterns",
                    ));
                    return None;
                }
                PatternKind::OneOf(
                    self.inside(|this| this.each(terms, |this, term| this.pattern(term, ty)))?,
                )
            }
            Form::Not(inner) => {
                PatternKind::Not(Box::new(self.inside(|this| this.pattern(inner, ty))?))
            }
            Form::Distinct(name) => {
                self.class(name, ty)?;
                PatternKind::Distinct(name.text.clone())
            }
            Form::Same(name) => {
                self.class(name, ty)?;
                PatternKind::Same(name.text.clone())
            }
            Form::Trace(rows, in_order) => {
                self.wants(is_bytes(ty), form, "list<u8>", ty, term)?;
                let rows = self.each(rows, |this, row| match &row.kind {
                    TermKind::Word(word, false) if word == "null" => Some(None),
                    _ => match this.constant(row, &Type::S64)? {
                        Value::S64(value) => Some(Some(value)),
                        _ => None,
                    },
                })?;
                PatternKind::Trace {
                    rows,
                    in_order: *in_order,
                }
            }
            Form::Transcript => PatternKind::Transcript,
        })
    }

    /// The contract's schema of this name; its bytes are part of what the case says.
    fn schema(&mut self, name: &Name) -> Option<Schema> {
        let schemas = &self.contract.schemas;
        if let Some(schema) = schemas.get(&name.text) {
            self.read.push(schema.bytes().to_vec());
            return Some(schema.clone());
        }
        let contract = &self.contract.name;
        let message = format!("contract `{contract}` has no schema `{}`", name.text);
        let names = schemas.keys().map(String::as_str);
        let help = closest_or_all(&name.text, "schemas", names)
            .unwrap_or_else(|| format!("schemas are files `cases/{contract}/schemas/NAME.json`"));
        self.problems
            .push(Problem::new("unknown-schema", name.span, message, "unknown schema").help(help));
        None
    }

    /// Checks a part that may match elsewhere than at one place: nothing can be bound there.
    fn inside<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        let binds = std::mem::replace(&mut self.binds, false);
        let result = check(self);
        self.binds = binds;
        result
    }

    fn wants(
        &mut self,
        fits: bool,
        form: &Form,
        wanted: &str,
        ty: &Type,
        term: &Term,
    ) -> Option<()> {
        if !fits {
            let keyword = form.keyword();
            let message = format!(
                "{} matches {wanted}, but this is {}",
                if keyword.contains(' ') {
                    keyword.to_owned()
                } else {
                    format!("`{keyword}`")
                },
                self.describe(ty)
            );
            self.problems.push(Problem::new(
                "wrong-type",
                term.span,
                message,
                format!("the value is {}", self.describe(ty)),
            ));
        }
        fits.then_some(())
    }

    fn let_pattern(&mut self, name: &Name, ty: &Type) -> Option<PatternKind> {
        if !self.binds {
            let problem = Problem::new(
                "bind-here",
                name.span,
                format!("`{}` would not always be bound", name.text),
                "nothing can be bound here",
            );
            self.problems.push(problem.help(
                "bind at one certain place: the whole value, a payload, a field, an element",
            ));
            return None;
        }
        self.bind(name, ty.clone(), false);
        Some(PatternKind::Bind(name.text.clone()))
    }

    fn contains(
        &mut self,
        element: &Term,
        count: Option<u32>,
        ty: &Type,
        term: &Term,
    ) -> Option<PatternKind> {
        match ty {
            Type::String if count.is_none() => Some(PatternKind::ContainsText(
                self.value(element, &Type::String)?,
            )),
            Type::List(inner) | Type::FixedList(inner, _) => {
                let element = self.inside(|this| this.pattern(element, inner))?;
                Some(PatternKind::Contains(Box::new(element), count))
            }
            _ => {
                let message = if *ty == Type::String {
                    "`once` and `times` count in lists".to_owned()
                } else {
                    format!(
                        "`contains` matches a list or a string, but this is {}",
                        self.describe(ty)
                    )
                };
                self.problems.push(Problem::new(
                    "wrong-type",
                    term.span,
                    message,
                    format!("the value is {}", self.describe(ty)),
                ));
                None
            }
        }
    }

    fn text_operand(
        &mut self,
        operand: &Term,
        form: &Form,
        ty: &Type,
        term: &Term,
    ) -> Option<Expr> {
        self.wants(*ty == Type::String, form, "a string", ty, term)?;
        self.value(operand, &Type::String)
    }

    /// A name of `distinct` and `same` has one type throughout a case.
    fn class(&mut self, name: &Name, ty: &Type) -> Option<()> {
        let (before, place) = self
            .classes
            .entry(name.text.clone())
            .or_insert_with(|| (ty.clone(), name.span))
            .clone();
        if before == *ty {
            return Some(());
        }
        let message = format!("`{}` gathers values of another type", name.text);
        let problem = Problem::new(
            "wrong-type",
            name.span,
            message,
            format!("this is {}", self.describe(ty)),
        );
        let before = format!("this is {}", self.describe(&before));
        self.problems.push(problem.also(place, before));
        None
    }

    fn word_pattern(
        &mut self,
        word: &str,
        escaped: bool,
        ty: &Type,
        term: &Term,
    ) -> Option<PatternKind> {
        let free = match ty {
            Type::Result(Some(_), _) if word == "ok" && !escaped => Some(0),
            Type::Result(_, Some(_)) if word == "err" && !escaped => Some(1),
            Type::Option(_) if word == "some" && !escaped => Some(1),
            Type::Variant(cases) => cases
                .iter()
                .position(|case| &*case.name == word && case.ty.is_some())
                .and_then(|index| u32::try_from(index).ok()),
            _ => None,
        };
        match free {
            Some(index) => Some(PatternKind::Case(index, None)),
            None => Some(PatternKind::Equal(self.value(term, ty)?)),
        }
    }

    fn case_pattern(
        &mut self,
        name: &Name,
        arguments: &[Term],
        ty: &Type,
        term: &Term,
    ) -> Option<PatternKind> {
        let word = name.text.as_str();
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
        // `ok(_)` of a result without payload is `ok`.
        if let (
            None,
            [
                Term {
                    kind: TermKind::Wildcard,
                    ..
                },
            ],
        ) = (&payload, arguments)
        {
            return Some(PatternKind::Case(index, None));
        }
        let (inner, payload) = self.payload(word, arguments, payload.as_ref(), term.span)?;
        let inner = self.pattern(inner, payload)?;
        if let Some(value) = constant(&inner) {
            let value = Some(Box::new(value));
            let whole = match ty {
                Type::Option(_) => Value::Option(value),
                Type::Result(..) if index == 0 => Value::Result(Ok(value)),
                Type::Result(..) => Value::Result(Err(value)),
                _ => Value::Variant(index, value),
            };
            return Some(equal(whole, ty, term.span));
        }
        Some(PatternKind::Case(index, Some(Box::new(inner))))
    }

    fn list_pattern(&mut self, terms: &[Term], ty: &Type, term: &Term) -> Option<PatternKind> {
        let (Type::List(element) | Type::FixedList(element, _)) = ty else {
            return self.mismatch(term, ty);
        };
        let items = self.each(terms, |this, term| this.pattern(term, element))?;
        let constant = items.iter().map(constant).collect::<Option<Vec<Value>>>();
        Some(constant.map_or(PatternKind::List(items), |values| {
            equal(list_value(values, element), ty, term.span)
        }))
    }

    fn tuple_pattern(&mut self, terms: &[Term], ty: &Type, term: &Term) -> Option<PatternKind> {
        let Type::Tuple(types) = ty else {
            return self.mismatch(term, ty);
        };
        if types.len() != terms.len() {
            return self.value(term, ty).map(PatternKind::Equal);
        }
        let mut types = types.iter();
        let items = self.each(terms, |this, term| this.pattern(term, types.next()?))?;
        let constant = items.iter().map(constant).collect::<Option<Vec<Value>>>();
        Some(constant.map_or(PatternKind::Tuple(items), |values| {
            equal(Value::Tuple(values), ty, term.span)
        }))
    }

    fn record_pattern(
        &mut self,
        fields: &[Field],
        open: bool,
        ty: &Type,
        term: &Term,
    ) -> Option<PatternKind> {
        let Type::Record(declared) = ty else {
            return None;
        };
        let found = self.fields(fields, ty)?;
        let mut missing = Vec::new();
        let mut items = Vec::new();
        for (field, given) in declared.iter().zip(found) {
            match given {
                Some(given) => items.push(Some(Some(self.pattern(given, &field.ty)))),
                None if open => items.push(Some(None)),
                None => missing.push(format!("`{}`", field.name)),
            }
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
                    .help("`..` at the end leaves the other fields free"),
            );
            return None;
        }
        let items = items.into_iter().flatten().map(|item| match item {
            Some(None) => None,
            Some(Some(pattern)) => Some(Some(pattern)),
            None => Some(None),
        });
        let items = items.collect::<Option<Vec<Option<Pattern>>>>()?;
        let constant = items
            .iter()
            .map(|item| item.as_ref().and_then(constant))
            .collect::<Option<Vec<Value>>>();
        Some(constant.map_or(PatternKind::Record(items), |values| {
            equal(Value::Record(values), ty, term.span)
        }))
    }
}

fn equal(value: Value, ty: &Type, span: Span) -> PatternKind {
    PatternKind::Equal(Expr {
        ty: ty.clone(),
        kind: ExprKind::Const(value),
        span,
    })
}

/// The value of a pattern that only one known value matches.
fn constant(pattern: &Pattern) -> Option<Value> {
    match &pattern.kind {
        PatternKind::Equal(Expr {
            kind: ExprKind::Const(value),
            ..
        }) => Some(value.clone()),
        _ => None,
    }
}

fn outcome_span(outcome: &syntax::Outcome) -> Span {
    match outcome {
        syntax::Outcome::Returns(span)
        | syntax::Outcome::Trap(span)
        | syntax::Outcome::Timeout(span)
        | syntax::Outcome::Refused(span) => *span,
        syntax::Outcome::Value(term) => term.span,
    }
}
