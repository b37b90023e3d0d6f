//! Judges what guests left behind: whether each came to its end, and its transcript.

use super::{
    scope::Scope,
    session::{EndKind, Session},
    verdict::Failure,
};
use crate::{
    case::model::{Case, Guest, GuestKind, Span},
    judge::walk::{self, Deviation, End, Readings, Report},
    plan::{self, Plan, PlannedGuest},
};

/// What the judgement of a case's guests looks at.
pub(super) struct Judgement<'a, 's> {
    pub(super) case: &'a Case,
    pub(super) plan: &'a Plan,
    pub(super) session: &'a Session<'s>,
    pub(super) launched: &'a [(String, String)],
    pub(super) loaded: &'a [(String, String)],
    pub(super) tried: &'a [String],
    pub(super) awaited: &'a [String],
}

impl Judgement<'_, '_> {
    /// Walks every transcript. When the host steps stopped early, what is missing is not held against the guests.
    pub(super) fn guests(
        &self,
        scope: &Scope<'_>,
        report: &mut Report,
        stopped: bool,
    ) -> Result<(), Failure> {
        for (guest, planned) in self.case.guests.iter().zip(&self.plan.guests) {
            if planned.clauses.is_empty() && !guest.open && !stopped {
                self.mute(guest)?;
            }
            for (index, clause) in planned.clauses.iter().enumerate() {
                if clause.main {
                    self.main(guest, planned, index, scope, report, stopped)?;
                    self.ticked(guest, planned, index, scope, report, stopped)?;
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
                    walk_one(planned, index, &readings, End::Cut, false, scope, report)?;
                    return Err(failure(
                        guest.span,
                        "the guest to end",
                        "it still runs, or waits for something",
                    ));
                }
                Some(EndKind::Terminated) => {
                    walk_one(planned, index, &readings, End::Cut, false, scope, report)?;
                    let shown = ended.map_or(String::new(), |ended| ended.shown.clone());
                    return Err(failure(
                        guest.span,
                        "the guest to end by itself",
                        &format!("the host ended it: {shown}"),
                    ));
                }
            };
            let complete = walk_one(planned, index, &readings, end, false, scope, report).map_err(
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

    /// The body of a guest that was loaded, and run any number of times.
    fn ticked(
        &self,
        guest: &Guest,
        planned: &PlannedGuest,
        index: usize,
        scope: &Scope<'_>,
        report: &mut Report,
        stopped: bool,
    ) -> Result<(), Failure> {
        for (_, id) in self.loaded.iter().filter(|(name, _)| *name == guest.name) {
            let readings = self.readings(planned, index, Some(id))?;
            let ended = self.session.ended.get(id);
            let cut = ended.is_some_and(|ended| ended.kind == EndKind::Terminated);
            called(
                planned,
                index,
                readings,
                stopped || cut || guest.open,
                scope,
                report,
            )?;
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
        let (readings, parts) = self.readings(planned, index, None)?;
        let clause = &planned.clauses[index];
        if parts == 0 && self.session.trapped && self.lost(planned, clause, scope, report)? {
            return Ok(());
        }
        called(planned, index, (readings, parts), stopped, scope, report)
    }

    /// A clause that left nothing, while a call of the driver told of a trap.
    fn lost(
        &self,
        planned: &PlannedGuest,
        clause: &plan::Clause,
        scope: &Scope<'_>,
        report: &mut Report,
    ) -> Result<bool, Failure> {
        walk::walk_lost(planned, clause, &mut scope.fresh(), report)
            .map_err(|deviation| from_deviation(*deviation))
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
    pub(super) fn ends(&self) -> Vec<String> {
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

/// Walks what the calls of a clause left behind. Where they may have been cut off, what is missing is not held against
/// the guest.
fn called(
    planned: &PlannedGuest,
    index: usize,
    (readings, parts): (Readings, usize),
    cut: bool,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    let clause = &planned.clauses[index];
    if parts == 0 {
        let expects = clause
            .nodes
            .iter()
            .any(|node| !matches!(node, plan::Node::Return | plan::Node::Stop(_)));
        return if expects && !cut {
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
    let end = if cut { End::Cut } else { End::Trapped };
    walk_one(planned, index, &readings, end, true, scope, report).map(drop)
}

/// Whether a clause says where it traps.
fn expects_trap(planned: &PlannedGuest, nodes: &[plan::Node]) -> bool {
    nodes.iter().any(|node| match node {
        plan::Node::Step(index) => planned
            .steps
            .get(*index)
            .is_some_and(|step| step.expect.may_trap()),
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
    repeats: bool,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Result<bool, Failure> {
    let mut inner = scope.fresh();
    walk::walk(
        planned,
        &planned.clauses[index],
        readings,
        end,
        repeats,
        &mut inner,
        report,
    )
    .map_err(|deviation| from_deviation(*deviation))
}

fn from_deviation(deviation: Deviation) -> Failure {
    let Deviation { span, mismatch } = deviation;
    Failure {
        span: Some(span),
        path: mismatch.path,
        expected: mismatch.expected,
        actual: mismatch.actual,
        notes: Vec::new(),
    }
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
