//! Every ceiling, hit from a guest.

use std::time::Duration;

use reference_host::actr::{ActrError, Entry, Failure, LoadError, Refusal};

use super::guest::{Start, build};
use super::{Bench, ask, entry, timely, to, workload};

#[tokio::test]
async fn a_guest_that_computes_is_stopped() {
    let mut bench = Bench::with(1_000, |config| {
        config.limits.compute = Duration::from_millis(100);
    });
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    let spinning = one.begin(entry("s", b""));
    assert_eq!(
        ask(&two, "e", b"meanwhile").await,
        Ok(b"meanwhile".to_vec())
    );
    let stopped = timely(spinning.outcome()).await;
    assert!(
        matches!(&stopped, Err(Failure::Trapped(text)) if text.contains("compute limit")),
        "{stopped:?}"
    );
    assert_eq!(ask(&one, "n", b"").await, Ok(vec![1]));
    let spins = build(Start::Ok, "(func $go (loop br 0)) (start $go)");
    let refused = timely(bench.node.load(&spins, bench.config(3))).await;
    assert!(matches!(refused, Err(LoadError::Refused(_))));
}

#[tokio::test]
async fn recursion_traps() {
    let mut bench = Bench::new();
    let deep = build(
        Start::Ok,
        "(func $deep (export \"deep\") (call $deep)) (func $go (call $deep)) (start $go)",
    );
    let refused = bench.node.load(&deep, bench.config(1)).await;
    assert!(matches!(refused, Err(LoadError::Refused(_))));
    bench.actor(1).await;
}

#[tokio::test]
async fn memory_and_tables_are_bounded() {
    let mut bench = Bench::with(1_000, |config| {
        config.limits.memory_bytes = 20 << 16;
        config.limits.table_elements = 32;
    });
    let actor = bench.actor(1).await;
    assert_eq!(ask(&actor, "g", b"").await, Ok(vec![1]));
    assert_eq!(ask(&actor, "g", b"").await, Ok(vec![0]));
    let wide = build(Start::Ok, "(table 33 funcref)");
    let refused = bench.node.load(&wide, bench.config(2)).await;
    assert!(matches!(refused, Err(LoadError::Refused(_))));
}

#[tokio::test]
async fn messages_are_bounded_in_every_direction() {
    let mut bench = Bench::with(1_000, |config| config.limits.message_bytes = 1_000);
    let (one, _two) = (bench.actor(1).await, bench.actor(2).await);
    let request = ask(&one, "e", &[0; 1_000]).await;
    assert!(matches!(
        request,
        Err(Failure::Refused(Refusal::TooLarge { limit: 1_000, .. }))
    ));
    assert_eq!(
        ask(&one, "e", &[0; 900]).await.map(|reply| reply.len()),
        Ok(900)
    );
    let reply = ask(&one, "b", b"").await;
    assert!(matches!(
        reply,
        Err(Failure::Refused(Refusal::TooLarge { actual: 70_000, .. }))
    ));
    let reply = ask(&one, "c", &to(2, b'b', b"")).await;
    assert!(
        matches!(reply, Err(Failure::Guest(ActrError::InvalidArgument(_)))),
        "{reply:?}"
    );
}

#[tokio::test]
async fn what_a_guest_sends_is_bounded() {
    let mut bench = Bench::with(1_000, |config| config.limits.message_bytes = 69_999);
    let actor = bench.actor(1).await;
    let sent = ask(&actor, "q", b"").await;
    assert!(
        matches!(sent, Err(Failure::Guest(ActrError::InvalidArgument(_)))),
        "{sent:?}"
    );
    let mut bench = Bench::with(1_000, |config| config.limits.message_bytes = 70_001);
    let actor = bench.actor(1).await;
    let sent = ask(&actor, "q", b"").await;
    assert!(
        matches!(sent, Err(Failure::Guest(ActrError::Unavailable(_)))),
        "{sent:?}"
    );
}

#[tokio::test]
async fn a_full_mailbox_refuses() {
    let mut bench = Bench::with(1_000, |config| config.limits.mailbox_length = 2);
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    two.hold(true);
    let waiting: Vec<_> = (0..2).map(|_| two.begin(entry("n", b""))).collect();
    assert_eq!(
        ask(&two, "n", b"").await,
        Err(Refusal::MailboxFull(2).into())
    );
    for route in ["c", "k"] {
        let refused = ask(&one, route, &to(2, b'n', b"")).await;
        assert!(
            matches!(refused, Err(Failure::Guest(ActrError::Unavailable(_)))),
            "{refused:?}"
        );
    }
    two.hold(false);
    for (count, ticket) in (1..).zip(waiting) {
        assert_eq!(timely(ticket.outcome()).await, Ok(vec![count]));
    }
}

#[tokio::test]
async fn actors_streams_and_components_are_counted() {
    let mut bench = Bench::with(1_000, |config| {
        config.limits.instances = 2;
        config.limits.streams = 1;
    });
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    let third = bench.node.load(workload(), bench.config(3)).await;
    assert!(matches!(third, Err(LoadError::Limit(_))));
    two.enter(Entry::Stop).await.expect("it stops");
    bench.hears(2, "on-stop").await;
    bench.actor(3).await;
    for _ in 0..2 {
        ask(&one, "r", b"s").await.expect("registered");
    }
    let second = ask(&one, "r", b"t").await;
    assert!(matches!(
        second,
        Err(Failure::Guest(ActrError::Unavailable(_)))
    ));
    let tiny = Bench::with(1_001, |config| config.limits.component_bytes = 100);
    let large = tiny.node.load(workload(), tiny.config(1)).await;
    assert!(matches!(large, Err(LoadError::Limit(_))));
}
