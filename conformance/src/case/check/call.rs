//! Calls of guests: imports, intrinsics, raw core words, and what `until` waits for.

use fixtures::abi::{Direction, FuncType, Label, Type, Value};

use super::super::{
    diagnostic::Problem,
    model::{Call, Expr, ExprKind, FunctionRef, Span, StatementKind, UntilStop, Word},
};
use super::{
    Checker,
    pattern::Judged,
    resolve::Callee,
    scope::is_integer,
    statement::Place,
    syntax::{self, Name, Term, TermKind},
};

impl Checker<'_> {
    /// A call of an import or an intrinsic.
    pub(super) fn call(&mut self, call: &syntax::Call) -> Option<Call> {
        match self.callee(&call.path)? {
            Callee::Function(function) => {
                let params = function.ty.params.clone();
                let arguments = self.arguments(&function, &params, &call.arguments, call.span)?;
                Some(Call::Function {
                    function,
                    arguments,
                })
            }
            Callee::Method(function, handle) => {
                let params = function.ty.params.get(1..).unwrap_or_default().to_vec();
                let ty = function
                    .ty
                    .params
                    .first()
                    .map_or(Type::U32, |(_, ty)| ty.clone());
                let own = Expr {
                    ty,
                    kind: ExprKind::Var(handle.text),
                    span: handle.span,
                };
                let mut arguments =
                    self.arguments(&function, &params, &call.arguments, call.span)?;
                arguments.insert(0, own);
                Some(Call::Function {
                    function,
                    arguments,
                })
            }
            Callee::Grow => match call.arguments.as_slice() {
                [pages] => match self.constant(pages, &Type::U32)? {
                    Value::U32(pages) => Some(Call::Grow(pages)),
                    _ => None,
                },
                other => {
                    let message = format!(
                        "`grow` takes the number of pages, found {} arguments",
                        other.len()
                    );
                    self.wrong_intrinsic(call, &message, "grow(PAGES)")
                }
            },
            Callee::Count => match call.arguments.as_slice() {
                [] => Some(Call::Count),
                _ => self.wrong_intrinsic(call, "`count` takes no arguments", "count()"),
            },
            Callee::Keep => match call.arguments.as_slice() {
                [name, value] => {
                    let name = self.constant_text(name);
                    let value = self.value(value, &Type::String);
                    Some(Call::Keep {
                        name: name?,
                        value: value?,
                    })
                }
                _ => self.wrong_intrinsic(
                    call,
                    "`keep` takes a name and a text",
                    "keep(\"NAME\", TEXT)",
                ),
            },
            Callee::Kept => match call.arguments.as_slice() {
                [name] => self.constant_text(name).map(Call::Kept),
                _ => self.wrong_intrinsic(call, "`kept` takes a name", "kept(\"NAME\")"),
            },
            Callee::JsonNumber => {
                let (text, member) = self.member(call, "json-number")?;
                Some(Call::JsonNumber { text, member })
            }
            Callee::JsonText => {
                let (text, member) = self.member(call, "json-text")?;
                Some(Call::JsonText { text, member })
            }
        }
    }

    /// The arguments of an intrinsic that looks a member up in a JSON text.
    fn member(&mut self, call: &syntax::Call, intrinsic: &str) -> Option<(Expr, String)> {
        let [text, member] = call.arguments.as_slice() else {
            self.wrong_intrinsic(
                call,
                &format!("`{intrinsic}` takes a JSON text and the name of a member"),
                &format!("{intrinsic}(TEXT, \"MEMBER\")"),
            );
            return None;
        };
        let text = self.value(text, &Type::String);
        let member = self.constant_text(member);
        Some((text?, member?))
    }

    fn wrong_intrinsic(
        &mut self,
        call: &syntax::Call,
        message: &str,
        expected: &str,
    ) -> Option<Call> {
        let expected = format!("expected `{expected}`");
        self.problems
            .push(Problem::new("argument-count", call.span, message, expected));
        None
    }

    fn constant_text(&mut self, term: &Term) -> Option<String> {
        match self.constant(term, &Type::String)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Arguments for these parameters.
    pub(super) fn arguments(
        &mut self,
        function: &FunctionRef,
        params: &[(Label, Type)],
        arguments: &[Term],
        span: Span,
    ) -> Option<Vec<Expr>> {
        if params.len() != arguments.len() {
            let own = FunctionRef {
                ty: FuncType {
                    params: params.to_vec(),
                    result: None,
                },
                ..function.clone()
            };
            self.wrong_count(&own, arguments.len(), span);
            return None;
        }
        let mut types = params.iter();
        self.each(arguments, |this, argument| {
            this.value(argument, &types.next()?.1)
        })
    }

    pub(super) fn wrong_count(&mut self, function: &FunctionRef, found: usize, span: Span) {
        let name = function
            .name
            .rsplit([']', '.'])
            .next()
            .unwrap_or(&function.name);
        let params: Vec<String> = function
            .ty
            .params
            .iter()
            .map(|(label, ty)| format!("{label}: {}", super::scope::describe(ty, 0)))
            .collect();
        let wanted = params.len();
        let message = format!(
            "`{name}` takes {wanted} argument{}, found {found}",
            if wanted == 1 { "" } else { "s" }
        );
        self.problems.push(Problem::new(
            "argument-count",
            span,
            message,
            format!("expected `{name}({})`", params.join(", ")),
        ));
    }

    pub(super) fn drop_handle(
        &mut self,
        name: &Name,
        expect: Option<&syntax::Expectation>,
        span: Span,
        place: Place<'_>,
    ) -> Option<StatementKind> {
        let Some(ty) = self.lookup(&name.text).map(|binding| binding.ty.clone()) else {
            self.unknown_name(&name.text, name.span);
            return None;
        };
        let (Type::Own(resource) | Type::Borrow(resource)) = &ty else {
            let message = format!("`{}` is {}, not a handle", name.text, self.describe(&ty));
            self.problems.push(Problem::new(
                "wrong-type",
                name.span,
                message,
                "nothing to drop",
            ));
            return None;
        };
        let drops = |function: &&FunctionRef| {
            function.name.starts_with("[resource-drop]")
                && matches!(function.ty.params.first(), Some((_, Type::Own(found))) if found == resource)
        };
        let function = self
            .contract
            .world(&self.world)
            .and_then(|world| world.callable().find(drops).cloned());
        let Some(function) = function else {
            self.problems.push(Problem::new(
                "wrong-type",
                name.span,
                format!("world `{}` imports no such resource", self.world),
                "cannot be dropped",
            ));
            return None;
        };
        let judged = Judged {
            ty: None,
            trap: true,
            timeout: false,
            returns: true,
            what: "drop",
        };
        let expect = self.optional(expect, judged, place, span)?;
        Some(StatementKind::Drop {
            name: name.text.clone(),
            function,
            expect,
        })
    }

    pub(super) fn raw(
        &mut self,
        path: &syntax::Path,
        words: &[syntax::Word],
        expect: Option<&syntax::Expectation>,
        span: Span,
        place: Place<'_>,
    ) -> Option<StatementKind> {
        let function = self.import(path)?;
        let wanted = function.ty.flat(Direction::Lower).params.len();
        if wanted != words.len() {
            let message = format!(
                "`{}` takes {wanted} core words, found {}",
                path.name.text,
                words.len()
            );
            let problem = Problem::new(
                "argument-count",
                span,
                message,
                format!("expected {wanted} words"),
            );
            self.problems.push(problem.help("a string or list is two words, address and length; a result of more than one word needs `@out` at the end"));
            return None;
        }
        let words: Option<Vec<Word>> = words.iter().map(|word| self.core_word(word)).collect();
        let judged = Judged {
            ty: function.ty.result.as_ref(),
            trap: true,
            timeout: false,
            returns: true,
            what: &path.name.text,
        };
        let expect = self.optional(expect, judged, place, span)?;
        Some(StatementKind::Raw {
            words: words?,
            expect,
            function,
        })
    }

    pub(super) fn core_word(&mut self, word: &syntax::Word) -> Option<Word> {
        Some(match word {
            syntax::Word::Integer(value) => Word::Integer(*value),
            syntax::Word::Out => Word::Out,
            syntax::Word::Var(name) if self.lookup(&name.text).is_some() => {
                Word::Var(name.text.clone())
            }
            syntax::Word::Var(name) => {
                self.unknown_name(&name.text, name.span);
                return None;
            }
            syntax::Word::Address(term) => {
                match self.constant(term, &Type::List(Type::U8.into()))? {
                    Value::Bytes(bytes) => Word::Address(bytes),
                    _ => return None,
                }
            }
        })
    }

    pub(super) fn stop(&mut self, stop: &Term, ty: &Type) -> Option<UntilStop> {
        let shape = match (&stop.kind, ty) {
            (TermKind::Word(word, false), Type::Option(_)) if word == "none" => Some(0),
            (TermKind::Word(word, false), Type::Result(..)) if word == "ok" => Some(0),
            (TermKind::Word(word, false), Type::Result(..)) if word == "err" => Some(1),
            (TermKind::Apply(name, false, arguments), _)
                if matches!(
                    arguments.as_slice(),
                    [Term {
                        kind: TermKind::Wildcard,
                        ..
                    }]
                ) =>
            {
                match (name.text.as_str(), ty) {
                    ("some", Type::Option(_)) => Some(1),
                    ("ok", Type::Result(..)) => Some(0),
                    ("err", Type::Result(..)) => Some(1),
                    (name, Type::Variant(cases)) => cases
                        .iter()
                        .position(|case| &*case.name == name)
                        .and_then(|index| u32::try_from(index).ok()),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(index) = shape {
            return Some(UntilStop::Discriminant(index));
        }
        if *ty == Type::Bool || is_integer(ty) || matches!(ty, Type::Enum(_)) {
            return self.constant(stop, ty).map(UntilStop::Equals);
        }
        let message = format!(
            "`until` cannot wait for this value of {}",
            self.describe(ty)
        );
        let problem = Problem::new("until", stop.span, message, "expected a shape or a scalar");
        self.problems
            .push(problem.help(
                "`some(_)`, `none`, `ok(_)`, `err(_)`, or a bool, whole number or enum case",
            ));
        None
    }
}
