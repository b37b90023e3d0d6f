//! `yoi:host/websocket`: connections that a plugin opens itself. Handles belong to one instance and outlive its calls.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::authority::Authority;
use super::envelope::Object;
use super::failure::{ImportError, within};
use super::limits::WebSocketLimits;
use super::manifest::HostApi;
use super::network;
use super::request::Header;
use super::target::Reach;
use super::text;

/// How long a close may take before the connection is simply dropped.
const CLOSE_TIME: Duration = Duration::from_secs(1);

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What `open` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenDescriptor {
    /// A `ws` or `wss` URL.
    pub url: String,
    /// Must be empty: this host asks for no subprotocol.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Must be empty: headers of a handshake could carry credentials.
    #[serde(default)]
    pub headers: Vec<Object<Header>>,
}

/// What `open` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// From 1, never used twice by one instance.
    pub handle: u32,
    /// The URL without query and fragment, its path bounded.
    pub url: String,
}

/// What `send-text` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// `true`.
    pub sent: bool,
    /// UTF-8 bytes of the text.
    pub bytes: usize,
}

/// What `recv` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Received {
    /// A text message.
    Text {
        /// The text.
        text: String,
    },
    /// The peer closed the connection.
    Closed,
}

/// What `close` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    /// Whether there was something to close.
    pub closed: bool,
}

/// The connections of one instance.
#[derive(Debug)]
pub(super) struct Sockets {
    open: HashMap<u32, Socket>,
    next: u32,
}

#[derive(Debug)]
struct Socket {
    /// `None` once the peer has closed it or it broke.
    stream: Option<Stream>,
    opened: Instant,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            next: 1,
        }
    }
}

impl Sockets {
    pub(super) async fn open(
        &mut self,
        json: &str,
        authority: &Authority,
        limits: &WebSocketLimits,
    ) -> Result<Opened, ImportError> {
        within("WebSocket descriptor", json, limits.descriptor_bytes)?;
        authority.host_api(HostApi::WebSocket)?;
        let Object(descriptor) =
            serde_json::from_str::<Object<OpenDescriptor>>(json).map_err(|error| {
                ImportError::invalid(format!("malformed WebSocket descriptor: {error}"))
            })?;
        if !descriptor.protocols.is_empty() {
            return Err(ImportError::denied("`protocols` must be empty"));
        }
        if !descriptor.headers.is_empty() {
            return Err(ImportError::denied("`headers` must be empty"));
        }
        let url = parse(&descriptor.url)?;
        let reach = authority.websocket(&url)?;
        self.expire(limits).await;
        // No other call of this instance runs meanwhile: what is free now is free when the dial is done.
        if self.open.len() >= limits.open {
            return Err(ImportError::limit(format!(
                "open WebSocket limit ({}) exceeded before dialing",
                limits.open
            )));
        }
        let stream = dial(&url, reach, limits).await?;
        let handle = self.next;
        self.next = self
            .next
            .checked_add(1)
            .ok_or_else(|| ImportError::limit("no more WebSocket handles"))?;
        self.open.insert(
            handle,
            Socket {
                stream: Some(stream),
                opened: Instant::now(),
            },
        );
        Ok(Opened {
            handle,
            url: shown(&url, limits.path_bytes),
        })
    }

    pub(super) async fn send_text(
        &mut self,
        handle: u32,
        text: String,
        limits: &WebSocketLimits,
    ) -> Result<Sent, ImportError> {
        within("WebSocket text", &text, limits.text_bytes)?;
        self.expire(limits).await;
        let socket = self.socket(handle)?;
        let bytes = text.len();
        send(&mut socket.stream, text, limits.send_time).await?;
        Ok(Sent { sent: true, bytes })
    }

    /// Waits for the next text. Pings are answered on the way.
    pub(super) async fn recv(
        &mut self,
        handle: u32,
        timeout_ms: u32,
        limits: &WebSocketLimits,
    ) -> Result<Received, ImportError> {
        self.expire(limits).await;
        let wait = match timeout_ms {
            0 => limits.recv_default,
            ms => Duration::from_millis(ms.into()).min(limits.recv_most),
        };
        let socket = self.socket(handle)?;
        let Some(stream) = &mut socket.stream else {
            return Err(ImportError::failed(format!("WebSocket {handle} is closed")));
        };
        let next = async {
            let mut control_frames = 0;
            loop {
                let message = stream.next().await;
                match receive(message)? {
                    Incoming::Text(text) => return Ok(Received::Text { text }),
                    Incoming::Closed => return Ok(Received::Closed),
                    Incoming::Control => control_frames += 1,
                }
                if control_frames > limits.control_frames {
                    return Err(Broken::Flood(limits.control_frames));
                }
            }
        };
        match timeout(wait, next).await {
            Err(_) => Err(ImportError::timeout("WebSocket receive timed out")),
            Ok(Ok(Received::Closed)) => {
                socket.stream = None;
                Ok(Received::Closed)
            }
            Ok(Ok(text)) => Ok(text),
            Ok(Err(broken)) => {
                if broken.ends_connection() {
                    socket.stream = None;
                }
                Err(broken.into())
            }
        }
    }

