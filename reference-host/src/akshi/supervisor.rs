//! An agent's task: runs it once, when it is told to, or by a plan; starts it anew after a trap; ends it.
//!
//! The instance, and so its linear memory, is kept from run to run until it traps. A run that is stopped is dropped
//! wherever it is, computing (within one epoch) or waiting.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{mpsc, watch};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::agent::Agent;
use super::bindings;
use super::host::Control;
use super::imports::State;
use super::program::Program;
use super::{Event, Outcome, Plan};
use crate::engine::{ComputeExceeded, ComputeMeter, MemoryLimiter};

/// Starts the task of an agent that was just loaded.
pub(super) fn start(
    agent: Arc<Agent>,
    program: Program,
    commands: mpsc::UnboundedReceiver<Control>,
    once: bool,
) {
    let runtime = agent.shared.runtime().clone();
    let stopped = agent.stop.subscribe();
    let mut task = Task {
        end: End {
            agent,
            outcome: None,
        },
        program,
        commands,
        stopped,
        instance: None,
    };
    runtime.spawn(async move {
        let outcome = if once {
            task.run().await
        } else {
            task.serve().await
        };
        task.instance = None;
        task.end.agent.close().await;
        task.end.outcome = Some(outcome);
        // Tells of the end.
        drop(task);
    });
}

struct Task {
    program: Program,
    commands: mpsc::UnboundedReceiver<Control>,
    stopped: watch::Receiver<Option<String>>,
    instance: Option<Instance>,
    /// Last, so that all else is gone when it tells of the end.
    end: End,
}

/// Reports the end when it is dropped: also when the runtime drops the task.
struct End {
    agent: Arc<Agent>,
    outcome: Option<Outcome>,
}

impl Drop for End {
    fn drop(&mut self) {
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Outcome::Terminated("the host's runtime stopped".into()));
        self.agent.shared.leave(&self.agent, outcome);
    }
}

/// A component instance between two runs.
struct Instance {
    store: Store<State>,
    exports: bindings::Agent,
    meter: ComputeMeter,
}

impl Task {
    /// Carries out what the agent is told to, until it is stopped or a plan is over.
    async fn serve(&mut self) -> Outcome {
        loop {
            let command = tokio::select! {
                biased;
                reason = stop_reason(&mut self.stopped) => return Outcome::Terminated(reason),
                command = self.commands.recv() => command,
            };
            match command {
                None => return Outcome::Terminated("the runtime is gone".into()),
                Some(Control::Tick(reply)) => {
                    // Who asked may have left; the run has happened all the same.
                    let _ = reply.send(self.run().await);
                }
                Some(Control::Supervise(plan, reply)) => {
                    let _ = reply.send(());
                    return self.supervise(&plan).await;
                }
            }
        }
    }

    async fn supervise(&mut self, plan: &Plan) -> Outcome {
        let (mut ticks, mut restarts) = (0_u32, 0_u32);
        loop {
            let outcome = self.run().await;
            self.end.agent.shared.tell(Event::Ticked {
                agent: self.end.agent.id,
                outcome: outcome.clone(),
            });
            // What somebody asks for meanwhile is not carried out; dropping it says so.
            while self.commands.try_recv().is_ok() {}
            ticks = ticks.saturating_add(1);
            let trapped = matches!(outcome, Outcome::Trapped(_));
            let pause = if trapped { plan.backoff } else { plan.interval };
            if matches!(outcome, Outcome::Terminated(_))
                || ticks == plan.ticks
                || (trapped && restarts == plan.max_restarts)
            {
                return outcome;
            }
            restarts += u32::from(trapped);
            if let Some(reason) = self.pause(pause).await {
                return Outcome::Terminated(reason);
            }
            while self.commands.try_recv().is_ok() {}
        }
    }

    /// Waits; the reason, if the agent is stopped meanwhile.
    async fn pause(&mut self, time: Duration) -> Option<String> {
        tokio::select! {
            biased;
            reason = stop_reason(&mut self.stopped) => Some(reason),
            () = tokio::time::sleep(time) => None,
        }
    }

    /// One run, whatever comes of it.
    async fn run(&mut self) -> Outcome {
        let agent = self.end.agent.clone();
        let slot = &mut self.instance;
        let run = AssertUnwindSafe(run(slot, &self.program, &agent)).catch_unwind();
        // Whatever the guest does, it comes back here at every epoch.
        let outcome = tokio::select! {
            biased;
            reason = stop_reason(&mut self.stopped) => Outcome::Terminated(reason),
            outcome = run => outcome.unwrap_or_else(|_| {
                tracing::error!(agent = %agent.id, "a host function panicked");
                Outcome::Trapped("a host function panicked".into())
            }),
        };
        if matches!(outcome, Outcome::Trapped(_) | Outcome::Terminated(_)) {
            self.instance = None;
        }
        agent.end_run().await;
        outcome
    }
}

/// Waits until the agent is to end.
async fn stop_reason(stopped: &mut watch::Receiver<Option<String>>) -> String {
    let reason = stopped.wait_for(Option::is_some).await;
    let reason = reason.ok().and_then(|reason| reason.clone());
    reason.unwrap_or_else(|| "the runtime is gone".into())
}

async fn run(slot: &mut Option<Instance>, program: &Program, agent: &Arc<Agent>) -> Outcome {
    let result = match slot {
        Some(instance) => instance.run().await,
        None => match instantiate(program, agent).await {
            Ok(instance) => slot.insert(instance).run().await,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(Ok(())) => Outcome::Finished,
        Ok(Err(text)) => Outcome::Failed(text),
        Err(error) => stopped_by(&error),
    }
}

/// A fresh instance. Its start function runs on the time of the run that needs it.
async fn instantiate(program: &Program, agent: &Arc<Agent>) -> wasmtime::Result<Instance> {
    let limits = &agent.limits;
    let state = State {
        agent: agent.clone(),
        limiter: MemoryLimiter::new(limits.memory_bytes, limits.table_elements),
    };
    let mut store = Store::new(program.pre().engine(), state);
    store.limiter(|state| &mut state.limiter);
    // All of the memory, and as much again for what is made of it: no text an agent can hold is too long to hand over.
    let fuel = limits.memory_bytes.saturating_mul(4).max(1 << 20);
    store.set_hostcall_fuel(usize::try_from(fuel).unwrap_or(usize::MAX));
    let meter = ComputeMeter::total(limits.tick);
    meter.arm(&mut store);
    let exports = meter
        .meter(program.pre().instantiate_async(&mut store))
        .await?;
    Ok(Instance {
        store,
        exports,
        meter,
    })
}

impl Instance {
    async fn run(&mut self) -> wasmtime::Result<Result<(), String>> {
        let result = self
            .meter
            .meter(self.exports.call_run(&mut self.store))
            .await;
        self.meter.reset();
        result
    }
}

/// A limit of the host's ends a run like a trap of the guest's: the agent is started anew.
fn stopped_by(error: &wasmtime::Error) -> Outcome {
    if let Some(limit) = error.downcast_ref::<ComputeExceeded>() {
        return Outcome::Trapped(format!(
            "limit reached: the run computed for more than {} ms",
            limit.limit.as_millis()
        ));
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Outcome::Trapped("the process runs as many instances as it can".into());
    }
    Outcome::Trapped(format!("{error:#}"))
}
