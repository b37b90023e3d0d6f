//! A component that has been checked against the world and compiled, ready to be launched any number of times.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, HasSelf, Linker, Type};

use super::bindings::{Inferlet, InferletPre};
use super::imports::State;
use super::{LaunchError, Limits};
use crate::engine::{self, Cache};

/// A compiled inferlet. Cheap to clone; independent of any host.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    pre: InferletPre<State>,
    digest: String,
    memory_bytes: u64,
    table_elements: u64,
}

impl Program {
    /// Compiles a component and checks it against the world `pie:inferlet/inferlet`. Answers from a cache when the
    /// same bytes were compiled before.
    ///
    /// # Errors
    /// [`LaunchError::Refused`] when it is no component or of another world; [`LaunchError::Engine`] without engine.
    pub fn compile(component: &[u8]) -> Result<Self, LaunchError> {
        static PROGRAMS: OnceLock<Cache<Program>> = OnceLock::new();
        PROGRAMS
            .get_or_init(Cache::new)
            .get_or_try_insert(component, || Self::build(component))
    }

    fn build(bytes: &[u8]) -> Result<Self, LaunchError> {
        let component = engine::compile(bytes).map_err(|error| match error {
            engine::EngineError::Compile(reason) => LaunchError::Refused(reason),
            other => LaunchError::Engine(other.to_string()),
        })?;
        let pre = linker()?
            .instantiate_pre(&component)
            .and_then(InferletPre::new)
            .map_err(|error| {
                LaunchError::Refused(format!("not of the world pie:inferlet: {error:#}"))
            })?;
        check_run(&component)?;
        let required = component.resources_required();
        Ok(Self(Arc::new(Inner {
            pre,
            digest: hex(&Sha256::digest(bytes)),
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

    /// SHA-256 of the component's binary, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    pub(super) fn pre(&self) -> &InferletPre<State> {
        &self.0.pre
    }

    /// Refuses what cannot even start within the limits.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), LaunchError> {
        if self.0.memory_bytes > limits.memory_bytes {
            return Err(LaunchError::Limit(format!(
                "the component starts with a memory of {} bytes, allowed are {}",
                self.0.memory_bytes, limits.memory_bytes
            )));
        }
        if self.0.table_elements > u64::from(limits.table_elements) {
            return Err(LaunchError::Limit(format!(
                "the component starts with a table of {} elements, allowed are {}",
                self.0.table_elements, limits.table_elements
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Program")
            .field(&self.0.digest)
            .finish()
    }
}

/// Refuses a component whose `run` is not `func() -> result<_, string>`: the bindings look at names only, and would find
/// out when the instance starts.
fn check_run(component: &Component) -> Result<(), LaunchError> {
    let engine = component.engine();
    let ty = component.component_type();
    let interface = ty.get_export(engine, RUN).map(|export| export.ty);
    let fits = match interface {
        Some(ComponentItem::ComponentInstance(instance)) => {
            let run = instance.get_export(engine, "run").map(|export| export.ty);
            matches!(run, Some(ComponentItem::ComponentFunc(run)) if is_run(&run))
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(LaunchError::Refused(format!(
        "not of the world pie:inferlet: `{RUN}` must export `run: func() -> result<_, string>`"
    )))
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

/// The interface that an inferlet exports.
const RUN: &str = "pie:inferlet/run";

/// One linker for all programs of the process.
fn linker() -> Result<&'static Linker<State>, LaunchError> {
    static LINKER: OnceLock<Result<Linker<State>, String>> = OnceLock::new();
    LINKER
        .get_or_init(|| {
            let engine = engine::shared().map_err(|error| error.to_string())?;
            let mut linker = Linker::new(engine);
            Inferlet::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
                .map_err(|error| format!("{error:#}"))?;
            Ok(linker)
        })
        .as_ref()
        .map_err(|error| LaunchError::Engine(error.clone()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
