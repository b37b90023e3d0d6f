//! The loopback server, through a client that is nothing but a socket.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use conformance::testbed::{Request, Testbed};

const PATIENCE: Duration = Duration::from_secs(10);

fn connect(testbed: &Testbed) -> TcpStream {
    let url = testbed.http_url();
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything that the server sends until it closes the connection.
fn send(testbed: &Testbed, bytes: &[u8]) -> String {
    let mut stream = connect(testbed);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(testbed: &Testbed, path: &str) -> String {
    send(
        testbed,
        format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes(),
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn wait_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "it does not happen");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn echo_says_what_it_got() {
    let testbed = Testbed::start().unwrap();
    let request = b"POST /echo?a=b%20c HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nh\0llo";
    let answer = send(&testbed, request);
    assert_eq!((status(&answer), body(&answer)), ("200", "h\0llo"));
    assert_eq!(header(&answer, "content-type"), Some("a/b"));
    assert_eq!(header(&answer, "witgate-method"), Some("POST"));
    let headers = [
        ("host", "x"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("content-type", "a/b"),
        ("content-length", "5"),
    ];
    let expected = Request {
        method: "POST".to_owned(),
        path: "/echo?a=b%20c".to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: b"h\0llo".to_vec(),
        complete: true,
    };
    assert_eq!(testbed.requests(), [expected]);
}

#[test]
fn headers_come_back() {
    let testbed = Testbed::start().unwrap();
    let answer = send(
        &testbed,
        b"GET /reflect HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\n\r\n",
    );
    assert_eq!(body(&answer), "host: x\nx-two: 1\nx-two: 2\n");
    let answer = get(&testbed, "/redirect?status=307&to=/there");
    let location = header(&answer, "location");
    assert_eq!((status(&answer), location), ("307", Some("/there")));
}

#[test]
fn chunks_are_put_together_and_strange_methods_kept() {
    let testbed = Testbed::start().unwrap();
    let request = b"BREW /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let answer = send(&testbed, request);
    assert_eq!(
        (header(&answer, "witgate-method"), body(&answer)),
        (Some("BREW"), "abc")
    );
    assert_eq!(testbed.requests()[0].body, b"abc");
}

#[test]
fn routes() {
    let testbed = Testbed::start().unwrap();
    for code in ["200", "204", "304", "404", "418", "500", "599"] {
        assert_eq!(status(&get(&testbed, &format!("/status/{code}"))), code);
    }
    for path in [
        "/",
        "/nowhere",
        "/status/",
        "/status/99",
        "/status/100",
        "/status/x",
        "/bytes/-1",
        "/bytes/9999999999",
        "/slow/x",
        "/redirect",
        "/redirect?to=%0d",
        "/redirect?to=/&status=200",
        "/redirect?to=/&status=3x",
    ] {
        assert_eq!(status(&get(&testbed, path)), "404", "{path}");
    }
    assert_eq!(body(&get(&testbed, "/bytes/0")), "");
    assert_eq!(body(&get(&testbed, "/bytes/100000")), "a".repeat(100_000));
    let redirect = get(
        &testbed,
        "/redirect?x=1&to=http%3A%2F%2F127.0.0.1%3A9%2Fa%3Fb",
    );
    assert_eq!(
        (status(&redirect), header(&redirect, "location")),
        ("302", Some("http://127.0.0.1:9/a?b"))
    );
    let text = get(&testbed, "/text/a%20b/%C3%A9%zz");
    assert_eq!(
        (header(&text, "content-type"), body(&text)),
        (Some("text/plain; charset=utf-8"), "a b/é%zz")
    );
}

#[test]
fn slow_is_slow_and_does_not_hold_up_others() {
    let testbed = Testbed::start().unwrap();
    let start = Instant::now();
    scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(status(&get(&testbed, "/slow/200")), "200"));
        }
    });
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(
        start.elapsed() < Duration::from_millis(1500),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(testbed.requests().len(), 8);
}

#[test]
fn hang_lasts_until_the_reset() {
    let testbed = Testbed::start().unwrap();
    let mut stream = connect(&testbed);
    stream
        .write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    wait_until(|| testbed.requests().len() == 1);
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    testbed.reset().unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert!(testbed.requests().is_empty());
}

#[test]
fn a_case_does_not_see_the_requests_of_another() {
    let testbed = Testbed::start().unwrap();
    // Begun before the reset, finished after it.
    let mut stream = connect(&testbed);
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
        .unwrap();
    get(&testbed, "/echo");
    wait_until(|| testbed.requests().len() == 1);
    testbed.reset().unwrap();
    let _ = stream.write_all(b"b");
    let _ = stream.read_to_end(&mut Vec::new());
    get(&testbed, "/text/next");
    let paths: Vec<String> = testbed
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/text/next"]);
}

#[test]
fn a_reset_is_behind_all_that_was_sent_before_it() {
    let testbed = Testbed::start().unwrap();
    for _ in 0..200 {
        let mut stream = connect(&testbed);
        stream
            .write_all(b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        testbed.reset().unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert_eq!(testbed.requests(), []);
    }
}

#[test]
fn what_breaks_off_is_recorded_as_far_as_it_came() {
    let testbed = Testbed::start().unwrap();
    let mut stream = connect(&testbed);
    stream
        .write_all(b"PUT /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc")
        .unwrap();
    drop(stream);
    wait_until(|| !testbed.requests().is_empty());
    let request = testbed.requests().remove(0);
    assert_eq!(
        (request.body.as_slice(), request.complete),
        (b"abc".as_slice(), false)
    );
    send(&testbed, b"this is no HTTP\r\n\r\n");
    assert_eq!(testbed.requests().len(), 1);
}

#[test]
fn the_server_ends_with_its_value() {
    let testbed = Testbed::start().unwrap();
    let url = testbed.http_url();
    let mut stream = connect(&testbed);
    stream
        .write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    wait_until(|| testbed.requests().len() == 1);
    let start = Instant::now();
    drop(testbed);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}

#[test]
fn testbeds_do_not_share() {
    let (one, two) = (Testbed::start().unwrap(), Testbed::start().unwrap());
    assert_ne!(one.http_url(), two.http_url());
    get(&one, "/echo");
    assert!(two.requests().is_empty());
}

#[test]
fn answers_have_what_the_path_asks_for() {
    let testbed = Testbed::start().unwrap();
    let failed = get(&testbed, "/status/503/try%20later");
    assert_eq!(
        (status(&failed), body(&failed)),
        ("503", "try later"),
        "{failed}"
    );
    let headers = get(
        &testbed,
        "/headers?x-a=1&x-a=2%2C3&set-cookie=k%3Dv&x-empty",
    );
    assert_eq!(status(&headers), "200");
    for line in [
        "x-a: 1\r\n",
        "x-a: 2,3\r\n",
        "set-cookie: k=v\r\n",
        "x-empty: \r\n",
    ] {
        assert!(headers.contains(line), "{line} in {headers}");
    }
    for path in [
        "/headers?content-length=7",
        "/headers?a%20b=c",
        "/trickle/3",
        "/cut/x",
    ] {
        assert_eq!(status(&get(&testbed, path)), "404", "{path}");
    }
    let mut stream = connect(&testbed);
    stream
        .write_all(b"GET /binary HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut binary = Vec::new();
    stream.read_to_end(&mut binary).unwrap();
    let every: Vec<u8> = (0..=255).collect();
    assert!(binary.ends_with(&every));
}

#[test]
fn a_cut_answer_promises_more_than_it_sends() {
    let testbed = Testbed::start().unwrap();
    for sent in [0, 10, 100_000] {
        let answer = get(&testbed, &format!("/cut/{sent}"));
        let promised = (sent + 1000).to_string();
        assert_eq!(header(&answer, "content-length"), Some(promised.as_str()));
        assert_eq!(body(&answer), "a".repeat(sent));
    }
}

#[test]
fn a_trickle_takes_its_time() {
    let testbed = Testbed::start().unwrap();
    let begun = Instant::now();
    let answer = get(&testbed, "/trickle/5/20");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    let letters = body(&answer).matches('a').count();
    assert_eq!(letters, 5, "{answer}");
    assert_eq!(header(&answer, "content-length"), None);
}
