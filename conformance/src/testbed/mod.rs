//! The outside world of a case, on loopback: it records what really arrived, whatever the host under test claims. One
//! testbed a worker, reset between cases. Nothing here looks up a name or leaves 127.0.0.1.

mod http;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    runtime,
    sync::{oneshot, watch},
    time::timeout,
};

/// How long the end waits for connections that are being closed.
const GRACE: Duration = Duration::from_millis(500);

/// How long a reset waits for the server, which answers within microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// Why there is no testbed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TestbedError {
    /// No loopback port could be had.
    #[error("the suite's HTTP server finds no port on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// The server's thread or its runtime could not be started.
    #[error("the suite's HTTP server cannot be started")]
    Start(#[source] io::Error),
}

/// The loopback HTTP server of the suite. Ends with its value.
///
/// | route | answer |
/// |---|---|
/// | `/echo` | the request's body and `content-type`; header `witgate-method` is the method |
/// | `/status/N` | status N (200 to 599), no body |
/// | `/bytes/N` | N bytes `a` (1 GiB at most) |
/// | `/slow/MS` | 200 after that many milliseconds |
/// | `/hang` | nothing, until the client or a reset closes the connection |
/// | `/redirect?to=URL` | 302 to the percent-decoded URL |
/// | `/text/XYZ` | the percent-decoded rest of the path as text |
///
/// Any other path is answered with 404; every connection is closed after one answer, so that none outlives its case.
#[derive(Debug)]
pub struct Testbed {
    address: SocketAddr,
    log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Testbed {
    /// Starts the server on a free port, in a thread of its own.
    pub fn start() -> Result<Self, TestbedError> {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(TestbedError::Bind)?;
        listener.set_nonblocking(true).map_err(TestbedError::Bind)?;
        let address = listener.local_addr().map_err(TestbedError::Bind)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TestbedError::Start)?;
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(listener).map_err(TestbedError::Bind)?
        };
        let log = Arc::new(Log::default());
        let (stop, stopped) = oneshot::channel();
        let serve = {
            let log = log.clone();
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = http::serve(listener, log.clone()) => {}
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
        Ok(Self {
            address,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived since the start or the last reset, in order; a request is there before it is answered.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().clone()
    }

    /// Forgets all requests and closes all connections: nothing of an earlier case can be recorded from now on.
    pub fn reset(&self) {
        // Connections are accepted in order: when this one is, so are all that an earlier case has made.
        if let Ok(last) = TcpStream::connect_timeout(&self.address, PATIENCE)
            && let Ok(address) = last.local_addr()
        {
            self.log.wait_for(address);
        }
        self.log.reset();
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

/// What arrived in the present epoch.
#[derive(Debug)]
struct Log {
    requests: Mutex<Vec<Request>>,
    /// The other ends of the connections that were accepted.
    accepted: Mutex<Vec<SocketAddr>>,
    /// Told when there is one more.
    more: Condvar,
    /// Counts resets; a connection lives in one epoch.
    epoch: watch::Sender<u64>,
    /// Open connections.
    open: watch::Sender<usize>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            accepted: Mutex::default(),
            more: Condvar::new(),
            epoch: watch::Sender::new(0),
            open: watch::Sender::new(0),
        }
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, address: SocketAddr) {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(address);
        self.more.notify_all();
    }

    fn wait_for(&self, address: SocketAddr) {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |accepted: &mut Vec<SocketAddr>| !accepted.contains(&address);
        // A server that is that late is reset all the same.
        let _ = self.more.wait_timeout_while(accepted, PATIENCE, missing);
    }

    /// Records a request, unless its connection is of an earlier epoch.
    fn record(&self, epoch: u64, request: Request) {
        let mut requests = self.lock();
        if *self.epoch.borrow() == epoch {
            requests.push(request);
        }
    }

    fn reset(&self) {
        let mut requests = self.lock();
        self.epoch.send_modify(|epoch| *epoch += 1);
        requests.clear();
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends when no connection is open.
    async fn idle(&self) {
        // The sender is `self`, so it cannot be closed.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}
