//! Drives `reference_host::uni` through the interface `wit/driver/uni.wit`.

mod column;
mod types;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::array::{ArrayRef, RecordBatch};
use reference_host::uni::{self, Accumulator, CallError, Config, LogLine, LogSink, UniHost};
use serde_json::{Value as Json, json};

use self::{
    column::Column,
    types::{Environment, Failure, Grants, GroupResult, Limits, Loaded, Plan, Registered},
};
use super::{
    driver::{self, Driver, Pending, Refusal},
    outbox::Outbox,
    wire::{Bytes, Opt, Res, arguments, value},
};
use crate::host::protocol::{Component, Declared, Setup};

/// What the reference host declares.
pub(super) fn declared() -> Declared {
    driver::declare(&[
        "instances",
        "limits",
        "merge-column",
        "network",
        "plans",
        "trace",
        "unload",
    ])
}

/// One host in the environment of one case.
pub(super) struct Uni {
    host: UniHost,
    guests: BTreeMap<String, Component>,
    accumulators: Mutex<HashMap<u32, SharedAccumulator>>,
}

type SharedAccumulator = Arc<tokio::sync::Mutex<Accumulator>>;

impl Uni {
    pub(super) fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Self, String> {
        let environment: Environment = serde_json::from_value(setup.environment)
            .map_err(|error| format!("the environment is not of its type: {error}"))?;
        let config = Config {
            limits: environment
                .limits
                .0
                .as_ref()
                .map(Limits::apply)
                .unwrap_or_default(),
            log: Arc::new(Log(outbox)),
            traceparent: environment.traceparent.0,
            instances: environment.instances.0.map(Into::into).unwrap_or_default(),
        };
        let host = UniHost::new(config).map_err(|error| error.to_string())?;
        Ok(Self {
            host,
            guests: setup.guests,
            accumulators: Mutex::default(),
        })
    }

    async fn dispatch(&self, function: &str, given: Vec<Json>) -> Result<Json, Refusal> {
        match function {
            "load" => {
                let (guest, grants) = arguments(given)?;
                value(&Res::from(self.load(guest, grants).await?))
            }
            "unload" => {
                let (id,): (String,) = arguments(given)?;
                let known = self.host.unload(&id);
                value(&Res::from(
                    known
                        .then_some(())
                        .ok_or_else(|| format!("no plugin `{id}` is loaded")),
                ))
            }
            "functions" => {
                let []: [(); 0] = arguments(given)?;
                let functions = self.host.functions().into_iter().map(Registered::from);
                value(&functions.collect::<Vec<_>>())
            }
            "invoke-scalar" => {
                let (qname, columns, rows): (String, _, u32) = arguments(given)?;
                let result = match batch(columns, rows)? {
                    Ok(batch) => self.host.invoke_scalar(&qname, &batch).await,
                    Err(error) => Err(error),
                };
                answer(result, |array| Column::from(&array))
            }
            "invoke-procedure" => {
                let (qname, columns): (String, _) = arguments(given)?;
                let result = match batch(columns, 1)? {
                    Ok(batch) => self.host.invoke_procedure(&qname, &batch).await,
                    Err(error) => Err(error),
                };
                answer(result, |batches| {
                    let columns =
                        |batch: RecordBatch| batch.columns().iter().map(Column::from).collect();
                    batches.into_iter().map(columns).collect::<Vec<Vec<_>>>()
                })
            }
            "aggregate" => {
                let (qname, plan): (String, Plan) = arguments(given)?;
                let result = match batch(plan.arguments, plan.rows)? {
                    Ok(batch) => {
                        let plan = uni::Plan {
                            arguments: batch,
                            groups: plan.groups,
                            batch_rows: plan.batch_rows as usize,
                            partitions: plan.partitions,
                            reverse: plan.reverse,
                            merge_width: plan.merge_width as usize,
                        };
                        self.host.aggregate(&qname, &plan).await
                    }
                    Err(error) => Err(error),
                };
                answer(result, |groups| {
                    let result = |(group, array): (u32, Result<ArrayRef, CallError>)| GroupResult {
                        group,
                        value: array
                            .map(|array| Column::from(&array))
                            .map_err(Failure::from)
                            .into(),
                    };
                    groups.into_iter().map(result).collect::<Vec<_>>()
                })
            }
            "accumulator-new" => {
                let (qname,): (String,) = arguments(given)?;
                answer(self.host.accumulator(&qname).await, |accumulator| {
                    self.keep(accumulator)
                })
            }
            "accumulator-update" => {
                let (id, columns, rows) = arguments(given)?;
                let batch = batch(columns, rows)?;
                self.with(id, async |accumulator| accumulator.update(&batch?).await)
                    .await
            }
            "accumulator-merge" => {
                let (id, states): (_, Vec<Opt<Bytes>>) = arguments(given)?;
                let states: Vec<_> = states
                    .into_iter()
                    .map(|state| state.0.map(|bytes| bytes.0))
                    .collect();
                self.with(id, async |accumulator| accumulator.merge(&states).await)
                    .await
            }
            "accumulator-merge-column" => {
                let (id, states): (_, Column) = arguments(given)?;
                let states = states.array()?;
                self.with(id, async |accumulator| {
                    accumulator.merge_column(&states).await
                })
                .await
            }
            "accumulator-state" => {
                let (id,) = arguments(given)?;
                self.with(id, async |accumulator| {
                    Ok(Bytes(accumulator.state().to_vec()))
                })
                .await
            }
            "accumulator-evaluate" => {
                let (id,) = arguments(given)?;
                self.with(id, async |accumulator| {
                    Ok(Column::from(&accumulator.evaluate().await?))
                })
                .await
            }
            "set-traceparent" => {
                let (traceparent,): (Opt<String>,) = arguments(given)?;
                self.host
                    .set_traceparent(traceparent.0)
                    .map_err(|error| Refusal(error.to_string()))?;
                Ok(Json::Null)
            }
            other => Err(Refusal(format!(
                "the interface `uni` has no function `{other}`"
            ))),
        }
    }

