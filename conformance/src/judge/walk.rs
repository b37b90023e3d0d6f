//! Walks the transcripts of a guest along its plan: which step was reached, what it returned, and whether that is what
//! the case expects.

use fixtures::{
    abi::{self, Type, Value, wave},
    puppet::transcript::{Record, Transcript},
};

use super::pattern::{self, Mismatch, Scope};
use crate::{
    case::model::{Expectation, Outcome, Span},
    plan::{Clause, Node, PlannedGuest, Read, Step},
};

/// The names of a guest, with its loop variables.
pub trait Names: Scope {
    /// Says at which turn, from 0, a loop is.
    fn turn(&mut self, name: &str, turn: u32);
}

/// One line of a transcript, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The guest, or `host`.
    pub who: String,
    /// What was done, as in `store-get`.
    pub what: String,
    /// What came back, as WAVE, abbreviated.
    pub value: String,
}

/// Why a walk failed.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// The step.
    pub span: Span,
    /// Where in the value, what was expected, what was there.
    pub mismatch: Mismatch,
}

/// How the instance ended, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The export returned, or the world has no instances of its own.
    Returned,
    /// The guest trapped.
    Trapped,
    /// The host ended it, or it never ended.
    Cut,
}

/// A record with its value read.
struct Reading {
    step: usize,
    value: Result<Option<Value>, String>,
    turns: Option<u64>,
}

/// Everything one instance (or one handler clause) left behind, in order, read while its memory was at hand.
#[derive(Default)]
pub struct Readings {
    records: Vec<Reading>,
}

impl Readings {
    /// Whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Reads a transcript's records.
    pub fn add(&mut self, guest: &PlannedGuest, transcript: &Transcript) {
        let mut memory = Heap(transcript.memory());
        for record in &transcript.records {
            let step = record.step as usize;
            let reading = match guest.steps.get(step) {
                Some(known) => Reading {
                    step,
                    value: read(known, record, &mut memory),
                    turns: known.until.and_then(|_| record.words.first().copied()),
                },
                None => Reading {
                    step,
                    value: Err(format!(
                        "the transcript names step {step}, which the guest does not have"
                    )),
                    turns: None,
                },
            };
            self.records.push(reading);
        }
    }
}

fn read(step: &Step, record: &Record, memory: &mut Heap) -> Result<Option<Value>, String> {
    let Some(ty) = &step.ty else { return Ok(None) };
    let words = record
        .words
        .get(usize::from(step.until.is_some())..)
        .unwrap_or_default();
    match step.read {
        Read::Nothing => Ok(None),
        Read::Words => abi::lift_flat(memory, &mut words.iter().copied(), ty)
            .map(Some)
            .map_err(|trap| trap.to_string()),
        Read::Memory => {
            let address = words.first().copied().unwrap_or_default() as u32;
            abi::load(memory, address, ty)
                .map(Some)
                .map_err(|trap| trap.to_string())
        }
    }
}

/// The guest's memory as its transcript kept it.
struct Heap(Vec<u8>);

impl abi::Context for Heap {
    fn memory(&self) -> &[u8] {
        &self.0
    }

    fn encoding(&self) -> abi::StringEncoding {
        abi::StringEncoding::Utf8
    }
}

impl abi::Lift for Heap {
    fn lift_own(
        &mut self,
        _resource: &abi::ResourceId,
        index: u32,
    ) -> Result<abi::Handle, abi::TrapKind> {
        Ok(abi::Handle(index))
    }

    fn lift_borrow(
        &mut self,
        _resource: &abi::ResourceId,
        index: u32,
    ) -> Result<abi::Handle, abi::TrapKind> {
        Ok(abi::Handle(index))
    }
}

/// Walks one clause as often as its records last.
///
/// The body of a guest that was launched runs once; a handler, and the body of a guest that was loaded, may run any
/// number of times (`repeats`). Returns whether the clause came to its own end.
///
/// # Errors
/// The first step that deviates.
pub fn walk(
    guest: &PlannedGuest,
    clause: &Clause,
    readings: &Readings,
    end: End,
    repeats: bool,
    scope: &mut dyn Names,
    report: &mut Report,
) -> Result<bool, Box<Deviation>> {
    let mut walker = Walker {
        guest,
        rest: readings.records.iter(),
        end,
        scope,
        report,
    };
    let complete = loop {
        let before = walker.rest.len();
        let flow = walker.nodes(&clause.nodes)?;
        let again = repeats && walker.rest.len() > 0 && walker.rest.len() < before;
        if !again {
            break matches!(flow, Flow::On);
        }
    };
    match walker.rest.next() {
        None => Ok(complete),
        Some(extra) => {
            let step = walker.guest.steps.get(extra.step);
            Err(Box::new(Deviation {
                span: step.map_or(clause.span, |step| step.span),
                mismatch: Mismatch {
                    path: String::new(),
                    expected: "the guest to end before".to_owned(),
                    actual: "a record past its end: the guest's memory or control was changed by the host".to_owned(),
                },
            }))
        }
    }
}

