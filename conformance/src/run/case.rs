//! One case from plan to verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use fixtures::abi::Value;

use super::{
    guests::Judgement,
    scope::Scope,
    session::Session,
    steps::{Steps, Stop, empty},
    verdict::{Failure, Outcome, Verdict},
};
use crate::{
    case::model::{Case, Guest},
    contract::Contract,
    host::{
        Host, json,
        protocol::{Component, Setup},
    },
    judge::walk::Report,
    plan::{self, Plan, Worlds},
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
    /// Profiles that every host is held to.
    pub profiles: &'a BTreeSet<String>,
    /// The outside of the host.
    pub testbed: &'a Testbed,
}

/// What came of running a case.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// For [`bare`].
    pub(super) plan: Option<Plan>,
    /// Whether the host can't be used for another case; otherwise it is in the state it was started in.
    pub(super) lost: bool,
}

/// Runs one case on one host.
pub(super) fn run(case: &Case, bench: &Bench<'_>, host: &mut dyn Host) -> Ran {
    let mut ran = Ran {
        outcome: Outcome::new(case, Verdict::Pass),
        plan: None,
        lost: false,
    };
    let mut report = Report::default();
    let begun = Instant::now();
    let verdict = verdict(case, bench, host, &mut report, &mut ran);
    bench.testbed.close();
    let timing = &mut ran.outcome.timing;
    timing.host = begun.elapsed().saturating_sub(timing.plan + timing.judge);
    ran.outcome.transcript = report.lines;
    ran.outcome.verdict = match verdict {
        Ok(()) if report.chosen.is_empty() => Verdict::Pass,
        Ok(()) => Verdict::Chose {
            outcomes: report.chosen,
        },
        Err(verdict) => verdict,
    };
    ran.lost |= ran.outcome.verdict.spoils_host();
    ran
}

/// Runs the guests of a case that was run before, with nothing planned and nothing judged: the floor of its time. Gives
/// the time that the case demands to be waited; `None` when the host did not come through.
pub(super) fn bare(
    case: &Case,
    bench: &Bench<'_>,
    host: &mut dyn Host,
    plan: &Plan,
) -> Option<Duration> {
    bench.testbed.reset().ok()?;
    let waited = bare_steps(case, bench, host, plan);
    bench.testbed.close();
    waited
}

fn bare_steps(
    case: &Case,
    bench: &Bench<'_>,
    host: &mut dyn Host,
    plan: &Plan,
) -> Option<Duration> {
    let surroundings = bench.testbed.surroundings();
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

fn verdict(
    case: &Case,
    bench: &Bench<'_>,
    host: &mut dyn Host,
    report: &mut Report,
    ran: &mut Ran,
) -> Result<(), Verdict> {
    let Ran {
        outcome: Outcome { timing, .. },
        plan: planned,
        lost,
    } = ran;
    let Some(declared) = host.hello().contracts.get(&case.contract) else {
        return Err(Verdict::Unsupported {
            capabilities: vec![format!("contract {}", case.contract)],
        });
    };
    let mut missing: Vec<String> = case
        .needs
        .iter()
        .filter(|need| !declared.capabilities.contains(need))
        .cloned()
        .collect();
    let profile = case.profile.iter().filter(|profile| {
        !declared.profiles.contains(profile) && !bench.profiles.contains(*profile)
    });
    missing.extend(profile.map(|profile| format!("profile {profile}")));
    if !missing.is_empty() {
        return Err(Verdict::Unsupported {
            capabilities: missing,
        });
    }
    bench.testbed.reset().map_err(|error| Verdict::NotRun {
        message: error.to_string(),
        span: None,
    })?;
    let surroundings = bench.testbed.surroundings();
    let begun = Instant::now();
    let plan = plan::plan(case, bench.contract, bench.worlds, &surroundings).map_err(|error| {
        Verdict::NotRun {
            message: error.message,
            span: Some(error.span),
        }
    })?;
    timing.plan = begun.elapsed();
    let plan: &Plan = planned.insert(plan);

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
        loaded,
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
            loaded: &loaded,
            tried: &tried,
            awaited: &awaited,
        };
        if !matches!(verdict, Verdict::Timeout { .. }) {
            return Err(verdict.clone());
        }
        // Its answer may come yet, in the middle of another case.
        *lost = true;
        return Err(judged
            .guests(&scope, report, true)
            .map_or_else(Verdict::Fail, |()| verdict.clone()));
    }
    if stopped.is_some() {
        session.pump_until(Some(Duration::from_millis(50)), |_| false)?;
    }
    let ended = session.end();
    timing.wait = session.waited;

    let begun = Instant::now();
    let judged = Judgement {
        case,
        plan,
        session: &session,
        launched: &launched,
        loaded: &loaded,
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
            let answer = steps.session.answer(id, function, None)?;
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
