//! One case from plan to verdict.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fixtures::abi::Value;

use super::{
    scope::Scope,
    session::{EndKind, Session},
    steps::{Steps, Stop, empty},
    verdict::{Failure, Outcome, Timing, Verdict},
};
use crate::{
    case::model::{self, Case, Guest, GuestKind, Span},
    contract::Contract,
    host::{
        Host, json,
        protocol::{Component, Setup},
    },
    judge::walk::{self, Deviation, End, Readings, Report},
    plan::{self, Plan, PlannedGuest, Surroundings, Worlds},
    testbed::Testbed,
};

/// How long an instance may take to end when all steps are over; in a case with a longer limit than most, as long as that.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// The limit of a case that names none.
const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// What a case runs in.
pub struct Bench<'a> {
    /// The case's contract.
    pub contract: &'a Contract,
    /// Its worlds.
    pub worlds: &'a Worlds,
    /// The outside of the host.
    pub testbed: &'a Testbed,
}

/// Runs one case on one host. The host is in the state it was started in, or `Verdict::spoils_host`. The plan is given
/// back for [`bare`].
pub(super) fn run(case: &Case, bench: &Bench<'_>, host: &mut dyn Host) -> (Outcome, Option<Plan>) {
    let mut report = Report::default();
    let mut timing = Timing::default();
    let mut plan = None;
    let verdict = match verdict(case, bench, host, &mut report, &mut timing, &mut plan) {
        Ok(()) if report.chosen.is_empty() => Verdict::Pass,
        Ok(()) => Verdict::Chose {
            outcomes: std::mem::take(&mut report.chosen),
        },
        Err(verdict) => verdict,
    };
    (
        Outcome {
            id: case.id.clone(),
            verdict,
            stderr: String::new(),
            transcript: report.lines,
            timing,
        },
        plan,
    )
}

/// Runs the guests of a case that was run before, with nothing planned and nothing judged: the floor of its time. Gives
/// the time that the case demands to be waited; `None` when the host did not come through.
pub(super) fn bare(
    case: &Case,
    bench: &Bench<'_>,
    host: &mut dyn Host,
    plan: &Plan,
) -> Option<Duration> {
    bench.testbed.reset();
    let surroundings = surroundings(bench);
    let mut scope = Scope::new(&surroundings);
    let mut setup = setup(case, plan, &scope).ok()?;
    for guest in setup.guests.values_mut() {
        fixtures::puppet::vary(&mut guest.component);
    }
    let mut session = Session::new(host, bench.contract, Instant::now() + case.limit);
    session.deaf = true;
    session.begin(setup).ok()?;
    let mut steps = Steps::new(&mut session, bench);
    let stopped = launch(case, &mut steps, &mut scope)
        .and_then(|()| steps.run(&case.host, &mut scope))
        .and_then(|()| wait(case, &mut steps));
    if matches!(&stopped, Err(Stop::Verdict(verdict)) if verdict.spoils_host()) {
        return None;
    }
    session.end().ok()?;
    Some(session.waited)
}

fn surroundings(bench: &Bench<'_>) -> Surroundings {
    Surroundings::from([("http".to_owned(), bench.testbed.http_url())])
}

