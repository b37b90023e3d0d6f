//! A thousand instances at once: all served, memory bounded; and what the common paths cost.

mod pie_guest;

use std::time::Instant;

use pie_guest::{Client, echo};
use reference_host::pie::{Config, Launch, ModelConfig, Outcome, PieHost, Program};
use tokio::sync::mpsc::unbounded_channel;

const INSTANCES: usize = 1000;

/// Resident bytes of this process; 0 where there is no `/proc`.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[expect(
    clippy::print_stderr,
    reason = "figures for whoever runs the test with --nocapture"
)]
fn figure(what: &str, value: impl std::fmt::Debug) {
    eprintln!("{what}: {value:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_instances_that_wait_are_all_served() {
    let (events, receiver) = unbounded_channel();
    let mut client = Client::new(receiver);
    let host = PieHost::new(Config::default()).expect("a host");
    let program = Program::compile(&echo()).expect("an inferlet");
    let warm = host
        .launch(&program, Launch::new(events.clone()))
        .expect("launched");
    host.client_send(warm, "").expect("sent");
    client.all(warm).await;
    let before = resident();
    let start = Instant::now();
    let ids: Vec<_> = (0..INSTANCES)
        .map(|_| {
            host.launch(&program, Launch::new(events.clone()))
                .expect("launched")
        })
        .collect();
    assert_eq!(host.running() as usize, INSTANCES);
    for id in &ids {
        host.client_send(*id, &id.to_string()).expect("sent");
    }
    for _ in &ids {
        client.message().await;
    }
    figure("1000 launched and served once", start.elapsed());
    let grown = resident().saturating_sub(before);
    figure("resident MiB more with 1000 waiting", grown >> 20);
    figure("resident MiB", resident() >> 20);
    assert!(resident() < 1 << 30, "below 1 GiB");
    let start = Instant::now();
    for id in &ids {
        host.client_send(*id, "").expect("sent");
    }
    for id in ids {
        assert_eq!(client.all(id).await.1, Outcome::Finished);
    }
    figure("1000 ended", start.elapsed());
    assert_eq!(host.running(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_turns_are_cheap() {
    let (events, receiver) = unbounded_channel();
    let mut client = Client::new(receiver);
    let program = Program::compile(&echo()).expect("an inferlet");
    let start = Instant::now();
    for _ in 0..100 {
        let config = Config {
            models: vec![ModelConfig::deterministic("m")],
            ..Config::default()
        };
        let host = PieHost::new(config).expect("a host");
        let id = host
            .launch(&program, Launch::new(events.clone()))
            .expect("launched");
        host.client_send(id, "").expect("sent");
        client.all(id).await;
        host.shutdown().await.expect("flushed");
    }
    figure(
        "a fresh host, one instance, shutdown",
        start.elapsed() / 100,
    );
    let host = PieHost::new(Config::default()).expect("a host");
    let id = host
        .launch(&program, Launch::new(events))
        .expect("launched");
    let start = Instant::now();
    for turn in 0..100_000 {
        host.client_send(id, "turn").expect("sent");
        assert_eq!(client.message().await, "turn", "{turn}");
    }
    figure("100,000 turns", start.elapsed());
    host.client_send(id, "").expect("sent");
    assert_eq!(client.all(id).await.1, Outcome::Finished);
}
