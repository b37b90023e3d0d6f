//! Carries out the host steps of a case.

use std::time::{Duration, Instant};

use fixtures::abi::{Type, Value};

use super::{
    Bench,
    scope::Scope,
    session::{Session, timeout},
    verdict::{Failure, Verdict},
};
use crate::{
    case::model::{
        EventRef, Expectation, Expr, FunctionRef, HostStep, HostStepKind, Outcome, Span,
    },
    contract::Contract,
    judge::walk::{self, Answer, Line, Names as _, Report, describe, shown},
    testbed::Testbed,
};

/// Why the steps stopped.
pub(super) enum Stop {
    /// Something was not as expected.
    Failed(Failure),
    /// The host can't go on, or the time is up.
    Verdict(Verdict),
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Stop {
        Stop::Verdict(verdict)
    }
}

/// The host steps under way.
pub(super) struct Steps<'a, 's> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) contract: &'a Contract,
    pub(super) testbed: &'a Testbed,
    pub(super) report: Report,
    /// `(guest, instance)` of everything that was launched.
    pub(super) launched: Vec<(String, String)>,
    /// `(guest, instance)` of everything that was loaded to run whenever the host is told so.
    pub(super) loaded: Vec<(String, String)>,
    /// Guests that a launch or load was tried of.
    pub(super) tried: Vec<String>,
    /// Instances whose end a step awaited.
    pub(super) awaited: Vec<String>,
}

impl<'a, 's> Steps<'a, 's> {
    pub(super) fn new(session: &'s mut Session<'a>, bench: &Bench<'a>) -> Self {
        Steps {
            session,
            contract: bench.contract,
            testbed: bench.testbed,
            report: Report::default(),
            launched: Vec::new(),
            loaded: Vec::new(),
            tried: Vec::new(),
            awaited: Vec::new(),
        }
    }
}

impl Steps<'_, '_> {
    pub(super) fn run(&mut self, steps: &[HostStep], scope: &mut Scope<'_>) -> Result<(), Stop> {
        steps.iter().try_for_each(|step| self.step(step, scope))
    }

    fn step(&mut self, step: &HostStep, scope: &mut Scope<'_>) -> Result<(), Stop> {
        match &step.kind {
            HostStepKind::Call {
                function,
                arguments,
                expect,
            } => {
                let id = self.post(function, arguments, scope, step.span)?;
                self.answer(id, function, arguments, expect, scope, step.span)
            }
            HostStepKind::Await {
                event,
                within,
                expect,
            } => self.await_event(event, *within, expect, scope, step.span),
            HostStepKind::AwaitSignal {
                instance,
                name,
                within,
            } => self.await_signal(instance, name, *within, scope, step.span),
            HostStepKind::Never { event, within } => self.never(event, *within, scope, step.span),
            HostStepKind::Repeat { count, name, body } => {
                for turn in 0..*count {
                    if let Some(name) = name {
                        scope.turn(name, turn);
                    }
                    self.run(body, scope)?;
                }
                Ok(())
            }
            HostStepKind::Parallel { count, name, body } => {
                let mut scopes: Vec<Scope<'_>> = (0..*count)
                    .map(|turn| {
                        let mut scope = scope.clone();
                        if let Some(name) = name {
                            scope.turn(name, turn);
                        }
                        scope
                    })
                    .collect();
                self.lockstep(body, &mut scopes)
            }
            HostStepKind::Observe { .. }
            | HostStepKind::Push { .. }
            | HostStepKind::HangUp { .. }
            | HostStepKind::File { .. }
            | HostStepKind::Directory { .. }
            | HostStepKind::Link { .. } => self.outside(&step.kind, scope, step.span),
            HostStepKind::Plans {
                duty,
                seed,
                cases,
                expect,
            } => self.plans(*duty, (*seed, *cases), expect.as_ref(), scope, step.span),
        }
    }