fn verdict(
    case: &Case,
    bench: &Bench<'_>,
    host: &mut dyn Host,
    report: &mut Report,
    timing: &mut Timing,
    planned: &mut Option<Plan>,
) -> Result<(), Verdict> {
    let Some(declared) = host.hello().contracts.get(&case.contract) else {
        return Err(Verdict::Unsupported {
            capabilities: vec![format!("contract {}", case.contract)],
        });
    };
    let missing: Vec<String> = case
        .needs
        .iter()
        .filter(|need| !declared.capabilities.contains(need))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(Verdict::Unsupported {
            capabilities: missing,
        });
    }
    bench.testbed.reset();
    let surroundings = surroundings(bench);
    let begun = Instant::now();
    let plan = plan::plan(case, bench.contract, bench.worlds, &surroundings).map_err(|error| {
        Verdict::NotRun {
            message: error.message,
            span: Some(error.span),
        }
    })?;
    timing.plan = begun.elapsed();
    let plan: &Plan = planned.insert(plan);

    let begun = Instant::now();
    let mut scope = Scope::new(&surroundings);
    let setup = setup(case, plan, &scope)?;
    let mut session = Session::new(host, bench.contract, Instant::now() + case.limit);
    session.begin(setup)?;
    let mut steps = Steps::new(&mut session, bench);
    let stopped = launch(case, &mut steps, &mut scope)
        .and_then(|()| steps.run(&case.host, &mut scope))
        .and_then(|()| wait(case, &mut steps))
        .err();
    let Steps {
        report: host_report,
        launched,
        tried,
        awaited,
        ..
    } = steps;
    report.lines = host_report.lines;
    report.chosen = host_report.chosen;
    if let Some(Stop::Verdict(verdict)) = &stopped
        && verdict.spoils_host()
    {
        // Guests may have told already why the host does not answer.
        let judged = Judgement {
            case,
            plan,
            session: &session,
            launched: &launched,
            tried: &tried,
            awaited: &awaited,
        };
        if !matches!(verdict, Verdict::Timeout { .. }) {
            return Err(verdict.clone());
        }
        return Err(judged
            .guests(&scope, report, true)
            .map_or_else(Verdict::Fail, |()| verdict.clone()));
    }
    if stopped.is_some() {
        session.pump_until(Some(Duration::from_millis(50)), |_| false)?;
    }
    let ended = session.end();
    timing.host = begun.elapsed();
    timing.wait = session.waited;

    let begun = Instant::now();
    let judged = Judgement {
        case,
        plan,
        session: &session,
        launched: &launched,
        tried: &tried,
        awaited: &awaited,
    };
    let guests = judged.guests(&scope, report, stopped.is_some());
    timing.judge = begun.elapsed();
    ended?;
    guests.map_err(Verdict::Fail)?;
    match stopped {
        None => Ok(()),
        Some(Stop::Verdict(verdict)) => Err(verdict),
        Some(Stop::Failed(mut failure)) => {
            failure.notes.extend(judged.ends());
            Err(Verdict::Fail(failure))
        }
    }
}

fn setup(case: &Case, plan: &Plan, scope: &Scope<'_>) -> Result<Setup, Verdict> {
    let environment = scope
        .evaluate(&case.environment)
        .map_err(|message| Verdict::NotRun {
            message,
            span: Some(case.environment.span),
        })?;
    let guests = plan
        .guests
        .iter()
        .map(|guest| {
            let component = Component {
                world: guest.world.clone(),
                component: guest.component.clone(),
            };
            (guest.name.clone(), component)
        })
        .collect::<BTreeMap<_, _>>();
    Ok(Setup {
        case: case.id.clone(),
        contract: case.contract.clone(),
        guests,
        environment: json::to_json(&case.environment.ty, &environment),
    })
}

/// Launches every guest with a body, as often as it asks for.
fn launch(case: &Case, steps: &mut Steps<'_, '_>, scope: &mut Scope<'_>) -> Result<(), Stop> {
    for guest in case.guests.iter().filter(|guest| guest.copies > 0) {
        let Some(function) = steps
            .contract
            .world(&guest.world)
            .and_then(|world| world.launch.as_ref())
        else {
            continue;
        };
        for _ in 0..guest.copies {
            let mut arguments: Vec<Value> =
                function.ty.params.iter().map(|(_, ty)| empty(ty)).collect();
            if let Some(first) = arguments.first_mut() {
                *first = Value::String(guest.name.clone());
            }
            let id = steps.session.call(function, &arguments)?;
            let answer = steps.session.answer(id, function)?;
            steps.launching(guest.name.clone(), answer.as_ref());
            match answer {
                Some(Value::Result(Ok(Some(id)))) if matches!(*id, Value::String(_)) => {
                    if let Value::String(id) = *id {
                        scope
                            .instances
                            .entry(guest.name.clone())
                            .or_default()
                            .push(id);
                    }
                }
                other => return Err(Stop::Failed(refused(guest, other.as_ref()))),
            }
        }
    }
    Ok(())
}

fn refused(guest: &Guest, answer: Option<&Value>) -> Failure {
    let actual = match answer {
        Some(Value::Result(Err(Some(message)))) => match &**message {
            Value::String(message) => format!("the host refused to launch it: {message}"),
            _ => "the host refused to launch it".to_owned(),
        },
        _ => "no instance".to_owned(),
    };
    Failure {
        span: Some(guest.span),
        path: String::new(),
        expected: format!("guest `{}` to be launched", guest.name),
        actual,
        notes: Vec::new(),
    }
}

