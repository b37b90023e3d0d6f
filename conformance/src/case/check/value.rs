//! Values: a term and the type it must have.

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{Expr, ExprKind, Span, TextPart},
};
use super::{
    Checker,
    scope::{Side, is_bytes, is_integer},
    syntax::{Name, Piece, Term, TermKind},
};
use crate::testbed::SURROUNDINGS;

/// Bytes a repeated text may have where it is needed before the case runs.
const MAX_CONSTANT: u64 = 1 << 26;

impl Checker<'_> {
    /// The value a term stands for, of type `ty`; `None` when something was reported.
    pub(super) fn value(&mut self, term: &Term, ty: &Type) -> Option<Expr> {
        let kind = match &term.kind {
            TermKind::Number(text) => ExprKind::Const(self.number(text, ty, term.span)?),
            TermKind::Text(pieces) => self.text(pieces, ty, term)?,
            TermKind::Char(c) if *ty == Type::Char => ExprKind::Const(Value::Char(*c)),
            TermKind::Word(word, escaped) => self.word(word, *escaped, ty, term)?,
            TermKind::Var(name, index) => {
                return self.variable(name, index.as_deref(), ty, term.span);
            }
            TermKind::Apply(name, escaped, arguments) => {
                self.apply(name, *escaped, arguments, ty, term)?
            }
            TermKind::List(terms) => self.list(terms, ty, term)?,
            TermKind::Tuple(terms) => self.tuple(terms, ty, term)?,
            TermKind::Record(fields, rest) => self.record(fields, *rest, ty, term)?,
            TermKind::Repeat(inner, count) => self.repeat(inner, *count, ty, term)?,
            TermKind::Hex(bytes) if is_bytes(ty) => {
                self.sized(Value::Bytes(bytes.clone()), bytes.len(), ty, term)?
            }
            TermKind::Utf8(pieces) if is_bytes(ty) => self.parts(pieces, true)?,
            TermKind::Json {
                bytes,
                exactly,
                value,
            } => self.json_value(*bytes, *exactly, value, ty, term)?,
            TermKind::Ipc(ipc) if is_bytes(ty) => {
                ExprKind::Const(Value::Bytes(self.ipc_bytes(ipc, term.span)?))
            }
            TermKind::Spoil(inner, faults) if is_bytes(ty) => {
                ExprKind::Const(Value::Bytes(self.spoilt(inner, faults, ty, term.span)?))
            }
            TermKind::Wildcard => return self.not_a_value("_", term.span),
            TermKind::Pattern(pattern) => return self.not_a_value(pattern.keyword(), term.span),
            TermKind::Char(_)
            | TermKind::Hex(_)
            | TermKind::Utf8(_)
            | TermKind::Ipc(_)
            | TermKind::Spoil(..) => return self.mismatch(term, ty),
        };
        Some(Expr {
            ty: ty.clone(),
            kind,
            span: term.span,
        })
    }

    /// A value that is known before anything runs.
    pub(super) fn constant(&mut self, term: &Term, ty: &Type) -> Option<Value> {
        let expr = self.value(term, ty)?;
        match expr.kind {
            ExprKind::Const(value) => Some(value),
            ExprKind::Repeat(bytes, count)
                if bytes.len() as u64 * u64::from(count) > MAX_CONSTANT =>
            {
                let message = format!("more than {MAX_CONSTANT} bytes in a constant");
                self.problems
                    .push(Problem::new("number-range", term.span, message, "too much"));
                None
            }
            ExprKind::Repeat(bytes, count) => {
                let bytes = bytes.repeat(count as usize);
                if *ty == Type::String {
                    String::from_utf8(bytes).ok().map(Value::String)
                } else {
                    Some(Value::Bytes(bytes))
                }
            }
            _ => {
                self.problems.push(Problem::new(
                    "not-constant",
                    term.span,
                    "this value must be known before the case runs",
                    "not constant",
                ));
                None
            }
        }
    }

    pub(super) fn not_a_value<T>(&mut self, what: &str, span: Span) -> Option<T> {
        let problem = Problem::new(
            "pattern-as-value",
            span,
            format!("a pattern ({what}) where a value must stand"),
            "not a value",
        );
        self.problems.push(problem);
        None
    }

    /// Reports that a term is not of the type.
    pub(super) fn mismatch<T>(&mut self, term: &Term, ty: &Type) -> Option<T> {
        let expected = self.describe(ty);
        let found = found(term);
        let problem = Problem::new(
            "wrong-type",
            term.span,
            format!("expected {expected}, found {found}"),
            format!("expected {expected}"),
        );
        self.problems.push(problem.maybe_help(self.hint(term, ty)));
        None
    }

    /// What was probably meant.
    fn hint(&self, term: &Term, ty: &Type) -> Option<String> {
        match (&term.kind, ty) {
            (TermKind::Word(word, _), _)
                if self.lookup(word).is_some()
                    || self.guests.iter().any(|guest| guest.name == *word) =>
            {
                Some(format!("a bound value is written with `$`: `${word}`"))
            }
            (TermKind::Word(..), Type::String) => Some("text stands in double quotes".into()),
            (TermKind::Text(_), ty) if is_bytes(ty) => {
                Some("bytes of a text are written `utf8 \"...\"`".into())
            }
            (TermKind::Text(_), Type::Char) => Some("a `char` stands in single quotes".into()),
            (TermKind::Hex(_) | TermKind::Utf8(_), Type::String) => {
                Some("text stands in plain double quotes".into())
            }
            (TermKind::Wildcard | TermKind::Pattern(_), _) => None,
            (TermKind::Apply(name, ..), Type::Option(_)) if name.text != "some" => {
                Some("an option is `some(...)` or `none`".into())
            }
            (_, Type::Option(_)) => Some("an option is `some(...)` or `none`".into()),
            (_, Type::Result(..)) => Some("a result is `ok(...)` or `err(...)`".into()),
            (_, Type::Own(_) | Type::Borrow(_)) => {
                Some("handles are bound by `let name = ...` and written `$name`".into())
            }
            _ => None,
        }
    }

    fn number(&mut self, text: &str, ty: &Type, span: Span) -> Option<Value> {
        let value = match ty {
            Type::F32 => text.parse().ok().map(Value::F32),
            Type::F64 => text.parse().ok().map(Value::F64),
            _ if is_integer(ty) => match text.parse::<i128>() {
                Ok(number) => return self.integer(number, ty, span),
                Err(_) => None,
            },
            _ => None,
        };
        if value.is_none() {
            let expected = self.describe(ty);
            let problem = Problem::new(
                "wrong-type",
                span,
                format!("expected {expected}, found the number {text}"),
                format!("expected {expected}"),
            );
            let term = Term {
                kind: TermKind::Number(text.to_owned()),
                span,
            };
            self.problems.push(problem.maybe_help(self.hint(&term, ty)));
        }
        value
    }

    fn integer(&mut self, number: i128, ty: &Type, span: Span) -> Option<Value> {
        let (value, low, high) = match ty {
            Type::S8 => (
                i8::try_from(number).ok().map(Value::S8),
                i8::MIN.into(),
                i8::MAX.into(),
            ),
            Type::U8 => (u8::try_from(number).ok().map(Value::U8), 0, u8::MAX.into()),
            Type::S16 => (
                i16::try_from(number).ok().map(Value::S16),
                i16::MIN.into(),
                i16::MAX.into(),
            ),
            Type::U16 => (
                u16::try_from(number).ok().map(Value::U16),
                0,
                u16::MAX.into(),
            ),
            Type::S32 => (
                i32::try_from(number).ok().map(Value::S32),
                i32::MIN.into(),
                i32::MAX.into(),
            ),
            Type::U32 => (
                u32::try_from(number).ok().map(Value::U32),
                0,
                u32::MAX.into(),
            ),
            Type::S64 => (
                i64::try_from(number).ok().map(Value::S64),
                i64::MIN.into(),
                i64::MAX.into(),
            ),
            _ => (
                u64::try_from(number).ok().map(Value::U64),
                0i128,
                i128::from(u64::MAX),
            ),
        };
        if value.is_none() {
            let name = self.describe(ty);
            let problem = Problem::new(
                "number-range",
                span,
                format!("{number} does not fit {name}"),
                format!("{name} is {low} to {high}"),
            );
            self.problems.push(problem);
        }
        value
    }

    fn text(&mut self, pieces: &[Piece], ty: &Type, term: &Term) -> Option<ExprKind> {
        if *ty == Type::String {
            self.parts(pieces, false)
        } else {
            self.mismatch(term, ty)
        }
    }

    /// Text or, if `bytes`, its UTF-8.
    fn parts(&mut self, pieces: &[Piece], bytes: bool) -> Option<ExprKind> {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Literal(text) => TextPart::Literal(text.clone()),
                Piece::Name(name, span) => self.interpolated(name, *span)?,
            });
        }
        Some(match parts.as_slice() {
            [TextPart::Literal(text)] if bytes => {
                ExprKind::Const(Value::Bytes(text.clone().into_bytes()))
            }
            [TextPart::Literal(text)] => ExprKind::Const(Value::String(text.clone())),
            _ => ExprKind::Text(parts),
        })
    }

    /// What `\{name}` stands for.
    pub(super) fn interpolated(&mut self, name: &str, span: Span) -> Option<TextPart> {
        if self.side == Side::Constant {
            self.problems.push(Problem::new(
                "interpolation",
                span,
                "no `\\{...}` in a text that is known before the case runs",
                "must be constant",
            ));
            return None;
        }
        match self.lookup(name) {
            Some(binding) if binding.counter => Some(TextPart::Loop(name.to_owned())),
            Some(binding) if self.side == Side::Host && binding.ty == Type::String => {
                Some(TextPart::Var(name.to_owned()))
            }
            Some(_) if self.side == Side::Guest => {
                let problem = Problem::new(
                    "interpolation",
                    span,
                    format!("`{name}` is no loop variable"),
                    "only loop variables and surroundings",
                );
                self.problems.push(problem.help(format!(
                    "put texts together with `concat(\"...\", ${name})`"
                )));
                None
            }
            Some(_) => {
                self.problems.push(Problem::new(
                    "interpolation",
                    span,
                    format!("`{name}` is not text"),
                    "only text can stand in text",
                ));
                None
            }
            None if SURROUNDINGS.contains(&name) => Some(TextPart::Surrounding(name.to_owned())),
            None => {
                let names = self
                    .scope
                    .iter()
                    .filter(|binding| binding.counter || self.side == Side::Host)
                    .map(|binding| binding.name.as_str());
                let help = closest_or_all(name, "known here", names.chain(SURROUNDINGS));
                let problem = Problem::new(
                    "unknown-name",
                    span,
                    format!("`\\{{{name}}}` names nothing that text can hold"),
                    "unknown",
                )
                .maybe_help(help);
                self.problems.push(problem);
                None
            }
        }
    }

    fn word(&mut self, word: &str, escaped: bool, ty: &Type, term: &Term) -> Option<ExprKind> {
        let payload_missing = |this: &mut Self, payload: &Type| {
            let payload = this.describe(payload);
            let problem = Problem::new(
                "wrong-type",
                term.span,
                format!("`{word}` needs a payload"),
                format!("expected `{word}({payload})`"),
            );
            this.problems.push(problem);
            None
        };
        let plain = !escaped;
        let value = match ty {
            Type::Bool if plain && word == "true" => Value::Bool(true),
            Type::Bool if plain && word == "false" => Value::Bool(false),
            Type::F32 if plain && word == "nan" => Value::F32(f32::NAN),
            Type::F32 if plain && word == "inf" => Value::F32(f32::INFINITY),
            Type::F64 if plain && word == "nan" => Value::F64(f64::NAN),
            Type::F64 if plain && word == "inf" => Value::F64(f64::INFINITY),
            Type::Option(_) if plain && word == "none" => Value::Option(None),
            Type::Result(None, _) if plain && word == "ok" => Value::Result(Ok(None)),
            Type::Result(_, None) if plain && word == "err" => Value::Result(Err(None)),
            Type::Result(Some(payload), _) if plain && word == "ok" => {
                return payload_missing(self, payload);
            }
            Type::Result(_, Some(payload)) if plain && word == "err" => {
                return payload_missing(self, payload);
            }
            Type::Enum(cases)
                if !self.bound_word(word, cases.iter().any(|case| **case == *word)) =>
            {
                Value::Enum(self.case_index(word, term.span, cases.iter().map(|case| &**case))?)
            }
            Type::Variant(cases)
                if !self.bound_word(word, cases.iter().any(|case| &*case.name == word)) =>
            {
                let index =
                    self.case_index(word, term.span, cases.iter().map(|case| &*case.name))?;
                match cases.get(index as usize).and_then(|case| case.ty.as_ref()) {
                    Some(payload) => return payload_missing(self, payload),
                    None => Value::Variant(index, None),
                }
            }
            _ => return self.mismatch(term, ty),
        };
        Some(ExprKind::Const(value))
    }

    /// Whether a word is rather a bound name without its `$`.
    fn bound_word(&self, word: &str, known: bool) -> bool {
        !known && self.lookup(word).is_some()
    }

    /// The index of a case; reports unknown ones.
    pub(super) fn case_index<'n>(
        &mut self,
        word: &str,
        span: Span,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Option<u32> {
        let index = names.clone().position(|name| name == word);
        if index.is_none() {
            let help = closest_or_all(word, "cases", names);
            self.problems.push(
                Problem::new(
                    "unknown-case",
                    span,
                    format!("there is no case `{word}`"),
                    "unknown case",
                )
                .maybe_help(help),
            );
        }
        index.and_then(|index| u32::try_from(index).ok())
    }

    fn variable(
        &mut self,
        name: &Name,
        index: Option<&Term>,
        ty: &Type,
        span: Span,
    ) -> Option<Expr> {
        let Some(binding) = self.lookup(&name.text) else {
            if self.side == Side::Host && self.guests.iter().any(|guest| guest.name == name.text) {
                let expr = self.guest_instance(name, index, span)?;
                return if *ty == Type::String {
                    Some(expr)
                } else {
                    self.wrong_variable(&name.text, &Type::String, ty, span)
                };
            }
            self.unknown_name(&name.text, name.span);
            return None;
        };
        if index.is_some() {
            let problem = Problem::new(
                "wrong-type",
                span,
                format!("`${}` is no guest with copies", name.text),
                "no `[...]` here",
            );
            self.problems.push(problem);
            return None;
        }
        let bound = binding.ty.clone();
        let fits = match (&bound, ty) {
            (Type::Own(own), Type::Borrow(borrow)) => own == borrow,
            (own, wanted) => own == wanted,
        };
        if fits {
            Some(Expr {
                ty: ty.clone(),
                kind: ExprKind::Var(name.text.clone()),
                span,
            })
        } else {
            self.wrong_variable(&name.text, &bound, ty, span)
        }
    }

    fn wrong_variable(&mut self, name: &str, bound: &Type, ty: &Type, span: Span) -> Option<Expr> {
        let (bound, expected) = (self.describe(bound), self.describe(ty));
        let problem = Problem::new(
            "wrong-type",
            span,
            format!("expected {expected}, but `${name}` is {bound}"),
            format!("expected {expected}"),
        );
        self.problems.push(problem);
        None
    }
}

/// What a term is, in words.
fn found(term: &Term) -> String {
    match &term.kind {
        TermKind::Wildcard => "`_`".into(),
        TermKind::Number(text) => format!("the number {text}"),
        TermKind::Text(_) => "text".into(),
        TermKind::Char(_) => "a character".into(),
        TermKind::Word(word, _) => format!("`{word}`"),
        TermKind::Var(name, _) => format!("`${}`", name.text),
        TermKind::Apply(name, ..) => format!("`{}(...)`", name.text),
        TermKind::List(_) => "a list".into(),
        TermKind::Tuple(_) => "a tuple".into(),
        TermKind::Record(..) => "a record".into(),
        TermKind::Repeat(..) => "a repetition".into(),
        TermKind::Hex(_) | TermKind::Utf8(_) => "bytes".into(),
        TermKind::Json { .. } => "JSON".into(),
        TermKind::Ipc(_) => "an Arrow IPC stream".into(),
        TermKind::Spoil(..) => "spoilt bytes".into(),
        TermKind::Pattern(pattern) => format!("a pattern ({})", pattern.keyword()),
    }
}
