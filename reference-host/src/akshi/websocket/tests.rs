//! Channels to a peer on loopback that does what the path says.

use std::sync::Mutex as Lock;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;

/// What the peer saw: `open PATH`, `text …`, `end PATH`.
type Seen = Arc<Lock<Vec<String>>>;

struct Peer {
    url: String,
    seen: Seen,
    changed: Arc<Notify>,
}

impl Peer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("an address"));
        let (seen, changed) = (Seen::default(), Arc::<Notify>::default());
        let (record, notify) = (seen.clone(), changed.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, record.clone(), notify.clone()));
            }
        });
        Self { url, seen, changed }
    }

    fn channel(&self, name: &str, path: &str) -> Channel {
        Channel {
            name: name.to_owned(),
            url: format!("{}/{path}", self.url),
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("unpoisoned").clone()
    }

    async fn sees(&self, line: &str) {
        while !self.seen().iter().any(|seen| seen == line) {
            self.changed.notified().await;
        }
    }
}

// The type is the library's.
#[expect(
    clippy::result_large_err,
    reason = "the callback's type is the library's"
)]
async fn serve(socket: TcpStream, seen: Seen, changed: Arc<Notify>) {
    let tell = |line: String| {
        seen.lock().expect("unpoisoned").push(line);
        changed.notify_one();
    };
    let mut path = String::new();
    let callback = |request: &Request, response: Response| {
        path = request.uri().path()[1..].to_owned();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, callback).await else {
        return;
    };
    tell(format!("open {path}"));
    let first: Vec<Message> = match path.as_str() {
        "count" => (0..2000).map(|n| Message::text(n.to_string())).collect(),
        "mixed" => vec![
            Message::text("a"),
            Message::binary(vec![0, 255]),
            Message::text(""),
        ],
        "bye" => vec![Message::text("last words"), Message::Close(None)],
        "long" => vec![Message::text("x".repeat(2000))],
        "ping" => vec![Message::Ping("p".into())],
        _ => Vec::new(),
    };
    for message in first {
        let _ = socket.send(message).await;
    }
    if path == "drop" {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                tell(format!("text {text}"));
                if path == "echo" {
                    let _ = socket.send(Message::Text(text)).await;
                }
            }
            Message::Pong(bytes) => tell(format!("pong {}", String::from_utf8_lossy(&bytes))),
            _ => {}
        }
    }
    tell(format!("end {path}"));
}

fn agent(channels: &[Channel]) -> Channels {
    let limits = Limits {
        message_bytes: 1000,
        channel_messages: 8,
        ..Limits::default()
    };
    Channels::new(channels, &limits).expect("channels")
}

fn kind(result: Result<String, CallError>) -> String {
    match result {
        Ok(text) => format!("ok {text}"),
        Err(error) => {
            let text = error.to_string();
            text.split(':').next().expect("a part").to_owned()
        }
    }
}

#[tokio::test]
async fn texts_go_and_come_in_order_on_channels_of_their_own() {
    let peer = Peer::start().await;
    let agent = agent(&[
        peer.channel("a", "echo"),
        peer.channel("b", "echo"),
        peer.channel("c", "silent"),
    ]);
    assert!(
        peer.seen().is_empty(),
        "nothing is connected before the first call"
    );
    for text in ["é\n\u{0}", "", "2"] {
        agent.send("a", text).await.expect("sent");
    }
    agent.send("b", "other").await.expect("sent");
    for text in ["ok é\n\u{0}", "ok ", "ok 2", "empty"] {
        assert_eq!(kind(agent.receive("a").await), text);
    }
    assert_eq!(kind(agent.receive("b").await), "ok other");
    assert_eq!(kind(agent.receive("c").await), "empty");
    assert_eq!(
        agent.receive("").await,
        Err(CallError::failed("no channel \"\""))
    );
    assert!(agent.send("d", "x").await.is_err());
    assert!(agent.send("a", &"x".repeat(1001)).await.is_err());
    agent.send("a", &"x".repeat(1000)).await.expect("sent");
    assert_eq!(agent.receive("a").await.expect("a text").len(), 1000);
    agent.stop().await;
    for path in ["end echo", "end silent"] {
        peer.sees(path).await;
    }
    assert_eq!(kind(agent.receive("a").await), "closed");
    assert_eq!(
        kind(agent.send("b", "x").await.map(|()| String::new())),
        "closed"
    );
}

#[tokio::test]
async fn more_than_the_buffer_holds_is_not_lost() {
    let peer = Peer::start().await;
    let agent = agent(&[peer.channel("a", "count")]);
    for n in 0..2000 {
        assert_eq!(agent.receive("a").await.expect("a text"), n.to_string());
    }
    assert_eq!(kind(agent.receive("a").await), "empty");
}

#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing() {
    let peer = Peer::start().await;
    let agent = agent(&[peer.channel("a", "echo")]);
    agent.send("a", "x").await.expect("sent");
    for _ in 0..3 {
        let given_up = timeout(Duration::ZERO, agent.receive("a")).await;
        if let Ok(received) = given_up {
            assert_eq!(received, Ok("x".into()));
            return;
        }
    }
    assert_eq!(agent.receive("a").await, Ok("x".into()));
}

#[tokio::test]
async fn a_binary_message_keeps_its_place_and_a_ping_is_answered() {
    let peer = Peer::start().await;
    let agent = agent(&[peer.channel("a", "mixed"), peer.channel("p", "ping")]);
    for expected in ["ok a", "binary", "ok ", "empty"] {
        assert_eq!(kind(agent.receive("a").await), expected);
    }
    assert_eq!(kind(agent.receive("p").await), "empty");
    peer.sees("pong p").await;
}

#[tokio::test]
async fn the_end_is_told_once_and_the_next_call_connects_anew() {
    let peer = Peer::start().await;
    let agent = agent(&[
        peer.channel("a", "bye"),
        peer.channel("b", "drop"),
        peer.channel("c", "long"),
    ]);
    for _ in 0..2 {
        assert_eq!(kind(agent.receive("a").await), "ok last words");
        assert_eq!(kind(agent.receive("a").await), "closed");
    }
    assert_eq!(kind(agent.receive("b").await), "closed");
    assert_eq!(
        kind(agent.receive("c").await),
        "closed",
        "longer than allowed"
    );
    let opened = peer
        .seen()
        .iter()
        .filter(|line| *line == "open bye")
        .count();
    assert_eq!(opened, 2);
    // A send meets it too, once the peer's goodbye is here.
    let first = agent.send("a", "x").await;
    let mut met = first.is_err();
    while !met {
        met = agent.send("a", "x").await.is_err();
        tokio::task::yield_now().await;
    }
    assert_eq!(
        kind(agent.receive("a").await),
        "ok last words",
        "what came before is kept"
    );
}

#[tokio::test]
async fn nobody_there_is_not_dialled_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let channel = Channel {
        name: "a".into(),
        url,
    };
    let agent = agent(&[channel]);
    assert_eq!(kind(agent.receive("a").await), "unreachable");
    let again = agent.send("a", "x").await.expect_err("nobody").to_string();
    assert!(again.starts_with("unreachable"), "{again}");
    for url in ["", "http://127.0.0.1", "ws://", "x"] {
        let channel = Channel {
            name: "a".into(),
            url: url.into(),
        };
        assert!(
            Channels::new(&[channel], &Limits::default()).is_err(),
            "{url}"
        );
    }
}
