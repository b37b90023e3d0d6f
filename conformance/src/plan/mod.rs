//! From a checked case to guests: what each guest's program is, and how the transcript it hands out is to be read.

mod bind;
mod handler;
mod intrinsic;
mod statement;
mod value;
mod worlds;

use std::{collections::HashMap, sync::Arc};

use fixtures::{
    abi::Type,
    puppet::{self, Realloc, Start},
};

use crate::{
    case::model::{
        Call, Case, Expectation, Fault, FunctionRef, Guest, GuestKind, Span, Statement,
        StatementKind,
    },
    contract::Contract,
};

pub(crate) use bind::binds;
use handler::Compiler;
pub use worlds::Worlds;

/// Everything a host needs to begin a case, and everything the judge needs to read what comes back.
#[derive(Debug)]
pub struct Plan {
    /// In the case's order.
    pub guests: Vec<PlannedGuest>,
}

/// One guest, ready to travel.
#[derive(Debug)]
pub struct PlannedGuest {
    /// Its name in the case.
    pub name: String,
    /// World name within the contract's package.
    pub world: String,
    /// A component, unless the case hands out something else on purpose.
    pub component: Vec<u8>,
    /// How to read its transcripts; empty for guests that are no puppets.
    pub clauses: Vec<Clause>,
    /// Every step of every clause; a transcript record names one by index.
    pub steps: Vec<Step>,
}

/// One handler of a puppet, as the judge walks it.
#[derive(Debug)]
pub struct Clause {
    /// The export's WIT name.
    pub export: String,
    /// Whether it is the body of the guest.
    pub main: bool,
    /// What happens, in order.
    pub nodes: Vec<Node>,
    /// Parameters and their bound names do not outlive a call; neither do bindings.
    pub span: Span,
}

/// A node of the walk.
#[derive(Debug)]
pub enum Node {
    /// A record of this step comes next.
    Step(usize),
    /// The nodes come this often.
    Loop {
        /// Turns.
        count: u32,
        /// Loop variable, from 0.
        name: Option<String>,
        /// What is repeated.
        body: Vec<Node>,
    },
    /// The guest never comes past this statement (`trap`, `spin`, `recurse`).
    Stop(Span),
    /// The guest ends here of its own accord.
    Return,
}

/// A step that leaves a record.
#[derive(Debug)]
pub struct Step {
    /// Where it is written.
    pub span: Span,
    /// What is called or judged, as in `store-get`.
    pub label: String,
    /// The type of the value, if there is one.
    pub ty: Option<Type>,
    /// Where the record keeps the value.
    pub read: Read,
    /// What the value is judged by.
    pub expect: Expectation,
    /// For `until`: the turns after which the guest gives up; the record's first word is then the turns taken.
    pub until: Option<u32>,
}

/// Where a record keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nowhere: there is no value.
    Nothing,
    /// In its words, as flat values.
    Words,
    /// In the guest's memory, at the address that is its word.
    Memory,
}

/// What a plan needs to know of the run: values for `\{name}` in texts.
pub type Surroundings = HashMap<String, String>;

/// A case that can't be made into guests; the checker lets it pass, so it says what the planner lacks.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct PlanError {
    /// Where.
    pub span: Span,
    /// What, and what was expected.
    pub message: String,
}

impl PlanError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> PlanError {
        PlanError {
            span,
            message: message.into(),
        }
    }
}

/// Plans a case.
///
/// # Errors
/// When a statement asks for more than a puppet can do, or text beside the case is no WebAssembly.
pub fn plan(
    case: &Case,
    contract: &Contract,
    worlds: &Worlds,
    surroundings: &Surroundings,
) -> Result<Plan, PlanError> {
    let guests = case
        .guests
        .iter()
        .map(|guest| plan_guest(guest, contract, worlds, surroundings))
        .collect::<Result<_, _>>()?;
    Ok(Plan { guests })
}

fn plan_guest(
    guest: &Guest,
    contract: &Contract,
    worlds: &Worlds,
    surroundings: &Surroundings,
) -> Result<PlannedGuest, PlanError> {
    let mut planned = PlannedGuest {
        name: guest.name.clone(),
        world: guest.world.clone(),
        component: Vec::new(),
        clauses: Vec::new(),
        steps: Vec::new(),
    };
    let error = |message: String| PlanError::new(guest.span, message);
    match &guest.kind {
        GuestKind::Puppet { .. } => {
            let puppet = generate(guest, contract, worlds, surroundings)?;
            planned.component = puppet.encode().map_err(|e| error(e.to_string()))?;
            (planned.clauses, planned.steps) = (puppet.clauses, puppet.steps);
        }
        GuestKind::Wat(source) => {
            let mut module =
                wat::parse_str(&source.text).map_err(|e| error(format!("{}: {e}", source.name)))?;
            planned.component = embed(&mut module, contract, &guest.world)
                .map_err(|e| error(format!("{}: {e:#}", source.name)))?;
        }
        GuestKind::ComponentText(source) | GuestKind::ModuleText(source) => {
            planned.component =
                wat::parse_str(&source.text).map_err(|e| error(format!("{}: {e}", source.name)))?;
        }
        GuestKind::Bytes(bytes) => planned.component.clone_from(bytes),
    }
    Ok(planned)
}

