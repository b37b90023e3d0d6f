//! Host steps against the driver interface.

use std::time::Duration;

use fixtures::abi::{Type, Value};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::{
        EventRef, Expectation, Expr, ExprKind, FunctionRef, HostStep, HostStepKind, Outcome,
        Pattern, PatternKind, Span,
    },
};
use super::{
    Checker,
    pattern::Judged,
    scope::Side,
    syntax::{self, Event, Instance, Name, Term, TermKind},
};

/// How long `await` waits when nothing is said.
pub(super) const WITHIN: Duration = Duration::from_secs(5);

impl Checker<'_> {
    /// The steps of a block.
    pub(super) fn steps(&mut self, steps: &[syntax::HostStep]) -> Vec<HostStep> {
        self.side = Side::Host;
        let mut checked = Vec::new();
        for step in steps {
            match self.step(step) {
                Some(kind) => checked.push(HostStep {
                    kind,
                    span: step.span,
                }),
                None => match &step.kind {
                    syntax::HostStepKind::Let { name, .. } => {
                        self.unbound.insert(name.text.clone());
                    }
                    syntax::HostStepKind::Call { expect, .. }
                    | syntax::HostStepKind::Await { expect, .. } => self.forgive(expect.as_ref()),
                    _ => {}
                },
            }
        }
        checked
    }

    fn step(&mut self, step: &syntax::HostStep) -> Option<HostStepKind> {
        Some(match &step.kind {
            syntax::HostStepKind::Call { call, expect } => {
                let (function, arguments) = self.driver_call(call)?;
                let expect = match expect {
                    Some(expect) => {
                        let judged = Judged {
                            ty: function.ty.result.as_ref(),
                            trap: false,
                            timeout: false,
                            returns: true,
                            what: &function.name,
                        };
                        self.expectation(expect, judged)?
                    }
                    None => unsaid(&function, call.span),
                };
                HostStepKind::Call {
                    function,
                    arguments,
                    expect,
                }
            }
            syntax::HostStepKind::Let { name, call } => {
                let (function, arguments) = self.driver_call(call)?;
                let expect = self.let_answer(name, &function, call.span)?;
                HostStepKind::Call {
                    function,
                    arguments,
                    expect,
                }
            }
            syntax::HostStepKind::Await {
                event,
                within,
                expect,
            } => {
                let event = self.event(event, step.span)?;
                let ended = self
                    .contract
                    .ended_event
                    .as_ref()
                    .is_some_and(|ended| ended.event == event.index);
                let expect = match expect {
                    Some(expect) => {
                        let judged = Judged {
                            ty: Some(&event.payload),
                            trap: ended,
                            timeout: true,
                            returns: false,
                            what: &event.name,
                        };
                        self.expectation(expect, judged)?
                    }
                    None => {
                        let any = Pattern {
                            ty: event.payload.clone(),
                            kind: PatternKind::Any,
                            span: step.span,
                        };
                        Expectation {
                            outcomes: vec![(None, Outcome::Value(any))],
                            span: step.span,
                        }
                    }
                };
                HostStepKind::Await {
                    event,
                    within: within.unwrap_or(WITHIN),
                    expect,
                }
            }
            syntax::HostStepKind::AwaitSignal {
                instance,
                name,
                within,
            } => {
                let guest = (!instance.bound).then(|| instance.name.text.clone());
                let instance = self.instance(instance)?;
                self.awaited(name, guest.as_deref());
                HostStepKind::AwaitSignal {
                    instance,
                    name: name.text.clone(),
                    within: within.unwrap_or(WITHIN),
                }
            }
            syntax::HostStepKind::Never { event, within } => HostStepKind::Never {
                event: self.event(event, step.span)?,
                within: *within,
            },
            syntax::HostStepKind::Repeat {
                count,
                name,
                parallel,
                body,
            } => {
                self.not_empty(body.is_empty(), step.span);
                let binds = std::mem::replace(&mut self.binds, true);
                let body = self.scoped(|this| {
                    if let Some(name) = name {
                        this.bind(name, Type::U32, true);
                    }
                    this.steps(body)
                });
                self.binds = binds;
                let (count, name) = (*count, name.as_ref().map(|name| name.text.clone()));
                if *parallel {
                    HostStepKind::Parallel { count, name, body }
                } else {
                    HostStepKind::Repeat { count, name, body }
                }
            }
            syntax::HostStepKind::Observe { .. }
            | syntax::HostStepKind::Push { .. }
            | syntax::HostStepKind::HangUp { .. }
            | syntax::HostStepKind::File { .. }
            | syntax::HostStepKind::Directory { .. }
            | syntax::HostStepKind::Link { .. } => self.outside(&step.kind)?,
            syntax::HostStepKind::Plans {
                duty,
                seed,
                cases,
                expect,
            } => self.plans(duty, (*seed, *cases), expect.as_ref())?,
        })
    }

    /// A call of the driver; what it needs is noted.
    fn driver_call(&mut self, call: &syntax::Call) -> Option<(FunctionRef, Vec<Expr>)> {
        let name = &call.path.name;
        let qualified = call.path.qualifier.is_some() || call.path.package.is_some();
        let found = self
            .contract
            .driver_function(&name.text)
            .filter(|_| !qualified);
        let Some(found) = found else {
            let import = self
                .contract
                .worlds
                .values()
                .any(|world| world.callable().any(|function| function.name == name.text));
            let names = self
                .contract
                .driver
                .functions
                .iter()
                .map(|function| function.function.name.as_str());
            let help = if import {
                Some(format!(
                    "`{}` is an import of guests: call it in a `guest` block",
                    name.text
                ))
            } else {
                closest_or_all(&name.text, "functions of the driver", names)
            };
            let problem = Problem::new(
                "unknown-function",
                call.path.span,
                format!("the driver has no function `{}`", name.text),
                "unknown function",
            );
            self.problems.push(problem.maybe_help(help));
            return None;
        };
        let function = found.function.clone();
        self.needs.extend(found.capability.clone());
        let arguments = self.arguments(
            &function,
            &function.ty.params.clone(),
            &call.arguments,
            call.span,
        )?;
        for ((label, _), argument) in function.ty.params.iter().zip(&arguments) {
            if &**label == "guest" {
                self.guest_name(argument);
            }
        }
        Some((function, arguments))
    }

    /// A driver's parameter `guest` names a guest of the case.
    fn guest_name(&mut self, argument: &Expr) {
        let ExprKind::Const(Value::String(name)) = &argument.kind else {
            return;
        };
        if self.guests.iter().any(|guest| guest.name == *name) {
            return;
        }
        let help = closest_or_all(
            name,
            "guests",
            self.guests.iter().map(|guest| guest.name.as_str()),
        );
        let problem = Problem::new(
            "unknown-guest",
            argument.span,
            format!("there is no guest `{name}`"),
            "no guest of this case",
        );
        self.problems.push(problem.maybe_help(help));
    }

    fn let_answer(
        &mut self,
        name: &Name,
        function: &FunctionRef,
        span: Span,
    ) -> Option<Expectation> {
        let bind = |ty: &Type| Pattern {
            ty: ty.clone(),
            kind: PatternKind::Bind(name.text.clone()),
            span: name.span,
        };
        let pattern = match &function.ty.result {
            Some(whole @ Type::Result(Some(ok), _)) => {
                self.bind(name, (**ok).clone(), false);
                Pattern {
                    ty: whole.clone(),
                    kind: PatternKind::Case(0, Some(Box::new(bind(ok)))),
                    span: name.span,
                }
            }
            None | Some(Type::Result(None, _)) => {
                let message = format!("`{}` answers with no value to bind", function.name);
                self.problems
                    .push(Problem::new("no-result", span, message, "nothing to bind"));
                return None;
            }
            Some(other) => {
                self.bind(name, other.clone(), false);
                bind(other)
            }
        };
        Some(Expectation {
            outcomes: vec![(None, Outcome::Value(pattern))],
            span,
        })
    }

    fn event(&mut self, event: &Event, span: Span) -> Option<EventRef> {
        let events = &self.contract.driver.events;
        let Some(index) = events
            .iter()
            .position(|found| found.name == event.name.text)
        else {
            let guest = self
                .guests
                .iter()
                .any(|guest| guest.name == event.name.text);
            let help = if guest {
                Some(format!(
                    "`{0}` is a guest: `await {0} signals NAME`, or an event of it, as in `await ended({0})`",
                    event.name.text
                ))
            } else {
                closest_or_all(
                    &event.name.text,
                    "events",
                    events.iter().map(|event| event.name.as_str()),
                )
            };
            let problem = Problem::new(
                "unknown-event",
                event.name.span,
                format!("the driver has no event `{}`", event.name.text),
                "unknown event",
            );
            self.problems.push(problem.maybe_help(help));
            return None;
        };
        let found = events.get(index)?;
        if event.instance.is_some() && found.instance.is_none() {
            let message = format!(
                "the event `{}` does not tell which instance it comes from",
                event.name.text
            );
            self.problems.push(
                Problem::new("unknown-event", span, message, "of no instance")
                    .help(format!("write `{}` alone", event.name.text)),
            );
            return None;
        }
        let (name, payload) = (found.name.clone(), found.payload.clone());
        let instance = match &event.instance {
            Some(instance) => Some(self.instance(instance)?),
            None => None,
        };
        Some(EventRef {
            index: u32::try_from(index).ok()?,
            name,
            instance,
            payload,
        })
    }

    fn instance(&mut self, instance: &Instance) -> Option<Expr> {
        if !instance.bound {
            return self.guest_instance(&instance.name, instance.index.as_deref(), instance.span);
        }
        let kind = TermKind::Var(instance.name.clone(), instance.index.clone());
        self.value(
            &Term {
                kind,
                span: instance.span,
            },
            &Type::String,
        )
    }

    /// The id of an instance that the runner launched.
    pub(super) fn guest_instance(
        &mut self,
        name: &Name,
        index: Option<&Term>,
        span: Span,
    ) -> Option<Expr> {
        let Some(guest) = self.guests.iter().find(|guest| guest.name == name.text) else {
            let bound = self.lookup(&name.text).is_some();
            let help = if bound {
                Some(format!(
                    "an instance that is bound is written `${}`",
                    name.text
                ))
            } else {
                closest_or_all(
                    &name.text,
                    "guests",
                    self.guests.iter().map(|guest| guest.name.as_str()),
                )
            };
            let problem = Problem::new(
                "unknown-guest",
                name.span,
                format!("there is no guest `{}`", name.text),
                "no guest of this case",
            );
            self.problems.push(problem.maybe_help(help));
            return None;
        };
        let copies = guest.copies;
        if copies == 0 {
            let message = format!("the runner launches no instance of `{}`", name.text);
            let help =
                "launch it in a host step and bind the answer: `let i = launch(...)`, then `$i`";
            self.problems
                .push(Problem::new("not-launched", span, message, "no instance").help(help));
            return None;
        }
        let index = match index {
            Some(index) => {
                let value = self.value(index, &Type::U32)?;
                if let ExprKind::Const(Value::U32(number)) = value.kind
                    && number >= copies
                {
                    let message =
                        format!("`{}` has {copies} copies, 0 to {}", name.text, copies - 1);
                    self.problems.push(Problem::new(
                        "number-range",
                        index.span,
                        message,
                        "no such copy",
                    ));
                    return None;
                }
                value
            }
            None if copies > 1 => {
                let message = format!("`{}` has {copies} copies", name.text);
                self.problems.push(
                    Problem::new("which-copy", span, message, "which one?")
                        .help(format!("write `{}[0]`, or `[$i]` in a loop", name.text)),
                );
                return None;
            }
            None => Expr {
                ty: Type::U32,
                kind: ExprKind::Const(Value::U32(0)),
                span,
            },
        };
        Some(Expr {
            ty: Type::String,
            kind: ExprKind::Instance {
                guest: name.text.clone(),
                index: Box::new(index),
            },
            span,
        })
    }

    /// A signal must be given somewhere.
    fn awaited(&mut self, name: &Name, guest: Option<&str>) {
        let given: Vec<String> = self
            .signals
            .iter()
            .filter(|(from, _)| guest.is_none_or(|guest| guest == from))
            .map(|(_, signal)| signal.clone())
            .collect();
        if given.contains(&name.text) {
            return;
        }
        let help = closest_or_all(&name.text, "signals", given.iter().map(String::as_str));
        let help = help.unwrap_or_else(|| format!("the guest says it by `signal {}`", name.text));
        let from = guest.map_or("no guest".to_owned(), |guest| {
            format!("guest `{guest}` never")
        });
        let message = format!("{from} signals `{}`", name.text);
        self.problems
            .push(Problem::new("unknown-signal", name.span, message, "never given").help(help));
    }
}

/// What a driver's answer must be when nothing is said.
fn unsaid(function: &FunctionRef, span: Span) -> Expectation {
    let outcome = match &function.ty.result {
        Some(ty @ Type::Result(..)) => Outcome::Value(Pattern {
            ty: ty.clone(),
            kind: PatternKind::Case(0, None),
            span,
        }),
        _ => Outcome::Returns,
    };
    Expectation {
        outcomes: vec![(None, outcome)],
        span,
    }
}
