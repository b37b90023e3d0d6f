//! One WebSocket connection: a half to send with, and a task that puts what comes into the channel's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use url::Url;

use super::QUEUE_BYTES;
use crate::outbound::{self, with_causes};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a peer sent.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A text, and its place in the queue.
    Text(
        String,
        #[expect(dead_code, reason = "frees its bytes when it is dropped")] OwnedSemaphorePermit,
    ),
    /// A binary message of so many bytes.
    Binary(usize),
    /// Nothing more, and why.
    End(String),
}

/// Where messages wait. It outlives connections.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) sender: mpsc::Sender<Incoming>,
    /// Bytes that there is room for.
    pub(super) room: Arc<Semaphore>,
}

/// An open connection. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    sink: SplitSink<Socket, Message>,
    closed: Arc<AtomicBool>,
    reader: AbortHandle,
}

impl Connection {
    /// Connects, and reads from then on.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn open(
        url: &Url,
        message_bytes: usize,
        queue: &Queue,
    ) -> Result<Self, String> {
        outbound::install_tls();
        let config = WebSocketConfig::default()
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes));
        let connecting =
            tokio_tungstenite::connect_async_with_config(url.as_str(), Some(config), true);
        let (socket, _) = connecting.await.map_err(|error| with_causes(&error))?;
        let (sink, stream) = socket.split();
        let closed = Arc::<AtomicBool>::default();
        let reader = tokio::spawn(read(stream, queue.clone(), closed.clone())).abort_handle();
        Ok(Self {
            sink,
            closed,
            reader,
        })
    }

    /// Whether the peer has ended it, or broken the protocol.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Sends one text message.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    pub(super) async fn send(&mut self, message: &str) -> Result<(), String> {
        let sent = self.sink.send(Message::text(message)).await;
        sent.map_err(|error| with_causes(&error))
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        let goodbye = CloseFrame {
            code: 1000.into(),
            reason: "".into(),
        };
        // The peer may be gone.
        let _ = self.sink.send(Message::Close(Some(goodbye))).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut stream: SplitStream<Socket>, queue: Queue, closed: Arc<AtomicBool>) {
    let mut goodbye = None;
    loop {
        // Room first: what has been read must have a place. It is an error only when the agent is gone.
        let Ok(place) = queue.sender.reserve().await else {
            return;
        };
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                let bytes = text.len().min(QUEUE_BYTES) as u32;
                let Ok(room) = queue.room.clone().acquire_many_owned(bytes).await else {
                    return;
                };
                place.send(Incoming::Text(text.as_str().to_owned(), room));
            }
            Some(Ok(Message::Binary(bytes))) => place.send(Incoming::Binary(bytes.len())),
            Some(Ok(Message::Close(frame))) => {
                // Nothing is sent behind it, though the stream goes on until the answer is out.
                closed.store(true, Ordering::SeqCst);
                goodbye = frame.map(|frame| format!("{} {}", frame.code, frame.reason));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                closed.store(true, Ordering::SeqCst);
                return place.send(Incoming::End(with_causes(&error)));
            }
            None => {
                closed.store(true, Ordering::SeqCst);
                let why = goodbye.unwrap_or_else(|| "the peer has ended the connection".into());
                return place.send(Incoming::End(why));
            }
        }
    }
}
