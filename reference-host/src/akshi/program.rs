//! A component that has been checked against the world and compiled, ready to be loaded any number of times.

use std::fmt;
use std::sync::{Arc, OnceLock};

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, HasSelf, Linker, Type};

use super::bindings::{Agent, AgentPre};
use super::imports::State;
use super::{Limits, LoadError};
use crate::engine::{self, Cache};

/// A compiled agent. Cheap to clone; independent of any runtime.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    pre: AgentPre<State>,
    memory_bytes: u64,
    table_elements: u64,
}

impl Program {
    /// Compiles a component and checks it against the world `akshi:runtime/agent`. Answers from a cache when the same
    /// bytes were compiled before.
    ///
    /// # Errors
    /// [`LoadError::Refused`] when it is no component or of another world; [`LoadError::Engine`] without engine.
    pub fn compile(component: &[u8]) -> Result<Self, LoadError> {
        static PROGRAMS: OnceLock<Cache<Program>> = OnceLock::new();
        PROGRAMS
            .get_or_init(Cache::new)
            .get_or_try_insert(component, || Self::build(component))
    }

    fn build(bytes: &[u8]) -> Result<Self, LoadError> {
        let component = engine::compile(bytes).map_err(|error| match error {
            engine::EngineError::Compile(reason) => LoadError::Refused(reason),
            other => LoadError::Engine(other.to_string()),
        })?;
        check_run(&component)?;
        let pre = linker()?
            .instantiate_pre(&component)
            .and_then(AgentPre::new)
            .map_err(|error| {
                LoadError::Refused(format!("not of the world akshi:runtime/agent: {error:#}"))
            })?;
        let required = component.resources_required();
        Ok(Self(Arc::new(Inner {
            pre,
            memory_bytes: required
                .as_ref()
                .and_then(|required| required.max_initial_memory_size)
                .unwrap_or(0)
                .saturating_mul(64 << 10),
            table_elements: required
                .and_then(|required| required.max_initial_table_size)
                .unwrap_or(0),
        })))
    }

    pub(super) fn pre(&self) -> &AgentPre<State> {
        &self.0.pre
    }

    /// Refuses what cannot even start within the limits.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), LoadError> {
        let starts = [
            (
                "a memory of",
                self.0.memory_bytes,
                limits.memory_bytes,
                "bytes",
            ),
            (
                "a table of",
                self.0.table_elements,
                limits.table_elements.into(),
                "elements",
            ),
        ];
        for (what, starts, most, unit) in starts {
            if starts > most {
                return Err(LoadError::Limit(format!(
                    "the component starts with {what} {starts} {unit}, allowed are {most}"
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Program").finish_non_exhaustive()
    }
}

/// Refuses a component whose `run` is not `func() -> result<_, string>`: the bindings look at names only, and would find
/// out when the agent starts.
fn check_run(component: &Component) -> Result<(), LoadError> {
    let run = component
        .component_type()
        .get_export(component.engine(), "run")
        .map(|export| export.ty);
    if matches!(run, Some(ComponentItem::ComponentFunc(run)) if is_run(&run)) {
        return Ok(());
    }
    Err(LoadError::Refused(
        "not of the world akshi:runtime/agent: it must export `run: func() -> result<_, string>`"
            .into(),
    ))
}

fn is_run(run: &ComponentFunc) -> bool {
    let mut results = run.results();
    let fits = match results.next() {
        Some(Type::Result(result)) => {
            result.ok().is_none() && matches!(result.err(), Some(Type::String))
        }
        _ => false,
    };
    fits && run.params().len() == 0 && results.next().is_none()
}

/// One linker for all programs of the process.
fn linker() -> Result<&'static Linker<State>, LoadError> {
    static LINKER: OnceLock<Result<Linker<State>, String>> = OnceLock::new();
    LINKER
        .get_or_init(|| {
            let engine = engine::shared().map_err(|error| error.to_string())?;
            let mut linker = Linker::new(engine);
            Agent::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
                .map_err(|error| format!("{error:#}"))?;
            Ok(linker)
        })
        .as_ref()
        .map_err(|error| LoadError::Engine(error.clone()))
}
