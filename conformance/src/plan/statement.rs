//! Compiles statements: each leaves one record when it is done, unless it lies in a quiet block.

use fixtures::{
    abi::{self, MAX_FLAT_PARAMS, Type, flatten},
    puppet::{Arith, Op, Operand},
};

use super::{
    Node, PlanError, Read, Step,
    handler::{Compiler, Place},
    value::discriminant_width,
};
use crate::case::model::{
    Call, Expectation, Expr, ExprKind, FunctionRef, Outcome, Span, Statement, StatementKind,
    UntilStop, Word,
};

impl Compiler<'_> {
    pub(super) fn statements(&mut self, body: &[Statement]) -> Result<Vec<Node>, PlanError> {
        let mut nodes = Vec::new();
        for statement in body {
            if let Some(node) = self.statement(statement)? {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Option<Node>, PlanError> {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Call { call, expect } => {
                self.flush_before_trap(expect, span)?;
                let place = self.call(call, span)?;
                if call.is_silent(expect) {
                    self.bind_outcomes(&expect.outcomes, place.as_ref())?;
                    return Ok(None);
                }
                let node = self.record(
                    span,
                    label(call),
                    call.result(),
                    place.as_ref(),
                    expect,
                    None,
                );
                self.bind_outcomes(&expect.outcomes, place.as_ref())?;
                Ok(node)
            }
            StatementKind::Raw {
                function,
                words,
                expect,
            } => {
                self.flush_before_trap(expect, span)?;
                let place = self.raw(function, words, span)?;
                let ty = place
                    .is_some()
                    .then(|| function.ty.result.clone())
                    .flatten();
                let node = self.record(
                    span,
                    format!("raw {}", function.name),
                    ty,
                    place.as_ref(),
                    expect,
                    None,
                );
                self.bind_outcomes(&expect.outcomes, place.as_ref())?;
                Ok(node)
            }
            StatementKind::Drop {
                name,
                function,
                expect,
            } => {
                self.flush_before_trap(expect, span)?;
                let handle = self.var_words(name, span)?;
                let import = self.import(function, span)?;
                self.program.push(Op::Call {
                    import,
                    args: handle,
                    dst: None,
                });
                Ok(self.record(span, format!("drop {name}"), None, None, expect, None))
            }
            StatementKind::Expect { value, expect } => {
                let (place, label) = match &value.kind {
                    ExprKind::Var(name) if self.scope.vars.contains_key(name) => {
                        (self.scope.vars[name].0.clone(), format!("${name}"))
                    }
                    _ => (Place::Words(self.expr_words(value)?), "value".to_owned()),
                };
                let node = self.record(
                    span,
                    label,
                    Some(value.ty.clone()),
                    Some(&place),
                    expect,
                    None,
                );
                self.bind_outcomes(&expect.outcomes, Some(&place))?;
                Ok(node)
            }
            StatementKind::Signal(name) => self.signal(name, span).map(|()| None),
            StatementKind::Flush => self.flush(span).map(|()| None),
            StatementKind::Repeat {
                count,
                name,
                quiet,
                body,
            } => self.repeat_block(*count, name.as_deref(), *quiet, body),
            StatementKind::Until {
                call,
                stop,
                max,
                body,
            } => self.until(call, stop, *max, body, span),
            StatementKind::Return(value) => {
                if self.scope.unflushed {
                    self.flush(span)?;
                }
                self.return_value(value.as_ref(), span)?;
                Ok(Some(Node::Return))
            }
            StatementKind::ReturnTranscript => {
                self.return_transcript(span)?;
                Ok(Some(Node::Return))
            }
            StatementKind::RawReturn(word) => {
                if self.scope.unflushed {
                    self.flush(span)?;
                }
                let word = self.raw_word(word, Operand::Imm(0), span)?;
                self.program.push(Op::Return { value: Some(word) });
                Ok(Some(Node::Return))
            }
            StatementKind::Trap => self.stop(Op::Trap, span),
            StatementKind::Spin => self.stop(Op::Spin, span),
            StatementKind::Recurse => self.stop(Op::Recurse, span),
        }
    }

    fn stop(&mut self, op: Op, span: Span) -> Result<Option<Node>, PlanError> {
        if self.scope.unflushed {
            self.flush(span)?;
        }
        self.program.push(op);
        Ok(Some(Node::Stop(span)))
    }

    fn flush_before_trap(&mut self, expect: &Expectation, span: Span) -> Result<(), PlanError> {
        // A world without a side channel has one such statement a clause at most.
        match expect.may_trap() && self.declared.side.is_some() {
            true => self.flush(span),
            false => Ok(()),
        }
    }

    /// Leaves a record of a value, and the step that tells how to read it.
    fn record(
        &mut self,
        span: Span,
        label: String,
        ty: Option<Type>,
        place: Option<&Place>,
        expect: &Expectation,
        until: Option<(u32, Operand)>,
    ) -> Option<Node> {
        if self.scope.quiet > 0 {
            return None;
        }
        let mut words: Vec<Operand> = until.iter().map(|(_, turns)| *turns).collect();
        let read = match place {
            _ if ty.is_none() => Read::Nothing,
            None => Read::Nothing,
            Some(Place::Words(flat)) => {
                words.extend(flat.iter().copied());
                Read::Words
            }
            Some(Place::Memory { base, offset }) => {
                let address = self.program.slot();
                let offset = Operand::Imm(u64::from(*offset));
                self.program.push(Op::Arith {
                    op: Arith::Add,
                    dst: address,
                    a: *base,
                    b: offset,
                });
                words.push(Operand::Slot(address));
                Read::Memory
            }
        };
        let index = self.steps.len();
        self.steps.push(Step {
            span,
            label,
            ty,
            read,
            expect: expect.clone(),
            until: until.map(|(max, _)| max),
        });
        self.program.push(Op::Log {
            step: index as u32,
            words,
        });
        self.scope.unflushed = true;
        Some(Node::Step(index))
    }

    fn call(&mut self, call: &Call, span: Span) -> Result<Option<Place>, PlanError> {
        match call {
            Call::Function {
                function,
                arguments,
            } => self.call_import(function, arguments, span),
            intrinsic => self.intrinsic(intrinsic, span),
        }
    }

    /// Calls an import with honest words; where its result lies.
    pub(super) fn call_import(
        &mut self,
        function: &FunctionRef,
        arguments: &[Expr],
        span: Span,
    ) -> Result<Option<Place>, PlanError> {
        let import = self.import(function, span)?;
        let flat: usize = arguments
            .iter()
            .map(|argument| flatten(&argument.ty).len())
            .sum();
        let mut args = Vec::new();
        if flat > MAX_FLAT_PARAMS {
            let types: Vec<Type> = arguments
                .iter()
                .map(|argument| argument.ty.clone())
                .collect();
            let address = self.expr_memory(&Type::Tuple(types.into()), arguments, span)?;
            args.push(Operand::Imm(u64::from(address)));
        } else {
            for argument in arguments {
                args.extend(self.expr_words(argument)?);
            }
        }
        let Some(result) = &function.ty.result else {
            self.program.push(Op::Call {
                import,
                args,
                dst: None,
            });
            return Ok(None);
        };
        if flatten(result).len() > 1 {
            let area = self.alloc(
                Operand::Imm(u64::from(abi::size(result))),
                abi::align(result),
            );
            args.push(Operand::Slot(area));
            self.program.push(Op::Call {
                import,
                args,
                dst: None,
            });
            return Ok(Some(Place::Memory {
                base: Operand::Slot(area),
                offset: 0,
            }));
        }
        let dst = self.program.slot();
        self.program.push(Op::Call {
            import,
            args,
            dst: Some(dst),
        });
        Ok(Some(Place::Words(vec![Operand::Slot(dst)])))
    }

    fn raw(
        &mut self,
        function: &FunctionRef,
        words: &[Word],
        span: Span,
    ) -> Result<Option<Place>, PlanError> {
        let import = self.import(function, span)?;
        let declared = &self.world.imports()[import];
        if declared.params.len() != words.len() {
            return Err(PlanError::new(
                span,
                format!(
                    "`{}` takes {} core words, here are {}",
                    function.name,
                    declared.params.len(),
                    words.len()
                ),
            ));
        }
        let returns = !declared.results.is_empty();
        let result = function.ty.result.as_ref();
        let out = result
            .filter(|_| words.iter().any(|word| matches!(word, Word::Out)))
            .map(|ty| self.alloc(Operand::Imm(u64::from(abi::size(ty))), abi::align(ty)));
        let out_word = out.map_or(Operand::Imm(0), Operand::Slot);
        let args = words
            .iter()
            .map(|word| self.raw_word(word, out_word, span))
            .collect::<Result<_, _>>()?;
        let dst = returns.then(|| self.program.slot());
        self.program.push(Op::Call { import, args, dst });
        Ok(match (dst, out) {
            (Some(dst), _) => Some(Place::Words(vec![Operand::Slot(dst)])),
            (None, Some(area)) => Some(Place::Memory {
                base: Operand::Slot(area),
                offset: 0,
            }),
            (None, None) => None,
        })
    }

    /// Returns from the export with this value.
    pub(super) fn return_value(
        &mut self,
        value: Option<&Expr>,
        span: Span,
    ) -> Result<(), PlanError> {
        let word = match value {
            None => None,
            Some(value) if flatten(&value.ty).len() > 1 => {
                let address = self.expr_memory(&value.ty, std::slice::from_ref(value), span)?;
                Some(Operand::Imm(u64::from(address)))
            }
            Some(value) => self.expr_words(value)?.first().copied(),
        };
        self.program.push(Op::Return { value: word });
        Ok(())
    }

    fn repeat_block(
        &mut self,
        count: u32,
        name: Option<&str>,
        quiet: bool,
        body: &[Statement],
    ) -> Result<Option<Node>, PlanError> {
        let counter = self.program.slot();
        let (top, end) = (self.program.label(), self.program.label());
        let mark = self.program.slot();
        self.program.push(Op::Set {
            dst: counter,
            src: Operand::Imm(0),
        });
        if quiet {
            self.program.push(Op::HeapMark { dst: mark });
            self.scope.quiet += 1;
        }
        let outer = name.and_then(|name| self.scope.loops.insert(name.to_owned(), counter));
        self.program.place(top);
        let more = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::LtU,
            dst: more,
            a: Operand::Slot(counter),
            b: Operand::Imm(u64::from(count)),
        });
        self.unless(more, end);
        let nodes = self.statements(body)?;
        if quiet {
            self.program.push(Op::HeapReset {
                src: Operand::Slot(mark),
            });
        }
        self.add(counter, Operand::Imm(1));
        self.program.push(Op::Jump { to: top });
        self.program.place(end);
        if quiet {
            self.scope.quiet -= 1;
        }
        if let Some(name) = name {
            match outer {
                Some(slot) => self.scope.loops.insert(name.to_owned(), slot),
                None => self.scope.loops.remove(name),
            };
        }
        Ok((!nodes.is_empty()).then(|| Node::Loop {
            count,
            name: name.map(str::to_owned),
            body: nodes,
        }))
    }

    fn until(
        &mut self,
        call: &Call,
        stop: &UntilStop,
        max: u32,
        body: &[Statement],
        span: Span,
    ) -> Result<Option<Node>, PlanError> {
        let (turns, mark) = (self.program.slot(), self.program.slot());
        let (top, done) = (self.program.label(), self.program.label());
        self.program.push(Op::Set {
            dst: turns,
            src: Operand::Imm(0),
        });
        self.program.push(Op::HeapMark { dst: mark });
        self.program.place(top);
        self.program.push(Op::HeapReset {
            src: Operand::Slot(mark),
        });
        let place = self
            .call(call, span)?
            .ok_or_else(|| PlanError::new(span, "`until` needs a call with a result"))?;
        let ty = call
            .result()
            .ok_or_else(|| PlanError::new(span, "`until` needs a call with a result"))?;
        let (word, wanted) = match (stop, &place) {
            (UntilStop::Equals(value), Place::Words(words)) => {
                let expr = Expr {
                    ty: ty.clone(),
                    kind: ExprKind::Const(value.clone()),
                    span,
                };
                (
                    words.first().copied(),
                    self.expr_words(&expr)?.first().copied(),
                )
            }
            (UntilStop::Discriminant(case), Place::Words(words)) => {
                (words.first().copied(), Some(Operand::Imm(u64::from(*case))))
            }
            (UntilStop::Discriminant(case), Place::Memory { base, offset }) => {
                let found = self.load(*base, *offset, discriminant_width(&ty));
                (Some(found), Some(Operand::Imm(u64::from(*case))))
            }
            (UntilStop::Equals(_), Place::Memory { .. }) => {
                return Err(PlanError::new(
                    span,
                    "`until` compares with a scalar, or a shape such as `some(_)`",
                ));
            }
        };
        let (Some(word), Some(wanted)) = (word, wanted) else {
            return Err(PlanError::new(span, "`until` needs a call with a result"));
        };
        let equal = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::Eq,
            dst: equal,
            a: word,
            b: wanted,
        });
        self.program.push(Op::Branch {
            cond: Operand::Slot(equal),
            to: done,
        });
        self.add(turns, Operand::Imm(1));
        let enough = self.program.slot();
        let most = Operand::Imm(u64::from(max));
        self.program.push(Op::Arith {
            op: Arith::GeU,
            dst: enough,
            a: Operand::Slot(turns),
            b: most,
        });
        if self.scope.quiet > 0 {
            // Nothing is recorded here, so giving up must be loud.
            let go_on = self.program.label();
            self.unless(enough, go_on);
            self.program.push(Op::Trap);
            self.program.place(go_on);
        } else {
            self.program.push(Op::Branch {
                cond: Operand::Slot(enough),
                to: done,
            });
        }
        self.scope.quiet += 1;
        self.statements(body)?;
        self.scope.quiet -= 1;
        self.program.push(Op::Jump { to: top });
        self.program.place(done);
        let any = Expectation {
            outcomes: vec![(None, Outcome::Returns)],
            span,
        };
        let label = format!("until {}", label(call));
        Ok(self.record(
            span,
            label,
            Some(ty),
            Some(&place),
            &any,
            Some((max, Operand::Slot(turns))),
        ))
    }
}

fn label(call: &Call) -> String {
    match call {
        Call::Function { function, .. } => function.name.clone(),
        Call::Grow(pages) => format!("grow({pages})"),
        Call::Count => "count()".to_owned(),
        Call::Keep { name, .. } => format!("keep({name})"),
        Call::Kept(name) => format!("kept({name})"),
        Call::JsonNumber { member, .. } => format!("json-number({member})"),
        Call::JsonText { member, .. } => format!("json-text({member})"),
    }
}
