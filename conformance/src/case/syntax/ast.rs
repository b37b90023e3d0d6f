//! What a file says, before anything is looked up. Values and patterns are one kind of node, `Term`: which of the two a
//! place wants is known only when the types are.

use std::time::Duration;

use super::super::model::{Comparison, Level, Observed, Span};

/// A word or text and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) contract: Option<Name>,
    pub(crate) world: Option<Name>,
    pub(crate) group: Option<Name>,
    pub(crate) cases: Vec<Case>,
}

/// A case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: Name,
    pub(crate) level: Level,
    pub(crate) profile: Option<Name>,
    pub(crate) needs: Vec<Name>,
    pub(crate) limit: Option<Duration>,
    pub(crate) quotes: Vec<Name>,
    pub(crate) environment: Option<Term>,
    pub(crate) guests: Vec<Guest>,
    pub(crate) host: Vec<HostStep>,
    /// Lines of the file, for the hash.
    pub(crate) lines: std::ops::Range<usize>,
    pub(crate) span: Span,
}

/// A guest.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) name: Option<Name>,
    pub(crate) copies: Option<u32>,
    pub(crate) manual: bool,
    pub(crate) open: bool,
    pub(crate) world: Option<Name>,
    pub(crate) kind: GuestKind,
    pub(crate) span: Span,
}

/// What a guest is made of.
#[derive(Clone, Debug)]
pub(crate) enum GuestKind {
    Puppet {
        body: Vec<Statement>,
        handlers: Vec<Handler>,
        faults: Vec<Fault>,
    },
    File {
        form: FileForm,
        path: Name,
    },
    Bytes(Term),
}

/// How a file of a guest is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileForm {
    Wat,
    Component,
    Module,
}

/// A `faults` line.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    ReallocMisaligned,
    ReallocOutOfBounds,
    ReallocTrap,
    ReallocCalls(Path),
    StartTrap,
    StartSpin,
    Pages(u32, Option<u32>),
}

/// An `on` clause.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) export: Path,
    pub(crate) params: Vec<Param>,
    pub(crate) body: Vec<Statement>,
    pub(crate) span: Span,
}

/// A parameter of an `on` clause.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    Ignore,
    Bind(Name),
    Guard(Term),
    /// `{field: PARAM, ..}`; the place, and whether `..` leaves the other fields free.
    Fields(Vec<(Name, Param)>, bool, Span),
}

/// `store-get`, `r.get`, `core.send`, `wasi:io/poll.poll`.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) package: Option<Name>,
    pub(crate) qualifier: Option<Name>,
    pub(crate) name: Name,
    pub(crate) span: Span,
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: Path,
    pub(crate) arguments: Vec<Term>,
    pub(crate) span: Span,
}

/// A statement of a guest.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) span: Span,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    Call {
        call: Call,
        expect: Option<Expectation>,
    },
    Let {
        name: Name,
        call: Call,
    },
    Raw {
        path: Path,
        words: Vec<Word>,
        expect: Option<Expectation>,
        span: Span,
    },
    Drop {
        name: Name,
        expect: Option<Expectation>,
    },
    Expect {
        value: Term,
        expect: Expectation,
    },
    Signal(Name),
    Flush,
    Repeat {
        count: u32,
        name: Option<Name>,
        quiet: bool,
        body: Vec<Statement>,
    },
    Until {
        call: Call,
        stop: Term,
        max: Option<u32>,
        body: Vec<Statement>,
    },
    Return(Option<Term>),
    ReturnTranscript(Span),
    RawReturn(Word),
    Trap,
    Spin,
    Recurse,
}

/// A core word.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Integer(i128),
    Var(Name),
    Address(Term),
    Out,
}

/// One or several outcomes.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) outcomes: Vec<(Option<Name>, Outcome)>,
    pub(crate) span: Span,
}

/// An outcome.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Returns(Span),
    Trap(Span),
    Timeout(Span),
    Refused(Span),
    Value(Term),
}

/// A host step.
#[derive(Clone, Debug)]
pub(crate) struct HostStep {
    pub(crate) kind: HostStepKind,
    pub(crate) span: Span,
}

/// What a host step does.
#[derive(Clone, Debug)]
pub(crate) enum HostStepKind {
    Call {
        call: Call,
        expect: Option<Expectation>,
    },
    Let {
        name: Name,
        call: Call,
    },
    Await {
        event: Event,
        within: Option<Duration>,
        expect: Option<Expectation>,
    },
    AwaitSignal {
        instance: Instance,
        name: Name,
        within: Option<Duration>,
    },
    Never {
        event: Event,
        within: Duration,
    },
    Repeat {
        count: u32,
        name: Option<Name>,
        parallel: bool,
        body: Vec<HostStep>,
    },
    Observe {
        what: Observed,
        within: Option<Duration>,
        expect: Expectation,
    },
    Push {
        path: Term,
        message: Term,
        within: Option<Duration>,
    },
    HangUp {
        path: Term,
        within: Option<Duration>,
    },
    File {
        path: Term,
        content: Term,
    },
    Directory {
        path: Term,
    },
    Link {
        path: Term,
        target: Term,
    },
    Plans {
        duty: Name,
        seed: u64,
        cases: u32,
        expect: Option<Expectation>,
    },
}

