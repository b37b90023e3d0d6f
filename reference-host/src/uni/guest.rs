//! One call of one export: an instance, bounded in time, memory, fuel and sizes, and a verdict on how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::{ComponentNamedList, Instance, InstancePre, Lift, Lower};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::capability::NetworkScope;
use super::error::{CallError, LimitHit};
use super::host::{Instances, Shared};
use super::imports::{FnError, State};
use super::ipc::{AnswerError, Expected, read_stream};
use super::limits::PluginLimits;
use crate::engine::MemoryLimiter;

/// Bytes of memory above which an instance is taken down beside the caller, not before it goes on.
const SWEPT_BYTES: usize = 1 << 20;

/// A linked component and what bounds its instances.
pub(super) struct Guest {
    pub(super) pre: InstancePre<State>,
    pub(super) id: Option<Arc<str>>,
    pub(super) limits: PluginLimits,
    pub(super) network: Option<Arc<NetworkScope>>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) shared: Arc<Shared>,
    /// Instances that wait for their next call; stays empty where every call gets an instance of its own.
    pub(super) idle: Mutex<Vec<(Store<State>, Instance)>>,
}

/// The store's clock ran out.
#[derive(Debug, thiserror::Error)]
#[error("out of time")]
struct OutOfTime;

impl Guest {
    /// Calls a control export, `manifest` or `register`.
    pub(super) async fn control(&self, export: &'static str) -> Result<String, CallError> {
        let (text,): (String,) = self.call(export, ()).await?;
        let limit = self.shared.limits.json_bytes;
        if text.len() > limit {
            return Err(CallError::Limit {
                export,
                limit: LimitHit::Json {
                    got: text.len(),
                    limit,
                },
            });
        }
        Ok(text)
    }

    /// Calls a work export: `result<list<u8>, fn-error>`.
    pub(super) async fn work<P>(
        &self,
        export: &'static str,
        params: P,
    ) -> Result<Vec<u8>, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
    {
        let (result,): (Result<Vec<u8>, FnError>,) = self.call(export, params).await?;
        result.map_err(|e| CallError::Plugin(e.into()))
    }

    /// Calls an export on an instance of its own, or one that served an earlier call ([`Instances`]). Waits for a free slot
    /// first.
    async fn call<P, R>(&self, export: &'static str, params: P) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let limit = |limit| CallError::Limit { export, limit };
        let wait = self.limits.call_time;
        let slot = match timeout_at(deadline(wait), self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => return Err(CallError::Host("the plugin's slots are closed".into())),
            Err(_) => return Err(limit(LimitHit::Instances(millis(wait)))),
        };
        // The plugin's time begins when it has an instance; the wait had its own.
        let deadline = deadline(wait);
        let result = timeout_at(deadline, self.run(export, params, deadline, slot)).await;
        result.unwrap_or_else(|_| Err(limit(LimitHit::Time(millis(wait)))))
    }

    async fn run<P, R>(
        &self,
        export: &'static str,
        params: P,
        deadline: Instant,
        slot: OwnedSemaphorePermit,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let (mut store, instance) = match idle {
            Some((mut store, instance)) => {
                self.bound(&mut store, deadline)?;
                (store, instance)
            }
            None => {
                let mut store = self.store();
                self.bound(&mut store, deadline)?;
                let instance = self
                    .pre
                    .instantiate_async(&mut store)
                    .await
                    .map_err(|e| self.verdict(export, &e, Phase::Instantiate))?;
                (store, instance)
            }
        };
        let func = instance
            .get_typed_func::<P, R>(&mut store, export)
            .map_err(|e| CallError::Host(format!("`{export}`: {e:#}")))?;
        let result = func
            .call_async(&mut store, params)
            .await
            .map_err(|e| self.verdict(export, &e, Phase::Call))?;
        // An instance that trapped or ran into a limit is gone with its store.
        if self.shared.instances == Instances::Kept {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((store, instance));
        } else if store.data().limiter.memory_used() > SWEPT_BYTES {
            // Nobody waits until megabytes are set back to zero; the slot is taken until they are.
            tokio::task::spawn_blocking(move || drop((store, slot)));
        }
        Ok(result)
    }

