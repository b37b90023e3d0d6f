//! WebSockets that the host owns for a plugin's ingresses.
//!
//! Each `websocket:` source that is permitted is dialled after `start`. Texts, closes and errors become ingress events,
//! in order, the next one read when the one before has been dispatched. A connection that ended is dialled again after
//! [`ServiceLimits::redial_first`](super::ServiceLimits), each failed dial doubling the pause; of failed dials in a row
//! only the first becomes an event, and after [`ServiceLimits::redials`](super::ServiceLimits) of them the host gives up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::envelope::IngressEvent;
use super::failure::ImportError;
use super::ingress::{self, Job};
use super::manifest::Surface;
use super::plugin::Shared;
use super::target::Reach;
use super::websocket::{self, Incoming, Stream};

/// How long the end of a connection may take.
const CLOSE_TIME: Duration = Duration::from_secs(1);

type Sink = Arc<AsyncMutex<Option<SplitSink<Stream, Message>>>>;

/// The connections of one plugin.
pub(super) struct Services {
    state: Mutex<State>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Connection {
    ingress: String,
    url: Url,
    /// Where texts go while it is connected.
    sink: Sink,
    connected: Arc<std::sync::atomic::AtomicBool>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            stopping: watch::Sender::new(false),
        }
    }
}

impl Services {
    /// Dials every source that may be dialled; the first dials are done when this returns.
    pub(super) async fn start(&self, shared: &Arc<Shared>, queue: &mpsc::Sender<Job>) {
        let mut dialled = Vec::new();
        for source in sources(shared) {
            let connection = Connection {
                ingress: source.ingress.clone(),
                url: source.url.clone(),
                sink: Sink::default(),
                connected: Arc::default(),
            };
            let (done, first) = oneshot::channel();
            let task = Task {
                shared: shared.clone(),
                queue: queue.clone(),
                source,
                connection: connection.clone(),
            };
            let mut stopping = self.stopping.subscribe();
            let handle = tokio::spawn(async move {
                tokio::select! {
                    () = task.run(done) => {}
                    _ = stopping.wait_for(|stopping| *stopping) => {}
                }
                task.hang_up().await;
            });
            let mut state = self.state();
            state.connections.push(connection);
            state.tasks.push(handle);
            dialled.push(first);
        }
        futures::future::join_all(dialled).await;
    }

    /// Closes every connection and ends their tasks.
    pub(super) async fn stop(&self) {
        self.stopping.send_replace(true);
        let tasks = std::mem::take(&mut self.state().tasks);
        // Each task ends within the time of its close.
        futures::future::join_all(tasks).await;
    }

    /// Ends the tasks without waiting for them.
    pub(super) fn abandon(&self) {
        self.stopping.send_replace(true);
    }

    /// URLs of the connections that stand.
    pub(super) fn connected(&self) -> Vec<String> {
        let state = self.state();
        let standing = state
            .connections
            .iter()
            .filter(|connection| connection.stands());
        standing
            .map(|connection| connection.url.to_string())
            .collect()
    }