    /// Runs the copies of a `parallel` block side by side: a call is sent for all of them before any is answered.
    fn lockstep(&mut self, body: &[HostStep], scopes: &mut [Scope<'_>]) -> Result<(), Stop> {
        for step in body {
            match &step.kind {
                HostStepKind::Call {
                    function,
                    arguments,
                    expect,
                } => {
                    let ids = scopes
                        .iter()
                        .map(|scope| self.post(function, arguments, scope, step.span))
                        .collect::<Result<Vec<_>, _>>()?;
                    for (id, scope) in ids.into_iter().zip(scopes.iter_mut()) {
                        self.answer(id, function, arguments, expect, scope, step.span)?;
                    }
                }
                HostStepKind::Repeat { count, name, body } => {
                    for turn in 0..*count {
                        if let Some(name) = name {
                            scopes.iter_mut().for_each(|scope| scope.turn(name, turn));
                        }
                        self.lockstep(body, scopes)?;
                    }
                }
                _ => scopes
                    .iter_mut()
                    .try_for_each(|scope| self.step(step, scope))?,
            }
        }
        Ok(())
    }

    fn post(
        &mut self,
        function: &FunctionRef,
        arguments: &[Expr],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<u64, Stop> {
        let values = arguments
            .iter()
            .map(|argument| scope.evaluate(argument))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|message| broken(span, message))?;
        Ok(self.session.call(function, &values)?)
    }

    fn answer(
        &mut self,
        id: u64,
        function: &FunctionRef,
        arguments: &[Expr],
        expect: &Expectation,
        scope: &mut Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let first = arguments
            .first()
            .and_then(|first| scope.evaluate(first).ok());
        let subject = match &first {
            Some(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let instance = subject.filter(|text| self.loaded.iter().any(|(_, id)| id == text));
        let value = self
            .session
            .answer(id, function, instance)
            .map_err(|verdict| at(verdict, span))?;
        if let Some(guest) = subject {
            let guest = guest.to_owned();
            let worlds = &self.contract.worlds;
            let is = |known: &FunctionRef| known.name == function.name;
            if worlds.values().any(|world| world.launch.iter().any(is)) {
                self.launching(guest, value.as_ref());
            } else if worlds.values().any(|world| world.loads.iter().any(is)) {
                self.loading(guest, value.as_ref());
            }
        }
        let shown = match (&value, &function.ty.result) {
            (Some(value), Some(ty)) => shown(ty, value),
            _ => String::new(),
        };
        self.line(&function.name, shown);
        self.judge(expect, Answer::Returned(value.as_ref()), scope, span, "")
    }

    /// Notes an instance that a launch gave.
    pub(super) fn launching(&mut self, guest: String, answer: Option<&Value>) {
        if let Some(id) = id_of(answer) {
            self.launched.push((guest.clone(), id));
        }
        self.tried.push(guest);
    }

    /// Notes an instance that a load gave.
    fn loading(&mut self, guest: String, answer: Option<&Value>) {
        if let Some(id) = id_of(answer) {
            self.loaded.push((guest.clone(), id));
        }
        self.tried.push(guest);
    }

    fn await_event(
        &mut self,
        event: &EventRef,
        within: Duration,
        expect: &Expectation,
        scope: &mut Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let instance = self.instance(event.instance.as_ref(), scope, span)?;
        let begun = Instant::now();
        self.session.pump_until(Some(within), |session| {
            session
                .events
                .first(event.index, instance.as_ref())
                .is_some()
                || instance
                    .as_ref()
                    .is_some_and(|id| session.ended.contains_key(id))
        })?;
        let found = self.session.events.take(event.index, instance.as_ref());
        let Some(found) = found else {
            if expect
                .outcomes
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Timeout))
            {
                self.session.waited += begun.elapsed();
            } else if self.session.is_over() {
                return Err(at(timeout(&format!("await {}", event.name)), span).into());
            }
            return self.judge(
                expect,
                Answer::Nothing,
                scope,
                span,
                &format!("await {}", event.name),
            );
        };
        if let Some(id) = &found.instance
            && self
                .contract
                .ended_event
                .as_ref()
                .is_some_and(|ended| ended.event == event.index)
        {
            self.awaited.push(id.clone());
        }
        let label = format!("await {}", event.name);
        self.line(&label, shown(&event.payload, &found.payload));
        self.judge(
            expect,
            Answer::Returned(Some(&found.payload)),
            scope,
            span,
            "",
        )
    }

    fn await_signal(
        &mut self,
        instance: &Expr,
        name: &str,
        within: Duration,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let instance = self.instance(Some(instance), scope, span)?;
        let at_front = |session: &Session<'_>| {
            session
                .signals
                .get(&instance)
                .is_some_and(|queue| !queue.is_empty())
        };
        self.session.pump_until(Some(within), |session| {
            at_front(session)
                || instance
                    .as_ref()
                    .is_some_and(|id| session.ended.contains_key(id))
        })?;
        let got = self
            .session
            .signals
            .get_mut(&instance)
            .and_then(std::collections::VecDeque::pop_front);
        match got {
            Some(signal) if signal == name => {
                self.line(&format!("signal {name}"), String::new());
                Ok(())
            }
            None if self.session.is_over() => {
                Err(at(timeout(&format!("signal {name}")), span).into())
            }
            other => Err(failed(
                span,
                format!("signal `{name}`"),
                other.map_or("no signal in time".to_owned(), |signal| {
                    format!("signal `{signal}`")
                }),
            )),
        }
    }