/// Waits until everything that was launched has ended, apart from guests that may stay open.
fn wait(case: &Case, steps: &mut Steps<'_, '_>) -> Result<(), Stop> {
    let open = |name: &str| {
        case.guests
            .iter()
            .any(|guest| guest.name == name && guest.open)
    };
    let ids: Vec<String> = steps
        .launched
        .iter()
        .filter(|(guest, _)| !open(guest))
        .map(|(_, id)| id.clone())
        .collect();
    let within = if case.limit > USUAL_LIMIT {
        case.limit
    } else {
        LAST_WAIT
    };
    steps.session.pump_until(Some(within), |session| {
        ids.iter().all(|id| session.ended.contains_key(id))
    })?;
    Ok(())
}

/// The part of the judgement that looks at guests.
struct Judgement<'a, 's> {
    case: &'a Case,
    plan: &'a Plan,
    session: &'a Session<'s>,
    launched: &'a [(String, String)],
    tried: &'a [String],
    awaited: &'a [String],
}

impl Judgement<'_, '_> {
    /// Walks every transcript. When the host steps stopped early, what is missing is not held against the guests.
    fn guests(&self, scope: &Scope<'_>, report: &mut Report, stopped: bool) -> Result<(), Failure> {
        for (guest, planned) in self.case.guests.iter().zip(&self.plan.guests) {
            if planned.clauses.is_empty() && !guest.open && !stopped {
                self.mute(guest)?;
            }
            for (index, clause) in planned.clauses.iter().enumerate() {
                if clause.main {
                    self.main(guest, planned, index, scope, report, stopped)?;
                } else {
                    self.handler(planned, index, scope, report, stopped)?;
                }
            }
        }
        Ok(())
    }

    /// A guest that leaves no transcript must at least come to an end, by itself unless a step awaited another end.
    fn mute(&self, guest: &Guest) -> Result<(), Failure> {
        for (_, id) in self.launched.iter().filter(|(name, _)| *name == guest.name) {
            let ended = self.session.ended.get(id);
            // A puppet without handlers exists for its faults: any end of it is fine.
            let strange = !matches!(guest.kind, GuestKind::Puppet { .. });
            if ended.is_none_or(|ended| strange && ended.kind != EndKind::Returned)
                && !self.awaited.contains(id)
            {
                let shown = ended.map_or("it still runs, or waits for something", |ended| {
                    &ended.shown
                });
                return Err(failure(
                    guest.span,
                    "the guest to end by itself, or a step to await its end",
                    shown,
                ));
            }
        }
        Ok(())
    }

    fn main(
        &self,
        guest: &Guest,
        planned: &PlannedGuest,
        index: usize,
        scope: &Scope<'_>,
        report: &mut Report,
        stopped: bool,
    ) -> Result<(), Failure> {
        let clause = &planned.clauses[index];
        let instances: Vec<&String> = self
            .launched
            .iter()
            .filter(|(name, _)| *name == guest.name)
            .map(|(_, id)| id)
            .collect();
        if instances.is_empty() && !self.tried.contains(&guest.name) && !stopped {
            return Err(failure(
                guest.span,
                "the guest to be launched",
                "no step launches it",
            ));
        }
        for id in instances {
            let (readings, _) = self.readings(planned, index, Some(id))?;
            let ended = self.session.ended.get(id);
            let awaited = self.awaited.contains(id);
            let end = match ended.map(|ended| ended.kind) {
                Some(EndKind::Returned) => End::Returned,
                // A step that awaited the end judged it, but not where it came.
                Some(EndKind::Trapped) if awaited && !expects_trap(planned, &clause.nodes) => {
                    End::Cut
                }
                Some(EndKind::Trapped) => End::Trapped,
                Some(EndKind::Terminated) if awaited || stopped || guest.open => End::Cut,
                None if guest.open || awaited || stopped => End::Cut,
                None => {
                    walk_one(planned, index, &readings, End::Cut, scope, report)?;
                    return Err(failure(
                        guest.span,
                        "the guest to end",
                        "it still runs, or waits for something",
                    ));
                }
                Some(EndKind::Terminated) => {
                    walk_one(planned, index, &readings, End::Cut, scope, report)?;
                    let shown = ended.map_or(String::new(), |ended| ended.shown.clone());
                    return Err(failure(
                        guest.span,
                        "the guest to end by itself",
                        &format!("the host ended it: {shown}"),
                    ));
                }
            };
            let complete = walk_one(planned, index, &readings, end, scope, report).map_err(
                |mut failure| {
                    failure
                        .notes
                        .extend(ended.map(|ended| format!("the guest ended: {}", ended.shown)));
                    failure
                },
            )?;
            if complete && end == End::Trapped {
                let shown = ended.map_or(String::new(), |ended| ended.shown.clone());
                return Err(failure(
                    clause.span,
                    "the guest to end without a trap",
                    &shown,
                ));
            }
        }
        Ok(())
    }

