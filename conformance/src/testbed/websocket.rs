//! The WebSocket side of the testbed's server: the handshake, what each route does, and what peers did.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame as RawFrame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use super::{
    content::Content,
    log::{Frame, FrameKind, Place, Push},
    routes::{percent_decoded, status_only},
};

/// Messages that are accepted and sent, in bytes.
const MAX_MESSAGE: usize = 64 << 20;
/// Messages that a route sends of its own accord, at most.
const MAX_COUNT: u64 = 100_000;
/// Payload of one frame of a fragmented message.
const FRAGMENT: usize = 16 << 10;
/// What may be pushed to a connection that does not take it.
const PUSHES: usize = 1024;
/// How long a handshake may take to become a WebSocket, and a peer to answer a close frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server does on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Bytes(usize),
    Close(CloseFrame),
    CloseAfter(u64),
    Count(u64),
    Drop,
    Echo,
    Every,
    Fragments(usize),
    Pings(u64),
    Say(String),
    Silent,
}

impl Mode {
    fn parse(rest: &str) -> Option<Mode> {
        let (mode, argument) = rest.split_once('/').unwrap_or((rest, ""));
        let count = || argument.parse().ok().filter(|count| *count <= MAX_COUNT);
        let size = || argument.parse().ok().filter(|size| *size <= MAX_MESSAGE);
        Some(match mode {
            "binary" => Mode::Every,
            "bytes" => Mode::Bytes(size()?),
            "close" => Mode::Close(close_frame(argument)?),
            "close-after" => Mode::CloseAfter(count()?),
            "count" => Mode::Count(count()?),
            "drop" => Mode::Drop,
            "echo" => Mode::Echo,
            "fragments" => Mode::Fragments(size()?),
            "pings" => Mode::Pings(count()?),
            "say" => Mode::Say(text(argument)),
            "push" | "silent" => Mode::Silent,
            _ => return None,
        })
    }
}

fn text(escaped: &str) -> String {
    String::from_utf8_lossy(&percent_decoded(escaped)).into_owned()
}

fn close_frame(argument: &str) -> Option<CloseFrame> {
    let (code, reason) = argument.split_once('/').unwrap_or((argument, ""));
    let code = match code {
        "" => CloseCode::Normal,
        code => CloseCode::from(code.parse::<u16>().ok()?),
    };
    Some(CloseFrame {
        code,
        reason: text(reason).into(),
    })
}

/// Answers a handshake for `/ws/REST`, and speaks once it is done.
pub(super) fn accept(
    mut request: hyper::Request<Incoming>,
    rest: &str,
    path: String,
    place: Place,
) -> Response<Content> {
    if rest == "refuse" {
        return status_only(StatusCode::FORBIDDEN);
    }
    let Some(mode) = Mode::parse(rest) else {
        return status_only(StatusCode::NOT_FOUND);
    };
    let Some(response) = handshake(request.headers()) else {
        return status_only(StatusCode::UPGRADE_REQUIRED);
    };
    // Recorded before the answer leaves: who has read it may ask at once what was seen.
    let (pushes, pushed) = mpsc::channel(PUSHES);
    let Some(connection) = place.log.connected(place.epoch, &path, pushes) else {
        return status_only(StatusCode::SERVICE_UNAVAILABLE);
    };
    place.log.open.send_modify(|open| *open += 1);
    tokio::spawn(async move {
        let mut epochs = place.epochs.clone();
        let log = place.log.clone();
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::select! {
            () = async {
                let upgraded = match timeout(PATIENCE, upgraded).await {
                    Ok(Ok(upgraded)) => Some(upgraded),
                    Ok(Err(_)) | Err(_) => None,
                };
                peer(upgraded, path, mode, place, connection, pushed).await;
            } => {}
            _ = epochs.changed() => {}
        }
        log.open.send_modify(|open| *open -= 1);
    });
    response
}

