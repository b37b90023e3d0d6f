//! The checked form of a case: every name resolved, every value typed against the WIT. The parser and checker produce
//! it; planner, judge and `explain` consume it.

mod observed;
mod pattern;

use std::{path::PathBuf, sync::Arc, time::Duration};

use fixtures::abi::{FuncType, Type, Value};

use crate::law::duty::Duty;

pub use observed::Observed;
pub use pattern::{
    Comparison, IpcBatchPattern, IpcColumnPattern, IpcPattern, IpcValuePattern, JsonPattern,
    Pattern, PatternKind,
};

/// Byte range in the file a thing was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One `.case` file as it was read.
#[derive(Debug)]
pub struct Source {
    /// Path relative to the case folder, with `/`.
    pub name: String,
    /// Path on disk, for files that lie beside it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// A checked case.
#[derive(Clone, Debug)]
pub struct Case {
    /// `pie.core.store-set.overwrite`
    pub id: String,
    /// Folder of the contract, as in `pie`.
    pub contract: String,
    /// How binding the case is.
    pub level: Level,
    /// The profile that a host must follow for the case to hold it: its limits or texts are not the contract's.
    pub profile: Option<String>,
    /// The words of the contract that the case stands on.
    pub quotes: Vec<String>,
    /// Capabilities that the host must declare: those written and those of the driver functions used.
    pub needs: Vec<String>,
    /// Time the whole case may take.
    pub limit: Duration,
    /// The driver's `environment` record, complete.
    pub environment: Expr,
    /// In order of appearance.
    pub guests: Vec<Guest>,
    /// The host steps.
    pub host: Vec<HostStep>,
    /// Where it was read.
    pub source: Arc<Source>,
    /// The whole case.
    pub span: Span,
    /// SHA-256 over the case's tokens (layout and comments do not count) and the bytes of the files it names, in hex.
    pub hash: String,
}

impl Case {
    /// How binding it is, and for whom: `must`, or `must, profile yoi`.
    pub fn binding(&self) -> String {
        let level = self.level.name();
        match &self.profile {
            Some(profile) => format!("{level}, profile {profile}"),
            None => level.to_owned(),
        }
    }
}

/// How binding a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The contract says so.
    Must,
    /// The only sensible reading.
    Should,
    /// Undefined: named outcomes, the report says which one the host chose.
    Record,
    /// Anything but a crash, a hang, a leak into another instance or a wrong delivery.
    Robust,
}

impl Level {
    /// The word a case file writes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::Record => "record",
            Level::Robust => "robust",
        }
    }
}

/// A guest of a case.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name; `guest` when unnamed.
    pub name: String,
    /// World name within the contract's package.
    pub world: String,
    /// Instances the runner launches before the host steps; 0 for `manual` and for worlds without a body.
    pub copies: u32,
    /// Whether it may still wait when the host steps are over.
    pub open: bool,
    /// What it is made of.
    pub kind: GuestKind,
    /// Its header line.
    pub span: Span,
}

/// What a guest is made of.
#[derive(Clone, Debug)]
pub enum GuestKind {
    /// A puppet that runs these handlers; a bare body is the handler of the world's main export.
    Puppet {
        /// Clauses in order.
        handlers: Vec<Handler>,
        /// `faults` lines.
        faults: Vec<Fault>,
    },
    /// Core module text, to be wrapped for the world.
    Wat(Arc<Source>),
    /// Component text, used as it is.
    ComponentText(Arc<Source>),
    /// Core module text, used as it is.
    ModuleText(Arc<Source>),
    /// Raw bytes.
    Bytes(Vec<u8>),
}

/// A fault of the whole guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `faults realloc misaligned`
    ReallocMisaligned,
    /// `faults realloc out-of-bounds`
    ReallocOutOfBounds,
    /// `faults realloc trap`
    ReallocTrap,
    /// `faults realloc calls NAME`
    ReallocCalls(FunctionRef),
    /// `faults start trap`
    StartTrap,
    /// `faults start spin`
    StartSpin,
    /// `faults pages INITIAL [MAX]`
    Pages(u32, Option<u32>),
}

