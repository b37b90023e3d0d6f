//! The journal: numbers, pages, bounds.

use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Bench {
    journal: Journal,
    directory: TempDir,
}

impl Bench {
    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut limits = Limits::default();
        change(&mut limits);
        Self {
            journal: Journal::new(directory.path().join("journal.db"), false, &limits),
            directory,
        }
    }

    async fn append(&self, payload: &str) {
        self.journal.append(payload).await.expect("appended");
    }

    async fn read(&self, since: u64) -> Vec<(u64, String)> {
        let text = self.journal.read(since).await.expect("read");
        let entries: Vec<Value> = serde_json::from_str(&text).expect("a JSON array");
        let entry = |entry: &Value| {
            let payload = entry["payload"].as_str().expect("a payload");
            (entry["seq"].as_u64().expect("a number"), payload.to_owned())
        };
        entries.iter().map(entry).collect()
    }
}

#[tokio::test]
async fn payloads_come_back_as_they_were() {
    let bench = Bench::with(|_| ());
    assert_eq!(bench.journal.read(0).await, Ok("[]".into()));
    let payloads = [
        "",
        "é\0\u{1F600}",
        "{\"a\": [1,  2]}",
        "one\ntwo",
        "same",
        "same",
    ];
    for payload in payloads {
        bench.append(payload).await;
    }
    let entries = bench.read(0).await;
    let expected: Vec<_> = (1..).zip(payloads.map(str::to_owned)).collect();
    assert_eq!(entries, expected);
    let text = bench.journal.read(4).await.expect("read");
    let text = times_away(&text);
    insta::assert_snapshot!(text, @r#"[{"seq":5,"ts":0,"payload":"same"},{"seq":6,"ts":0,"payload":"same"}]"#);
    for since in [6, 7, i64::MAX as u64, u64::MAX] {
        assert_eq!(bench.journal.read(since).await, Ok("[]".into()), "{since}");
    }
}

/// Checks the times, and puts 0 in their place.
fn times_away(text: &str) -> String {
    let entries: Vec<Value> = serde_json::from_str(text).expect("a JSON array");
    let mut text = text.to_owned();
    let mut before = 1_700_000_000_000;
    for entry in entries {
        let ts = entry["ts"].as_i64().expect("a time");
        assert!(ts >= before);
        before = ts;
        text = text.replace(&format!("\"ts\":{ts}"), "\"ts\":0");
    }
    text
}

#[tokio::test]
async fn polling_by_the_last_number_gives_each_entry_once() {
    let bench = Bench::with(|limits| limits.journal_page = 7);
    let (mut cursor, mut seen) = (0, Vec::new());
    for round in 0..10 {
        for number in 0..10 {
            bench.append(&format!("{}", round * 10 + number)).await;
        }
        // Not always to the end: what is left comes later.
        for _ in 0..=round % 3 {
            let page = bench.read(cursor).await;
            assert!(page.len() <= 7);
            cursor = page.last().map_or(cursor, |(seq, _)| *seq);
            seen.extend(page);
        }
    }
    loop {
        let page = bench.read(cursor).await;
        let Some((seq, _)) = page.last() else { break };
        cursor = *seq;
        seen.extend(page);
    }
    let expected: Vec<_> = (0..100)
        .map(|number| (number + 1, number.to_string()))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn pages_are_bounded_in_bytes_and_a_long_entry_comes_alone() {
    let bench = Bench::with(|limits| {
        limits.journal_page_bytes = 100;
        limits.journal_payload_bytes = 1_000;
    });
    for length in [60, 40, 1, 1_000, 5] {
        bench.append(&"x".repeat(length)).await;
    }
    let lengths = |page: Vec<(u64, String)>| -> Vec<usize> {
        page.iter().map(|(_, payload)| payload.len()).collect()
    };
    assert_eq!(lengths(bench.read(0).await), [60, 40]);
    assert_eq!(lengths(bench.read(2).await), [1]);
    assert_eq!(lengths(bench.read(3).await), [1_000]);
    assert_eq!(lengths(bench.read(4).await), [5]);
    let error = bench.journal.append(&"x".repeat(1_001)).await;
    let error = error.expect_err("too long").to_string();
    assert_eq!(
        error,
        "limit reached: a payload of 1001 bytes, allowed are 1000"
    );
}

#[tokio::test]
async fn a_full_journal_refuses_and_can_be_read() {
    let bench = Bench::with(|limits| limits.journal_file_bytes = 1 << 20);
    let payload = "x".repeat(100_000);
    let mut count = 0;
    let error = loop {
        match bench.journal.append(&payload).await {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        "limit reached: the file has its full size"
    );
    assert!(count > 5);
    assert_eq!(bench.read(0).await.len(), count);
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_are_never_used_again() {
    let bench = Bench::with(|_| ());
    bench.append("one").await;
    bench.append("two").await;
    bench.journal.close();
    let path = bench.directory.path().join("journal.db");
    // Not even when the last entry is lost.
    let connection = rusqlite::Connection::open(&path).expect("open");
    connection
        .execute("DELETE FROM entries WHERE seq = 2", [])
        .expect("deleted");
    drop(connection);
    let again = Bench {
        journal: Journal::new(path, true, &Limits::default()),
        directory: bench.directory,
    };
    again.append("three").await;
    let expected = vec![(1, "one".to_owned()), (3, "three".to_owned())];
    assert_eq!(again.read(0).await, expected);
}
