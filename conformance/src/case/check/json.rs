//! JSON: literals and patterns.

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::Problem,
    model::{ExprKind, JsonPattern, TextPart},
};
use super::{
    Checker,
    scope::is_bytes,
    syntax::{Field, Piece, Term, TermKind},
};

impl Checker<'_> {
    /// `json ...` as a value.
    pub(super) fn json_value(
        &mut self,
        bytes: bool,
        exactly: bool,
        value: &Term,
        ty: &Type,
        term: &Term,
    ) -> Option<ExprKind> {
        if exactly {
            self.problems.push(
                Problem::new(
                    "pattern-as-value",
                    term.span,
                    "`json exactly` is a pattern",
                    "not a value",
                )
                .help("write `json {...}`"),
            );
            return None;
        }
        if bytes != is_bytes(ty) || !(bytes || *ty == Type::String) {
            let help = if is_bytes(ty) {
                Some("bytes are written `json-bytes ...`")
            } else {
                (*ty == Type::String).then_some("text is written `json ...`")
            };
            let (expected, found) = (
                self.describe(ty),
                if bytes {
                    "JSON as bytes"
                } else {
                    "JSON as text"
                },
            );
            let problem = Problem::new(
                "wrong-type",
                term.span,
                format!("expected {expected}, found {found}"),
                format!("expected {expected}"),
            );
            self.problems
                .push(problem.maybe_help(help.map(str::to_owned)));
            return None;
        }
        let mut parts = Vec::new();
        self.json_write(value, &mut parts)?;
        Some(match (parts.as_slice(), bytes) {
            ([TextPart::Literal(text)], true) => {
                ExprKind::Const(Value::Bytes(text.clone().into_bytes()))
            }
            ([TextPart::Literal(text)], false) => ExprKind::Const(Value::String(text.clone())),
            _ => ExprKind::Text(parts),
        })
    }

    pub(super) fn json_write(&mut self, term: &Term, parts: &mut Vec<TextPart>) -> Option<()> {
        match &term.kind {
            TermKind::Number(text) if serde_json::from_str::<serde_json::Number>(text).is_ok() => {
                push(parts, text)
            }
            TermKind::Word(word, false) if matches!(word.as_str(), "true" | "false" | "null") => {
                push(parts, word)
            }
            TermKind::Text(pieces) => self.json_text(pieces, parts)?,
            TermKind::List(terms) => {
                push(parts, "[");
                for (index, term) in terms.iter().enumerate() {
                    push(parts, if index > 0 { "," } else { "" });
                    self.json_write(term, parts)?;
                }
                push(parts, "]");
            }
            TermKind::Record(fields, None) => {
                push(parts, "{");
                for (index, field) in fields.iter().enumerate() {
                    push(parts, if index > 0 { "," } else { "" });
                    let value = self.json_member(field)?;
                    push(
                        parts,
                        &serde_json::Value::from(field.name.text.as_str()).to_string(),
                    );
                    push(parts, ":");
                    self.json_write(value, parts)?;
                }
                push(parts, "}");
            }
            _ => return self.not_json(term),
        }
        Some(())
    }

    pub(super) fn json_text(&mut self, pieces: &[Piece], parts: &mut Vec<TextPart>) -> Option<()> {
        push(parts, "\"");
        for piece in pieces {
            match piece {
                Piece::Literal(text) => {
                    let quoted = serde_json::Value::from(text.as_str()).to_string();
                    push(parts, quoted.get(1..quoted.len() - 1).unwrap_or_default());
                }
                Piece::Name(name, span) => match self.interpolated(name, *span)? {
                    TextPart::Var(_) => {
                        self.problems.push(Problem::new(
                            "interpolation",
                            *span,
                            "a bound text cannot stand in JSON",
                            "it may need escapes",
                        ));
                        return None;
                    }
                    part => parts.push(part),
                },
            }
        }
        push(parts, "\"");
        Some(())
    }

    pub(super) fn json_member<'t>(&mut self, field: &'t Field) -> Option<&'t Term> {
        if !field.quoted {
            let problem = Problem::new(
                "json",
                field.name.span,
                "a member's name stands in quotes",
                "expected quotes",
            );
            self.problems
                .push(problem.help(format!("write `\"{}\": ...`", field.name.text)));
            return None;
        }
        if field.value.is_none() {
            let problem = Problem::new(
                "json",
                field.name.span,
                "a member without a value",
                "expected `: VALUE`",
            );
            self.problems.push(problem);
        }
        field.value.as_ref()
    }

    pub(super) fn not_json<T>(&mut self, term: &Term) -> Option<T> {
        let problem = Problem::new(
            "json",
            term.span,
            "this is not JSON",
            "expected a JSON value",
        );
        self.problems.push(problem.help(
            "objects, arrays, text, numbers, `true`, `false`, `null`; in a pattern also `_`",
        ));
        None
    }

    /// `json ...` as a pattern.
    pub(super) fn json_pattern(&mut self, term: &Term) -> Option<JsonPattern> {
        Some(match &term.kind {
            TermKind::Wildcard => JsonPattern::Any,
            TermKind::Number(text) => match serde_json::from_str(text) {
                Ok(number) => JsonPattern::Number(number),
                Err(_) => return self.not_json(term),
            },
            TermKind::Word(word, false) if word == "null" => JsonPattern::Null,
            TermKind::Word(word, false) if word == "true" => JsonPattern::Bool(true),
            TermKind::Word(word, false) if word == "false" => JsonPattern::Bool(false),
            TermKind::Text(pieces) => {
                let mut parts = Vec::new();
                for piece in pieces {
                    parts.push(match piece {
                        Piece::Literal(text) => TextPart::Literal(text.clone()),
                        Piece::Name(name, span) => self.interpolated(name, *span)?,
                    });
                }
                JsonPattern::Text(parts)
            }
            TermKind::List(terms) => JsonPattern::Array(self.each(terms, Self::json_pattern)?),
            TermKind::Record(fields, rest) => {
                if let Some(rest) = rest {
                    let problem =
                        Problem::new("json", *rest, "`..` has no place in JSON", "leave it out");
                    self.problems.push(
                        problem.help("other members are free anyway, unless it is `json exactly`"),
                    );
                }
                let mut members = Vec::new();
                for field in fields {
                    let value = self.json_member(field)?;
                    members.push((field.name.text.clone(), self.json_pattern(value)?));
                }
                JsonPattern::Object(members)
            }
            _ => return self.not_json(term),
        })
    }
}

fn push(parts: &mut Vec<TextPart>, text: &str) {
    match parts.last_mut() {
        Some(TextPart::Literal(literal)) => literal.push_str(text),
        _ => parts.push(TextPart::Literal(text.to_owned())),
    }
}