/// One `on EXPORT(...)` clause.
#[derive(Clone, Debug)]
pub struct Handler {
    /// The export it handles.
    pub export: FunctionRef,
    /// One per parameter of the export.
    pub params: Vec<Param>,
    /// What it does.
    pub body: Vec<Statement>,
    /// Whether it is a bare body, which hands out its transcript when it ends.
    pub main: bool,
    /// The clause's head.
    pub span: Span,
}

/// A handler's parameter.
#[derive(Clone, Debug)]
pub enum Param {
    /// `_`
    Ignore,
    /// Binds the parameter.
    Bind(String),
    /// A text the parameter must equal for this clause to run.
    Guard(String),
    /// One per field of a record.
    Fields(Vec<Param>),
}

impl Param {
    /// Whether there are calls that the clause does not take.
    pub(crate) fn is_guard(&self) -> bool {
        match self {
            Param::Ignore | Param::Bind(_) => false,
            Param::Guard(_) => true,
            Param::Fields(fields) => fields.iter().any(Param::is_guard),
        }
    }
}

/// A function of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRef {
    /// Interface id as `wit-parser` gives it (`pie:inferlet/core`, `wasi:io/poll@0.2.4`); `None` for a function of the world itself.
    pub interface: Option<String>,
    /// WIT name, as in `store-get`, `[method]queue.synchronize`, `[resource-drop]queue`.
    pub name: String,
    /// Its type; `self` is the first parameter of a method.
    pub ty: FuncType,
}

/// A statement of a guest.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// The statement's first line.
    pub span: Span,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// Calls an import. `let NAME = CALL` has the pattern `let NAME`.
    Call {
        /// What is called.
        call: Call,
        /// What the result is judged by.
        expect: Expectation,
    },
    /// `raw NAME(...)`
    Raw {
        /// The import.
        function: FunctionRef,
        /// Core words.
        words: Vec<Word>,
        /// Judges the result, lifted from `@out` or the core result.
        expect: Expectation,
    },
    /// `drop NAME`, with the resource's `[resource-drop]` function.
    Drop {
        /// The bound handle.
        name: String,
        /// The import.
        function: FunctionRef,
        /// `returns` unless written.
        expect: Expectation,
    },
    /// `expect VALUE => EXPECTATION`
    Expect {
        /// What is judged.
        value: Expr,
        /// What it is judged by.
        expect: Expectation,
    },
    /// `signal NAME`
    Signal(String),
    /// `flush`
    Flush,
    /// `repeat N [as NAME] [quiet]`
    Repeat {
        /// Turns.
        count: u32,
        /// Loop variable, from 0.
        name: Option<String>,
        /// Whether nothing is recorded.
        quiet: bool,
        /// What is repeated.
        body: Vec<Statement>,
    },
    /// `until CALL => VALUE [max N]`
    Until {
        /// What is called.
        call: Call,
        /// A constant of a scalar type (bool, integer, enum) or the shape `some(_)`/`none`/`ok(_)`/`err(_)`.
        stop: UntilStop,
        /// Turns at most.
        max: u32,
        /// Run between two calls.
        body: Vec<Statement>,
    },
    /// `return VALUE`; `None` where the export has no result, and for `return ok` of `result<_, E>` it is the constant.
    Return(Option<Expr>),
    /// `return transcript`
    ReturnTranscript,
    /// `raw return WORD`
    RawReturn(Word),
    /// `trap`
    Trap,
    /// `spin`
    Spin,
    /// `recurse`
    Recurse,
}

/// When `until` stops.
#[derive(Clone, Debug)]
pub enum UntilStop {
    /// The result equals this constant.
    Equals(Value),
    /// The result's discriminant is this one.
    Discriminant(u32),
}

