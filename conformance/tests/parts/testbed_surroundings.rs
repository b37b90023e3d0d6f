//! What a case finds around it: two origins that record to one log, a port that nobody listens on, and a folder of its own.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use conformance::testbed::{File, FileKind, SURROUNDINGS, Testbed};

fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

fn get(url: &str, path: &str) {
    let host = address(url);
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn two_origins_record_to_one_log() {
    let testbed = Testbed::start().unwrap();
    let around = testbed.surroundings();
    assert_eq!(
        around["http"],
        format!("http://127.0.0.1:{}", around["port"])
    );
    assert_eq!(around["ws"], format!("ws://127.0.0.1:{}", around["port"]));
    assert!(around["other"].ends_with(&format!(":{}", around["other-port"])));
    assert_ne!(around["port"], around["other-port"]);
    get(&around["http"], "/text/a");
    get(&around["other"], "/text/b");
    let hosts: Vec<String> = testbed
        .requests()
        .into_iter()
        .flat_map(|request| request.headers)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(hosts, [address(&around["http"]), address(&around["other"])]);
    // A connection to either that an earlier case made is none of this one's.
    let early = TcpStream::connect(address(&around["other"])).unwrap();
    testbed.reset().unwrap();
    let _ = (&early).write_all(b"GET /text/late HTTP/1.1\r\nhost: x\r\n\r\n");
    get(&around["other"], "/text/next");
    assert_eq!(testbed.requests().len(), 1);
}

#[test]
fn the_dead_port_refuses_and_stays_taken() {
    let testbed = Testbed::start().unwrap();
    let around = testbed.surroundings();
    let dead = address(&around["dead"]);
    for _ in 0..3 {
        let refused = TcpStream::connect(dead).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    let taken = TcpListener::bind(dead).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

#[test]
fn examples_have_every_name() {
    let testbed = Testbed::start().unwrap();
    let mut names: Vec<String> = testbed.surroundings().into_keys().collect();
    let mut examples: Vec<String> = Testbed::example_surroundings().into_keys().collect();
    let mut known = SURROUNDINGS.map(str::to_owned).to_vec();
    names.sort();
    examples.sort();
    known.sort();
    assert_eq!(names, known);
    assert_eq!(examples, known);
}

#[test]
fn a_case_has_a_folder_of_its_own() {
    let testbed = Testbed::start().unwrap();
    let first = testbed.dir().unwrap();
    assert!(first.is_absolute());
    assert_eq!(first, first.canonicalize().unwrap());
    assert_eq!(testbed.surroundings()["dir"], first.to_str().unwrap());
    assert_eq!(testbed.files().unwrap(), []);
    fs::write(first.join("left"), "over").unwrap();
    testbed.reset().unwrap();
    let second = testbed.dir().unwrap();
    assert_ne!(first, second);
    assert!(!first.exists() && second.exists());
    assert_eq!(testbed.files().unwrap(), []);
    testbed.close();
    assert!(!second.exists());
    assert_eq!(testbed.dir(), None);
    testbed.reset().unwrap();
    let last = testbed.dir().unwrap();
    drop(testbed);
    assert!(!last.exists());
}

#[test]
fn what_is_put_there_is_found_there() {
    let testbed = Testbed::start().unwrap();
    let dir = testbed.dir().unwrap();
    testbed.write("b/c/one.txt", b"one").unwrap();
    testbed.write("a", &[0, 255]).unwrap();
    testbed.make_dir("empty/deep").unwrap();
    testbed.link("b/out", "/no/such/place").unwrap();
    testbed.link("loop", ".").unwrap();
    assert_eq!(fs::read(dir.join("b/c/one.txt")).unwrap(), b"one");
    let file = |path: &str, kind, content: &[u8]| File {
        path: path.to_owned(),
        kind,
        content: content.to_vec(),
    };
    let expected = [
        file("a", FileKind::File, &[0, 255]),
        file("b", FileKind::Directory, b""),
        file("b/c", FileKind::Directory, b""),
        file("b/c/one.txt", FileKind::File, b"one"),
        file("b/out", FileKind::Link, b"/no/such/place"),
        file("empty", FileKind::Directory, b""),
        file("empty/deep", FileKind::Directory, b""),
        file("loop", FileKind::Link, b"."),
    ];
    assert_eq!(testbed.files().unwrap(), expected);
    fs::remove_file(dir.join("a")).unwrap();
    assert_eq!(testbed.files().unwrap(), expected[1..]);
}

#[test]
fn nothing_is_put_outside() {
    let testbed = Testbed::start().unwrap();
    let stranger = tempfile::tempdir().unwrap();
    testbed
        .link("out", stranger.path().to_str().unwrap())
        .unwrap();
    let absolute = stranger.path().join("x");
    for path in [
        "../x",
        "a/../../x",
        "/x",
        "",
        ".",
        "out/x",
        absolute.to_str().unwrap(),
    ] {
        assert!(testbed.write(path, b"x").is_err(), "{path}");
        assert!(testbed.make_dir(path).is_err(), "{path}");
        assert!(testbed.link(path, "x").is_err(), "{path}");
    }
    assert_eq!(fs::read_dir(stranger.path()).unwrap().count(), 0);
}
