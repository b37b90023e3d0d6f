//! Compiles the handlers of a guest: which clause runs, and how it ends.

use std::collections::HashMap;

use fixtures::{
    abi::{CoreType, FuncType, Type, flatten},
    puppet::{self, Arith, Label, Op, Operand, Program, Slot},
};

use super::{
    Clause, Node, PlanError, Step, Surroundings, bind::part_places, intrinsic::Keeper,
    transcript_prefix,
};
use crate::{
    case::model::{Call, Expr, FunctionRef, Guest, Handler, Param, Span},
    contract::World,
};

/// Where a bound value lives while the guest runs.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In registers, as flat words.
    Words(Vec<Operand>),
    /// In memory.
    Memory { base: Operand, offset: u32 },
}

/// Compiles one guest.
pub(super) struct Compiler<'a> {
    pub(super) guest: &'a Guest,
    pub(super) declared: &'a World,
    pub(super) world: &'a puppet::World,
    pub(super) surroundings: &'a Surroundings,
    pub(super) program: Program,
    pub(super) steps: Vec<Step>,
    pub(super) clauses: Vec<Clause>,
    pub(super) keepers: HashMap<String, Keeper>,
    pub(super) scope: Scope,
}

/// What is known inside one clause.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) vars: HashMap<String, (Place, Type)>,
    pub(super) loops: HashMap<String, Slot>,
    /// Where a binding that does not fit jumps to, once one is made that may not fit.
    pub(super) bail: Option<Label>,
    /// How many quiet blocks lie around.
    pub(super) quiet: u32,
    /// Whether records have been left that no flush has handed out.
    pub(super) unflushed: bool,
    pub(super) clause: usize,
    pub(super) export: Option<FunctionRef>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        guest: &'a Guest,
        declared: &'a World,
        world: &'a puppet::World,
        surroundings: &'a Surroundings,
    ) -> Self {
        Compiler {
            guest,
            declared,
            world,
            surroundings,
            program: Program::new(),
            steps: Vec::new(),
            clauses: Vec::new(),
            keepers: HashMap::new(),
            scope: Scope::default(),
        }
    }

    pub(super) fn finish(self) -> (Program, Vec<Clause>, Vec<Step>) {
        (self.program, self.clauses, self.steps)
    }

    /// Compiles all clauses; those of one export stand behind one entry point, in order.
    pub(super) fn handlers(&mut self, handlers: &[Handler]) -> Result<(), PlanError> {
        let mut done: Vec<&FunctionRef> = Vec::new();
        for handler in handlers {
            if done.contains(&&handler.export) {
                continue;
            }
            done.push(&handler.export);
            let index = self.export(&handler.export, handler.span)?;
            let words: Vec<Operand> = self
                .program
                .entry(index)
                .into_iter()
                .map(Operand::Slot)
                .collect();
            for clause in handlers
                .iter()
                .filter(|other| other.export == handler.export)
            {
                self.clause(clause, &words)?;
            }
            self.program.push(Op::Trap);
        }
        Ok(())
    }

    /// Exports for which the contract knows an answer return it where the case has no handler.
    pub(super) fn defaults(&mut self, handlers: &[Handler]) -> Result<(), PlanError> {
        for (export, value) in &self.declared.defaults {
            if handlers.iter().any(|handler| handler.export == *export) {
                continue;
            }
            self.scope = Scope::default();
            let index = self.export(export, self.guest.span)?;
            self.program.entry(index);
            self.return_value(value.as_ref(), self.guest.span)?;
        }
        Ok(())
    }

    fn clause(&mut self, handler: &Handler, words: &[Operand]) -> Result<(), PlanError> {
        let next = self.program.label();
        self.scope = Scope {
            clause: self.clauses.len(),
            export: Some(handler.export.clone()),
            ..Scope::default()
        };
        let places = parameter_places(&handler.export.ty, words);
        for ((param, place), (_, ty)) in handler
            .params
            .iter()
            .zip(places)
            .zip(&handler.export.ty.params)
        {
            self.param(param, place, ty, next, handler.span)?;
        }
        let mut nodes = self.statements(&handler.body)?;
        let returned = matches!(nodes.last(), Some(Node::Return | Node::Stop(_)));
        if !returned {
            nodes.push(Node::Return);
        }
        self.clauses.push(Clause {
            export: handler.export.name.clone(),
            main: handler.main,
            nodes,
            span: handler.span,
        });
        if !returned {
            if handler.main {
                self.return_transcript(handler.span)?;
            } else if handler.export.ty.result.is_none() {
                // Nothing carries the transcript out with the end of such an export.
                if self.scope.unflushed {
                    self.flush(handler.span)?;
                }
                self.program.push(Op::Return { value: None });
            } else {
                return Err(PlanError::new(
                    handler.span,
                    format!(
                        "`{}` has a result: the clause must end in `return`",
                        handler.export.name
                    ),
                ));
            }
        }
        if let Some(bail) = self.scope.bail {
            self.program.place(bail);
            if self.outlet(handler.span).is_ok() {
                self.return_transcript(handler.span)?;
            } else {
                self.flush(handler.span)?;
                self.program.push(Op::Trap);
            }
        }
        self.program.place(next);
        Ok(())
    }

    /// Binds a parameter, or jumps to the next clause where its guard does not hold.
    fn param(
        &mut self,
        param: &Param,
        place: Place,
        ty: &Type,
        next: Label,
        span: Span,
    ) -> Result<(), PlanError> {
        match param {
            Param::Ignore => Ok(()),
            Param::Bind(name) => {
                self.scope.vars.insert(name.clone(), (place, ty.clone()));
                Ok(())
            }
            Param::Guard(text) => self.guard(text, &place, next, span),
            Param::Fields(fields) => {
                let types: Vec<Type> = match ty {
                    Type::Record(declared) => {
                        declared.iter().map(|field| field.ty.clone()).collect()
                    }
                    _ => Vec::new(),
                };
                let places = part_places(&types, &place);
                for ((field, place), ty) in fields.iter().zip(places).zip(&types) {
                    self.param(field, place, ty, next, span)?;
                }
                Ok(())
            }
        }
    }

    fn guard(
        &mut self,
        text: &str,
        place: &Place,
        next: Label,
        span: Span,
    ) -> Result<(), PlanError> {
        let words = self.words(place, &Type::String, span)?;
        let (Some(&ptr), Some(&len)) = (words.first(), words.get(1)) else {
            return Err(PlanError::new(span, "a guard needs a string parameter"));
        };
        let address = self.program.place_bytes(text.as_bytes(), 1);
        let equal = self.program.slot();
        self.program.push(Op::Equal {
            dst: equal,
            a: ptr,
            a_len: len,
            b: Operand::Imm(u64::from(address)),
            b_len: Operand::Imm(text.len() as u64),
        });
        self.unless(equal, next);
        Ok(())
    }

    /// Jumps when the slot holds 0.
    pub(super) fn unless(&mut self, slot: Slot, to: Label) {
        let zero = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::Eq,
            dst: zero,
            a: Operand::Slot(slot),
            b: Operand::Imm(0),
        });
        self.program.push(Op::Branch {
            cond: Operand::Slot(zero),
            to,
        });
    }

    /// Ends the export with its transcript, through the contract's outlet.
    pub(super) fn return_transcript(&mut self, span: Span) -> Result<(), PlanError> {
        let outlet = self.outlet(span)?;
        let (ptr, len) = self.dump();
        self.with_text(ptr, len, |this| this.return_value(Some(&outlet), span))
    }

    fn outlet(&self, span: Span) -> Result<Expr, PlanError> {
        let export = self.scope.export.as_ref();
        export.and_then(|export| self.declared.outlet(export)).cloned().ok_or_else(|| {
            PlanError::new(span, "the contract names no outlet for this export: return a value, and `flush` before")
        })
    }

    /// Hands out the transcript so far through the side channel and forgets it.
    pub(super) fn flush(&mut self, span: Span) -> Result<(), PlanError> {
        let (ptr, len) = self.dump();
        self.side(ptr, len, span)?;
        self.program.push(Op::ClearLog);
        self.scope.unflushed = false;
        Ok(())
    }

    pub(super) fn signal(&mut self, name: &str, span: Span) -> Result<(), PlanError> {
        let text = format!("{}{name}", super::SIGNAL);
        let address = self.program.place_bytes(text.as_bytes(), 1);
        self.side(
            Operand::Imm(u64::from(address)),
            Operand::Imm(text.len() as u64),
            span,
        )
    }

    fn side(&mut self, ptr: Operand, len: Operand, span: Span) -> Result<(), PlanError> {
        let Some(Call::Function {
            function,
            arguments,
        }) = &self.declared.side
        else {
            return Err(PlanError::new(
                span,
                "the contract names no side channel for this world",
            ));
        };
        self.with_text(ptr, len, |this| {
            this.call_import(function, arguments, span).map(drop)
        })
    }

    /// Leaves the transcript as text: its address and length.
    fn dump(&mut self) -> (Operand, Operand) {
        let prefix = transcript_prefix(&self.guest.name, self.scope.clause);
        let address = self.program.place_bytes(prefix.as_bytes(), 1);
        let (ptr, len) = (self.program.slot(), self.program.slot());
        self.program.push(Op::Dump {
            prefix: Operand::Imm(u64::from(address)),
            prefix_len: Operand::Imm(prefix.len() as u64),
            ptr,
            len,
        });
        (Operand::Slot(ptr), Operand::Slot(len))
    }

    /// Compiles with the contract's `$text` bound to this text; a variable of the case with that name is kept.
    fn with_text(
        &mut self,
        ptr: Operand,
        len: Operand,
        compile: impl FnOnce(&mut Self) -> Result<(), PlanError>,
    ) -> Result<(), PlanError> {
        let text = (Place::Words(vec![ptr, len]), Type::String);
        let kept = self.scope.vars.insert("text".to_owned(), text);
        let result = compile(self);
        match kept {
            Some(kept) => self.scope.vars.insert("text".to_owned(), kept),
            None => self.scope.vars.remove("text"),
        };
        result
    }

    pub(super) fn import(&self, function: &FunctionRef, span: Span) -> Result<usize, PlanError> {
        self.world
            .imports()
            .iter()
            .position(|import| {
                import.interface == function.interface && import.name == function.name
            })
            .ok_or_else(|| {
                PlanError::new(span, format!("the world imports no `{}`", function.name))
            })
    }

    fn export(&self, function: &FunctionRef, span: Span) -> Result<usize, PlanError> {
        self.world
            .exports()
            .iter()
            .position(|export| {
                export.interface == function.interface && export.name == function.name
            })
            .ok_or_else(|| {
                PlanError::new(span, format!("the world exports no `{}`", function.name))
            })
    }
}

/// Where an export's parameters lie when it is entered: flat words, or one pointer when they are more than 16.
fn parameter_places(ty: &FuncType, words: &[Operand]) -> Vec<Place> {
    let flat: Vec<Vec<CoreType>> = ty.params.iter().map(|(_, ty)| flatten(ty)).collect();
    if flat.iter().map(Vec::len).sum::<usize>() > fixtures::abi::MAX_FLAT_PARAMS {
        let base = words.first().copied().unwrap_or(Operand::Imm(0));
        let types: Vec<Type> = ty.params.iter().map(|(_, ty)| ty.clone()).collect();
        return fixtures::abi::field_offsets(&types)
            .into_iter()
            .map(|offset| Place::Memory { base, offset })
            .collect();
    }
    let mut rest = words.iter().copied();
    flat.iter()
        .map(|types| Place::Words(rest.by_ref().take(types.len()).collect()))
        .collect()
}