    async fn load(&self, guest: String, grants: Grants) -> Result<Result<Loaded, String>, Refusal> {
        let guest = self
            .guests
            .get(&guest)
            .ok_or_else(|| Refusal(format!("the case has no guest `{guest}`")))?;
        let grants = match grants.grant() {
            Ok(grants) => grants,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let loaded = self.host.load(&guest.component, &grants).await;
        Ok(loaded.map(Loaded::from).map_err(|error| error.to_string()))
    }

    fn keep(&self, accumulator: Accumulator) -> u32 {
        let mut accumulators = self.accumulators();
        let id = u32::try_from(accumulators.len()).unwrap_or(u32::MAX);
        accumulators.insert(id, Arc::new(tokio::sync::Mutex::new(accumulator)));
        id
    }

    /// Does something with an accumulator; one thing at a time.
    async fn with<T: serde::Serialize>(
        &self,
        id: u32,
        action: impl AsyncFnOnce(&mut Accumulator) -> Result<T, CallError>,
    ) -> Result<Json, Refusal> {
        let accumulator = self.accumulators().get(&id).cloned();
        match accumulator {
            None => value(&Res::<(), _>::Err(Failure::call(format!(
                "no accumulator {id} is open"
            )))),
            Some(accumulator) => {
                answer(action(&mut *accumulator.lock().await).await, |value| value)
            }
        }
    }

    fn accumulators(&self) -> MutexGuard<'_, HashMap<u32, SharedAccumulator>> {
        self.accumulators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Uni {
    fn call(
        self: Arc<Self>,
        function: String,
        arguments: Vec<Json>,
    ) -> Pending<Result<Json, Refusal>> {
        Box::pin(async move { self.dispatch(&function, arguments).await })
    }

    /// All that runs are calls, and those are ended already.
    fn end(self: Arc<Self>) -> Pending<()> {
        Box::pin(async {})
    }
}

/// Log lines as events.
struct Log(Arc<Outbox>);

impl LogSink for Log {
    fn log(&self, line: LogLine<'_>) {
        self.0
            .event(json!({"log": {"level": line.level, "message": line.message}}));
    }
}

/// The outer error is the suite's, the inner one is the host's to report.
fn batch(columns: Vec<Column>, rows: u32) -> Result<Result<RecordBatch, CallError>, Refusal> {
    let arrays = columns
        .into_iter()
        .map(Column::array)
        .collect::<Result<_, _>>()?;
    Ok(uni::columns(arrays, rows as usize))
}

fn answer<T, U: serde::Serialize>(
    result: Result<T, CallError>,
    shape: impl FnOnce(T) -> U,
) -> Result<Json, Refusal> {
    value(&Res::from(result.map(shape).map_err(Failure::from)))
}
