//! One case: a registry of the host, and the driver's functions over it.

mod column;
mod plan;
mod types;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::array::{ArrayRef, BinaryArray};
use datafusion::logical_expr::ColumnarValue;
use futures::{TryStreamExt as _, executor::block_on};
use serde::Serialize;
use serde_json::Value as Json;
use uni_plugin::{
    PluginId, PluginRegistrar, PluginRegistry, QName,
    traits::{
        aggregate::{AggregatePluginFn, PluginAccumulator},
        procedure::ProcedureContext,
    },
};
use uni_plugin_wasm::WasmLoader;

use self::{
    column::Column,
    types::{Environment, Failure, Grants, Loaded, Plan, Registered, capability_name, state_bytes},
};
use crate::{
    egress::Loopback,
    protocol::{Component, Setup},
    telemetry::Traceparent,
    wire::{Bytes, Opt, Res, arguments, value},
};

/// Why a call could not be carried out at all.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

pub(crate) struct Case {
    guests: BTreeMap<String, Component>,
    loader: WasmLoader,
    registry: PluginRegistry,
    traceparent: Mutex<Option<Traceparent>>,
    /// Names of aggregates that were ever registered; the registry does not list those.
    aggregates: Mutex<BTreeSet<String>>,
    accumulators: Mutex<HashMap<u32, Accumulator>>,
}

type Accumulator = Arc<Mutex<Box<dyn PluginAccumulator>>>;

impl Case {
    /// A fresh host.
    ///
    /// # Errors
    /// When it can't be put into this environment.
    pub(crate) fn begin(setup: Setup) -> Result<Self, String> {
        if setup.contract != "uni" {
            return Err(format!(
                "the contract `{}` is not driven here",
                setup.contract
            ));
        }
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        if environment.limits.0.is_some() {
            return Err("this host's limits can't be set".into());
        }
        if environment.instances.0.is_some() {
            return Err("this host's instances can't be set".into());
        }
        let traceparent = environment
            .traceparent
            .0
            .as_deref()
            .map(Traceparent::parse)
            .transpose()?;
        Ok(Self {
            guests: setup.guests,
            loader: WasmLoader::new().with_http(Arc::new(Loopback)),
            registry: PluginRegistry::new(),
            traceparent: Mutex::new(traceparent),
            aggregates: Mutex::default(),
            accumulators: Mutex::default(),
        })
    }

    /// Carries out a function of the driver, in the trace that is active when it begins.
    ///
    /// # Errors
    /// When it can't be carried out at all; what the host says is in the answer.
    pub(crate) fn call(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        let traceparent = lock(&self.traceparent).clone();
        match traceparent {
            Some(traceparent) => traceparent.within(|| self.dispatch(function, given)),
            None => self.dispatch(function, given),
        }
    }

