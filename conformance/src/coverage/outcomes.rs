//! What a checked case says of the functions it uses: which succeed in it and which fail.

use std::collections::BTreeMap;

use fixtures::abi::{Type, Value};

use super::functions::{Direction, Function};
use crate::{
    case::model::{
        Call, Case, Expectation, Expr, ExprKind, FunctionRef, GuestKind, Handler, HostStep,
        HostStepKind, JsonPattern, Outcome, Pattern, PatternKind, Statement, StatementKind,
        UntilStop,
    },
    contract::{Contract, World},
};

/// What a case says of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Something that succeeds is accepted.
    pub(super) succeeds: bool,
    /// A failure is.
    pub(super) fails: bool,
    /// Of an export: the guest itself fails, whatever the host makes of it.
    pub(super) own_failure: bool,
    /// Of an export: it only returns what it always returns, as `manifest` does where it is not what the case is about.
    pub(super) by_the_way: bool,
}

/// Success or failure, as far as a pattern tells them apart.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    success: bool,
    failure: bool,
}

impl Told {
    const SUCCESS: Told = Told {
        success: true,
        failure: false,
    };
    const FAILURE: Told = Told {
        success: false,
        failure: true,
    };

    fn or(self, other: Told) -> Told {
        Told {
            success: self.success || other.success,
            failure: self.failure || other.failure,
        }
    }
}

/// What the case says of each function it uses, by index.
pub(super) fn of(
    contract: &Contract,
    functions: &[Function],
    case: &Case,
) -> BTreeMap<usize, Used> {
    let mut reader = Reader {
        functions,
        world: None,
        answers: BTreeMap::new(),
        used: BTreeMap::new(),
    };
    reader.steps(&case.host);
    for guest in &case.guests {
        reader.world = contract.world(&guest.world);
        match &guest.kind {
            GuestKind::Puppet { handlers, .. } => {
                handlers.iter().for_each(|handler| reader.handler(handler));
            }
            _ => reader.unread(case),
        }
    }
    reader.used
}

struct Reader<'a> {
    functions: &'a [Function],
    /// The world of the guest that is read.
    world: Option<&'a World>,
    /// What is expected of the driver's answers, by function.
    answers: BTreeMap<String, Told>,
    used: BTreeMap<usize, Used>,
}

impl Reader<'_> {
    fn steps(&mut self, steps: &[HostStep]) {
        for step in steps {
            match &step.kind {
                HostStepKind::Call {
                    function, expect, ..
                } => {
                    let told = expected(expect, function.ty.result.as_ref(), None);
                    let answer = self.answers.entry(function.name.clone()).or_default();
                    *answer = answer.or(told);
                }
                HostStepKind::Repeat { body, .. } | HostStepKind::Parallel { body, .. } => {
                    self.steps(body)
                }
                _ => {}
            }
        }
    }

    fn handler(&mut self, handler: &Handler) {
        self.statements(&handler.body);
        let Some(index) = self.index(Direction::Export, &handler.export) else {
            return;
        };
        let ends = ends(&handler.body, handler.main);
        let function = self.functions.get(index);
        let answer = function.and_then(|function| self.answer(function));
        let succeeds = match answer {
            Some(answer) => ends.transcript || answer.success && ends.returns,
            None => ends.returns || ends.transcript,
        };
        let refused = answer.is_some_and(|answer| answer.failure);
        let constant = matches!(
            handler.body.as_slice(),
            [Statement {
                kind: StatementKind::Return(Some(Expr {
                    kind: ExprKind::Const(_),
                    ..
                })),
                ..
            }]
        );
        let by_the_way = constant && handler.export.ty.params.is_empty();
        let first = !self.used.contains_key(&index);
        let used = self.used.entry(index).or_default();
        used.succeeds |= succeeds;
        used.fails |= ends.fails || refused;
        used.own_failure |= ends.fails;
        used.by_the_way = by_the_way && (first || used.by_the_way);
    }

    /// A guest whose code says nothing here: the case's id tells which export it is about, the answers what came of it.
    fn unread(&mut self, case: &Case) {
        for (index, function) in self.functions.iter().enumerate() {
            if function.direction == Direction::Export && function.is_named_by(&case.id) {
                let answer = self.answer(function).unwrap_or_default();
                let used = self.used.entry(index).or_default();
                used.succeeds |= answer.success;
                used.fails |= answer.failure;
            }
        }
    }

    /// What the driver's answers say of an export, if any do.
    fn answer(&self, function: &Function) -> Option<Told> {
        let answers = function.answers.iter();
        answers
            .filter_map(|name| self.answers.get(name).copied())
            .reduce(Told::or)
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Call {
                    call: Call::Function { function, .. },
                    expect,
                }
                | StatementKind::Raw {
                    function, expect, ..
                } => self.import(function, |world, ty| {
                    expected(expect, ty, world.and_then(|world| world.refusal.as_ref()))
                }),
                StatementKind::Until {
                    call, stop, body, ..
                } => {
                    if let Call::Function { function, .. } = call {
                        self.import(function, |_, ty| until(stop, ty));
                    }
                    self.statements(body);
                }
                StatementKind::Repeat { body, .. } => self.statements(body),
                _ => {}
            }
        }
    }

    fn import(
        &mut self,
        function: &FunctionRef,
        told: impl FnOnce(Option<&World>, Option<&Type>) -> Told,
    ) {
        if let Some(index) = self.index(Direction::Import, function) {
            let told = told(self.world, function.ty.result.as_ref());
            let used = self.used.entry(index).or_default();
            used.succeeds |= told.success;
            used.fails |= told.failure;
            used.own_failure |= told.failure;
        }
    }

    fn index(&self, direction: Direction, function: &FunctionRef) -> Option<usize> {
        let functions = self.functions.iter();
        functions
            .enumerate()
            .find(|(_, known)| known.is(direction, function))
            .map(|(index, _)| index)
    }
}