    fn store(&self) -> Store<State> {
        let limits = &self.shared.limits;
        let mut store = Store::new(
            self.pre.engine(),
            State {
                limiter: MemoryLimiter::new(self.limits.memory_bytes, limits.table_elements),
                shared: self.shared.clone(),
                plugin: self.id.clone(),
                network: self.network.clone(),
                log_left: limits.log_bytes_per_call,
            },
        );
        store.limiter(|state| &mut state.limiter);
        store
    }

    /// Gives one call its time, fuel and sizes.
    fn bound(&self, store: &mut Store<State>, deadline: Instant) -> Result<(), CallError> {
        let limits = &self.shared.limits;
        store.data_mut().log_left = limits.log_bytes_per_call;
        // Lists and strings are charged before they are copied out of the instance.
        store.set_hostcall_fuel(usize::try_from(limits.payload_bytes).unwrap_or(usize::MAX));
        if let Some(fuel) = self.limits.fuel {
            store
                .set_fuel(fuel)
                .map_err(|e| CallError::Host(e.to_string()))?;
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline {
                Err(OutOfTime.into())
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        Ok(())
    }

    fn verdict(&self, export: &'static str, error: &wasmtime::Error, phase: Phase) -> CallError {
        let message = format!("{error:#}");
        let limit = |limit| CallError::Limit { export, limit };
        if error.is::<OutOfTime>() {
            return limit(LimitHit::Time(millis(self.limits.call_time)));
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return limit(LimitHit::Instantiate(message));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => return limit(LimitHit::Fuel(self.limits.fuel.unwrap_or(0))),
            Some(Trap::Interrupt) => return limit(LimitHit::Time(millis(self.limits.call_time))),
            Some(_) => return CallError::Trap { export, message },
            None => {}
        }
        // The engine's error type for this is private; its text is stable enough to be tested here.
        if message.contains("fuel allocated for hostcalls") {
            return limit(LimitHit::Payload(self.shared.limits.payload_bytes));
        }
        match phase {
            Phase::Instantiate => limit(LimitHit::Instantiate(message)),
            Phase::Call => CallError::Trap { export, message },
        }
    }
}

#[derive(Clone, Copy)]
enum Phase {
    Instantiate,
    Call,
}

/// Reads an answer; limits of the reader are reported as limits of the call.
pub(super) fn answer(
    export: &'static str,
    bytes: Vec<u8>,
    expected: Expected<'_>,
) -> Result<Vec<arrow::array::RecordBatch>, CallError> {
    read_stream(bytes, expected).map_err(|source| match source {
        AnswerError::TooManyRows(n) => CallError::Limit {
            export,
            limit: LimitHit::Rows(n),
        },
        AnswerError::TooManyBatches(n) => CallError::Limit {
            export,
            limit: LimitHit::Batches(n),
        },
        source => CallError::Answer { export, source },
    })
}

/// The one column of the one batch of `rows` rows that an answer must be.
pub(super) fn single_column(
    export: &'static str,
    bytes: Vec<u8>,
    returns: super::WireType,
    rows: usize,
) -> Result<arrow::array::ArrayRef, CallError> {
    let columns = [returns.arrow()];
    let wrong = |source| Err(CallError::Answer { export, source });
    // Rows are compared below and bounded by the bytes there; a second batch is enough to know that there is not one.
    let expected = Expected {
        columns: &columns,
        max_rows: u64::MAX,
        max_batches: 2,
    };
    let batches = match read_stream(bytes, expected) {
        Ok(batches) => batches,
        Err(AnswerError::TooManyBatches(n)) => {
            return wrong(AnswerError::Batches {
                got: n + 1,
                expected: 1,
            });
        }
        Err(source) => return wrong(source),
    };
    let [batch] = batches.as_slice() else {
        return wrong(AnswerError::Batches {
            got: batches.len(),
            expected: 1,
        });
    };
    if batch.num_rows() != rows {
        return wrong(AnswerError::Rows {
            got: batch.num_rows(),
            expected: rows,
        });
    }
    Ok(batch.column(0).clone())
}

fn deadline(wait: Duration) -> Instant {
    let now = Instant::now();
    // A limit beyond what a clock can say is no limit; a century is as good.
    now.checked_add(wait)
        .unwrap_or_else(|| now + Duration::from_secs(3_000_000_000))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
