//! One WebSocket connection with frames on it: the handshake, requests and their answers, liveness, the end.
//!
//! Connections are plain TCP: nodes trust the network they are on. There is no reconnecting of its own accord: whoever
//! needs a lost connection again dials again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};
use url::Url;

use super::clock::Pending;
use super::error::NodeError;
use super::wire::{self, Frame, PROTOCOL, Place, frame_limit};
use super::{ActrError, ActrId, Limits};

/// Frames that may wait to be written; who sends more waits.
const OUTGOING: usize = 1_024;

type Socket = WebSocketStream<TcpStream>;

/// Who is on the other side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) node: ActrId,
    /// Where it listens, if it does.
    pub(super) url: Option<String>,
}

/// Listens at `address`; gives what has said hello to `opened`, from within the future that is returned.
pub(super) async fn listen(
    address: SocketAddr,
    limits: Arc<Limits>,
    opened: impl Fn(Opened) -> Pending<'static, ()> + Clone + Send + Sync + 'static,
) -> Result<(String, impl Future<Output = ()> + Send), NodeError> {
    let failed = |error: std::io::Error| NodeError::Listen(error.to_string());
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let url = format!("ws://{}/", listener.local_addr().map_err(failed)?);
    let accepting = async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            if connections.len() >= limits.connections {
                connections.join_next().await;
                continue;
            }
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: some come back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (limits, opened) = (limits.clone(), opened.clone());
            connections.spawn(async move {
                match accept(stream, &limits).await {
                    Ok(connection) => opened(connection).await,
                    Err(error) => tracing::debug!(%error, "a connection came to nothing"),
                }
            });
        }
    };
    Ok((url, accepting))
}

/// What takes the frames of a connection that are no answers.
pub(super) trait Handler: Send + Sync + 'static {
    /// A frame came. Frames that come one after the other are given in this order; nothing may wait here.
    fn frame(&self, link: &Arc<Link>, frame: Frame, payload: Vec<u8>);

    /// The connection is over; told once.
    fn lost(&self, link: &Arc<Link>);
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>,
    next: AtomicU64,
    limit: usize,
    closing: watch::Sender<bool>,
    /// Whether either side closed it on purpose.
    wanted: AtomicBool,
}

/// The answer to a request frame.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Vec<u8>),
    Failure(ActrError),
    Found(Option<Place>),
}

/// A connection after the handshake, before it carries anything.
pub(super) struct Opened {
    pub(super) peer: Peer,
    socket: Socket,
}

/// What became of dialling.
pub(super) enum Dialled {
    Opened(Box<Opened>),
    /// The other side has, or prefers, another connection between the two.
    Busy,
}

/// Dials a node, and says hello for `own`.
pub(super) async fn dial(url: &str, own: &Peer, limits: &Limits) -> Result<Dialled, NodeError> {
    let failed = |text: String| NodeError::Connect(text);
    let dialling = async {
        let address = Url::parse(url).map_err(|error| failed(format!("{url}: {error}")))?;
        let (Some(host), Some(port), "ws") = (address.host_str(), address.port(), address.scheme())
        else {
            return Err(failed(format!("{url} is no `ws://HOST:PORT/`")));
        };
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let (mut socket, _) = client_async_with_config(url, stream, Some(config(limits)))
            .await
            .map_err(|error| failed(error.to_string()))?;
        say(&mut socket, &hello(own), limits).await?;
        match hear(&mut socket).await? {
            Frame::Busy => Ok(Dialled::Busy),
            frame => Ok(Dialled::Opened(Box::new(Opened {
                peer: introduced(frame)?,
                socket,
            }))),
        }
    };
    timeout(limits.connect_time, dialling)
        .await
        .unwrap_or_else(|_| Err(failed("no agreement in time".into())))
}

/// Takes a connection in as far as the other side's hello; it waits for ours.
async fn accept(stream: TcpStream, limits: &Limits) -> Result<Opened, NodeError> {
    let accepting = async {
        let mut socket = accept_async_with_config(stream, Some(config(limits)))
            .await
            .map_err(|error| NodeError::Connect(error.to_string()))?;
        let peer = introduced(hear(&mut socket).await?)?;
        Ok(Opened { peer, socket })
    };
    timeout(limits.connect_time, accepting)
        .await
        .unwrap_or_else(|_| Err(NodeError::Connect("no hello in time".into())))
}

impl Opened {
    /// Tells the dialling side that this connection is not wanted.
    pub(super) async fn decline(mut self, limits: &Limits) {
        // If it can't be told, it finds out by the end.
        let _ = say(&mut self.socket, &Frame::Busy, limits).await;
        let _ = timeout(limits.connect_time, self.socket.close(None)).await;
    }

    /// The connection as a link, and what has to be run for it to live.
    pub(super) fn link(
        self,
        limits: &Limits,
        handler: Arc<dyn Handler>,
    ) -> (Arc<Link>, impl Future<Output = ()> + Send + use<>) {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let link = Arc::new(Link {
            peer: self.peer,
            outgoing,
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
            limit: frame_limit(limits.message_bytes),
            closing: watch::Sender::new(false),
            wanted: AtomicBool::new(false),
        });
        let (sink, stream) = self.socket.split();
        let idle = limits.idle_time;
        let run = run(link.clone(), sink, stream, queue, handler, idle);
        (link, run)
    }
}

impl Link {
    /// Says hello as the accepting side.
    pub(super) async fn greet(&self, own: &Peer) {
        // A connection that is over says so elsewhere.
        let _ = self.send(&hello(own), &[]).await;
    }