    fn dispatch(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "load" => {
                let (guest, grants): (String, _) = arguments(given)?;
                let guest = self.guests.get(&guest);
                let guest =
                    guest.ok_or_else(|| Refusal("the case has no guest of this name".into()))?;
                value(&Res::from(self.load(&guest.component.0, grants)))
            }
            "unload" => {
                let (id,): (String,) = arguments(given)?;
                value(&Res::from(self.unload(&id)))
            }
            "functions" => {
                let []: [(); 0] = arguments(given)?;
                value(&self.functions())
            }
            "invoke-scalar" => {
                let (qname, columns, rows): (String, Vec<Column>, u32) = arguments(given)?;
                let arrays = arrays(columns)?;
                answer(self.invoke_scalar(&qname, arrays, rows as usize))
            }
            "invoke-procedure" => {
                let (qname, columns): (String, Vec<Column>) = arguments(given)?;
                let arrays = arrays(columns)?;
                answer(self.invoke_procedure(&qname, arrays))
            }
            "aggregate" => {
                let (qname, plan): (String, Plan) = arguments(given)?;
                answer(match self.aggregate(&qname) {
                    Ok(aggregate) => Ok(plan::run(&aggregate, plan)?),
                    Err(failure) => Err(failure),
                })
            }
            "accumulator-new" => {
                let (qname,): (String,) = arguments(given)?;
                answer(
                    self.aggregate(&qname)
                        .map(|aggregate| self.keep(aggregate.create_accumulator())),
                )
            }
            "accumulator-update" => {
                let (id, columns, _rows): (_, Vec<Column>, u32) = arguments(given)?;
                let arrays = arrays(columns)?;
                self.with(id, |accumulator| Ok(accumulator.update_batch(&arrays)?))
            }
            "accumulator-merge" => {
                let (id, states): (_, Vec<Opt<Bytes>>) = arguments(given)?;
                let states = states
                    .iter()
                    .map(|state| state.0.as_ref().map(|bytes| bytes.0.as_slice()));
                let states: ArrayRef = Arc::new(states.collect::<BinaryArray>());
                self.with(id, |accumulator| Ok(accumulator.merge_batch(&[states])?))
            }
            "accumulator-merge-column" => {
                let (id, states): (_, Column) = arguments(given)?;
                let states = states.array()?;
                self.with(id, |accumulator| Ok(accumulator.merge_batch(&[states])?))
            }
            "accumulator-state" => {
                let (id,) = arguments(given)?;
                self.with(id, |accumulator| {
                    state_bytes(accumulator.state()?).map(Bytes)
                })
            }
            "accumulator-evaluate" => {
                let (id,) = arguments(given)?;
                self.with(id, |accumulator| {
                    Ok(Column::from(&plan::value(&**accumulator)?))
                })
            }
            "set-traceparent" => {
                let (traceparent,): (Opt<String>,) = arguments(given)?;
                let traceparent = traceparent
                    .0
                    .as_deref()
                    .map(Traceparent::parse)
                    .transpose()
                    .map_err(Refusal)?;
                *lock(&self.traceparent) = traceparent;
                Ok(Json::Null)
            }
            other => Err(Refusal(format!(
                "the interface `uni` has no function `{other}`"
            ))),
        }
    }

    fn load(&self, component: &[u8], grants: Grants) -> Result<Loaded, String> {
        let grants = grants.set()?;
        // The loader puts the manifest's id in its place.
        let mut registrar =
            PluginRegistrar::new(PluginId::new("wasm.loading"), &grants, &self.registry);
        let outcome = self
            .loader
            .load(component, &grants, &mut registrar)
            .map_err(|error| error.to_string())?;
        registrar
            .commit_to_registry()
            .map_err(|error| error.to_string())?;
        lock(&self.aggregates).extend(outcome.aggregates_registered.iter().cloned());
        let names = [
            outcome.scalars_registered,
            outcome.aggregates_registered,
            outcome.procedures_registered,
        ]
        .concat();
        let mut functions = self.functions();
        functions.retain(|function| names.contains(&function.qname));
        let denied = outcome
            .denied_capabilities
            .iter()
            .map(|printed| capability_name(printed))
            .collect();
        Ok(Loaded {
            id: outcome.plugin_id,
            version: outcome.version,
            functions,
            denied,
        })
    }

    fn unload(&self, id: &str) -> Result<(), String> {
        let plugin = PluginId::parse(id).map_err(|error| error.to_string())?;
        self.registry
            .iter_for_plugin(&plugin)
            .ok_or_else(|| format!("the registry has no plugin `{id}`"))?;
        self.registry.remove_plugin(&plugin);
        Ok(())
    }

    /// What the registry holds, ordered by name.
    fn functions(&self) -> Vec<Registered> {
        let scalar = |(qname, entry): (QName, Arc<uni_plugin::registry::ScalarEntry>)| {
            Registered::scalar(qname.to_string(), &entry.signature)
        };
        let procedure = |(qname, entry): (QName, Arc<uni_plugin::registry::ProcedureEntry>)| {
            Registered::procedure(qname.to_string(), &entry.signature)
        };
        let mut functions: Vec<_> = self
            .registry
            .iter_scalars()
            .into_iter()
            .map(scalar)
            .collect();
        functions.extend(self.registry.iter_procedures().into_iter().map(procedure));
        for name in lock(&self.aggregates).iter() {
            let entry = QName::parse(name)
                .ok()
                .and_then(|qname| self.registry.aggregate(&qname));
            functions
                .extend(entry.map(|entry| Registered::aggregate(name.clone(), &entry.signature)));
        }
        functions.sort();
        functions
    }

    fn invoke_scalar(
        &self,
        qname: &str,
        arrays: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<Column, Failure> {
        let entry = self.registry.scalar_fn(&QName::parse(qname)?);
        let entry = entry.ok_or_else(|| Failure::unknown("scalar function", qname))?;
        let arguments: Vec<_> = arrays.into_iter().map(ColumnarValue::Array).collect();
        let result = entry.function.invoke(&arguments, rows)?;
        Ok(Column::from(
            &result
                .into_array(rows)
                .map_err(|error| Failure::other(&error))?,
        ))
    }

    /// Of overloads the one with this number of arguments is called; without one, the host is left to refuse the call.
    fn invoke_procedure(
        &self,
        qname: &str,
        arrays: Vec<ArrayRef>,
    ) -> Result<Vec<Vec<Column>>, Failure> {
        let parsed = QName::parse(qname)?;
        let entry = self.registry.procedure_with_arity(&parsed, arrays.len());
        let entry = entry.or_else(|| self.registry.procedure(&parsed));
        let entry = entry.ok_or_else(|| Failure::unknown("procedure", qname))?;
        let arguments: Vec<_> = arrays.into_iter().map(ColumnarValue::Array).collect();
        let stream = entry
            .procedure
            .invoke(ProcedureContext::new(), &arguments)?;
        let batches: Vec<_> =
            block_on(stream.try_collect()).map_err(|error| Failure::other(&error))?;
        Ok(batches
            .iter()
            .map(|batch| batch.columns().iter().map(Column::from).collect())
            .collect())
    }

    fn aggregate(&self, qname: &str) -> Result<Arc<dyn AggregatePluginFn>, Failure> {
        let entry = self.registry.aggregate(&QName::parse(qname)?);
        let entry = entry.ok_or_else(|| Failure::unknown("aggregate function", qname))?;
        Ok(Arc::clone(&entry.aggregate))
    }

    fn keep(&self, accumulator: Box<dyn PluginAccumulator>) -> u32 {
        let mut accumulators = lock(&self.accumulators);
        let id = u32::try_from(accumulators.len()).unwrap_or(u32::MAX);
        accumulators.insert(id, Arc::new(Mutex::new(accumulator)));
        id
    }

    /// Does something with an accumulator; one thing at a time.
    fn with<T: Serialize>(
        &self,
        id: u32,
        action: impl FnOnce(&mut Box<dyn PluginAccumulator>) -> Result<T, Failure>,
    ) -> Result<Json, Refusal> {
        let accumulator = lock(&self.accumulators).get(&id).cloned();
        answer(match accumulator {
            Some(accumulator) => action(&mut lock(&accumulator)),
            None => Err(Failure::no_accumulator(id)),
        })
    }
}

fn arrays(columns: Vec<Column>) -> Result<Vec<ArrayRef>, Refusal> {
    columns.into_iter().map(Column::array).collect()
}

fn answer<T: Serialize>(result: Result<T, Failure>) -> Result<Json, Refusal> {
    value(&Res::from(result))
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
