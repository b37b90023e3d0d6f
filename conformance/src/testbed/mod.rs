//! The outside world of a case, on loopback: it records what really arrived, whatever the host under test claims. One
//! testbed a worker, reset between cases. Nothing here looks up a name or leaves the machine.

mod content;
mod folder;
mod http;
mod log;
pub mod mcp;
mod model;
mod routes;
mod websocket;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime,
    sync::oneshot,
    time::timeout,
};

pub use folder::{File, FileKind};
pub use log::{Frame, FrameKind, Push, Request, ToolCall, ToolCallKind};

use folder::Folder;
use log::{Log, PATIENCE};

/// How long the end waits for connections that are being closed.
const GRACE: Duration = Duration::from_millis(500);

/// The second origin's address; a machine that has only 127.0.0.1 gets another port there.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The names that texts of a case may stand on, as in `\{http}`; see [`Testbed::surroundings`].
pub const SURROUNDINGS: [&str; 8] = [
    "http",
    "ws",
    "port",
    "other",
    "other-port",
    "dead",
    "dir",
    "mcp",
];

/// Why there is no testbed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TestbedError {
    /// No loopback port could be had.
    #[error("the suite's HTTP server finds no port on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// The folder of a case could not be made.
    #[error("the folder of a case cannot be made")]
    Folder(#[source] io::Error),
    /// The server's thread or its runtime could not be started.
    #[error("the suite's HTTP server cannot be started")]
    Start(#[source] io::Error),
}

/// The loopback servers of the suite, and the folder of a case. Ends with its value.
///
/// | route | answer |
/// |---|---|
/// | `/echo` | the request's body and `content-type`; header `witgate-method` is the method |
/// | `/status/N`, `/status/N/TEXT` | status N (200 to 599), no body or the percent-decoded text |
/// | `/headers?NAME=VALUE&...` | 200 with these headers, percent-decoded; a name may come again |
/// | `/binary` | the bytes 00 to ff |
/// | `/bytes/N` | N bytes `a` (1 GiB at most) |
/// | `/cut/N` | N bytes `a` of the N + 1000 that its `content-length` promises, then the connection breaks off |
/// | `/trickle/N/MS` | N bytes `a`, each after that many milliseconds |
/// | `/slow/MS` | 200 after that many milliseconds |
/// | `/hang` | nothing, until the client or a reset closes the connection |
/// | `/redirect?to=URL` | 302 to the percent-decoded URL |
/// | `/text/XYZ` | the percent-decoded rest of the path as text |
/// | `/model/MODE/v1/chat/completions` | a language model with the OpenAI interface; `v1/` may go |
/// | `/mcp/MODE`, `/mcp/MODE/LABEL` | an MCP server (streamable HTTP), see [`mcp::Mode`] |
/// | `/ws/...` | a WebSocket; see [`frames`](Self::frames) |
///
/// Any other path is answered with 404; every connection is closed after one answer, so that none outlives its case.
///
/// | WebSocket route | the server |
/// |---|---|
/// | `/ws/echo` | sends back every text and binary message as it came |
/// | `/ws/silent`, `/ws/push` | says nothing of its own accord |
/// | `/ws/say/TEXT` | sends the percent-decoded text |
/// | `/ws/count/N` | sends the texts `0` to `N-1` (100 000 at most) |
/// | `/ws/binary` | sends the bytes 00 to ff as one binary message |
/// | `/ws/bytes/N` | sends one text of N letters `a` (64 MiB at most) |
/// | `/ws/fragments/N` | the same in frames of 16 KiB at most |
/// | `/ws/pings/N` | sends N pings with the payloads `0` to `N-1`, then the text `done` |
/// | `/ws/close`, `/ws/close/CODE/REASON` | closes at once, with code 1000 or that one |
/// | `/ws/close-after/N` | closes when N messages came |
/// | `/ws/drop` | breaks off at once, without a close frame |
/// | `/ws/refuse` | answers the handshake with 403 |
///
/// Every route but `drop` and `refuse` answers pings and close frames, and can be pushed to.
#[derive(Debug)]
pub struct Testbed {
    address: SocketAddr,
    other: SocketAddr,
    /// A port that is taken and that nobody listens on.
    dead: (TcpSocket, SocketAddr),
    log: Arc<Log>,
    folder: Mutex<Option<Folder>>,
    mcp: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Testbed {
    /// Starts the servers on free ports, in a thread of their own.
    pub fn start() -> Result<Self, TestbedError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TestbedError::Start)?;
        let guard = runtime.enter();
        let (listener, address) = listen(Ipv4Addr::LOCALHOST).map_err(TestbedError::Bind)?;
        let (stranger, other) = listen(OTHER)
            .or_else(|_| listen(Ipv4Addr::LOCALHOST))
            .map_err(TestbedError::Bind)?;
        let dead = reserve().map_err(TestbedError::Bind)?;
        drop(guard);
        let log = Arc::new(Log::default());
        let (stop, stopped) = oneshot::channel();
        let serve = {
            let log = log.clone();
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = http::serve(listener, address, log.clone()) => {}
                        () = http::serve(stranger, other, log.clone()) => {}
                        _ = stopped => {}
                    }
                    log.reset();
                    // Connections notice the reset and close; one that does not is dropped with the runtime.
                    let _ = timeout(GRACE, log.idle()).await;
                });
            }
        };
        let thread = std::thread::Builder::new()
            .name("testbed".to_owned())
            .spawn(serve)
            .map_err(TestbedError::Start)?;
        let testbed = Self {
            address,
            other,
            dead,
            log,
            folder: Mutex::default(),
            mcp: String::new(),
            stop: Some(stop),
            thread: Some(thread),
        };
        *testbed.folder() = Some(Folder::new().map_err(TestbedError::Folder)?);
        Ok(testbed)
    }

    /// Says which executable serves MCP over its standard input and output; see [`mcp::stdio`].
    pub fn with_mcp(mut self, executable: Option<&Path>) -> Self {
        self.mcp = executable.map_or(String::new(), |path| path.to_string_lossy().into_owned());
        self
    }

    /// `http://127.0.0.1:PORT`
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What [`SURROUNDINGS`] stand for in the present case.
    pub fn surroundings(&self) -> HashMap<String, String> {
        let (_, dead) = self.dead;
        let dir = self.dir().map(|dir| dir.to_string_lossy().into_owned());
        let values = [
            self.http_url(),
            format!("ws://{}", self.address),
            self.address.port().to_string(),
            format!("http://{}", self.other),
            self.other.port().to_string(),
            format!("http://{dead}"),
            dir.unwrap_or_default(),
            self.mcp.clone(),
        ];
        let names = SURROUNDINGS.into_iter().map(str::to_owned);
        names.zip(values).collect()
    }

    /// Values like those of [`surroundings`](Self::surroundings), for who plans a case and does not run it.
    pub fn example_surroundings() -> HashMap<String, String> {
        let values = [
            "http://127.0.0.1:8001",
            "ws://127.0.0.1:8001",
            "8001",
            "http://127.0.0.2:8002",
            "8002",
            "http://127.0.0.1:8003",
            "/tmp/witgate",
            "/usr/bin/witgate",
        ];
        let names = SURROUNDINGS.into_iter().map(str::to_owned);
        names.zip(values.map(str::to_owned)).collect()
    }

    /// What arrived since the start or the last reset, in order and at both origins; a request is there before it is
    /// answered.
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests()
    }

    /// What WebSocket peers did since the start or the last reset, in order.
    pub fn frames(&self) -> Vec<Frame> {
        self.log.frames()
    }

    /// What clients of MCP servers did since the start or the last reset, in order; it is there before it is answered.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.log.tool_calls()
    }

    /// Makes the server say something to every open WebSocket connection of this path (with query); to how many.
    pub fn push(&self, path: &str, push: &Push) -> usize {
        self.log.push(path, push)
    }

    /// The folder of the present case, as an absolute path without links. `None` between cases.
    pub fn dir(&self) -> Option<PathBuf> {
        self.folder().as_ref().map(|folder| folder.path.clone())
    }

    /// What is in the folder of the present case, sorted by path: 100 000 entries, 256 MiB and 256 levels at most.
    pub fn files(&self) -> io::Result<Vec<File>> {
        self.with_folder(Folder::files)
    }

    /// Writes a file into the folder of the present case, and makes the folders on the way.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.with_folder(|folder| folder.write(path, content))
    }

    /// Makes a folder in the folder of the present case, and those on the way.
    pub fn make_dir(&self, path: &str) -> io::Result<()> {
        self.with_folder(|folder| folder.make(path))
    }

    /// Makes a symbolic link in the folder of the present case; it says `target`, wherever that leads.
    pub fn link(&self, path: &str, target: &str) -> io::Result<()> {
        self.with_folder(|folder| folder.link(path, target))
    }

    /// Begins a case: forgets all that was seen, closes all connections and gives a fresh folder. Nothing of an earlier
    /// case can be recorded from now on.
    pub fn reset(&self) -> Result<(), TestbedError> {
        for address in [self.address, self.other] {
            // Connections are accepted in order: when this one is, so are all that an earlier case has made.
            if let Ok(last) = TcpStream::connect_timeout(&address, PATIENCE)
                && let Ok(theirs) = last.local_addr()
            {
                self.log.wait_for(address, theirs);
            }
        }
        self.log.reset();
        let mut folder = self.folder();
        // The old one goes first.
        *folder = None;
        *folder = Some(Folder::new().map_err(TestbedError::Folder)?);
        Ok(())
    }

    /// Ends a case: closes all connections and removes its folder.
    pub fn close(&self) {
        self.log.reset();
        *self.folder() = None;
    }

    fn folder(&self) -> MutexGuard<'_, Option<Folder>> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_folder<T>(&self, act: impl FnOnce(&Folder) -> io::Result<T>) -> io::Result<T> {
        match &*self.folder() {
            Some(folder) => act(folder),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn listen(host: Ipv4Addr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((host, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

/// Takes a port that refuses connections as long as the socket is there.
fn reserve() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
