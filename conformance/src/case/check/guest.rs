//! Guests: their statements against the world's imports and exports.

use std::{collections::BTreeMap, sync::Arc};

use fixtures::abi::{Field, Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{Fault, FunctionRef, Guest, GuestKind, Handler, Param, Source, Span},
};
use super::{
    Checker,
    scope::Side,
    syntax::{self, FileForm, Name},
};

impl Checker<'_> {
    /// A guest; `None` when something was reported.
    pub(super) fn guest(&mut self, guest: &syntax::Guest, name: String) -> Option<Guest> {
        let world = self.guest_world(guest)?;
        self.world = world.clone();
        self.guest = name.clone();
        self.side = Side::Guest;
        let kind = match &guest.kind {
            syntax::GuestKind::Puppet {
                body,
                handlers,
                faults,
            } => self.puppet(body, handlers, faults, guest)?,
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
        let copies = if guest.manual || !runs {
            0
        } else {
            guest.copies.unwrap_or(1)
        };
        if !runs && (guest.manual || guest.copies.is_some()) {
            let word = if guest.manual { "manual" } else { "x" };
            let problem = Problem::new(
                "not-launched",
                guest.span,
                format!("`{word}` on a guest that the runner does not launch"),
                "this guest has no body",
            );
            self.problems.push(problem.help(
                "only a guest with a body is launched by the runner; launch others from the host",
            ));
        }
        Some(Guest {
            name,
            world,
            copies,
            open: guest.open,
            kind,
            span: guest.span,
        })
    }

    /// The world of a guest, by its header or the file's.
    pub(super) fn guest_world(&mut self, guest: &syntax::Guest) -> Option<String> {
        let Some(name) = &guest.world else {
            if self.default_world.is_none() {
                let problem = Problem::new(
                    "no-world",
                    guest.span,
                    "this guest has no world",
                    "expected `world NAME`",
                );
                self.problems.push(
                    problem.help("name one here, or for all guests in the header: `world NAME`"),
                );
            }
            return self.default_world.clone();
        };
        self.known_world(name).then(|| name.text.clone())
    }

    fn is_body(&self, export: &FunctionRef) -> bool {
        let body = self
            .contract
            .world(&self.world)
            .and_then(|world| world.body.as_ref());
        body.is_some_and(|body| body.interface == export.interface && body.name == export.name)
    }

    fn file(&mut self, form: FileForm, path: &Name) -> Option<GuestKind> {
        let wrong = |message: String| Problem::new("guest-file", path.span, message, "this file");
        let bytes = match self.beside(&path.text) {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = wrong(format!("failed to read this file: {error}"))
                    .help("paths are relative to the case file");
                self.problems.push(problem);
                return None;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.problems
                .push(wrong("this file is not UTF-8 text".into()));
            return None;
        };
        if let Err(error) = wat::parse_str(&text) {
            let first = error.to_string();
            self.problems.push(wrong(format!(
                "this file is not WebAssembly text: {}",
                first.lines().next().unwrap_or_default()
            )));
            return None;
        }
        let place = self
            .source
            .path
            .parent()
            .map(|folder| folder.join(&path.text))
            .unwrap_or_default();
        let source = Arc::new(Source {
            name: path.text.clone(),
            path: place,
            text,
        });
        Some(match form {
            FileForm::Wat => GuestKind::Wat(source),
            FileForm::Component => GuestKind::ComponentText(source),
            FileForm::Module => GuestKind::ModuleText(source),
        })
    }

    fn puppet(
        &mut self,
        body: &[syntax::Statement],
        clauses: &[syntax::Handler],
        faults: &[syntax::Fault],
        guest: &syntax::Guest,
    ) -> Option<GuestKind> {
        let mut handlers = Vec::new();
        if let Some(first) = body.first() {
            match self
                .contract
                .world(&self.world)
                .and_then(|world| world.body.clone())
            {
                Some(export) => {
                    let body = self.handler_body(body, &[], &export, first.span, true);
                    let params = export.ty.params.iter().map(|_| Param::Ignore).collect();
                    handlers.push(Handler {
                        export,
                        params,
                        body,
                        main: true,
                        span: guest.span,
                    });
                }
                None => {
                    let message =
                        format!("world `{}` has no main export for a bare body", self.world);
                    self.problems.push(
                        Problem::new("no-body", first.span, message, "belongs to no export")
                            .help("write it below `on EXPORT(...)`"),
                    );
                }
            }
        }
        if body.is_empty() && clauses.is_empty() && faults.is_empty() {
            self.problems.push(
                Problem::new(
                    "empty-block",
                    guest.span,
                    "a guest that does nothing",
                    "nothing below it",
                )
                .help("a guest that returns at once says `return ok`"),
            );
        }
        let mut complete: BTreeMap<(Option<String>, String), Span> = handlers
            .iter()
            .map(|handler| (key(&handler.export), handler.span))
            .collect();
        for clause in clauses {
            let Some(handler) = self.clause(clause) else {
                continue;
            };
            let guarded = handler.params.iter().any(Param::is_guard);
            match complete.get(&key(&handler.export)) {
                Some(before) => {
                    let problem = Problem::new(
                        "unreachable",
                        clause.span,
                        "this clause can never run",
                        "an earlier one takes every call",
                    );
                    self.problems.push(
                        problem
                            .also(*before, "takes every call")
                            .help("clauses with guards come first"),
                    );
                }
                None if !guarded => {
                    complete.insert(key(&handler.export), clause.span);
                }
                None => {}
            }
            handlers.push(handler);
        }
        let faults = faults
            .iter()
            .filter_map(|fault| self.fault_line(fault))
            .collect();
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
            params.push(self.param(param, label, ty, &mut bound)?);
        }
        let body = self.handler_body(&clause.body, &bound, &export, clause.span, false);
        Some(Handler {
            export,
            params,
            body,
            main: false,
            span: clause.span,
        })
    }

    /// A parameter of a clause, or a field of one; what it binds goes to `bound`.
    fn param<'t>(
        &mut self,
        param: &'t syntax::Param,
        label: &str,
        ty: &'t Type,
        bound: &mut Vec<(&'t Name, &'t Type)>,
    ) -> Option<Param> {
        match (param, ty) {
            (syntax::Param::Ignore, _) => Some(Param::Ignore),
            (syntax::Param::Bind(name), _) => {
                bound.push((name, ty));
                Some(Param::Bind(name.text.clone()))
            }
            (syntax::Param::Guard(term), Type::String) => {
                let side = std::mem::replace(&mut self.side, Side::Constant);
                let guard = self.constant(term, ty);
                self.side = side;
                match guard? {
                    Value::String(text) => Some(Param::Guard(text)),
                    _ => None,
                }
            }
            (syntax::Param::Guard(term), _) => {
                let message = format!(
                    "`{label}` is {}: only a string can be guarded",
                    self.describe(ty)
                );
                self.problems.push(
                    Problem::new("guard", term.span, message, "not a guard")
                        .help("bind it by a name or ignore it with `_`"),
                );
                None
            }
            (syntax::Param::Fields(written, rest, span), Type::Record(declared)) => {
                self.param_fields(written, *rest, *span, declared, bound)
            }
            (syntax::Param::Fields(_, _, span), _) => {
                let message = format!("`{label}` is {}: it has no fields", self.describe(ty));
                self.problems.push(
                    Problem::new("type", *span, message, "not a record")
                        .help("bind it by a name or ignore it with `_`"),
                );
                None
            }
        }
    }

    fn param_fields<'t>(
        &mut self,
        written: &'t [(Name, syntax::Param)],
        rest: bool,
        span: Span,
        declared: &'t [Field],
        bound: &mut Vec<(&'t Name, &'t Type)>,
    ) -> Option<Param> {
        let mut params: Vec<Option<Param>> = declared.iter().map(|_| None).collect();
        for (name, param) in written {
            let found = declared.iter().position(|field| *field.name == *name.text);
            let Some((field, place)) =
                found.and_then(|at| Some((declared.get(at)?, params.get_mut(at)?)))
            else {
                let names = declared.iter().map(|field| &*field.name);
                let help = closest_or_all(&name.text, "it has", names);
                let message = format!("there is no field `{}`", name.text);
                self.problems.push(
                    Problem::new("unknown-field", name.span, message, "unknown field")
                        .maybe_help(help),
                );
                return None;
            };
            if place.is_some() {
                let message = format!("the field `{}` is given twice", name.text);
                self.problems
                    .push(Problem::new("duplicate", name.span, message, "again"));
                return None;
            }
            *place = Some(self.param(param, &field.name, &field.ty, bound)?);
        }
        let missing = declared
            .iter()
            .zip(&params)
            .find(|(_, param)| param.is_none());
        if let Some((field, _)) = missing.filter(|_| !rest) {
            let message = format!("the field `{}` is missing", field.name);
            self.problems.push(
                Problem::new("missing-field", span, message, "not all fields")
                    .help("`..` leaves the other fields free"),
            );
            return None;
        }
        let params = params
            .into_iter()
            .map(|param| param.unwrap_or(Param::Ignore));
        Some(Param::Fields(params.collect()))
    }
}

fn key(export: &FunctionRef) -> (Option<String>, String) {
    (export.interface.clone(), export.name.clone())
}