/// Judges a clause that trapped and left nothing, in a world where nothing can be handed out before a trap: the only
/// statement that may trap is taken for the one that did. Returns whether there is one.
///
/// # Errors
/// When that statement's expectation has no trap among its outcomes after all.
pub fn walk_lost(
    guest: &PlannedGuest,
    clause: &Clause,
    scope: &mut dyn Names,
    report: &mut Report,
) -> Result<bool, Box<Deviation>> {
    let Some(step) = clause.nodes.iter().find_map(|node| match node {
        Node::Step(index) => guest
            .steps
            .get(*index)
            .filter(|step| step.expect.may_trap()),
        _ => None,
    }) else {
        return Ok(false);
    };
    let mut walker = Walker {
        guest,
        rest: [].iter(),
        end: End::Trapped,
        scope,
        report,
    };
    walker.not_reached(step).map(|_| true)
}

/// What a walk leaves for the report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// Names of the outcomes that were chosen.
    pub chosen: Vec<String>,
}

enum Flow {
    On,
    Ended,
}

struct Walker<'a, 'r> {
    guest: &'a PlannedGuest,
    rest: std::slice::Iter<'r, Reading>,
    end: End,
    scope: &'a mut dyn Names,
    report: &'a mut Report,
}

impl Walker<'_, '_> {
    fn nodes(&mut self, nodes: &[Node]) -> Result<Flow, Box<Deviation>> {
        for node in nodes {
            match node {
                Node::Step(index) => {
                    if matches!(self.step(*index)?, Flow::Ended) {
                        return Ok(Flow::Ended);
                    }
                }
                Node::Loop { count, name, body } => {
                    for turn in 0..*count {
                        if let Some(name) = name {
                            self.scope.turn(name, turn);
                        }
                        if matches!(self.nodes(body)?, Flow::Ended) {
                            return Ok(Flow::Ended);
                        }
                    }
                }
                Node::Stop(_) => return Ok(Flow::Ended),
                Node::Return => return Ok(Flow::On),
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, index: usize) -> Result<Flow, Box<Deviation>> {
        let step = &self.guest.steps[index];
        let Some(reading) = self.rest.next() else {
            return self.not_reached(step);
        };
        if reading.step != index {
            let other = self
                .guest
                .steps
                .get(reading.step)
                .map_or("a step it does not have", |step| &step.label);
            return Err(deviation(
                step.span,
                format!("a record of `{}`", step.label),
                format!(
                    "a record of `{other}`: the guest's memory or control was changed by the host"
                ),
            ));
        }
        let value = match &reading.value {
            Ok(value) => value,
            Err(problem) => {
                self.line(step, format!("malformed: {problem}"));
                return Err(deviation(
                    step.span,
                    describe(&step.expect),
                    format!("a malformed value: {problem}"),
                ));
            }
        };
        let shown = match (value, &step.ty) {
            (Some(value), Some(ty)) => shown(ty, value),
            _ => String::new(),
        };
        self.line(step, shown);
        if let (Some(max), Some(turns)) = (step.until, reading.turns)
            && turns >= u64::from(max)
        {
            return Err(deviation(
                step.span,
                "the call to give the value it waits for".to_owned(),
                format!("{turns} turns without it"),
            ));
        }
        let bound = judge(
            &step.expect,
            Answer::Returned(value.as_ref()),
            self.scope,
            &mut self.report.chosen,
        )
        .map_err(|mismatch| {
            Box::new(Deviation {
                span: step.span,
                mismatch,
            })
        })?;
        // A named outcome that leaves names unbound ends the guest: what follows needs them.
        Ok(if bound { Flow::On } else { Flow::Ended })
    }

    fn not_reached(&mut self, step: &Step) -> Result<Flow, Box<Deviation>> {
        let lost = match self.end {
            End::Cut => return Ok(Flow::Ended),
            End::Returned => "the guest ended before it, or its transcript did not arrive",
            // Before a step that may trap all records are handed out, so it is that step; otherwise it may be a later one.
            End::Trapped if step.expect.may_trap() => {
                self.line(step, "trap".to_owned());
                return judge(
                    &step.expect,
                    Answer::Trapped,
                    self.scope,
                    &mut self.report.chosen,
                )
                .map(|_| Flow::Ended)
                .map_err(|mismatch| {
                    Box::new(Deviation {
                        span: step.span,
                        mismatch,
                    })
                });
            }
            End::Trapped => {
                "the guest trapped, at this step or after it, and its transcript was lost with it"
            }
        };
        Err(deviation(
            step.span,
            format!("`{}` to be reached and its record handed out", step.label),
            lost.to_owned(),
        ))
    }

    fn line(&mut self, step: &Step, value: String) {
        self.report.lines.push(Line {
            who: self.guest.name.clone(),
            what: step.label.clone(),
            value,
        });
    }
}

fn deviation(span: Span, expected: String, actual: String) -> Box<Deviation> {
    Box::new(Deviation {
        span,
        mismatch: Mismatch {
            path: String::new(),
            expected,
            actual,
        },
    })
}

/// How a call was answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// It returned, perhaps with a value.
    Returned(Option<&'a Value>),
    /// It trapped.
    Trapped,
    /// Nothing came in time.
    Nothing,
}

/// Judges an answer: the first outcome that fits is chosen. Returns whether every name that an outcome could bind was
/// bound.
///
/// # Errors
/// When no outcome fits; the mismatch is that of the only outcome, or tells all of them.
pub fn judge(
    expect: &Expectation,
    answer: Answer<'_>,
    scope: &mut dyn Scope,
    chosen: &mut Vec<String>,
) -> Result<bool, Mismatch> {
    let mut first = None;
    for (name, outcome) in &expect.outcomes {
        let tried = match (outcome, answer) {
            (Outcome::Returns, Answer::Returned(_))
            | (Outcome::Trap, Answer::Trapped)
            | (Outcome::Refused(_), Answer::Trapped)
            | (Outcome::Timeout, Answer::Nothing) => Ok(()),
            (
                Outcome::Value(pattern) | Outcome::Refused(pattern),
                Answer::Returned(Some(value)),
            ) => pattern::matches(pattern, value, scope),
            (outcome, answer) => Err(Mismatch {
                path: String::new(),
                expected: describe_outcome(outcome),
                actual: match answer {
                    Answer::Returned(_) => "a normal return".to_owned(),
                    Answer::Trapped => "a trap".to_owned(),
                    Answer::Nothing => "nothing in time".to_owned(),
                },
            }),
        };
        match tried {
            Ok(()) => {
                if let Some(name) = name {
                    chosen.push(name.clone());
                }
                let binds = |outcome: &Outcome| matches!(outcome, Outcome::Value(p) if crate::plan::binds(p));
                return Ok(binds(outcome) || !expect.outcomes.iter().any(|(_, other)| binds(other)));
            }
            Err(mismatch) => first = first.or(Some(mismatch)),
        }
    }
    let mut mismatch = first.unwrap_or(Mismatch {
        path: String::new(),
        expected: String::new(),
        actual: String::new(),
    });
    if expect.outcomes.len() > 1 {
        mismatch.expected = describe(expect);
        mismatch.path = String::new();
        if let (Answer::Returned(Some(value)), Some(ty)) = (answer, value_type(expect)) {
            mismatch.actual = shown(ty, value);
        }
    }
    Err(mismatch)
}

fn value_type(expect: &Expectation) -> Option<&Type> {
    expect
        .outcomes
        .iter()
        .find_map(|(_, outcome)| match outcome {
            Outcome::Value(pattern) => Some(&pattern.ty),
            _ => None,
        })
}

/// What is expected, as the case writes it.
pub fn describe(expect: &Expectation) -> String {
    let outcomes: Vec<String> = expect
        .outcomes
        .iter()
        .map(|(name, outcome)| match name {
            Some(name) => format!("{name}: {}", describe_outcome(outcome)),
            None => describe_outcome(outcome),
        })
        .collect();
    outcomes.join(" | ")
}

fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Returns => "returns".to_owned(),
        Outcome::Trap => "trap".to_owned(),
        Outcome::Timeout => "timeout".to_owned(),
        Outcome::Refused(pattern) => format!("refused (a trap, or {})", pattern::describe(pattern)),
        Outcome::Value(pattern) => pattern::describe(pattern),
    }
}

/// A value as WAVE, with long texts and lists cut.
pub fn shown(ty: &Type, value: &Value) -> String {
    /// Characters of a text and elements of a list that a report shows.
    const MOST: usize = 160;
    wave::abbreviated(ty, value, MOST)
}