/// The answer to a handshake; `None` when it is none (RFC 6455, section 4.2).
fn handshake(headers: &HeaderMap) -> Option<Response<Content>> {
    let is = |name, value: &str| {
        let found = headers.get(name).and_then(|found| found.to_str().ok());
        found.is_some_and(|found| {
            found
                .split(',')
                .any(|found| found.trim().eq_ignore_ascii_case(value))
        })
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    if !is(header::UPGRADE, "websocket")
        || !is(header::CONNECTION, "upgrade")
        || !is(header::SEC_WEBSOCKET_VERSION, "13")
    {
        return None;
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    let mut response = status_only(StatusCode::SWITCHING_PROTOCOLS);
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    // A client that offers protocols wants one: the first.
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let first = offered
        .and_then(|offered| offered.to_str().ok())
        .and_then(|offered| offered.split(',').next())
        .and_then(|first| HeaderValue::from_str(first.trim()).ok());
    answer.extend(first.map(|first| (header::SEC_WEBSOCKET_PROTOCOL, first)));
    Some(response)
}

/// The server's side of a connection; `None` for one that was lost before it began.
async fn peer(
    upgraded: Option<Upgraded>,
    path: String,
    mode: Mode,
    place: Place,
    connection: u32,
    pushed: mpsc::Receiver<Push>,
) {
    let Some(upgraded) = upgraded else {
        let lost = Frame {
            path,
            connection,
            kind: FrameKind::Lost,
            text: String::new(),
        };
        place.log.frame(place.epoch, lost);
        return;
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let mut peer = Peer {
        socket,
        path,
        connection,
        place,
        closing: false,
        closed: false,
    };
    if mode != Mode::Drop {
        // What broke is told by what was seen.
        let _ = peer.speak(&mode).await;
        let _ = peer.listen(&mode, pushed).await;
    }
    if !peer.closed {
        peer.saw(FrameKind::Lost, String::new());
    }
}

struct Peer {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    path: String,
    connection: u32,
    place: Place,
    /// Whether the server has sent a close frame.
    closing: bool,
    /// Whether the peer has sent one.
    closed: bool,
}

impl Peer {
    /// What the route says of its own accord.
    async fn speak(&mut self, mode: &Mode) -> Result<(), tungstenite::Error> {
        match mode {
            Mode::Bytes(size) => self.send(Message::text("a".repeat(*size))).await,
            Mode::Close(frame) => self.close(frame.clone()).await,
            Mode::CloseAfter(0) => self.close(normal()).await,
            Mode::Count(count) => {
                for number in 0..*count {
                    self.send(Message::text(number.to_string())).await?;
                }
                Ok(())
            }
            Mode::Every => {
                let every: Vec<u8> = (0..=255).collect();
                self.send(Message::binary(every)).await
            }
            Mode::Fragments(size) => self.fragments(*size).await,
            Mode::Pings(count) => {
                for number in 0..*count {
                    let payload = number.to_string().into_bytes();
                    self.send(Message::Ping(payload.into())).await?;
                }
                self.send(Message::text("done")).await
            }
            Mode::Say(text) => self.send(Message::text(text.as_str())).await,
            Mode::CloseAfter(_) | Mode::Drop | Mode::Echo | Mode::Silent => Ok(()),
        }
    }

    async fn fragments(&mut self, size: usize) -> Result<(), tungstenite::Error> {
        let mut left = size;
        let mut first = true;
        loop {
            let length = left.min(FRAGMENT);
            left -= length;
            let data = if first { Data::Text } else { Data::Continue };
            let frame = RawFrame::message(vec![b'a'; length], OpCode::Data(data), left == 0);
            self.send(Message::Frame(frame)).await?;
            first = false;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Hears the peer, and says what is pushed, until the connection ends.
    async fn listen(
        &mut self,
        mode: &Mode,
        mut pushed: mpsc::Receiver<Push>,
    ) -> Result<(), tungstenite::Error> {
        let mut messages = 0;
        loop {
            let heard = tokio::select! {
                heard = self.socket.next() => heard,
                Some(push) = pushed.recv(), if !self.closing => {
                    self.push(push).await?;
                    continue;
                }
                () = tokio::time::sleep(PATIENCE), if self.closing => return Ok(()),
            };
            let Some(message) = heard.transpose()? else {
                return Ok(());
            };
            self.record(&message);
            if !matches!(message, Message::Text(_) | Message::Binary(_)) || self.closing {
                continue;
            }
            messages += 1;
            match mode {
                Mode::CloseAfter(count) if messages == *count => self.close(normal()).await?,
                Mode::Echo => self.send(message).await?,
                _ => {}
            }
        }
    }

    async fn push(&mut self, push: Push) -> Result<(), tungstenite::Error> {
        match push {
            Push::Text(text) => self.send(Message::text(text)).await,
            Push::Binary(bytes) => self.send(Message::binary(bytes)).await,
            Push::Close => self.close(normal()).await,
        }
    }

    async fn close(&mut self, frame: CloseFrame) -> Result<(), tungstenite::Error> {
        self.closing = true;
        self.send(Message::Close(Some(frame))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    fn record(&mut self, message: &Message) {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (kind, text) = match message {
            Message::Text(text) => (FrameKind::Text, text.to_string()),
            Message::Binary(bytes) => (FrameKind::Binary, lossy(bytes)),
            Message::Ping(bytes) => (FrameKind::Ping, lossy(bytes)),
            Message::Pong(bytes) => (FrameKind::Pong, lossy(bytes)),
            Message::Close(frame) => {
                self.closed = true;
                let text = frame.as_ref().map(|frame| {
                    let text = format!("{} {}", u16::from(frame.code), frame.reason);
                    text.trim_end().to_owned()
                });
                (FrameKind::Close, text.unwrap_or_default())
            }
            // Never read, only written.
            Message::Frame(_) => return,
        };
        self.saw(kind, text);
    }

    fn saw(&self, kind: FrameKind, text: String) {
        let frame = Frame {
            path: self.path.clone(),
            connection: self.connection,
            kind,
            text,
        };
        self.place.log.frame(self.place.epoch, frame);
    }
}

fn normal() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }
}