/// A call in a guest.
#[derive(Clone, Debug)]
pub enum Call {
    /// An import.
    Function {
        /// The import.
        function: FunctionRef,
        /// Its arguments; the handle of a method comes first, as `ExprKind::Var` of type `borrow`.
        arguments: Vec<Expr>,
    },
    /// `grow(PAGES)`, an `s32`.
    Grow(u32),
    /// `count()`, a `u32`.
    Count,
    /// `keep("NAME", TEXT)`: remembers a text in the instance, over calls.
    Keep {
        /// What it is kept under.
        name: String,
        /// The text.
        value: Expr,
    },
    /// `kept("NAME")`: the text kept last under this name, empty before there is one.
    Kept(String),
    /// `json-number(TEXT, "MEMBER")`, a `u32`: the first member of that name in a JSON text.
    JsonNumber {
        /// The text.
        text: Expr,
        /// The member's name.
        member: String,
    },
    /// `json-text(TEXT, "MEMBER")`: the same for a text between quotes, as it is written.
    JsonText {
        /// The text.
        text: Expr,
        /// The member's name.
        member: String,
    },
}

impl Call {
    /// The type of the result; `None` when there is none.
    pub fn result(&self) -> Option<Type> {
        match self {
            Call::Function { function, .. } => function.ty.result.clone(),
            Call::Grow(_) => Some(Type::S32),
            Call::Count | Call::JsonNumber { .. } => Some(Type::U32),
            Call::Keep { .. } => None,
            Call::Kept(_) | Call::JsonText { .. } => Some(Type::String),
        }
    }

    /// Whether it leaves no record: it concerns the guest's own memory alone, and nothing is expected of it.
    pub fn is_silent(&self, expect: &Expectation) -> bool {
        let own = matches!(
            self,
            Call::Keep { .. } | Call::Kept(_) | Call::JsonNumber { .. } | Call::JsonText { .. }
        );
        own && expect.outcomes.iter().all(|(_, outcome)| match outcome {
            Outcome::Returns => true,
            Outcome::Value(pattern) => {
                matches!(pattern.kind, PatternKind::Any | PatternKind::Bind(_))
            }
            _ => false,
        })
    }
}

/// A core word of a raw call.
#[derive(Clone, Debug)]
pub enum Word {
    /// An integer, taken modulo the word's width.
    Integer(i128),
    /// The first word of a bound value.
    Var(String),
    /// The address of these bytes.
    Address(Vec<u8>),
    /// A fresh, honest return area.
    Out,
}

/// A value to be built.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its type.
    pub ty: Type,
    /// How it is built.
    pub kind: ExprKind,
    /// Where it is written.
    pub span: Span,
}

/// How a value is built.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Const(Value),
    /// A bound value.
    Var(String),
    /// `$a[INDEX]`: the id of one of several instances of a guest, in host steps.
    Instance {
        /// The guest's name.
        guest: String,
        /// Which copy, from 0.
        index: Box<Expr>,
    },
    /// A list whose elements are not all constant.
    List(Vec<Expr>),
    /// A record, every field in declaration order.
    Record(Vec<Expr>),
    /// A tuple.
    Tuple(Vec<Expr>),
    /// A case of a variant, option or result, by index (none 0, some 1; ok 0, err 1).
    Variant(u32, Option<Box<Expr>>),
    /// Text with parts known later; of type `string` or `list<u8>`.
    Text(Vec<TextPart>),
    /// Text or bytes, repeated.
    Repeat(Vec<u8>, u32),
    /// Parts put together at run time; `string` or `list<u8>`.
    Concat(Vec<Expr>),
    /// `size-le32($x)`: the length in bytes of a string or `list<u8>`, as four little-endian bytes.
    SizeLe32(Box<Expr>),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// These characters.
    Literal(String),
    /// A loop variable: decimal, six digits, zero padded.
    Loop(String),
    /// A value of the run's surroundings, as in `http`.
    Surrounding(String),
    /// A bound string (host steps only).
    Var(String),
}

/// What a result is judged by: one outcome, or named ones of which the first that fits is chosen.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// At least one. Unnamed only when there is exactly one.
    pub outcomes: Vec<(Option<String>, Outcome)>,
    /// Where it is written; the call itself when nothing was written.
    pub span: Span,
}

