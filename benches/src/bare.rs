//! The floor of host calls: the same components on the same engine, behind typed bindings whose functions do nothing but
//! give back what their type demands.

use std::time::Instant;

use reference_host::engine;
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Result, Store};

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package pie:inferlet;
            // The functions of the contract that are timed here, as it writes them.
            interface core {
                get-instance-id: func() -> string;
                store-get: func(key: string) -> option<string>;
                store-set: func(key: string, value: string);
                debug-query: func(query: string) -> debug-query-result;
                resource debug-query-result {}
            }
            interface run {
                run: func() -> result<_, string>;
            }
            world inferlet {
                import core;
                export run;
            }
        ",
        imports: { default: trappable },
        exports: { default: async },
        with: { "pie:inferlet/core.debug-query-result": super::Nothing },
    });
}

use bindings::pie::inferlet::core;
use bindings::{Inferlet, InferletPre};

/// A resource without anything behind it.
#[derive(Debug)]
pub struct Nothing;

struct State {
    id: String,
    value: String,
    marks: Vec<Instant>,
}

impl core::Host for State {
    fn get_instance_id(&mut self) -> Result<String> {
        Ok(self.id.clone())
    }

    fn store_get(&mut self, _key: String) -> Result<Option<String>> {
        Ok(Some(self.value.clone()))
    }

    fn store_set(&mut self, _key: String, _value: String) -> Result<()> {
        Ok(())
    }

    fn debug_query(&mut self, _query: String) -> Result<Resource<Nothing>> {
        self.marks.push(Instant::now());
        Ok(Resource::new_own(0))
    }
}

impl core::HostDebugQueryResult for State {
    fn drop(&mut self, _result: Resource<Nothing>) -> Result<()> {
        Ok(())
    }
}

/// An inferlet that imports nothing but these functions, ready to run.
pub struct Bare(InferletPre<State>);

impl std::fmt::Debug for Bare {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Bare")
    }
}

impl Bare {
    /// Compiles on the engine of the reference host.
    ///
    /// # Errors
    /// When it imports anything else.
    pub fn new(component: &[u8]) -> Result<Self> {
        let engine = engine::shared()?;
        let mut linker = Linker::new(engine);
        Inferlet::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        let component = Component::from_binary(engine, component)?;
        let pre = linker.instantiate_pre(&component)?;
        Ok(Self(InferletPre::new(pre)?))
    }

    /// Runs an instance to its end and gives its readings of the clock.
    ///
    /// # Errors
    /// When it traps, or answers with an error.
    pub async fn run(&self) -> Result<Vec<Instant>> {
        let state = State {
            id: "00000000-0000-0000-0000-000000000000".into(),
            value: "a value of forty characters, no more no.".into(),
            marks: Vec::new(),
        };
        let mut store = Store::new(self.0.engine(), state);
        store.epoch_deadline_async_yield_and_update(1);
        let inferlet = self.0.instantiate_async(&mut store).await?;
        let result = inferlet.pie_inferlet_run().call_run(&mut store).await?;
        result.map_err(wasmtime::Error::msg)?;
        Ok(store.into_data().marks)
    }
}