/// How a handler's body may end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    /// With a value that is no error.
    returns: bool,
    /// With the transcript, which may travel as an error.
    transcript: bool,
    /// With an error of the guest's, or not at all.
    fails: bool,
}

fn ends(body: &[Statement], main: bool) -> Ends {
    let mut ends = Ends::default();
    match body.last().map(|last| &last.kind) {
        Some(StatementKind::Return(value)) => {
            let error = value.as_ref().is_some_and(is_error);
            ends.fails = error;
            ends.returns = !error;
        }
        Some(StatementKind::ReturnTranscript) => ends.transcript = true,
        Some(
            StatementKind::RawReturn(_)
            | StatementKind::Trap
            | StatementKind::Spin
            | StatementKind::Recurse,
        ) => ends.fails = true,
        _ if main => ends.transcript = true,
        _ => ends.returns = true,
    }
    ends
}

fn is_error(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Const(Value::Result(Err(_))) => true,
        ExprKind::Variant(1, _) => matches!(value.ty, Type::Result(..)),
        _ => false,
    }
}

/// What a result of type `ty` is expected to be. `refusal` is the contract's word for a failure without a trap.
fn expected(expect: &Expectation, ty: Option<&Type>, refusal: Option<&Pattern>) -> Told {
    let outcomes = expect.outcomes.iter();
    let told = outcomes.map(|(_, outcome)| match outcome {
        Outcome::Trap | Outcome::Refused(_) => Told::FAILURE,
        Outcome::Timeout => Told::default(),
        Outcome::Returns if may_be_error(ty, refusal) => Told::default(),
        Outcome::Returns => Told::SUCCESS,
        Outcome::Value(pattern) => pattern_tells(pattern, refusal),
    });
    told.fold(Told::default(), Told::or)
}

/// Whether a value of the type can be an error.
fn may_be_error(ty: Option<&Type>, refusal: Option<&Pattern>) -> bool {
    match ty {
        Some(Type::Result(..)) => true,
        Some(Type::String) => refusal.is_some(),
        _ => false,
    }
}

fn pattern_tells(pattern: &Pattern, refusal: Option<&Pattern>) -> Told {
    match &pattern.kind {
        PatternKind::And(all) => all
            .iter()
            .map(|pattern| pattern_tells(pattern, refusal))
            .fold(Told::default(), Told::or),
        PatternKind::OneOf(all) => all
            .iter()
            .map(|pattern| pattern_tells(pattern, refusal))
            .fold(Told::default(), Told::or),
        _ if !may_be_error(Some(&pattern.ty), refusal) => Told::SUCCESS,
        PatternKind::Any | PatternKind::Bind(_) | PatternKind::Not(_) => Told::default(),
        PatternKind::Case(0, _) => Told::SUCCESS,
        PatternKind::Case(_, _) => Told::FAILURE,
        PatternKind::Equal(value) => match (&value.kind, &value.ty) {
            (ExprKind::Const(Value::Result(Ok(_))) | ExprKind::Variant(0, _), Type::Result(..)) => {
                Told::SUCCESS
            }
            (_, Type::Result(..)) if is_error(value) => Told::FAILURE,
            (_, Type::Result(..)) => Told::default(),
            _ => Told::SUCCESS,
        },
        PatternKind::Json { pattern, .. } => match refuses(pattern, refusal) {
            true => Told::FAILURE,
            false => Told::SUCCESS,
        },
        PatternKind::Transcript => Told::default(),
        _ if pattern.ty == Type::String => Told::SUCCESS,
        _ => Told::default(),
    }
}

/// Whether a JSON pattern has the members by which the contract's refusal is known.
fn refuses(pattern: &JsonPattern, refusal: Option<&Pattern>) -> bool {
    let Some(PatternKind::Json {
        pattern: JsonPattern::Object(known),
        ..
    }) = refusal.map(|refusal| &refusal.kind)
    else {
        return false;
    };
    match pattern {
        JsonPattern::Object(members) => known
            .iter()
            .all(|(name, _)| members.iter().any(|(member, _)| member == name)),
        _ => false,
    }
}

fn until(stop: &UntilStop, ty: Option<&Type>) -> Told {
    match (stop, ty) {
        (UntilStop::Discriminant(0), Some(Type::Result(..))) => Told::SUCCESS,
        (UntilStop::Discriminant(_), Some(Type::Result(..))) => Told::FAILURE,
        _ => Told::SUCCESS,
    }
}