/// One possible outcome.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Any normal return.
    Returns,
    /// The call traps.
    Trap,
    /// Nothing came in time.
    Timeout,
    /// The call fails: it traps, or returns what this pattern of the contract matches.
    Refused(Pattern),
    /// A normal return of a value of this pattern.
    Value(Pattern),
}

impl Expectation {
    /// Whether the guest may be gone after the call.
    pub fn may_trap(&self) -> bool {
        self.outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Trap | Outcome::Refused(_)))
    }
}

/// A host step.
#[derive(Clone, Debug)]
pub struct HostStep {
    /// What is done.
    pub kind: HostStepKind,
    /// The step's first line.
    pub span: Span,
}

/// What a host step does.
#[derive(Clone, Debug)]
pub enum HostStepKind {
    /// Calls the driver. `let NAME = CALL` has a pattern that binds, through `ok` for a `result`.
    Call {
        /// Function of the driver interface.
        function: FunctionRef,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// Judges the answer.
        expect: Expectation,
    },
    /// `await EVENT[(GUEST)] [within D] => EXPECTATION`
    Await {
        /// Which event.
        event: EventRef,
        /// How long to wait.
        within: Duration,
        /// Judges the payload: a value of `event.payload`.
        expect: Expectation,
    },
    /// `await GUEST signals NAME`
    AwaitSignal {
        /// The instance, as a string.
        instance: Expr,
        /// The signal.
        name: String,
        /// How long to wait.
        within: Duration,
    },
    /// `never EVENT[(GUEST)] for D`
    Never {
        /// Which event.
        event: EventRef,
        /// How long to watch.
        within: Duration,
    },
    /// `repeat N [as NAME]`
    Repeat {
        /// Turns.
        count: u32,
        /// Loop variable, from 0.
        name: Option<String>,
        /// What is repeated.
        body: Vec<HostStep>,
    },
    /// `parallel N [as NAME]`
    Parallel {
        /// Copies.
        count: u32,
        /// Loop variable, from 0.
        name: Option<String>,
        /// What is done.
        body: Vec<HostStep>,
    },
    /// `requests [within D] => EXPECTATION`, and the other things that the testbed saw.
    Observe {
        /// What is looked at.
        what: Observed,
        /// Until when the expectation must hold; at once when absent.
        within: Option<Duration>,
        /// Judges a value of [`Observed::ty`].
        expect: Expectation,
    },
    /// `push "path" VALUE [within D]`
    Push {
        /// Path of the WebSocket connections that are spoken to, as a string.
        path: Expr,
        /// A string or bytes.
        message: Expr,
        /// How long to wait for a connection.
        within: Duration,
    },
    /// `hang-up "path" [within D]`
    HangUp {
        /// Path of the WebSocket connections that are closed, as a string.
        path: Expr,
        /// How long to wait for a connection.
        within: Duration,
    },
    /// `file "path" VALUE`
    File {
        /// Below `\{dir}`, a string.
        path: Expr,
        /// A string or bytes.
        content: Expr,
    },
    /// `directory "path"`
    Directory {
        /// Below `\{dir}`, a string.
        path: Expr,
    },
    /// `link "path" -> "target"`
    Link {
        /// Below `\{dir}`, a string.
        path: Expr,
        /// What the link says, a string.
        target: Expr,
    },
    /// `plans DUTY seed N cases M`
    Plans {
        /// What is tried.
        duty: Duty,
        /// What plans are generated from.
        seed: u64,
        /// How many plans.
        cases: u32,
        /// Judges a `result<_, string>` whose error is the smallest plan found that breaks the duty; without it there must be
        /// none.
        expect: Option<Expectation>,
    },
}

/// A kind of event, of one instance or of any.
#[derive(Clone, Debug)]
pub struct EventRef {
    /// Case index in the driver's `event` variant.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The instance, as a string, if one is asked for.
    pub instance: Option<Expr>,
    /// The type an expectation sees: the payload record without its `instance` field, or the one field left.
    pub payload: Type,
}
