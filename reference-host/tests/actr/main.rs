//! The host of `actr:workload` with real guests.

mod actors;
mod guest;
mod limits;
mod node;
mod peers;
mod process;
mod single;

use std::sync::Arc;
use std::time::Duration;

use reference_host::actr::{
    Actor, ActorConfig, Entry, Failure, LogLine, LogSink, Node, NodeConfig, RpcEnvelope,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use guest::{id, workload};

/// A node, and what its actors logged.
struct Bench {
    node: Node,
    sink: Arc<Sink>,
    lines: UnboundedReceiver<(u64, String)>,
}

struct Sink(UnboundedSender<(u64, String)>);

impl LogSink for Sink {
    fn log(&self, line: LogLine<'_>) {
        assert_eq!(line.level, "info");
        let _ = self
            .0
            .send((line.actor.serial_number, line.message.to_owned()));
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(1_000, |_| ())
    }

    /// A node of this serial number, with its configuration changed.
    fn with(serial_number: u64, change: impl FnOnce(&mut NodeConfig)) -> Self {
        let mut config = NodeConfig::new(id(serial_number));
        change(&mut config);
        let (sender, lines) = unbounded_channel();
        Self {
            node: Node::new(config),
            sink: Arc::new(Sink(sender)),
            lines,
        }
    }

    fn config(&self, serial_number: u64) -> ActorConfig {
        ActorConfig {
            log: self.sink.clone(),
            ..ActorConfig::new(id(serial_number))
        }
    }

    async fn load(&self, bytes: &[u8], serial_number: u64) -> Arc<Actor> {
        let config = self.config(serial_number);
        self.node.load(bytes, config).await.expect("an actor")
    }

    /// A started actor; its log of the start is taken.
    async fn actor(&mut self, serial_number: u64) -> Arc<Actor> {
        let actor = self.load(workload(), serial_number).await;
        self.start(&actor).await;
        actor
    }

    async fn start(&mut self, actor: &Actor) {
        self.node.start(actor).await.expect("it starts");
        let serial_number = actor.identity().serial_number;
        assert_eq!(self.line().await, (serial_number, "on-start".into()));
        assert_eq!(self.line().await, (serial_number, "on-ready".into()));
    }

    /// The next line that an actor logged.
    async fn line(&mut self) -> (u64, String) {
        timely(self.lines.recv()).await.expect("a node")
    }

    async fn hears(&mut self, serial_number: u64, message: &str) {
        assert_eq!(self.line().await, (serial_number, message.to_owned()));
    }

    /// That nothing else was logged.
    fn is_silent(&mut self) -> bool {
        self.lines.try_recv().is_err()
    }
}

/// Much more than anything here takes.
async fn timely<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("in time")
}

fn entry(route: &str, payload: &[u8]) -> Entry {
    Entry::Dispatch {
        envelope: RpcEnvelope {
            request_id: format!("request-{route}"),
            route_key: route.into(),
            payload: payload.to_vec(),
        },
        caller: None,
    }
}

async fn ask(actor: &Actor, route: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    timely(actor.enter(entry(route, payload))).await
}

/// The route and payload that forward `rest` to the actor of this number.
fn to(serial_number: u8, route: u8, rest: &[u8]) -> Vec<u8> {
    [&[serial_number, route][..], rest].concat()
}
