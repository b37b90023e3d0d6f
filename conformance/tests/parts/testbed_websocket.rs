//! The testbed's WebSocket server: what every route says, what is recorded of its peers, and that a reset ends them.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    net::{Ipv4Addr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use conformance::testbed::{Frame, FrameKind, Push, Testbed};
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest as _, handshake::HandshakeError,
};

type Client = WebSocket<TcpStream>;

/// A connection, or the status that refused it.
fn try_connect(testbed: &Testbed, path: &str) -> Result<Client, u16> {
    let url = format!("{}{path}", testbed.surroundings()["ws"]);
    let port = testbed.surroundings()["port"].parse().unwrap();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    match tungstenite::client(url.into_client_request().unwrap(), stream) {
        Ok((client, _)) => Ok(client),
        Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{path}: {other}"),
    }
}

fn connect(testbed: &Testbed, path: &str) -> Client {
    try_connect(testbed, path).unwrap()
}

fn text(client: &mut Client) -> String {
    match client.read().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

/// Reads to the end of the connection; the close frame that came, if one did.
fn end(client: &mut Client) -> Option<(u16, String)> {
    let mut frame = None;
    loop {
        match client.read() {
            Ok(Message::Close(close)) => {
                frame = close.map(|close| (u16::from(close.code), close.reason.to_string()));
            }
            Ok(other) => panic!("more came: {other:?}"),
            Err(_) => return frame,
        }
    }
}

fn seen(testbed: &Testbed) -> Vec<(u32, FrameKind, String)> {
    let frames = testbed.frames().into_iter();
    frames
        .map(|frame| (frame.connection, frame.kind, frame.text))
        .collect()
}

fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_comes_is_echoed_and_recorded() {
    let testbed = Testbed::start().unwrap();
    let mut client = connect(&testbed, "/ws/echo?a=b");
    for message in [
        Message::text("one"),
        Message::binary(vec![0, 1]),
        Message::text(""),
    ] {
        client.send(message.clone()).unwrap();
        assert_eq!(client.read().unwrap(), message);
    }
    client.send(Message::Ping(b"beat".to_vec().into())).unwrap();
    assert_eq!(
        client.read().unwrap(),
        Message::Pong(b"beat".to_vec().into())
    );
    client.close(None).unwrap();
    end(&mut client);
    let frame = |kind, text: &str| (1, kind, text.to_owned());
    wait_until(|| testbed.frames().len() == 6);
    assert_eq!(
        seen(&testbed),
        [
            frame(FrameKind::Open, ""),
            frame(FrameKind::Text, "one"),
            frame(FrameKind::Binary, "\0\u{1}"),
            frame(FrameKind::Text, ""),
            frame(FrameKind::Ping, "beat"),
            frame(FrameKind::Close, ""),
        ]
    );
    assert_eq!(testbed.frames()[0].path, "/ws/echo?a=b");
    let handshake = testbed.requests().remove(0);
    assert_eq!(
        (handshake.method.as_str(), handshake.path.as_str()),
        ("GET", "/ws/echo?a=b")
    );
}

#[test]
fn routes_speak_of_their_own_accord() {
    let testbed = Testbed::start().unwrap();
    assert_eq!(text(&mut connect(&testbed, "/ws/say/a%20b")), "a b");
    let mut count = connect(&testbed, "/ws/count/3");
    for number in ["0", "1", "2"] {
        assert_eq!(text(&mut count), number);
    }
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(
        connect(&testbed, "/ws/binary").read().unwrap(),
        Message::binary(every)
    );
    for path in ["/ws/bytes/100000", "/ws/fragments/100000"] {
        assert_eq!(text(&mut connect(&testbed, path)), "a".repeat(100_000));
    }
    assert_eq!(text(&mut connect(&testbed, "/ws/fragments/0")), "");
    for (path, code, reason) in [
        ("/ws/close", 1000, ""),
        ("/ws/close/4001/so%20long", 4001, "so long"),
        ("/ws/close-after/0", 1000, ""),
    ] {
        let closed = end(&mut connect(&testbed, path));
        assert_eq!(closed, Some((code, reason.to_owned())), "{path}");
    }
    assert_eq!(end(&mut connect(&testbed, "/ws/drop")), None);
}

#[test]
fn frames_are_really_small() {
    let testbed = Testbed::start().unwrap();
    let url = format!("{}/ws/fragments/40000", testbed.surroundings()["ws"]);
    let port = testbed.surroundings()["port"].parse().unwrap();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let config = tungstenite::protocol::WebSocketConfig::default()
        .max_frame_size(Some(16 << 10))
        .max_message_size(Some(1 << 20));
    let (mut client, _) =
        tungstenite::client::client_with_config(url, stream, Some(config)).unwrap();
    assert_eq!(text(&mut client).len(), 40_000);
}

#[test]
fn pongs_and_the_reason_of_a_close_are_recorded() {
    let testbed = Testbed::start().unwrap();
    let mut client = connect(&testbed, "/ws/pings/2");
    assert_eq!(client.read().unwrap(), Message::Ping(b"0".to_vec().into()));
    assert_eq!(client.read().unwrap(), Message::Ping(b"1".to_vec().into()));
    assert_eq!(text(&mut client), "done");
    client
        .close(Some(tungstenite::protocol::CloseFrame {
            code: 4321.into(),
            reason: "enough of it".into(),
        }))
        .unwrap();
    end(&mut client);
    wait_until(|| {
        seen(&testbed)
            .iter()
            .any(|frame| frame.1 == FrameKind::Close)
    });
    let seen = seen(&testbed);
    assert!(
        seen.contains(&(1, FrameKind::Pong, "1".to_owned())),
        "{seen:?}"
    );
    assert_eq!(
        seen.last(),
        Some(&(1, FrameKind::Close, "4321 enough of it".to_owned()))
    );
}

#[test]
fn a_connection_that_breaks_off_is_lost() {
    let testbed = Testbed::start().unwrap();
    let mut client = connect(&testbed, "/ws/close-after/2");
    client.send(Message::text("one")).unwrap();
    client.send(Message::text("two")).unwrap();
    // Breaks off where it should answer the close frame.
    drop(client);
    drop(connect(&testbed, "/ws/silent"));
    wait_until(|| {
        let lost = |frame: &&Frame| frame.kind == FrameKind::Lost;
        testbed.frames().iter().filter(lost).count() == 2
    });
    let texts = seen(&testbed);
    assert!(texts.contains(&(1, FrameKind::Text, "two".to_owned())));
}

#[test]
fn the_server_speaks_and_hangs_up_when_the_case_wants_it() {
    let testbed = Testbed::start().unwrap();
    assert_eq!(testbed.push("/ws/push", &Push::Close), 0);
    let mut one = connect(&testbed, "/ws/push");
    let mut two = connect(&testbed, "/ws/push");
    let mut other = connect(&testbed, "/ws/push/other");
    wait_until(|| testbed.frames().len() == 3);
    assert_eq!(testbed.push("/ws/push", &Push::Text("news".to_owned())), 2);
    assert_eq!(testbed.push("/ws/push/other", &Push::Binary(vec![7])), 1);
    assert_eq!(text(&mut one), "news");
    assert_eq!(text(&mut two), "news");
    assert_eq!(other.read().unwrap(), Message::binary(vec![7]));
    assert_eq!(testbed.push("/ws/push", &Push::Close), 2);
    assert_eq!(end(&mut one), Some((1000, String::new())));
    assert_eq!(end(&mut two), Some((1000, String::new())));
    wait_until(|| testbed.push("/ws/push", &Push::Close) == 0);
    other.send(Message::text("still here")).unwrap();
    wait_until(|| seen(&testbed).iter().any(|frame| frame.2 == "still here"));
}

#[test]
fn what_is_no_handshake_is_refused() {
    let testbed = Testbed::start().unwrap();
    for (path, status) in [
        ("/ws/refuse", 403),
        ("/ws/nothing", 404),
        ("/ws/count/x", 404),
    ] {
        assert_eq!(try_connect(&testbed, path).err(), Some(status), "{path}");
    }
    assert!(testbed.frames().is_empty());
    assert_eq!(testbed.requests().len(), 3);
}

#[test]
fn a_reset_ends_connections_and_forgets_them() {
    let testbed = Testbed::start().unwrap();
    let mut old = connect(&testbed, "/ws/echo");
    wait_until(|| testbed.frames().len() == 1);
    testbed.reset().unwrap();
    assert_eq!(testbed.frames(), []);
    assert_eq!(testbed.push("/ws/echo", &Push::Close), 0);
    assert_eq!(end(&mut old), None);
    let _new = connect(&testbed, "/ws/silent");
    wait_until(|| !testbed.frames().is_empty());
    assert_eq!(seen(&testbed), [(1, FrameKind::Open, String::new())]);
}