    fn never(
        &mut self,
        event: &EventRef,
        within: Duration,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let instance = self.instance(event.instance.as_ref(), scope, span)?;
        let begun = Instant::now();
        self.session.pump_until(Some(within), |session| {
            session
                .events
                .first(event.index, instance.as_ref())
                .is_some()
        })?;
        self.session.waited += begun.elapsed();
        match self.session.events.first(event.index, instance.as_ref()) {
            None => Ok(()),
            Some(found) => Err(failed(
                span,
                format!("no `{}`", event.name),
                shown(&event.payload, &found.payload),
            )),
        }
    }

    fn instance(
        &self,
        expr: Option<&Expr>,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Option<String>, Stop> {
        match expr.map(|expr| scope.evaluate(expr)) {
            None => Ok(None),
            Some(Ok(Value::String(id))) => Ok(Some(id)),
            Some(Ok(_)) => Err(broken(span, "an instance is named by a text".to_owned())),
            Some(Err(message)) => Err(broken(span, message)),
        }
    }

    pub(super) fn judge(
        &mut self,
        expect: &Expectation,
        answer: Answer<'_>,
        scope: &mut Scope<'_>,
        span: Span,
        what: &str,
    ) -> Result<(), Stop> {
        if !what.is_empty() {
            let shown = match answer {
                Answer::Nothing => "nothing in time".to_owned(),
                _ => String::new(),
            };
            self.line(what, shown);
        }
        walk::judge(expect, answer, scope, &mut self.report.chosen)
            .map(drop)
            .map_err(|mismatch| {
                Stop::Failed(Failure {
                    span: Some(span),
                    path: mismatch.path,
                    expected: if mismatch.expected.is_empty() {
                        describe(expect)
                    } else {
                        mismatch.expected
                    },
                    actual: mismatch.actual,
                    notes: Vec::new(),
                })
            })
    }

    pub(super) fn line(&mut self, what: &str, value: String) {
        self.report.lines.push(Line {
            who: "host".to_owned(),
            what: what.to_owned(),
            value,
        });
    }
}

/// The id in `ok(id)`.
fn id_of(answer: Option<&Value>) -> Option<String> {
    match answer {
        Some(Value::Result(Ok(Some(id)))) => match &**id {
            Value::String(id) => Some(id.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn at(verdict: Verdict, span: Span) -> Verdict {
    match verdict {
        Verdict::Timeout { phase, .. } => Verdict::Timeout {
            phase,
            span: Some(span),
        },
        other => other,
    }
}

pub(super) fn failed(span: Span, expected: String, actual: String) -> Stop {
    Stop::Failed(Failure {
        span: Some(span),
        path: String::new(),
        expected,
        actual,
        notes: Vec::new(),
    })
}

pub(super) fn broken(span: Span, message: String) -> Stop {
    Stop::Verdict(Verdict::NotRun {
        message,
        span: Some(span),
    })
}

/// The empty value of a type, for launch arguments that a case does not name.
pub(super) fn empty(ty: &Type) -> Value {
    match ty {
        Type::List(inner) if **inner == Type::U8 => Value::Bytes(Vec::new()),
        Type::List(_) => Value::List(Vec::new()),
        Type::Option(_) => Value::Option(None),
        Type::Record(fields) => {
            Value::Record(fields.iter().map(|field| empty(&field.ty)).collect())
        }
        _ => Value::String(String::new()),
    }
}