    pub(super) async fn close(&mut self, handle: u32, limits: &WebSocketLimits) -> Closed {
        self.expire(limits).await;
        let socket = self.open.remove(&handle);
        let closed = socket.is_some();
        if let Some(Socket {
            stream: Some(stream),
            ..
        }) = socket
        {
            hang_up(stream).await;
        }
        Closed { closed }
    }

    /// Closes every connection, all at once.
    pub(super) async fn close_all(&mut self) {
        let streams = self.open.drain().filter_map(|(_, socket)| socket.stream);
        futures::future::join_all(streams.map(hang_up)).await;
    }

    fn socket(&mut self, handle: u32) -> Result<&mut Socket, ImportError> {
        self.open
            .get_mut(&handle)
            .ok_or_else(|| ImportError::invalid(format!("unknown WebSocket handle {handle}")))
    }

    /// Closes handles that are older than they may be.
    async fn expire(&mut self, limits: &WebSocketLimits) {
        let old: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, socket)| socket.opened.elapsed() > limits.lifetime)
            .map(|(handle, _)| *handle)
            .collect();
        for handle in old {
            if let Some(Socket {
                stream: Some(stream),
                ..
            }) = self.open.remove(&handle)
            {
                hang_up(stream).await;
            }
        }
    }
}

/// Why a connection gives nothing more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("binary WebSocket messages are not supported")]
    Binary,
    #[error("more than {0} WebSocket control frames in a row")]
    Flood(usize),
    #[error("WebSocket receive failed: {0}")]
    Failed(String),
}

impl Broken {
    /// After a binary message the next one may be a text.
    fn ends_connection(&self) -> bool {
        !matches!(self, Self::Binary)
    }
}

impl From<Broken> for ImportError {
    fn from(broken: Broken) -> Self {
        let text = broken.to_string();
        match broken {
            Broken::Flood(_) => Self::limit(text),
            Broken::Binary | Broken::Failed(_) => Self::failed(text),
        }
    }
}

/// What came in, for those who want texts.
pub(super) enum Incoming {
    Text(String),
    Control,
    Closed,
}

/// Sorts what a stream gave.
pub(super) fn receive(message: Option<Result<Message, Error>>) -> Result<Incoming, Broken> {
    match message {
        None | Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) => Ok(Incoming::Closed),
        Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text.as_str().to_owned())),
        Some(Ok(Message::Binary(_))) => Err(Broken::Binary),
        Some(Ok(_)) => Ok(Incoming::Control),
        Some(Err(error)) => Err(Broken::Failed(error.to_string())),
    }
}

/// Sends a text on a connection, unless it is closed or closes now.
async fn send(
    stream: &mut Option<Stream>,
    text: String,
    time: Duration,
) -> Result<(), ImportError> {
    let Some(open) = stream else {
        return Err(ImportError::failed("the WebSocket is closed"));
    };
    let result = timeout(time, open.send(Message::text(text))).await;
    let error = match result {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => ImportError::failed(format!("WebSocket send failed: {error}")),
        Err(_) => ImportError::timeout("WebSocket send timed out"),
    };
    // Half a frame may be out.
    *stream = None;
    Err(error)
}

/// Opens a connection.
pub(super) async fn dial(
    url: &Url,
    reach: Reach,
    limits: &WebSocketLimits,
) -> Result<Stream, ImportError> {
    // Another part of the process may have chosen a provider already; either is good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = WebSocketConfig::default()
        .max_frame_size(Some(limits.frame_bytes))
        .max_message_size(Some(limits.message_bytes));
    let handshake = async {
        let tcp = network::connect(url, reach).await?;
        client_async_tls_with_config(url.as_str(), tcp, Some(config), None)
            .await
            .map(|(stream, _)| stream)
            .map_err(|error| ImportError::failed(format!("WebSocket handshake failed: {error}")))
    };
    timeout(limits.dial_time, handshake)
        .await
        .unwrap_or_else(|_| Err(ImportError::timeout("WebSocket dial timed out")))
}

/// Reads a `ws` or `wss` URL.
pub(super) fn parse(text: &str) -> Result<Url, ImportError> {
    let url = network::parse_url(text)?;
    match url.scheme() {
        "ws" | "wss" => Ok(url),
        _ => Err(ImportError::denied(
            "the scheme of the URL is not `ws` or `wss`",
        )),
    }
}

/// A close frame, and then the connection is dropped.
async fn hang_up(mut stream: Stream) {
    // A peer that does not take it has gone already.
    let _ = timeout(CLOSE_TIME, stream.close(None)).await;
}

/// A URL without query and fragment and with a bounded path.
fn shown(url: &Url, path_bytes: usize) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let path = text::head(url.path(), path_bytes).to_owned();
    url.set_path(&path);
    text::redact(url.as_str())
}