    /// Sends a frame after those that were sent before.
    ///
    /// # Errors
    /// `unavailable` when the connection is over, `invalid-argument` when the frame is too large.
    pub(super) async fn send(&self, frame: &Frame, payload: &[u8]) -> Result<(), ActrError> {
        let bytes = wire::encode(frame, payload, self.limit)
            .map_err(|error| ActrError::InvalidArgument(error.to_string()))?;
        let mut closing = self.closing.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => Err(over()),
            sent = self.outgoing.send(bytes) => sent.map_err(|_| over()),
        }
    }

    /// Sends the frame that `frame` makes of a fresh id and waits for its answer.
    ///
    /// # Errors
    /// As [`Link::send`], and `unavailable` when the connection ends first.
    pub(super) async fn ask(
        &self,
        frame: impl FnOnce(u64) -> Frame,
        payload: &[u8],
    ) -> Result<Answer, ActrError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting().as_mut().ok_or_else(over)?.insert(id, answer);
        let _asked = Asked { link: self, id };
        self.send(&frame(id), payload).await?;
        answered.await.map_err(|_| over())
    }

    /// Closes the connection; both sides learn of it by the end of their streams.
    pub(super) fn close(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.closing.send_replace(true);
    }

    /// Whether either side closed it on purpose.
    pub(super) fn was_closed(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn answer(&self, id: u64, answer: Answer) {
        // An answer that nobody waits for any more came too late.
        let waiting = self.waiting().as_mut().and_then(|all| all.remove(&id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    fn end(&self) {
        self.closing.send_replace(true);
        // Dropping the senders wakes all that wait.
        drop(self.waiting().take());
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a request whose asker is gone.
struct Asked<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.link.waiting().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

/// Tells the end of a connection when it is dropped: also when its task is aborted.
struct Ending {
    link: Arc<Link>,
    handler: Arc<dyn Handler>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.link.end();
        self.handler.lost(&self.link);
    }
}

async fn run(
    link: Arc<Link>,
    mut sink: SplitSink<Socket, Message>,
    mut stream: SplitStream<Socket>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    handler: Arc<dyn Handler>,
    idle: Duration,
) {
    let ending = Ending {
        link: link.clone(),
        handler: handler.clone(),
    };
    let mut closing = link.closing.subscribe();
    let write = async {
        loop {
            let message = tokio::select! {
                biased;
                bytes = queue.recv() => match bytes {
                    Some(bytes) => Message::Binary(bytes.into()),
                    None => break,
                },
                _ = closing.wait_for(|closing| *closing) => break,
                () = tokio::time::sleep(idle / 3) => Message::Ping(Vec::new().into()),
            };
            if !matches!(timeout(idle, sink.send(message)).await, Ok(Ok(()))) {
                break;
            }
        }
        let _ = timeout(idle, sink.close()).await;
    };
    let read = async {
        let mut heard = Instant::now();
        loop {
            let message = match tokio::time::timeout_at(heard + idle, stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "a connection broke");
                    break;
                }
                Ok(None) | Err(_) => break,
            };
            heard = Instant::now();
            match message {
                Message::Binary(bytes) => match wire::decode(&bytes) {
                    Ok((frame, payload)) => take(&link, &*handler, frame, payload),
                    Err(error) => {
                        tracing::warn!(%error, "a peer broke the protocol");
                        break;
                    }
                },
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => {
                    link.wanted.store(true, Ordering::Relaxed);
                    break;
                }
                Message::Text(_) | Message::Frame(_) => break,
            }
        }
    };
    // Either end is the end of both.
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    drop(ending);
}

fn take(link: &Arc<Link>, handler: &dyn Handler, frame: Frame, payload: Vec<u8>) {
    match frame {
        Frame::Reply { id } => link.answer(id, Answer::Reply(payload)),
        Frame::Failure { id, error } => link.answer(id, Answer::Failure(error)),
        Frame::Found { id, actor } => link.answer(id, Answer::Found(actor)),
        frame => handler.frame(link, frame, payload),
    }
}

fn over() -> ActrError {
    ActrError::Unavailable("the connection to the peer is over".into())
}

fn hello(own: &Peer) -> Frame {
    Frame::Hello {
        protocol: PROTOCOL,
        node: own.node.clone(),
        url: own.url.clone(),
    }
}

fn introduced(frame: Frame) -> Result<Peer, NodeError> {
    match frame {
        Frame::Hello {
            protocol: PROTOCOL,
            node,
            url,
        } => Ok(Peer { node, url }),
        Frame::Hello { protocol, .. } => Err(NodeError::Connect(format!(
            "the peer speaks version {protocol}, not {PROTOCOL}"
        ))),
        _ => Err(NodeError::Connect("the peer did not say hello".into())),
    }
}

async fn say(socket: &mut Socket, frame: &Frame, limits: &Limits) -> Result<(), NodeError> {
    let bytes = wire::encode(frame, &[], frame_limit(limits.message_bytes))
        .map_err(|error| NodeError::Connect(error.to_string()))?;
    socket
        .send(Message::Binary(bytes.into()))
        .await
        .map_err(|error| NodeError::Connect(error.to_string()))
}

async fn hear(socket: &mut Socket) -> Result<Frame, NodeError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                return wire::decode(&bytes)
                    .map(|(frame, _)| frame)
                    .map_err(|error| NodeError::Connect(error.to_string()));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) => return Err(NodeError::Connect(error.to_string())),
            _ => return Err(NodeError::Connect("the peer hung up".into())),
        }
    }
}

fn config(limits: &Limits) -> WebSocketConfig {
    let limit = frame_limit(limits.message_bytes);
    WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit))
}
