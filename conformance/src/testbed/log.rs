//! What arrived in the present epoch, and who is connected. A reset begins the next epoch.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

/// How long a reset waits for the server, which answers within microseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that are kept in one epoch, at most; what comes after that is not recorded.
const MAX_KEPT: usize = 1 << 30;
/// Bytes that a record counts apart from its texts.
const RECORD: usize = 256;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// Path with query, as sent.
    pub path: String,
    /// In the order of arrival, names in lower case; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it came (64 MiB at most).
    pub body: Vec<u8>,
    /// Whether the whole body came.
    pub complete: bool,
}

/// What a WebSocket peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// It connected.
    Open,
    /// It sent a text message.
    Text,
    /// It sent a binary message.
    Binary,
    /// It sent a ping.
    Ping,
    /// It sent a pong.
    Pong,
    /// It sent a close frame, of its own accord or as an answer.
    Close,
    /// The connection ended, or broke the protocol, without a close frame of the peer.
    Lost,
}

/// Something that a WebSocket peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Path with query, as asked for.
    pub path: String,
    /// Which connection, counted from 1 in the order of arrival.
    pub connection: u32,
    /// What.
    pub kind: FrameKind,
    /// Its payload, bytes that are not UTF-8 replaced; code and reason of a close frame, separated by a blank.
    pub text: String,
}

/// What an MCP client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolCallKind {
    /// It started a server as a process.
    Start,
    /// It introduced itself.
    Initialize,
    /// It asked which tools there are.
    List,
    /// It called a tool.
    Call,
}

impl ToolCallKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Initialize, Self::List, Self::Call];

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Initialize => "initialize",
            Self::List => "list",
            Self::Call => "call",
        }
    }
}

/// Something that an MCP client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The server's label, or its mode when it has none.
    pub server: String,
    /// What.
    pub kind: ToolCallKind,
    /// The tool that was called; empty otherwise.
    pub tool: String,
    /// JSON: the arguments of a call, the parameters of an introduction; empty otherwise, or when there were none.
    pub arguments: String,
}

/// What the server says to a WebSocket peer because the case wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A close frame with code 1000.
    Close,
}

/// An open WebSocket connection, for those who push.
#[derive(Debug)]
struct Peer {
    path: String,
    connection: u32,
    pushes: mpsc::Sender<Push>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    frames: Vec<Frame>,
    peers: Vec<Peer>,
    /// WebSocket connections so far.
    connections: u32,
    tool_calls: Vec<ToolCall>,
    /// How often something happened that is counted by name.
    counts: HashMap<String, u64>,
    /// Bytes that are kept.
    kept: usize,
}

impl Seen {
    fn keep(&mut self, bytes: usize) -> bool {
        self.kept = self.kept.saturating_add(bytes + RECORD);
        self.kept <= MAX_KEPT
    }
}

/// A connection's place in the present case.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) epochs: watch::Receiver<u64>,
    pub(super) log: Arc<Log>,
}

#[derive(Debug)]
pub(super) struct Log {
    seen: Mutex<Seen>,
    /// Both ends of the connections that were accepted: ours, theirs.
    accepted: Mutex<Vec<(SocketAddr, SocketAddr)>>,
    /// Told when there is one more.
    more: Condvar,
    /// Counts resets; a connection lives in one epoch.
    pub(super) epoch: watch::Sender<u64>,
    /// Open connections.
    pub(super) open: watch::Sender<usize>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            accepted: Mutex::default(),
            more: Condvar::new(),
            epoch: watch::Sender::new(0),
            open: watch::Sender::new(0),
        }
    }
}

impl Log {
    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub(super) fn frames(&self) -> Vec<Frame> {
        self.lock().frames.clone()
    }

    pub(super) fn tool_calls(&self) -> Vec<ToolCall> {
        self.lock().tool_calls.clone()
    }

    /// Tells the open WebSocket connections of a path something; to how many.
    pub(super) fn push(&self, path: &str, push: &Push) -> usize {
        let seen = self.lock();
        let peers = seen.peers.iter().filter(|peer| peer.path == path);
        peers
            .filter(|peer| peer.pushes.try_send(push.clone()).is_ok())
            .count()
    }

    /// Records a request, unless its connection is of an earlier epoch.
    pub(super) fn request(&self, epoch: u64, request: Request) {
        let mut seen = self.lock();
        let headers = request.headers.iter();
        let bytes = request.path.len()
            + request.body.len()
            + headers
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
        if *self.epoch.borrow() == epoch && seen.keep(bytes) {
            seen.requests.push(request);
        }
    }

    /// Records a WebSocket connection and gives its number; `None` when it is of an earlier epoch.
    pub(super) fn connected(
        &self,
        epoch: u64,
        path: &str,
        pushes: mpsc::Sender<Push>,
    ) -> Option<u32> {
        let mut seen = self.lock();
        if *self.epoch.borrow() != epoch || !seen.keep(path.len()) {
            return None;
        }
        seen.connections += 1;
        let connection = seen.connections;
        let path = path.to_owned();
        seen.frames.push(Frame {
            path: path.clone(),
            connection,
            kind: FrameKind::Open,
            text: String::new(),
        });
        seen.peers.push(Peer {
            path,
            connection,
            pushes,
        });
        Some(connection)
    }

    /// Records what a WebSocket peer did, unless its connection is of an earlier epoch.
    pub(super) fn frame(&self, epoch: u64, frame: Frame) {
        let mut seen = self.lock();
        if *self.epoch.borrow() != epoch || !seen.keep(frame.path.len() + frame.text.len()) {
            return;
        }
        if matches!(frame.kind, FrameKind::Close | FrameKind::Lost) {
            seen.peers
                .retain(|peer| peer.connection != frame.connection);
        }
        seen.frames.push(frame);
    }

    /// Records what an MCP client did, unless that was in an earlier epoch.
    pub(super) fn tool_call(&self, epoch: u64, call: ToolCall) {
        let mut seen = self.lock();
        let bytes = call.server.len() + call.tool.len() + call.arguments.len();
        if *self.epoch.borrow() == epoch && seen.keep(bytes) {
            seen.tool_calls.push(call);
        }
    }

    /// The how manieth time this is that something of this name happens, from 1. In an earlier epoch nothing is counted.
    pub(super) fn count(&self, epoch: u64, name: &str) -> u64 {
        let mut seen = self.lock();
        if *self.epoch.borrow() != epoch || !seen.keep(name.len()) {
            return u64::MAX;
        }
        let count = seen.counts.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn accept(&self, ours: SocketAddr, theirs: SocketAddr) {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((ours, theirs));
        self.more.notify_all();
    }

    /// Waits until a connection is accepted.
    pub(super) fn wait_for(&self, ours: SocketAddr, theirs: SocketAddr) {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let missing =
            |accepted: &mut Vec<(SocketAddr, SocketAddr)>| !accepted.contains(&(ours, theirs));
        // A server that is that late is reset all the same.
        let _ = self.more.wait_timeout_while(accepted, PATIENCE, missing);
    }

    /// Begins the next epoch: connections end, and nothing of them is recorded any more.
    pub(super) fn reset(&self) {
        let mut seen = self.lock();
        self.epoch.send_modify(|epoch| *epoch += 1);
        *seen = Seen::default();
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends when no connection is open.
    pub(super) async fn idle(&self) {
        // The sender is `self`, so it cannot be closed.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
