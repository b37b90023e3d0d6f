//! Statements of guests against the world's imports and the export they run in.

use fixtures::abi::Type;

use super::super::{
    diagnostic::Problem,
    model::{
        Call, Expectation, FunctionRef, Outcome, Pattern, PatternKind, Span, Statement,
        StatementKind,
    },
};
use super::{
    Checker,
    pattern::Judged,
    syntax::{self, Name, Term, TermKind},
};

/// Turns of `until` when nothing is said.
const UNTIL_TURNS: u32 = 1_000_000;

/// Where a statement stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'t> {
    /// The export it belongs to.
    export: &'t FunctionRef,
    /// In a `quiet` loop.
    quiet: bool,
}

impl Checker<'_> {
    pub(super) fn handler_body(
        &mut self,
        body: &[syntax::Statement],
        bound: &[(&Name, &Type)],
        export: &FunctionRef,
        span: Span,
        main: bool,
    ) -> Vec<Statement> {
        let scope = std::mem::take(&mut self.scope);
        for (name, ty) in bound {
            self.bind(name, (*ty).clone(), false);
        }
        let statements = self.statements(
            body,
            Place {
                export,
                quiet: false,
            },
        );
        self.scope = scope;
        self.one_trap(&statements);
        let ends = body.last().is_some_and(|statement| ends(&statement.kind));
        if !main && !ends && export.ty.result.is_some() {
            let message = format!("this handler of `{}` ends without a result", export.name);
            let problem = Problem::new(
                "no-return",
                span,
                message,
                format!(
                    "returns {}",
                    export
                        .ty
                        .result
                        .as_ref()
                        .map(|ty| self.describe(ty))
                        .unwrap_or_default()
                ),
            );
            self.problems.push(problem.help(
                "end it with `return VALUE`, `return transcript`, `trap`, `spin` or `recurse`",
            ));
        }
        statements
    }

    /// Where nothing can be handed out before a trap, only one statement may trap: otherwise nobody could tell which did.
    fn one_trap(&mut self, body: &[Statement]) {
        if self
            .contract
            .world(&self.world)
            .is_none_or(|world| world.side.is_some())
        {
            return;
        }
        let mut found = Vec::new();
        may_trap(body, false, &mut found);
        let looped = found.iter().find(|(_, looped)| *looped);
        let first = found.first().map(|(span, _)| *span);
        let problem = match (looped, found.get(1), first) {
            (Some((span, _)), ..) => Problem::new(
                "second-trap",
                *span,
                "a statement in a loop may trap, in a world that can hand nothing out before",
                "which turn it was would stay unknown",
            ),
            (None, Some((span, _)), Some(first)) => Problem::new(
                "second-trap",
                *span,
                "two statements may trap, in a world that can hand nothing out before",
                "which of them did would stay unknown",
            )
            .also(first, "the first"),
            _ => return,
        };
        self.problems
            .push(problem.help("one statement of a handler may expect `trap` or `refused` here; use another handler, guest or case"));
    }

    pub(super) fn statements(
        &mut self,
        all: &[syntax::Statement],
        place: Place<'_>,
    ) -> Vec<Statement> {
        let mut checked = Vec::new();
        for (index, statement) in all.iter().enumerate() {
            match self.statement(statement, place) {
                Some(kind) => checked.push(Statement {
                    kind,
                    span: statement.span,
                }),
                None => match &statement.kind {
                    syntax::StatementKind::Let { name, .. } => {
                        self.unbound.insert(name.text.clone());
                    }
                    syntax::StatementKind::Call { expect, .. }
                    | syntax::StatementKind::Raw { expect, .. } => self.forgive(expect.as_ref()),
                    syntax::StatementKind::Expect { expect, .. } => self.forgive(Some(expect)),
                    _ => {}
                },
            }
            if let Some(next) = all.get(index + 1).filter(|_| ends(&statement.kind)) {
                let problem = Problem::new(
                    "unreachable",
                    next.span,
                    "this statement can never run",
                    "never reached",
                );
                self.problems
                    .push(problem.also(statement.span, "the handler ends here"));
                break;
            }
        }
        checked
    }

    pub(super) fn statement(
        &mut self,
        statement: &syntax::Statement,
        place: Place<'_>,
    ) -> Option<StatementKind> {
        Some(match &statement.kind {
            syntax::StatementKind::Call { call, expect } => {
                let call_span = call.span;
                let what = call.path.name.text.as_str();
                let call = self.call(call);
                let result = call.as_ref().and_then(Call::result);
                let judged = Judged {
                    ty: result.as_ref(),
                    trap: true,
                    timeout: false,
                    returns: true,
                    what,
                };
                match (call, expect) {
                    // The pattern of a call that is wrong cannot be checked.
                    (None, _) => return None,
                    (Some(call), expect) => StatementKind::Call {
                        call,
                        expect: self.optional(expect.as_ref(), judged, place, call_span)?,
                    },
                }
            }
            syntax::StatementKind::Let { name, call } => {
                let span = call.span;
                let what = call.path.name.text.clone();
                let call = self.call(call)?;
                let Some(ty) = call.result() else {
                    self.problems.push(Problem::new(
                        "no-result",
                        span,
                        format!("`{what}` returns no value to bind"),
                        "nothing to bind",
                    ));
                    return None;
                };
                self.bind(name, ty.clone(), false);
                let pattern = Pattern {
                    ty,
                    kind: PatternKind::Bind(name.text.clone()),
                    span: name.span,
                };
                StatementKind::Call {
                    call,
                    expect: Expectation {
                        outcomes: vec![(None, Outcome::Value(pattern))],
                        span,
                    },
                }
            }
            syntax::StatementKind::Raw {
                path,
                words,
                expect,
                span,
            } => self.raw(path, words, expect.as_ref(), *span, place)?,
            syntax::StatementKind::Drop { name, expect } => {
                self.drop_handle(name, expect.as_ref(), statement.span, place)?
            }
            syntax::StatementKind::Expect { value, expect } => {
                let TermKind::Var(name, None) = &value.kind else {
                    let problem = Problem::new(
                        "syntax",
                        value.span,
                        "`expect` judges a bound value or a parameter",
                        "expected `$name`",
                    );
                    self.problems.push(problem);
                    return None;
                };
                let Some(ty) = self.lookup(&name.text).map(|binding| binding.ty.clone()) else {
                    self.unknown_name(&name.text, name.span);
                    return None;
                };
                let judged = Judged {
                    ty: Some(&ty),
                    trap: false,
                    timeout: false,
                    returns: false,
                    what: &name.text,
                };
                let value = self.value(value, &ty);
                let expect = self.optional(Some(expect), judged, place, statement.span);
                StatementKind::Expect {
                    value: value?,
                    expect: expect?,
                }
            }
            syntax::StatementKind::Signal(name) => {
                if self.side_channel("signal", statement.span) {
                    self.signals.push((self.guest.clone(), name.text.clone()));
                }
                StatementKind::Signal(name.text.clone())
            }
            syntax::StatementKind::Flush => {
                self.side_channel("flush", statement.span);
                StatementKind::Flush
            }
            syntax::StatementKind::Repeat {
                count,
                name,
                quiet,
                body,
            } => {
                self.not_empty(body.is_empty(), statement.span);
                let body = self.scoped(|this| {
                    if let Some(name) = name {
                        this.bind(name, Type::U32, true);
                    }
                    this.statements(
                        body,
                        Place {
                            quiet: place.quiet || *quiet,
                            ..place
                        },
                    )
                });
                StatementKind::Repeat {
                    count: *count,
                    name: name.as_ref().map(|name| name.text.clone()),
                    quiet: *quiet,
                    body,
                }
            }
            syntax::StatementKind::Until {
                call,
                stop,
                max,
                body,
            } => {
                let what = call.path.name.clone();
                let call = self.call(call)?;
                let Some(ty) = call.result() else {
                    let message = format!("`{}` returns no value to wait for", what.text);
                    self.problems.push(Problem::new(
                        "no-result",
                        what.span,
                        message,
                        "nothing to compare",
                    ));
                    return None;
                };
                let stop = self.stop(stop, &ty);
                let body = self.scoped(|this| this.statements(body, place));
                StatementKind::Until {
                    call,
                    stop: stop?,
                    max: max.unwrap_or(UNTIL_TURNS),
                    body,
                }
            }
            syntax::StatementKind::Return(value) => {
                self.return_value(value.as_ref(), statement.span, place)?
            }
            syntax::StatementKind::ReturnTranscript(span) => {
                if self
                    .contract
                    .world(&self.world)
                    .and_then(|world| world.outlet(place.export))
                    .is_none()
                {
                    let message = format!(
                        "`{}` has no way to carry a transcript out",
                        place.export.name
                    );
                    self.problems.push(
                        Problem::new("no-outlet", *span, message, "no outlet")
                            .help("return a value"),
                    );
                    return None;
                }
                StatementKind::ReturnTranscript
            }
            syntax::StatementKind::RawReturn(word) => {
                StatementKind::RawReturn(self.core_word(word)?)
            }
            syntax::StatementKind::Trap => StatementKind::Trap,
            syntax::StatementKind::Spin => StatementKind::Spin,
            syntax::StatementKind::Recurse => StatementKind::Recurse,
        })
    }

    pub(super) fn side_channel(&mut self, word: &str, span: Span) -> bool {
        let there = self.contract.side_event.is_some()
            && self
                .contract
                .world(&self.world)
                .is_some_and(|world| world.side.is_some());
        if !there {
            let message = format!("guests of world `{}` have no side channel", self.world);
            self.problems.push(Problem::new(
                "no-side-channel",
                span,
                message,
                format!("no `{word}` here"),
            ));
        }
        there
    }

    pub(super) fn not_empty(&mut self, empty: bool, span: Span) {
        if empty {
            self.problems.push(
                Problem::new(
                    "empty-block",
                    span,
                    "a loop without a block",
                    "nothing below it",
                )
                .help("indent what is repeated below it"),
            );
        }
    }

    /// The expectation, or any normal return; a quiet loop has none.
    pub(super) fn optional(
        &mut self,
        expect: Option<&syntax::Expectation>,
        judged: Judged<'_>,
        place: Place<'_>,
        span: Span,
    ) -> Option<Expectation> {
        let Some(expect) = expect else {
            return Some(Expectation {
                outcomes: vec![(None, Outcome::Returns)],
                span,
            });
        };
        if place.quiet && !only_binds(expect) {
            let problem = Problem::new(
                "quiet",
                expect.span,
                "an expectation in a `quiet` loop",
                "nothing is recorded here",
            );
            self.problems.push(problem.help("take `quiet` away, or expect after the loop; only binding is possible: `=> some(let m)`"));
            return None;
        }
        self.expectation(expect, judged)
    }

    pub(super) fn return_value(
        &mut self,
        value: Option<&Term>,
        span: Span,
        place: Place<'_>,
    ) -> Option<StatementKind> {
        match (value, &place.export.ty.result) {
            (None, None) => Some(StatementKind::Return(None)),
            (Some(value), Some(ty)) => self
                .value(value, ty)
                .map(|value| StatementKind::Return(Some(value))),
            (Some(value), None) => {
                let message = format!("`{}` has no result", place.export.name);
                self.problems.push(
                    Problem::new("no-result", value.span, message, "nothing can be returned")
                        .help("write `return` alone"),
                );
                None
            }
            (None, Some(ty)) => {
                let ty = self.describe(ty);
                let problem = Problem::new(
                    "no-return",
                    span,
                    format!("`{}` returns {ty}", place.export.name),
                    format!("expected `return` and {ty}"),
                );
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Whether an expectation only binds: `some(let m)`.
fn only_binds(expect: &syntax::Expectation) -> bool {
    pub(super) fn binds(term: &Term) -> bool {
        match &term.kind {
            TermKind::Pattern(syntax::Pattern::Let(_)) => true,
            TermKind::Apply(_, _, arguments) => {
                matches!(arguments.as_slice(), [inner] if binds(inner))
            }
            _ => false,
        }
    }
    matches!(expect.outcomes.as_slice(), [(None, syntax::Outcome::Value(term))] if binds(term))
}

/// Whether nothing can run after it.
pub(super) fn ends(kind: &syntax::StatementKind) -> bool {
    use syntax::StatementKind as Kind;
    matches!(
        kind,
        Kind::Return(_)
            | Kind::ReturnTranscript(_)
            | Kind::RawReturn(_)
            | Kind::Trap
            | Kind::Spin
            | Kind::Recurse
    )
}

/// Statements that may trap, and whether each lies in a loop.
fn may_trap(body: &[Statement], looped: bool, found: &mut Vec<(Span, bool)>) {
    for statement in body {
        match &statement.kind {
            StatementKind::Call { expect, .. }
            | StatementKind::Raw { expect, .. }
            | StatementKind::Drop { expect, .. }
                if expect.may_trap() =>
            {
                found.push((statement.span, looped))
            }
            StatementKind::Repeat { body, .. } | StatementKind::Until { body, .. } => {
                may_trap(body, true, found)
            }
            _ => {}
        }
    }
}
