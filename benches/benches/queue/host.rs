//! A host with one model, guests on it, and their readings of the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use benches::inferlet::inferlet;
use benches::stamps::Stamps;
use benches::times::Times;
use futures::FutureExt as _;
use reference_host::pie::backend::{Backend, BackendError, Deterministic, Service};
use reference_host::pie::{
    Config, Event, InstanceId, Launch, ModelConfig, Outcome, PieHost, Program,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};

/// The model of every host here.
pub(crate) const MODEL: &str = "m";

/// The runtime that all floors, hosts and guests of this benchmark share.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self {
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Runs this as a task, on one of the threads that run guests.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let task = self.runtime.spawn(work);
        self.runtime.block_on(task).expect("no panic")
    }

    /// A host whose one model is served by this backend.
    pub(crate) fn host(&self, backend: Arc<dyn Backend>, capacity: u32) -> Host {
        let _entered = self.runtime.enter();
        let stamps = Stamps::new();
        let host = PieHost::new(Config {
            models: vec![ModelConfig {
                capacity,
                ..ModelConfig::new(MODEL, backend)
            }],
            queries: Some(stamps.clone()),
            ..Config::default()
        });
        Host {
            host: host.expect("a host"),
            stamps,
        }
    }
}

/// A host under measurement.
pub(crate) struct Host {
    pub(crate) host: PieHost,
    pub(crate) stamps: Arc<Stamps>,
}

impl Host {
    /// Runs one instance of this guest to its end and gives its readings of the clock.
    pub(crate) async fn once(&self, guest: &Program) -> Vec<Instant> {
        let (events, mut client) = mpsc::unbounded_channel();
        let launched = self.host.launch(guest, Launch::new(events));
        let id = launched.expect("launched");
        finished(&client.recv().await);
        self.stamps.take().remove(&id).unwrap_or_default()
    }

    /// Runs so many instances of this guest, which says when it is ready, from a common start to their ends.
    pub(crate) async fn crowd(
        &self,
        guest: &Program,
        instances: usize,
    ) -> HashMap<InstanceId, Vec<Instant>> {
        let (events, mut client) = mpsc::unbounded_channel();
        let launch = || self.host.launch(guest, Launch::new(events.clone()));
        let ids: Vec<_> = (0..instances)
            .map(|_| launch().expect("launched"))
            .collect();
        while self.stamps.ready() < instances {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for id in &ids {
            self.host.client_send(*id, "go").expect("sent");
        }
        for _ in &ids {
            finished(&client.recv().await);
        }
        self.stamps.take()
    }
}

fn finished(event: &Option<Event>) {
    match event {
        Some(Event::Ended {
            outcome: Outcome::Finished,
            ..
        }) => {}
        other => panic!("the guest is to return: {other:?}"),
    }
}

/// A guest of this body.
pub(crate) fn program(body: &str) -> Program {
    let component = inferlet(body).expect("the guest's text");
    Program::compile(&component).expect("an inferlet")
}

/// The times between the readings of a guest, which reads the clock before and after each call.
pub(crate) fn pairs(readings: &[Instant]) -> impl Iterator<Item = f64> {
    readings
        .chunks_exact(2)
        .map(|pair| nanos(pair[1] - pair[0]))
}

pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// Times of calls, with the cost of the readings taken off.
pub(crate) fn net(times: Vec<f64>, readings: f64) -> Times {
    Times::from_nanos(times).shifted(-readings)
}

/// A backend that can be held, and says whenever a command arrives.
#[derive(Debug, Default)]
pub(crate) struct Announcing {
    pub(crate) inner: Deterministic,
    pub(crate) arrived: Notify,
    count: AtomicUsize,
}

impl Announcing {
    /// Commands that have arrived so far.
    pub(crate) fn arrived(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

impl Backend for Announcing {
    fn serve(&self, query: String) -> Service {
        let work = self.inner.serve(query);
        self.count.fetch_add(1, Ordering::Release);
        self.arrived.notify_one();
        work
    }

    fn deterministic(&self) -> Option<&Deterministic> {
        Some(&self.inner)
    }
}

/// A backend that is a task of its own, as one that talks to an accelerator is: it takes a command after the other, and
/// spends `work` on each.
#[derive(Debug)]
pub(crate) struct Task {
    commands: mpsc::UnboundedSender<(String, oneshot::Sender<String>)>,
}

impl Task {
    pub(crate) fn new(bench: &Bench, work: Duration) -> Arc<Self> {
        let (commands, mut taken) = mpsc::unbounded_channel::<(String, oneshot::Sender<String>)>();
        bench.runtime.spawn(async move {
            while let Some((query, answer)) = taken.recv().await {
                let begin = Instant::now();
                while begin.elapsed() < work {
                    std::hint::spin_loop();
                }
                // Whoever asked may be gone.
                let _ = answer.send(query);
            }
        });
        Arc::new(Self { commands })
    }
}

impl Backend for Task {
    fn serve(&self, query: String) -> Service {
        let (sender, answer) = oneshot::channel();
        let sent = self.commands.send((query, sender));
        let work = async move {
            if sent.is_err() {
                return Err(BackendError::Cancelled);
            }
            answer.await.map_err(|_| BackendError::Cancelled)
        };
        Service::Pending(work.boxed())
    }
}