/// `message(a)`
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: Name,
    pub(crate) instance: Option<Instance>,
}

/// `a`, `a[3]`, `$i`
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: Name,
    /// Written with `$`.
    pub(crate) bound: bool,
    pub(crate) index: Option<Box<Term>>,
    pub(crate) span: Span,
}

/// A value or a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) kind: TermKind,
    pub(crate) span: Span,
}

/// Its form.
#[derive(Clone, Debug)]
pub(crate) enum TermKind {
    /// `_`
    Wildcard,
    /// As written.
    Number(String),
    Text(Vec<Piece>),
    Char(char),
    /// `true`, `none`, an enum case; the flag tells a `%`.
    Word(String, bool),
    /// `$name`, `$name[index]`
    Var(Name, Option<Box<Term>>),
    /// `some(..)`, `concat(..)`; the flag tells a `%`.
    Apply(Name, bool, Vec<Term>),
    List(Vec<Term>),
    Tuple(Vec<Term>),
    /// Fields, and whether `..` leaves others free. A flag set has fields without value.
    Record(Vec<Field>, Option<Span>),
    Repeat(Box<Term>, u32),
    Hex(Vec<u8>),
    Utf8(Vec<Piece>),
    Json {
        bytes: bool,
        exactly: bool,
        value: Box<Term>,
    },
    Ipc(Ipc),
    Spoil(Box<Term>, Vec<Spoil>),
    /// A form only a pattern has.
    Pattern(Pattern),
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    /// `\{name}`
    Name(String, Span),
}

/// A field of a record or a member of a JSON object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Name,
    /// Written as text, as JSON wants it.
    pub(crate) quoted: bool,
    pub(crate) value: Option<Term>,
}

/// Forms only a pattern has.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Let(Name),
    Contains(Box<Term>, Option<u32>),
    ContainsBytes(Box<Term>),
    Each(Box<Term>),
    Unordered(Vec<Term>),
    Length(Comparison, u64),
    Compare(Comparison, Box<Term>),
    Range(Box<Term>, Box<Term>),
    StartsWith(Box<Term>),
    EndsWith(Box<Term>),
    Matches(Name),
    Schema(Name),
    And(Vec<Term>),
    OneOf(Vec<Term>),
    Not(Box<Term>),
    Distinct(Name),
    Same(Name),
    Trace(Vec<Term>, bool),
    Transcript,
}

impl Pattern {
    /// Its keyword.
    pub(crate) fn keyword(&self) -> &'static str {
        match self {
            Pattern::Let(_) => "let",
            Pattern::Contains(..) => "contains",
            Pattern::ContainsBytes(_) => "contains-bytes",
            Pattern::Each(_) => "each",
            Pattern::Unordered(_) => "unordered",
            Pattern::Length(..) => "length",
            Pattern::Compare(..) => "a comparison",
            Pattern::Range(..) => "a range",
            Pattern::StartsWith(_) => "starts-with",
            Pattern::EndsWith(_) => "ends-with",
            Pattern::Matches(_) => "matches",
            Pattern::Schema(_) => "schema",
            Pattern::And(_) => "and",
            Pattern::OneOf(_) => "one-of",
            Pattern::Not(_) => "not",
            Pattern::Distinct(_) => "distinct",
            Pattern::Same(_) => "same",
            Pattern::Trace(..) => "trace",
            Pattern::Transcript => "transcript",
        }
    }
}

/// `ipc ...`
#[derive(Clone, Debug)]
pub(crate) struct Ipc {
    /// `ipc schema {..}`
    pub(crate) schema_only: bool,
    /// Written as a list of batches.
    pub(crate) many: bool,
    pub(crate) batches: Vec<IpcBatch>,
}

/// `{...}` in `ipc`.
#[derive(Clone, Debug)]
pub(crate) struct IpcBatch {
    pub(crate) rows: Option<u64>,
    pub(crate) columns: Option<u64>,
    pub(crate) fields: Vec<IpcColumn>,
    pub(crate) span: Span,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct IpcColumn {
    pub(crate) name: Option<Name>,
    /// `_:`
    pub(crate) any_name: bool,
    /// `None` for `_`.
    pub(crate) ty: Option<Name>,
    pub(crate) nonnull: bool,
    pub(crate) metadata: Vec<(String, String)>,
    /// A list or `_`; absent in a schema.
    pub(crate) values: Option<Term>,
    pub(crate) span: Span,
}

/// A fault of `spoil`.
#[derive(Clone, Debug)]
pub(crate) enum Spoil {
    Number(Name, i128),
    Append(Term),
    Plain(Name),
}
