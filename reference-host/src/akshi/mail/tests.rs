//! Mailboxes: order, once, bounds, restarts.

use std::collections::HashSet;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Bench {
    mail: Mail,
    directory: TempDir,
}

impl Bench {
    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut limits = Limits::default();
        change(&mut limits);
        let mail = Mail::new(directory.path().join("mail.db"), false, &limits);
        for name in ["a", "b", "c"] {
            mail.enrol(name).expect("enrolled");
        }
        Self { mail, directory }
    }

    async fn send(&self, from: &str, to: &str, payload: &str) -> Result<Value, String> {
        let sent = self.mail.send(from, to, payload).await;
        sent.map(|text| serde_json::from_str(&text).expect("JSON"))
            .map_err(|error| error.to_string())
    }

    async fn receive(&self, to: &str) -> Option<(String, String)> {
        let text = self.mail.receive(to).await.expect("received");
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let field = |name: &str| message[name].as_str().expect("a text").to_owned();
        (!message.is_null()).then(|| (field("from"), field("payload")))
    }
}

#[tokio::test]
async fn messages_come_once_in_order_to_their_target_alone() {
    let bench = Bench::with(|_| ());
    let mut ids = HashSet::new();
    for number in 0..100 {
        for from in ["a", "c"] {
            let sent = bench.send(from, "b", &format!("{from}{number}")).await;
            let sent = sent.expect("sent");
            assert!(ids.insert(sent["id"].as_str().expect("an id").to_owned()));
        }
    }
    assert_eq!(bench.receive("a").await, None);
    assert_eq!(bench.receive("c").await, None);
    for number in 0..100 {
        for from in ["a", "c"] {
            let expected = (from.to_owned(), format!("{from}{number}"));
            assert_eq!(bench.receive("b").await, Some(expected));
        }
    }
    assert_eq!(bench.receive("b").await, None);
}

#[tokio::test]
async fn envelopes_are_as_documented() {
    let bench = Bench::with(|_| ());
    let sent = bench.mail.send("a", "b", "é\"\n").await.expect("sent");
    let received = bench.mail.receive("b").await.expect("received");
    let nothing = bench.mail.receive("b").await.expect("received");
    let value: Value = serde_json::from_str(&sent).expect("JSON");
    let (id, at) = (
        value["id"].as_str().expect("an id"),
        value["created_at"].to_string(),
    );
    assert!(Uuid::parse_str(id).is_ok());
    let shown = [sent.as_str(), &received, &nothing]
        .join("\n")
        .replace(id, "ID")
        .replace(&at, "TIME");
    insta::assert_snapshot!(shown, @r#"
    {"id":"ID","status":"pending","created_at":TIME}
    {"id":"ID","from":"a","to":"b","payload":"é\"\n","created_at":TIME}
    null
    "#);
}

#[tokio::test]
async fn targets_are_known_agents_also_oneself() {
    let bench = Bench::with(|_| ());
    for target in ["", "nobody", "A", "b'; DROP TABLE agents; --"] {
        let error = bench.send("a", target, "x").await.expect_err(target);
        assert_eq!(error, format!("there is no agent {target:?}"));
    }
    bench.send("a", "a", "note to self").await.expect("sent");
    let expected = ("a".to_owned(), "note to self".to_owned());
    assert_eq!(bench.receive("a").await, Some(expected));
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let bench = Bench::with(|_| ());
    for payload in ["", "two"] {
        bench.send("a", "b", payload).await.expect("sent");
    }
    bench.mail.close();
    let path = bench.directory.path().join("mail.db");
    let again = Bench {
        mail: Mail::new(path, true, &Limits::default()),
        directory: bench.directory,
    };
    again
        .send("b", "b", "three")
        .await
        .expect("b is known still");
    for (from, payload) in [("a", ""), ("a", "two"), ("b", "three")] {
        let expected = (from.to_owned(), payload.to_owned());
        assert_eq!(again.receive("b").await, Some(expected));
    }
}

#[tokio::test]
async fn a_mailbox_is_bounded_by_number_and_bytes() {
    let bench = Bench::with(|limits| {
        limits.mailbox_messages = 3;
        limits.mailbox_bytes = 100;
        limits.message_bytes = 60;
    });
    let error = bench.send("a", "b", &"x".repeat(61)).await;
    assert_eq!(
        error,
        Err("limit reached: a message of 61 bytes, allowed are 60".into())
    );
    bench.send("a", "b", &"x".repeat(60)).await.expect("room");
    let full = bench.send("a", "b", &"x".repeat(41)).await;
    assert!(
        full.is_err_and(|error| error.starts_with("limit reached: the mailbox of \"b\" is full"))
    );
    bench.send("a", "b", &"x".repeat(40)).await.expect("room");
    bench.send("a", "b", "").await.expect("room");
    assert!(bench.send("a", "b", "").await.is_err(), "three wait");
    bench.send("a", "c", "").await.expect("another mailbox");
    assert!(bench.receive("b").await.is_some());
    bench.send("a", "b", "").await.expect("room again");
}
