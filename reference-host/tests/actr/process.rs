//! Two processes: this test's program runs itself again as the other node.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use reference_host::actr::{ActrError, Failure};

use super::guest::id;
use super::{Bench, ask, timely, to};

/// Set for the other process; its value is of no interest.
const OTHER: &str = "ACTR_TEST_OTHER_NODE";

/// Not a test by itself: the other node, until its standard input ends. Alone it passes at once.
#[tokio::test]
async fn the_other_node() {
    if std::env::var_os(OTHER).is_none() {
        return;
    }
    let mut bench = Bench::with(102, |_| ());
    let anywhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let url = bench.node.listen(anywhere).await.expect("a port");
    bench.actor(2).await;
    #[expect(clippy::print_stderr, reason = "standard output is the test harness's")]
    {
        eprintln!("url={url}");
    }
    let ended = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        while std::io::stdin()
            .read_line(&mut line)
            .is_ok_and(|read| read > 0)
        {}
    });
    ended.await.expect("no panic");
}

struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the other node and reads where it listens.
fn other() -> (Other, String) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["--exact", "process::the_other_node", "--nocapture"])
        .env(OTHER, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stderr = child.stderr.take().expect("piped");
    let other = Other(child);
    let url = BufReader::new(stderr)
        .lines()
        .map(|line| line.expect("text"))
        .find_map(|line| line.strip_prefix("url=").map(str::to_owned));
    (other, url.expect("it listens"))
}

#[tokio::test]
async fn actors_of_two_processes_reach_each_other() {
    let (other, url) = tokio::task::spawn_blocking(other).await.expect("no panic");
    let mut bench = Bench::with(101, |_| ());
    let one = bench.actor(1).await;
    timely(bench.node.connect(&url, &id(102)))
        .await
        .expect("connected");
    bench.hears(1, "on-websocket-connecting").await;
    bench.hears(1, "on-websocket-connected").await;
    assert_eq!(
        ask(&one, "c", &to(2, b'e', b"hello")).await,
        Ok(b"hello".to_vec())
    );
    for case in 0..10 {
        let through = ask(&one, "c", &to(2, b'x', &[case])).await;
        assert_eq!(through, ask(&one, "x", &[case]).await);
    }
    let trapped = ask(&one, "c", &to(2, b't', b"")).await;
    assert!(matches!(
        trapped,
        Err(Failure::Guest(ActrError::Internal(_)))
    ));
    assert_eq!(ask(&one, "c", &to(2, b'n', b"")).await, Ok(vec![1]));
    // The other one tells, streams and calls back.
    ask(&one, "r", b"s").await.expect("registered");
    ask(&one, "c", &to(2, b'w', &[1, 2, b's', b'!']))
        .await
        .expect("sent");
    bench.hears(1, "s").await;
    bench.hears(1, "!").await;
    ask(&one, "k", &to(2, b'w', &[1, 2, b's', b'?']))
        .await
        .expect("told");
    bench.hears(1, "s").await;
    bench.hears(1, "?").await;
    drop(other);
    timely(bench.node.disconnected(&id(102))).await;
    bench.hears(1, "on-websocket-disconnected").await;
    let gone = ask(&one, "c", &to(2, b'e', b"")).await;
    assert!(matches!(gone, Err(Failure::Guest(ActrError::NotFound(_)))));
}
