//! `ws-send` and `ws-receive`: one agent's WebSocket channels, by configured names.
//!
//! A channel is connected at the first call that names it, and from then on what the peer sends is kept, in order, until
//! it is received: [`Limits::channel_messages`] messages of 16 MiB together, then the host reads no further until there
//! is room. Pings are answered while it reads.
//!
//! - `ws-receive` waits for half a second; when nothing came it is an `err` that begins with `empty`.
//! - A binary message is an `err` that begins with `binary`, at its place in the order; its bytes are lost.
//! - The end of a connection is an `err` that begins with `closed`, behind all messages that came before, and for a
//!   `ws-send` that meets it. The call after it connects anew.
//! - A connection that cannot be made is an `err` that begins with `unreachable`; for a second no further one is tried.
//! - A message from the peer that is longer than [`Limits::message_bytes`] ends the connection.

mod connection;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use url::Url;

use self::connection::{Connection, Incoming, Queue};
use super::error::CallError;
use super::{Channel, Limits};

/// How long `ws-receive` waits.
const WAIT: Duration = Duration::from_millis(500);
/// How long a connection, and the sending of one message, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// From a connection that failed to the next try.
const PAUSE: Duration = Duration::from_secs(1);
/// How long closing may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes of received messages that wait on one channel.
const QUEUE_BYTES: usize = 16 << 20;

/// The channels of one loaded agent.
#[derive(Debug)]
pub(super) struct Channels {
    lines: BTreeMap<String, Mutex<Line>>,
    message_bytes: usize,
}

/// One channel.
#[derive(Debug)]
struct Line {
    url: Url,
    connection: Option<Connection>,
    /// When a connection may be tried again.
    not_before: Option<Instant>,
    /// What connections put in, and what receives take out.
    queue: Queue,
    received: mpsc::Receiver<Incoming>,
    stopped: bool,
}

impl Channels {
    /// Reads the channels; nothing is connected.
    ///
    /// # Errors
    /// What is wrong with a channel; the agent is refused then.
    pub(super) fn new(channels: &[Channel], limits: &Limits) -> Result<Self, String> {
        let line = |channel: &Channel| {
            let wrong = |why: String| format!("the channel {:?}: {why}", channel.name);
            let url = Url::parse(&channel.url).map_err(|error| wrong(error.to_string()))?;
            if !matches!(url.scheme(), "ws" | "wss") || url.host().is_none() {
                return Err(wrong("the address is not ws or wss".into()));
            }
            let (sender, received) = mpsc::channel(limits.channel_messages.max(1));
            let line = Line {
                url,
                connection: None,
                not_before: None,
                queue: Queue {
                    sender,
                    room: Arc::new(Semaphore::new(QUEUE_BYTES)),
                },
                received,
                stopped: false,
            };
            Ok((channel.name.clone(), Mutex::new(line)))
        };
        Ok(Self {
            lines: channels.iter().map(line).collect::<Result<_, _>>()?,
            message_bytes: limits.message_bytes,
        })
    }

    /// The function `ws-send`: one text message, empty ones too. `ok` means that it was handed to the connection. May be
    /// dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn send(&self, channel: &str, message: &str) -> Result<(), CallError> {
        let most = self.message_bytes;
        if message.len() > most {
            return Err(CallError::failed(format!(
                "limit reached: a message of {} bytes, allowed are {most}",
                message.len()
            )));
        }
        let mut line = self.line(channel)?.lock().await;
        let connection = line.connected(most).await?;
        let sent = match connection.is_closed() {
            true => Err("the peer has ended the connection".to_owned()),
            false => match timeout(PATIENCE, connection.send(message)).await {
                Ok(sent) => sent,
                Err(_) => Err(format!("the peer took nothing for {PATIENCE:?}")),
            },
        };
        sent.map_err(|why| {
            line.connection = None;
            closed(&why)
        })
    }

    /// The function `ws-receive`: the next message. May be dropped while it waits; then no message is lost.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn receive(&self, channel: &str) -> Result<String, CallError> {
        let mut line = self.line(channel)?.lock().await;
        // What is there already needs no connection.
        let next = match line.received.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                line.connected(self.message_bytes).await?;
                timeout(WAIT, line.received.recv()).await.ok().flatten()
            }
        };
        match next {
            Some(Incoming::Text(text, _)) => Ok(text),
            Some(Incoming::Binary(length)) => Err(CallError::failed(format!(
                "binary: a message of {length} bytes that is no text"
            ))),
            Some(Incoming::End(why)) => {
                line.connection.take_if(|connection| connection.is_closed());
                Err(closed(&why))
            }
            None => Err(CallError::failed(format!(
                "empty: no message within {} ms",
                WAIT.as_millis()
            ))),
        }
    }

    /// Closes all channels, for good.
    pub(super) async fn stop(&self) {
        let farewell = |line: &'_ Mutex<Line>| {
            // A call that still holds the line has been given up, or ends by itself.
            let line = line.try_lock().ok();
            line.and_then(|mut line| {
                line.stopped = true;
                line.connection.take()
            })
        };
        let open: Vec<_> = self.lines.values().filter_map(farewell).collect();
        let closing = open.into_iter().map(Connection::close);
        // One that does not answer is dropped.
        let _ = timeout(FAREWELL, futures::future::join_all(closing)).await;
    }

    fn line(&self, channel: &str) -> Result<&Mutex<Line>, CallError> {
        self.lines
            .get(channel)
            .ok_or_else(|| CallError::failed(format!("no channel {channel:?}")))
    }
}

impl Line {
    async fn connected(&mut self, message_bytes: usize) -> Result<&mut Connection, CallError> {
        if self.stopped {
            return Err(closed("the agent ends"));
        }
        if self.connection.is_none() {
            let unreachable = |why: &str| CallError::failed(format!("unreachable: {why}"));
            let now = Instant::now();
            if let Some(left) = self
                .not_before
                .and_then(|then| then.checked_duration_since(now))
                && !left.is_zero()
            {
                let left = left.as_millis();
                return Err(unreachable(&format!("it is tried again in {left} ms")));
            }
            let dialled = Connection::open(&self.url, message_bytes, &self.queue);
            let dialled = match timeout(PATIENCE, dialled).await {
                Ok(dialled) => dialled,
                Err(_) => Err(format!("no connection within {PATIENCE:?}")),
            };
            self.not_before = dialled.is_err().then(|| Instant::now() + PAUSE);
            self.connection = Some(dialled.map_err(|why| unreachable(&why))?);
        }
        // It was set just above.
        self.connection
            .as_mut()
            .ok_or_else(|| closed("the agent ends"))
    }
}

fn closed(why: &str) -> CallError {
    CallError::failed(format!("closed: {why}"))
}

#[cfg(test)]
mod tests;
