//! Guests: their statements against the world's imports and exports.

use std::{collections::BTreeMap, sync::Arc};

use fixtures::abi::{Direction, FuncType, Type, Value};

use super::super::{
    diagnostic::Problem,
    model::{
        Call, Expectation, Expr, ExprKind, Fault, FunctionRef, Guest, GuestKind, Handler, Outcome, Param, Pattern, PatternKind, Source, Span, Statement, StatementKind,
        UntilStop, Word,
    },
};
use super::{
    Checker,
    pattern::Judged,
    resolve::Callee,
    scope::{Side, is_integer},
    syntax::{self, FileForm, Name, Term, TermKind},
};

/// Turns of `until` when nothing is said.
const UNTIL_TURNS: u32 = 1_000_000;

/// How a statement list is entered.
#[derive(Clone, Copy, Debug)]
struct Place<'t> {
    /// The export it belongs to.
    export: &'t FunctionRef,
    /// In a `quiet` loop.
    quiet: bool,
}

impl Checker<'_> {
    /// A guest; `None` when something was reported.
    pub(super) fn guest(&mut self, guest: &syntax::Guest, name: String) -> Option<Guest> {
        let world = self.guest_world(guest)?;
        self.world = world.clone();
        self.guest = name.clone();
        self.side = Side::Guest;
        let kind = match &guest.kind {
            syntax::GuestKind::Puppet { body, handlers, faults } => self.puppet(body, handlers, faults, guest)?,
            syntax::GuestKind::File { form, path } => self.file(*form, path)?,
            syntax::GuestKind::Bytes(term) => {
                self.side = Side::Constant;
                match self.constant(term, &Type::List(Type::U8.into()))? {
                    Value::Bytes(bytes) => GuestKind::Bytes(bytes),
                    _ => return None,
                }
            }
        };
        let runs = matches!(&kind, GuestKind::Puppet { handlers, .. } if handlers.iter().any(|handler| self.is_body(&handler.export)));
        let copies = if guest.manual || !runs { 0 } else { guest.copies.unwrap_or(1) };
        if !runs && (guest.manual || guest.copies.is_some()) {
            let word = if guest.manual { "manual" } else { "x" };
            let problem = Problem::new("not-launched", guest.span, format!("`{word}` on a guest that the runner does not launch"), "this guest has no body");
            self.problems.push(problem.help("only a guest with a body is launched by the runner; launch others from the host"));
        }
        Some(Guest { name, world, copies, open: guest.open, kind, span: guest.span })
    }

    /// The world of a guest, by its header or the file's.
    pub(super) fn guest_world(&mut self, guest: &syntax::Guest) -> Option<String> {
        let Some(name) = &guest.world else {
            if self.default_world.is_none() {
                let problem = Problem::new("no-world", guest.span, "this guest has no world", "expected `world NAME`");
                self.problems.push(problem.help("name one here, or for all guests in the header: `world NAME`"));
            }
            return self.default_world.clone();
        };
        self.known_world(name).then(|| name.text.clone())
    }

    fn is_body(&self, export: &FunctionRef) -> bool {
        let body = self.contract.world(&self.world).and_then(|world| world.body.as_ref());
        body.is_some_and(|body| body.interface == export.interface && body.name == export.name)
    }

    fn file(&mut self, form: FileForm, path: &Name) -> Option<GuestKind> {
        let wrong = |message: String| Problem::new("guest-file", path.span, message, "this file");
        let bytes = match self.beside(&path.text) {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = wrong(format!("failed to read this file: {error}")).help("paths are relative to the case file");
                self.problems.push(problem);
                return None;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.problems.push(wrong("this file is not UTF-8 text".into()));
            return None;
        };
        if let Err(error) = wat::parse_str(&text) {
            let first = error.to_string();
            self.problems.push(wrong(format!("this file is not WebAssembly text: {}", first.lines().next().unwrap_or_default())));
            return None;
        }
        let place = self.source.path.parent().map(|folder| folder.join(&path.text)).unwrap_or_default();
        let source = Arc::new(Source { name: path.text.clone(), path: place, text });
        Some(match form {
            FileForm::Wat => GuestKind::Wat(source),
            FileForm::Component => GuestKind::ComponentText(source),
            FileForm::Module => GuestKind::ModuleText(source),
        })
    }

    fn puppet(&mut self, body: &[syntax::Statement], clauses: &[syntax::Handler], faults: &[syntax::Fault], guest: &syntax::Guest) -> Option<GuestKind> {
        let mut handlers = Vec::new();
        if let Some(first) = body.first() {
            match self.contract.world(&self.world).and_then(|world| world.body.clone()) {
                Some(export) => {
                    let body = self.handler_body(body, &[], &export, first.span, true);
                    let params = export.ty.params.iter().map(|_| Param::Ignore).collect();
                    handlers.push(Handler { export, params, body, main: true, span: guest.span });
                }
                None => {
                    let message = format!("world `{}` has no main export for a bare body", self.world);
                    self.problems.push(Problem::new("no-body", first.span, message, "belongs to no export").help("write it below `on EXPORT(...)`"));
                }
            }
        }
        if body.is_empty() && clauses.is_empty() && faults.is_empty() {
            self.problems.push(Problem::new("empty-block", guest.span, "a guest that does nothing", "nothing below it").help("a guest that returns at once says `return ok`"));
        }
        let mut complete: BTreeMap<(Option<String>, String), Span> = handlers.iter().map(|handler| (key(&handler.export), handler.span)).collect();
        for clause in clauses {
            let Some(handler) = self.clause(clause) else { continue };
            let guarded = handler.params.iter().any(|param| matches!(param, Param::Guard(_)));
            match complete.get(&key(&handler.export)) {
                Some(before) => {
                    let problem = Problem::new("unreachable", clause.span, "this clause can never run", "an earlier one takes every call");
                    self.problems.push(problem.also(*before, "takes every call").help("clauses with guards come first"));
                }
                None if !guarded => {
                    complete.insert(key(&handler.export), clause.span);
                }
                None => {}
            }
            handlers.push(handler);
        }
        let faults = faults.iter().filter_map(|fault| self.fault_line(fault)).collect();
        Some(GuestKind::Puppet { handlers, faults })
    }

    fn fault_line(&mut self, fault: &syntax::Fault) -> Option<Fault> {
        Some(match fault {
            syntax::Fault::ReallocMisaligned => Fault::ReallocMisaligned,
            syntax::Fault::ReallocOutOfBounds => Fault::ReallocOutOfBounds,
            syntax::Fault::ReallocTrap => Fault::ReallocTrap,
            syntax::Fault::ReallocCalls(path) => Fault::ReallocCalls(self.import(path)?),
            syntax::Fault::StartTrap => Fault::StartTrap,
            syntax::Fault::StartSpin => Fault::StartSpin,
            syntax::Fault::Pages(initial, max) => Fault::Pages(*initial, *max),
        })
    }

    fn clause(&mut self, clause: &syntax::Handler) -> Option<Handler> {
        let export = self.export(&clause.export)?;
        if export.ty.params.len() != clause.params.len() {
            self.wrong_count(&export, clause.params.len(), clause.span);
            return None;
        }
        let mut params = Vec::new();
        let mut bound = Vec::new();
        for (param, (label, ty)) in clause.params.iter().zip(&export.ty.params) {
            params.push(match param {
                syntax::Param::Ignore => Param::Ignore,
                syntax::Param::Bind(name) => {
                    bound.push((name, ty));
                    Param::Bind(name.text.clone())
                }
                syntax::Param::Guard(term) if *ty == Type::String => {
                    let side = std::mem::replace(&mut self.side, Side::Constant);
                    let guard = self.constant(term, ty);
                    self.side = side;
                    match guard? {
                        Value::String(text) => Param::Guard(text),
                        _ => return None,
                    }
                }
                syntax::Param::Guard(term) => {
                    let message = format!("`{label}` is {}: only a string can be guarded", self.describe(ty));
                    self.problems.push(Problem::new("guard", term.span, message, "not a guard").help("bind it by a name or ignore it with `_`"));
                    return None;
                }
            });
        }
        let body = self.handler_body(&clause.body, &bound, &export, clause.span, false);
        Some(Handler { export, params, body, main: false, span: clause.span })
    }

    fn handler_body(&mut self, body: &[syntax::Statement], bound: &[(&Name, &Type)], export: &FunctionRef, span: Span, main: bool) -> Vec<Statement> {
        let scope = std::mem::take(&mut self.scope);
        for (name, ty) in bound {
            self.bind(name, (*ty).clone(), false);
        }
        let statements = self.statements(body, Place { export, quiet: false });
        self.scope = scope;
        let ends = body.last().is_some_and(|statement| ends(&statement.kind));
        if !main && !ends && export.ty.result.is_some() {
            let message = format!("this handler of `{}` ends without a result", export.name);
            let problem = Problem::new("no-return", span, message, format!("returns {}", export.ty.result.as_ref().map(|ty| self.describe(ty)).unwrap_or_default()));
            self.problems.push(problem.help("end it with `return VALUE`, `return transcript`, `trap`, `spin` or `recurse`"));
        }
        statements
    }

    fn statements(&mut self, all: &[syntax::Statement], place: Place<'_>) -> Vec<Statement> {
        let mut checked = Vec::new();
        for (index, statement) in all.iter().enumerate() {
            if let Some(kind) = self.statement(statement, place) {
                checked.push(Statement { kind, span: statement.span });
            }
            if let Some(next) = all.get(index + 1).filter(|_| ends(&statement.kind)) {
                let problem = Problem::new("unreachable", next.span, "this statement can never run", "never reached");
                self.problems.push(problem.also(statement.span, "the handler ends here"));
                break;
            }
        }
        checked
    }

    fn statement(&mut self, statement: &syntax::Statement, place: Place<'_>) -> Option<StatementKind> {
        Some(match &statement.kind {
            syntax::StatementKind::Call { call, expect } => {
                let call_span = call.span;
                let what = call.path.name.text.as_str();
                let call = self.call(call);
                let result = call.as_ref().and_then(Call::result);
                let judged = Judged { ty: result.as_ref(), trap: true, timeout: false, returns: true, what };
                match (call, expect) {
                    // The pattern of a call that is wrong cannot be checked.
                    (None, _) => return None,
                    (Some(call), expect) => StatementKind::Call { call, expect: self.optional(expect.as_ref(), judged, place, call_span)? },
                }
            }
            syntax::StatementKind::Let { name, call } => {
                let span = call.span;
                let what = call.path.name.text.clone();
                let call = self.call(call)?;
                let Some(ty) = call.result() else {
                    self.problems.push(Problem::new("no-result", span, format!("`{what}` returns no value to bind"), "nothing to bind"));
                    return None;
                };
                self.bind(name, ty.clone(), false);
                let pattern = Pattern { ty, kind: PatternKind::Bind(name.text.clone()), span: name.span };
                StatementKind::Call { call, expect: Expectation { outcomes: vec![(None, Outcome::Value(pattern))], span } }
            }
            syntax::StatementKind::Raw { path, words, expect, span } => self.raw(path, words, expect.as_ref(), *span, place)?,
            syntax::StatementKind::Drop { name, expect } => self.drop_handle(name, expect.as_ref(), statement.span, place)?,
            syntax::StatementKind::Expect { value, expect } => {
                let TermKind::Var(name, None) = &value.kind else {
                    let problem = Problem::new("syntax", value.span, "`expect` judges a bound value or a parameter", "expected `$name`");
                    self.problems.push(problem);
                    return None;
                };
                let Some(ty) = self.lookup(&name.text).map(|binding| binding.ty.clone()) else {
                    self.unknown_name(&name.text, name.span);
                    return None;
                };
                let judged = Judged { ty: Some(&ty), trap: false, timeout: false, returns: false, what: &name.text };
                let value = self.value(value, &ty);
                let expect = self.optional(Some(expect), judged, place, statement.span);
                StatementKind::Expect { value: value?, expect: expect? }
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
            syntax::StatementKind::Repeat { count, name, quiet, body } => {
                self.not_empty(body.is_empty(), statement.span);
                let body = self.scoped(|this| {
                    if let Some(name) = name {
                        this.bind(name, Type::U32, true);
                    }
                    this.statements(body, Place { quiet: place.quiet || *quiet, ..place })
                });
                StatementKind::Repeat { count: *count, name: name.as_ref().map(|name| name.text.clone()), quiet: *quiet, body }
            }
            syntax::StatementKind::Until { call, stop, max, body } => {
                let what = call.path.name.clone();
                let call = self.call(call)?;
                let Some(ty) = call.result() else {
                    let message = format!("`{}` returns no value to wait for", what.text);
                    self.problems.push(Problem::new("no-result", what.span, message, "nothing to compare"));
                    return None;
                };
                let stop = self.stop(stop, &ty);
                let body = self.scoped(|this| this.statements(body, place));
                StatementKind::Until { call, stop: stop?, max: max.unwrap_or(UNTIL_TURNS), body }
            }
            syntax::StatementKind::Return(value) => self.return_value(value.as_ref(), statement.span, place)?,
            syntax::StatementKind::ReturnTranscript(span) => {
                if self.contract.world(&self.world).and_then(|world| world.outlet(place.export)).is_none() {
                    let message = format!("`{}` has no way to carry a transcript out", place.export.name);
                    self.problems.push(Problem::new("no-outlet", *span, message, "no outlet").help("return a value"));
                    return None;
                }
                StatementKind::ReturnTranscript
            }
            syntax::StatementKind::RawReturn(word) => StatementKind::RawReturn(self.core_word(word)?),
            syntax::StatementKind::Trap => StatementKind::Trap,
            syntax::StatementKind::Spin => StatementKind::Spin,
            syntax::StatementKind::Recurse => StatementKind::Recurse,
        })
    }

    fn side_channel(&mut self, word: &str, span: Span) -> bool {
        let there = self.contract.side_event.is_some() && self.contract.world(&self.world).is_some_and(|world| world.side.is_some());
        if !there {
            let message = format!("guests of world `{}` have no side channel", self.world);
            self.problems.push(Problem::new("no-side-channel", span, message, format!("no `{word}` here")));
        }
        there
    }

    pub(super) fn not_empty(&mut self, empty: bool, span: Span) {
        if empty {
            self.problems.push(Problem::new("empty-block", span, "a loop without a block", "nothing below it").help("indent what is repeated below it"));
        }
    }

    /// The expectation, or any normal return; a quiet loop has none.
    fn optional(&mut self, expect: Option<&syntax::Expectation>, judged: Judged<'_>, place: Place<'_>, span: Span) -> Option<Expectation> {
        let Some(expect) = expect else {
            return Some(Expectation { outcomes: vec![(None, Outcome::Returns)], span });
        };
        if place.quiet && !only_binds(expect) {
            let problem = Problem::new("quiet", expect.span, "an expectation in a `quiet` loop", "nothing is recorded here");
            self.problems.push(problem.help("take `quiet` away, or expect after the loop; only binding is possible: `=> some(let m)`"));
            return None;
        }
        self.expectation(expect, judged)
    }

    /// A call of an import or an intrinsic.
    pub(super) fn call(&mut self, call: &syntax::Call) -> Option<Call> {
        match self.callee(&call.path)? {
            Callee::Function(function) => {
                let params = function.ty.params.clone();
                let arguments = self.arguments(&function, &params, &call.arguments, call.span)?;
                Some(Call::Function { function, arguments })
            }
            Callee::Method(function, handle) => {
                let params = function.ty.params.get(1..).unwrap_or_default().to_vec();
                let ty = function.ty.params.first().map_or(Type::U32, |(_, ty)| ty.clone());
                let own = Expr { ty, kind: ExprKind::Var(handle.text), span: handle.span };
                let mut arguments = self.arguments(&function, &params, &call.arguments, call.span)?;
                arguments.insert(0, own);
                Some(Call::Function { function, arguments })
            }
            Callee::Grow => match call.arguments.as_slice() {
                [pages] => match self.constant(pages, &Type::U32)? {
                    Value::U32(pages) => Some(Call::Grow(pages)),
                    _ => None,
                },
                other => {
                    let message = format!("`grow` takes the number of pages, found {} arguments", other.len());
                    self.problems.push(Problem::new("argument-count", call.span, message, "expected `grow(PAGES)`"));
                    None
                }
            },
            Callee::Count if call.arguments.is_empty() => Some(Call::Count),
            Callee::Count => {
                self.problems.push(Problem::new("argument-count", call.span, "`count` takes no arguments", "expected `count()`"));
                None
            }
        }
    }

    /// Arguments for these parameters.
    pub(super) fn arguments(&mut self, function: &FunctionRef, params: &[(fixtures::abi::Label, Type)], arguments: &[Term], span: Span) -> Option<Vec<Expr>> {
        if params.len() != arguments.len() {
            let own = FunctionRef { ty: FuncType { params: params.to_vec(), result: None }, ..function.clone() };
            self.wrong_count(&own, arguments.len(), span);
            return None;
        }
        let mut types = params.iter();
        self.each(arguments, |this, argument| this.value(argument, &types.next()?.1))
    }

    fn wrong_count(&mut self, function: &FunctionRef, found: usize, span: Span) {
        let name = function.name.rsplit([']', '.']).next().unwrap_or(&function.name);
        let params: Vec<String> = function.ty.params.iter().map(|(label, ty)| format!("{label}: {}", super::scope::describe(ty, 0))).collect();
        let wanted = params.len();
        let message = format!("`{name}` takes {wanted} argument{}, found {found}", if wanted == 1 { "" } else { "s" });
        self.problems.push(Problem::new("argument-count", span, message, format!("expected `{name}({})`", params.join(", "))));
    }

    fn drop_handle(&mut self, name: &Name, expect: Option<&syntax::Expectation>, span: Span, place: Place<'_>) -> Option<StatementKind> {
        let Some(ty) = self.lookup(&name.text).map(|binding| binding.ty.clone()) else {
            self.unknown_name(&name.text, name.span);
            return None;
        };
        let (Type::Own(resource) | Type::Borrow(resource)) = &ty else {
            let message = format!("`{}` is {}, not a handle", name.text, self.describe(&ty));
            self.problems.push(Problem::new("wrong-type", name.span, message, "nothing to drop"));
            return None;
        };
        let drops = |function: &&FunctionRef| function.name.starts_with("[resource-drop]") && matches!(function.ty.params.first(), Some((_, Type::Own(found))) if found == resource);
        let function = self.contract.world(&self.world).and_then(|world| world.callable().find(drops).cloned());
        let Some(function) = function else {
            self.problems.push(Problem::new("wrong-type", name.span, format!("world `{}` imports no such resource", self.world), "cannot be dropped"));
            return None;
        };
        let judged = Judged { ty: None, trap: true, timeout: false, returns: true, what: "drop" };
        let expect = self.optional(expect, judged, place, span)?;
        Some(StatementKind::Drop { name: name.text.clone(), function, expect })
    }

    fn raw(&mut self, path: &syntax::Path, words: &[syntax::Word], expect: Option<&syntax::Expectation>, span: Span, place: Place<'_>) -> Option<StatementKind> {
        let function = self.import(path)?;
        let wanted = function.ty.flat(Direction::Lower).params.len();
        if wanted != words.len() {
            let message = format!("`{}` takes {wanted} core words, found {}", path.name.text, words.len());
            let problem = Problem::new("argument-count", span, message, format!("expected {wanted} words"));
            self.problems.push(problem.help("a string or list is two words, address and length; a result of more than one word needs `@out` at the end"));
            return None;
        }
        let words: Option<Vec<Word>> = words.iter().map(|word| self.core_word(word)).collect();
        let judged = Judged { ty: function.ty.result.as_ref(), trap: true, timeout: false, returns: true, what: &path.name.text };
        let expect = self.optional(expect, judged, place, span)?;
        Some(StatementKind::Raw { words: words?, expect, function })
    }

    fn core_word(&mut self, word: &syntax::Word) -> Option<Word> {
        Some(match word {
            syntax::Word::Integer(value) => Word::Integer(*value),
            syntax::Word::Out => Word::Out,
            syntax::Word::Var(name) if self.lookup(&name.text).is_some() => Word::Var(name.text.clone()),
            syntax::Word::Var(name) => {
                self.unknown_name(&name.text, name.span);
                return None;
            }
            syntax::Word::Address(term) => match self.constant(term, &Type::List(Type::U8.into()))? {
                Value::Bytes(bytes) => Word::Address(bytes),
                _ => return None,
            },
        })
    }

    fn stop(&mut self, stop: &Term, ty: &Type) -> Option<UntilStop> {
        let shape = match (&stop.kind, ty) {
            (TermKind::Word(word, false), Type::Option(_)) if word == "none" => Some(0),
            (TermKind::Word(word, false), Type::Result(..)) if word == "ok" => Some(0),
            (TermKind::Word(word, false), Type::Result(..)) if word == "err" => Some(1),
            (TermKind::Apply(name, false, arguments), _) if matches!(arguments.as_slice(), [Term { kind: TermKind::Wildcard, .. }]) => match (name.text.as_str(), ty) {
                ("some", Type::Option(_)) => Some(1),
                ("ok", Type::Result(..)) => Some(0),
                ("err", Type::Result(..)) => Some(1),
                (name, Type::Variant(cases)) => cases.iter().position(|case| &*case.name == name).and_then(|index| u32::try_from(index).ok()),
                _ => None,
            },
            _ => None,
        };
        if let Some(index) = shape {
            return Some(UntilStop::Discriminant(index));
        }
        if *ty == Type::Bool || is_integer(ty) || matches!(ty, Type::Enum(_)) {
            return self.constant(stop, ty).map(UntilStop::Equals);
        }
        let message = format!("`until` cannot wait for this value of {}", self.describe(ty));
        let problem = Problem::new("until", stop.span, message, "expected a shape or a scalar");
        self.problems.push(problem.help("`some(_)`, `none`, `ok(_)`, `err(_)`, or a bool, whole number or enum case"));
        None
    }

    fn return_value(&mut self, value: Option<&Term>, span: Span, place: Place<'_>) -> Option<StatementKind> {
        match (value, &place.export.ty.result) {
            (None, None) => Some(StatementKind::Return(None)),
            (Some(value), Some(ty)) => self.value(value, ty).map(|value| StatementKind::Return(Some(value))),
            (Some(value), None) => {
                let message = format!("`{}` has no result", place.export.name);
                self.problems.push(Problem::new("no-result", value.span, message, "nothing can be returned").help("write `return` alone"));
                None
            }
            (None, Some(ty)) => {
                let ty = self.describe(ty);
                let problem = Problem::new("no-return", span, format!("`{}` returns {ty}", place.export.name), format!("expected `return` and {ty}"));
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Whether an expectation only binds: `some(let m)`.
fn only_binds(expect: &syntax::Expectation) -> bool {
    fn binds(term: &Term) -> bool {
        match &term.kind {
            TermKind::Pattern(syntax::Pattern::Let(_)) => true,
            TermKind::Apply(_, _, arguments) => matches!(arguments.as_slice(), [inner] if binds(inner)),
            _ => false,
        }
    }
    matches!(expect.outcomes.as_slice(), [(None, syntax::Outcome::Value(term))] if binds(term))
}

fn key(export: &FunctionRef) -> (Option<String>, String) {
    (export.interface.clone(), export.name.clone())
}

/// Whether nothing can run after it.
fn ends(kind: &syntax::StatementKind) -> bool {
    use syntax::StatementKind as Kind;
    matches!(kind, Kind::Return(_) | Kind::ReturnTranscript(_) | Kind::RawReturn(_) | Kind::Trap | Kind::Spin | Kind::Recurse)
}