    /// Sends a text on the connection to this URL, the ingress's own if it has one.
    pub(super) async fn send(
        &self,
        ingress: &str,
        url: &Url,
        text: String,
    ) -> Result<(), ImportError> {
        let found = {
            let state = self.state();
            let fits = |connection: &&Connection| connection.url == *url && connection.stands();
            let mut fitting = state.connections.iter().filter(fits);
            let own = fitting
                .clone()
                .find(|connection| connection.ingress == ingress);
            own.or_else(|| fitting.next()).cloned()
        };
        let none = || {
            ImportError::failed(format!(
                "no host-owned WebSocket connection is active for {}",
                super::authority::shown(url)
            ))
        };
        let connection = found.ok_or_else(none)?;
        let mut sink = connection.sink.lock().await;
        let open = sink.as_mut().ok_or_else(none)?;
        open.send(Message::text(text))
            .await
            .map_err(|error| ImportError::failed(format!("WebSocket send failed: {error}")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn stands(&self) -> bool {
        self.connected.load(std::sync::atomic::Ordering::Acquire)
    }

    async fn set(
        &self,
        sink: Option<SplitSink<Stream, Message>>,
    ) -> Option<SplitSink<Stream, Message>> {
        self.connected
            .store(sink.is_some(), std::sync::atomic::Ordering::Release);
        std::mem::replace(&mut *self.sink.lock().await, sink)
    }
}

/// A source that may be dialled.
#[derive(Clone)]
struct Source {
    ingress: String,
    /// As the manifest writes it.
    text: String,
    url: Url,
    reach: Reach,
}

/// The sources that may be dialled; what may not is remarked.
fn sources(shared: &Shared) -> Vec<Source> {
    let (authority, limits) = (&shared.context.authority, &shared.context.limits);
    let mut found = Vec::new();
    for ingress in &authority.manifest.ingresses {
        for text in &ingress.sources {
            let Some(url) = websocket_url(text) else {
                continue;
            };
            let permitted = authority
                .surface(Surface::Service)
                .and_then(|()| authority.ingress(&ingress.name))
                .map_err(ImportError::from)
                .and_then(|_| websocket::parse(url))
                .and_then(|url| Ok((authority.websocket(&url)?, url)));
            match permitted {
                Ok(_) if found.len() >= limits.service.connections => shared.remark(&format!(
                    "the source `{text}` is not dialled: more than {} connections",
                    limits.service.connections
                )),
                Ok((reach, url)) => found.push(Source {
                    ingress: ingress.name.clone(),
                    text: text.clone(),
                    url,
                    reach,
                }),
                Err(error) => {
                    shared.remark(&format!("the source `{text}` is not dialled: {error}"))
                }
            }
        }
    }
    found
}

/// The URL of a source that is a WebSocket.
fn websocket_url(source: &str) -> Option<&str> {
    let url = source.strip_prefix("websocket:").unwrap_or(source);
    let scheme = url.split("://").next().unwrap_or_default();
    let is_websocket = ["ws", "wss"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_websocket.then_some(url)
}

/// One connection for as long as the plugin runs.
struct Task {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
    source: Source,
    connection: Connection,
}

impl Task {
    async fn run(&self, first: oneshot::Sender<()>) {
        let limits = &self.shared.context.limits;
        let mut first = Some(first);
        let mut failures = 0;
        let mut pause = limits.service.redial_first;
        loop {
            let dialled =
                websocket::dial(&self.source.url, self.source.reach, &limits.websocket).await;
            match dialled {
                Ok(stream) => {
                    let (sink, stream) = stream.split();
                    self.connection.set(Some(sink)).await;
                    // Nobody waits for the second dial.
                    let _ = first.take().map(|first| first.send(()));
                    self.read(stream).await;
                    (failures, pause) = (0, limits.service.redial_first);
                }
                Err(error) => {
                    let _ = first.take().map(|first| first.send(()));
                    failures += 1;
                    if failures == 1 {
                        self.event(
                            "websocket_error",
                            "error",
                            &format!("host-owned WebSocket dial failed: {error}"),
                        )
                        .await;
                    }
                    if failures > 1 {
                        pause = pause.saturating_mul(2).min(limits.service.redial_most);
                    }
                }
            }
            if failures > limits.service.redials || limits.service.redials == 0 {
                return self.shared.remark(&format!(
                    "the source `{}` is not dialled again",
                    self.source.text
                ));
            }
            sleep(pause).await;
        }
    }

    /// Reads until the connection ends.
    async fn read(&self, mut stream: SplitStream<Stream>) {
        let (mut control_frames, most) = (0, self.shared.context.limits.websocket.control_frames);
        loop {
            let received = websocket::receive(stream.next().await);
            let error = match received {
                Ok(Incoming::Text(text)) => {
                    control_frames = 0;
                    self.event("websocket_text", "text", &text).await;
                    continue;
                }
                Ok(Incoming::Control) if control_frames < most => {
                    control_frames += 1;
                    continue;
                }
                Ok(Incoming::Control) => websocket::Broken::Flood(most).to_string(),
                Ok(Incoming::Closed) => {
                    self.connection.set(None).await;
                    let reason = "host-owned WebSocket closed by peer";
                    return self.event("websocket_close", "reason", reason).await;
                }
                Err(broken) => broken.to_string(),
            };
            self.connection.set(None).await;
            let error = format!("host-owned WebSocket receive failed: {error}");
            return self.event("websocket_error", "error", &error).await;
        }
    }

    async fn event(&self, kind: &str, member: &str, text: &str) {
        let Source {
            ingress,
            text: source,
            ..
        } = &self.source;
        let url = websocket_url(source).unwrap_or_default();
        let mut payload = json!({ "url": url });
        payload[member] = Value::from(text);
        let event = IngressEvent::new(ingress, kind, source, payload);
        let outcome = ingress::deliver(&self.shared, &self.queue, ingress, event).await;
        if let Err(error) = &outcome {
            self.shared.remark(&format!(
                "an event `{kind}` of `{source}` was not dispatched: {error}"
            ));
        }
        if let Some(observer) = &self.shared.observer {
            let plugin = &self.shared.context.authority.manifest.id;
            observer.dispatched(plugin, ingress, kind, &outcome);
        }
    }

    async fn hang_up(&self) {
        if let Some(mut sink) = self.connection.set(None).await {
            // A peer that does not take it has gone already.
            let _ = timeout(CLOSE_TIME, sink.close()).await;
        }
    }
}