    fn handler(
        &self,
        planned: &PlannedGuest,
        index: usize,
        scope: &Scope<'_>,
        report: &mut Report,
        stopped: bool,
    ) -> Result<(), Failure> {
        let clause = &planned.clauses[index];
        let (readings, parts) = self.readings(planned, index, None)?;
        if parts == 0 {
            let expects = clause
                .nodes
                .iter()
                .any(|node| !matches!(node, plan::Node::Return | plan::Node::Stop(_)));
            return if expects && !stopped {
                let expected = format!("`{}` to be called", clause.export);
                Err(failure(
                    clause.span,
                    &expected,
                    "it was not, or its transcript did not arrive",
                ))
            } else {
                Ok(())
            };
        }
        let end = if stopped { End::Cut } else { End::Trapped };
        walk_one(planned, index, &readings, end, scope, report).map(drop)
    }

    /// Everything a clause left behind, and in how many pieces.
    fn readings(
        &self,
        planned: &PlannedGuest,
        index: usize,
        id: Option<&String>,
    ) -> Result<(Readings, usize), Failure> {
        let mut readings = Readings::default();
        let mut count = 0;
        for part in &self.session.parts {
            if part.guest != planned.name
                || part.clause != index
                || (id.is_some() && part.instance.as_ref() != id)
            {
                continue;
            }
            count += 1;
            match &part.transcript {
                Ok(transcript) => readings.add(planned, transcript),
                Err(problem) => {
                    return Err(failure(
                        planned.clauses[index].span,
                        "the guest's transcript, exactly as it was handed out",
                        &format!("a text that was changed on the way: {problem}"),
                    ));
                }
            }
        }
        Ok((readings, count))
    }

    /// How each instance ended, for the notes of a failure.
    fn ends(&self) -> Vec<String> {
        let lines = self
            .launched
            .iter()
            .map(|(guest, id)| match self.session.ended.get(id) {
                Some(ended) => format!("guest {guest} ended: {}", ended.shown),
                None => format!("guest {guest} still ran"),
            });
        lines.take(8).collect()
    }
}

/// Whether a clause says where it traps.
fn expects_trap(planned: &PlannedGuest, nodes: &[plan::Node]) -> bool {
    nodes.iter().any(|node| match node {
        plan::Node::Step(index) => planned.steps.get(*index).is_some_and(|step| {
            step.expect
                .outcomes
                .iter()
                .any(|(_, outcome)| matches!(outcome, model::Outcome::Trap))
        }),
        plan::Node::Loop { body, .. } => expects_trap(planned, body),
        plan::Node::Stop(_) => true,
        plan::Node::Return => false,
    })
}

fn walk_one(
    planned: &PlannedGuest,
    index: usize,
    readings: &Readings,
    end: End,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Result<bool, Failure> {
    let mut inner = scope.fresh();
    walk::walk(
        planned,
        &planned.clauses[index],
        readings,
        end,
        &mut inner,
        report,
    )
    .map_err(|deviation| {
        let Deviation { span, mismatch } = *deviation;
        Failure {
            span: Some(span),
            path: mismatch.path,
            expected: mismatch.expected,
            actual: mismatch.actual,
            notes: Vec::new(),
        }
    })
}

fn failure(span: Span, expected: &str, actual: &str) -> Failure {
    Failure {
        span: Some(span),
        path: String::new(),
        expected: expected.to_owned(),
        actual: actual.to_owned(),
        notes: Vec::new(),
    }
}