/// A puppet's program, not yet a component.
#[derive(Debug)]
pub struct Puppet {
    world: Arc<puppet::World>,
    program: puppet::Program,
    clauses: Vec<Clause>,
    steps: Vec<Step>,
}

impl Puppet {
    /// The component that runs the program.
    ///
    /// # Errors
    /// When the program is larger than a puppet can be.
    pub fn encode(&self) -> Result<Vec<u8>, puppet::GenerateError> {
        puppet::component(&self.world, &self.program)
    }
}

/// The programs of a case's puppets: the part of [`plan`] that comes before encoding.
///
/// # Errors
/// As [`plan`].
pub fn puppets(
    case: &Case,
    contract: &Contract,
    worlds: &Worlds,
    surroundings: &Surroundings,
) -> Result<Vec<Puppet>, PlanError> {
    case.guests
        .iter()
        .filter(|guest| matches!(guest.kind, GuestKind::Puppet { .. }))
        .map(|guest| generate(guest, contract, worlds, surroundings))
        .collect()
}

fn generate(
    guest: &Guest,
    contract: &Contract,
    worlds: &Worlds,
    surroundings: &Surroundings,
) -> Result<Puppet, PlanError> {
    let (handlers, faults) = match &guest.kind {
        GuestKind::Puppet { handlers, faults } => (handlers.as_slice(), faults.as_slice()),
        _ => (&[][..], &[][..]),
    };
    let no_world = || PlanError::new(guest.span, format!("no world `{}`", guest.world));
    let declared = contract.world(&guest.world).ok_or_else(no_world)?;
    let optional = handlers
        .iter()
        .any(|handler| calls_optional(&handler.body, &declared.optional));
    let world = worlds.get(&guest.world, optional).ok_or_else(no_world)?;
    let mut compiler = Compiler::new(guest, declared, world, surroundings);
    for fault in faults {
        compiler.fault(fault, guest.span)?;
    }
    compiler.handlers(handlers)?;
    compiler.defaults(handlers)?;
    let (program, clauses, steps) = compiler.finish();
    Ok(Puppet {
        world: world.clone(),
        program,
        clauses,
        steps,
    })
}

/// Whether a statement calls one of these functions.
fn calls_optional(body: &[Statement], optional: &[FunctionRef]) -> bool {
    let among = |function: &FunctionRef| {
        optional
            .iter()
            .any(|other| other.interface == function.interface && other.name == function.name)
    };
    let calls = |call: &Call| matches!(call, Call::Function { function, .. } if among(function));
    body.iter().any(|statement| match &statement.kind {
        StatementKind::Call { call, .. } => calls(call),
        StatementKind::Raw { function, .. } | StatementKind::Drop { function, .. } => {
            among(function)
        }
        StatementKind::Repeat { body, .. } => calls_optional(body, optional),
        StatementKind::Until { call, body, .. } => calls(call) || calls_optional(body, optional),
        _ => false,
    })
}

fn embed(module: &mut Vec<u8>, contract: &Contract, world: &str) -> anyhow::Result<Vec<u8>> {
    let world = contract
        .world(world)
        .ok_or_else(|| anyhow::anyhow!("no world `{world}`"))?;
    wit_component::embed_component_metadata(
        module,
        &contract.resolve,
        world.id,
        wit_component::StringEncoding::UTF8,
    )?;
    wit_component::ComponentEncoder::default()
        .module(module)?
        .encode()
}

impl Compiler<'_> {
    fn fault(&mut self, fault: &Fault, span: Span) -> Result<(), PlanError> {
        let calls = match fault {
            Fault::ReallocCalls(function) => Some(self.import(function, span)?),
            _ => None,
        };
        let options = self.program.options();
        match fault {
            Fault::ReallocMisaligned => options.realloc = Realloc::Misaligned,
            Fault::ReallocOutOfBounds => options.realloc = Realloc::OutOfBounds,
            Fault::ReallocTrap => options.realloc = Realloc::Trap,
            Fault::ReallocCalls(_) => {
                options.realloc = Realloc::CallsImport(calls.unwrap_or_default())
            }
            Fault::StartTrap => options.start = Start::Trap,
            Fault::StartSpin => options.start = Start::Spin,
            Fault::Pages(initial, max) => {
                options.initial_pages = Some(*initial);
                options.max_pages = *max;
            }
        }
        Ok(())
    }
}

/// The text that opens a transcript of this guest's clause.
pub(crate) fn transcript_prefix(guest: &str, clause: usize) -> String {
    format!("{TRANSCRIPT}{guest}/{clause}/")
}

/// What every transcript starts with.
pub const TRANSCRIPT: &str = "witgate/transcript/";

/// What every signal starts with.
pub const SIGNAL: &str = "witgate/signal/";
