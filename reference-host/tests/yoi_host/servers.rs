//! Loopback servers that record what arrives.

use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Requests as they came, head and body.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// An HTTP server: `/bytes/N`, `/redirect`, `/hang`, `/headers`, `/status/N`; anything else is 200 with `hello`.
pub(crate) async fn http() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = Seen::default();
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let Ok(read) = socket.read(&mut buffer).await else {
                        return;
                    };
                    request.extend_from_slice(&buffer[..read]);
                    if read == 0 || complete(&request) {
                        break;
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().expect("the log").push(text);
                let number = |prefix: &str| {
                    path.strip_prefix(prefix)
                        .and_then(|n| n.parse::<usize>().ok())
                };
                if path == "/hang" {
                    let _ = socket.read(&mut buffer).await;
                    return;
                }
                let (status, headers, body) = match (number("/bytes/"), number("/status/")) {
                    (Some(bytes), _) => (200, String::new(), vec![b'a'; bytes]),
                    (_, Some(status)) => (status, String::new(), b"hello".to_vec()),
                    _ if path == "/redirect" => {
                        (302, "location: /elsewhere\r\n".into(), Vec::new())
                    }
                    _ if path == "/headers" => (200, many(), vec![0xff]),
                    _ => (200, String::new(), b"hello".to_vec()),
                };
                let head = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(head.as_bytes()).await;
                let _ = socket.write_all(&body).await;
            });
        }
    });
    (base, seen)
}

fn many() -> String {
    let long = "v".repeat(2000);
    let mut headers = format!("set-cookie: a=b\r\nx-note: token=abc\r\nx-long: {long}\r\n");
    for n in 0..20 {
        headers += &format!("x-{n}: {n}\r\n");
    }
    headers
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .and_then(|n| n.parse::<usize>().ok())
        })
        .unwrap_or(0);
    request.len() >= head.len() + 4 + length
}

/// What a WebSocket server saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connected(String),
    Text(String),
    Pong,
    Closed,
}

/// A WebSocket server. It echoes texts; what a path or a text says besides:
///
/// - paths `/greet`: sends `welcome`; `/flood`: 17 pings; `/ping`: a ping, then `after`; `/binary`: bytes, then `after`;
///   `/huge`: one frame of 32769 bytes; `/close`: closes;
/// - texts `close`: closes.
pub(crate) async fn websocket() -> (String, mpsc::UnboundedReceiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("ws://{}", listener.local_addr().expect("an address"));
    let (say, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let say = say.clone();
            tokio::spawn(async move {
                let mut path = String::new();
                #[expect(
                    clippy::result_large_err,
                    reason = "the callback's type is tungstenite's"
                )]
                let note =
                    |request: &tokio_tungstenite::tungstenite::handshake::server::Request,
                     response| {
                        path = request.uri().path().to_owned();
                        Ok(response)
                    };
                let Ok(mut stream) = tokio_tungstenite::accept_hdr_async(socket, note).await else {
                    return;
                };
                let _ = say.send(Heard::Connected(path.clone()));
                let ping = || Message::Ping(Bytes::new());
                let greeting = match path.as_str() {
                    "/greet" => vec![Message::text("welcome")],
                    "/flood" => (0..17).map(|_| ping()).collect(),
                    "/ping" => vec![ping(), Message::text("after")],
                    "/binary" => vec![Message::binary(vec![1]), Message::text("after")],
                    "/huge" => vec![Message::text("x".repeat(32_769))],
                    "/close" => vec![Message::Close(None)],
                    _ => vec![],
                };
                for message in greeting {
                    let _ = stream.send(message).await;
                }
                while let Some(Ok(message)) = stream.next().await {
                    match message {
                        Message::Text(text) => {
                            let _ = say.send(Heard::Text(text.to_string()));
                            let reply = match text.as_str() {
                                "close" => Message::Close(None),
                                _ => Message::Text(text),
                            };
                            let _ = stream.send(reply).await;
                        }
                        Message::Pong(_) => {
                            let _ = say.send(Heard::Pong);
                        }
                        Message::Close(_) => break,
                        _ => {}
                    }
                }
                let _ = say.send(Heard::Closed);
            });
        }
    });
    (base, heard)
}
