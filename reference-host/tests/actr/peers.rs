//! Nodes that are connected: operations across, hooks from real connections, signaling.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reference_host::actr::{ActorConfig, ActrError, Entry, Failure, Limits, NodeError, Signaling};

use super::guest::id;
use super::{Bench, ask, entry, timely, to, workload};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Two nodes with an actor each, 1 and 2, connected.
async fn two() -> (Bench, Bench, String) {
    let (mut near, mut far) = (Bench::with(101, |_| ()), Bench::with(102, |_| ()));
    let url = far.node.listen(ANYWHERE).await.expect("a port");
    near.actor(1).await;
    far.actor(2).await;
    timely(near.node.connect(&url, &id(102)))
        .await
        .expect("connected");
    for hook in ["connecting", "connected"] {
        near.hears(1, &format!("on-websocket-{hook}")).await;
        far.hears(2, &format!("on-websocket-{hook}")).await;
    }
    (near, far, url)
}

#[tokio::test]
async fn operations_cross_a_connection_both_ways() {
    let (mut near, mut far, url) = two().await;
    timely(near.node.connect(&url, &id(102)))
        .await
        .expect("connected already");
    let (three, four) = (near.actor(3).await, far.actor(4).await);
    for (actor, other) in [(&three, 4), (&four, 3)] {
        let number = actor.identity().serial_number as u8;
        assert_eq!(
            ask(actor, "c", &to(other, b'e', b"hello")).await,
            Ok(b"hello".to_vec())
        );
        assert_eq!(
            ask(actor, "c", &to(other, b'f', b"")).await,
            Ok(vec![number])
        );
        for case in 0..10 {
            let through = ask(actor, "c", &to(other, b'x', &[case])).await;
            assert_eq!(through, ask(actor, "x", &[case]).await);
        }
        let trapped = ask(actor, "c", &to(other, b't', b"")).await;
        assert!(matches!(
            trapped,
            Err(Failure::Guest(ActrError::Internal(_)))
        ));
        let unknown = ask(actor, "c", &to(9, b'e', b"")).await;
        assert!(matches!(
            unknown,
            Err(Failure::Guest(ActrError::NotFound(_)))
        ));
    }
    assert_eq!(
        ask(&three, "d", b"beta").await,
        Ok(vec![1]),
        "near ones first"
    );
    // Fresh instances after the traps.
    far.hears(4, "on-start").await;
    near.hears(3, "on-start").await;
}

#[tokio::test]
async fn tells_and_chunks_arrive_in_order() {
    let (mut near, mut far, _) = two().await;
    let (three, four) = (near.actor(3).await, far.actor(4).await);
    ask(&four, "r", b"s").await.expect("registered");
    for number in 0..20 {
        let chunk = [b's', b'a' + number];
        if number % 2 == 0 {
            ask(&three, "w", &[&[4, 2][..], &chunk].concat())
                .await
                .expect("sent");
        } else {
            let relayed = to(4, b'w', &[&[4, 2][..], &chunk].concat());
            ask(&three, "k", &relayed).await.expect("told");
            // It has streamed to itself when it answers a call that came later.
            ask(&three, "c", &to(4, b'e', b"")).await.expect("answered");
        }
        far.hears(4, "s").await;
        far.hears(4, &char::from(b'a' + number).to_string()).await;
    }
    four.hold(true);
    for number in 0..20 {
        ask(&three, "w", &[4, 2, b's', b'a' + number])
            .await
            .expect("sent");
    }
    four.hold(false);
    for number in 0..20_u8 {
        far.hears(4, "s").await;
        far.hears(4, &char::from(b'a' + number).to_string()).await;
    }
}

#[tokio::test]
async fn discovery_reaches_connected_nodes() {
    let (mut near, mut far, _) = two().await;
    let three = near.actor(3).await;
    far.actor(4).await;
    let alone = ActorConfig::new(reference_host::actr::ActrId {
        type_: reference_host::actr::ActrType {
            name: "gamma".into(),
            ..id(5).type_
        },
        ..id(5)
    });
    let gamma = far.node.load(workload(), alone).await.expect("an actor");
    let missing = ask(&three, "d", b"gamma").await;
    assert!(matches!(
        missing,
        Err(Failure::Guest(ActrError::NotFound(_)))
    ));
    gamma.enter(Entry::Start).await.expect("it starts");
    assert_eq!(ask(&three, "d", b"gamma").await, Ok(vec![5]));
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_and_ends_what_waits() {
    let (mut near, mut far, url) = two().await;
    let (three, four) = (near.actor(3).await, far.actor(4).await);
    four.hold(true);
    let waiting = three.begin(entry("c", &to(4, b'e', b"")));
    while four.queued() == 0 {
        tokio::task::yield_now().await;
    }
    timely(near.node.disconnect(&id(102)))
        .await
        .expect("it was connected");
    timely(far.node.disconnected(&id(101))).await;
    let ended = timely(waiting.outcome()).await;
    assert!(
        matches!(ended, Err(Failure::Guest(ActrError::Unavailable(_)))),
        "{ended:?}"
    );
    for (bench, numbers) in [(&mut near, [1, 3]), (&mut far, [2, 4])] {
        let mut heard = [bench.line().await, bench.line().await];
        heard.sort();
        assert_eq!(
            heard,
            numbers.map(|n| (n, "on-websocket-disconnected".to_owned()))
        );
    }
    let again = near.node.disconnect(&id(102)).await;
    assert_eq!(again, Err(NodeError::NotConnected(id(102))));
    let gone = ask(&three, "c", &to(4, b'e', b"")).await;
    assert!(matches!(gone, Err(Failure::Guest(ActrError::NotFound(_)))));
    four.hold(false);
    timely(near.node.connect(&url, &id(102)))
        .await
        .expect("connected again");
    assert_eq!(
        ask(&three, "c", &to(4, b'e', b"back")).await,
        Ok(b"back".to_vec())
    );
}

#[tokio::test]
async fn connections_that_come_to_nothing() {
    let mut near = Bench::with(101, |config| {
        config.limits.connect_time = Duration::from_millis(300);
    });
    let far = Bench::with(102, |_| ());
    near.actor(1).await;
    let url = far.node.listen(ANYWHERE).await.expect("a port");
    assert!(far.node.listen(ANYWHERE).await.is_err(), "once");
    let silent = tokio::net::TcpListener::bind(ANYWHERE)
        .await
        .expect("a port");
    let silent_url = format!("ws://{}/", silent.local_addr().expect("bound"));
    let dead_url = {
        let dead = tokio::net::TcpListener::bind(ANYWHERE)
            .await
            .expect("a port");
        format!("ws://{}/", dead.local_addr().expect("bound"))
    };
    for (url, peer) in [
        (silent_url.as_str(), id(102)),
        (dead_url.as_str(), id(102)),
        (url.as_str(), id(103)),
        ("http://127.0.0.1:1/", id(102)),
        ("nonsense", id(102)),
    ] {
        let error = timely(near.node.connect(url, &peer)).await.expect_err(url);
        assert!(matches!(error, NodeError::Connect(_)), "{error}");
        near.hears(1, "on-websocket-connecting").await;
        near.hears(1, "on-websocket-disconnected").await;
    }
}

#[tokio::test]
async fn nodes_that_dial_each_other_end_up_with_one_connection() {
    for _ in 0..10 {
        let (a, b) = (Bench::with(101, |_| ()), Bench::with(102, |_| ()));
        let (a_url, b_url) = (
            a.node.listen(ANYWHERE).await.expect("a port"),
            b.node.listen(ANYWHERE).await.expect("a port"),
        );
        let (one, two) = (a.load(workload(), 1).await, b.load(workload(), 2).await);
        let (a_id, b_id) = (id(101), id(102));
        let both =
            futures::future::join(a.node.connect(&b_url, &b_id), b.node.connect(&a_url, &a_id));
        let (a_result, b_result) = timely(both).await;
        a_result.expect("connected");
        b_result.expect("connected");
        a.node.start(&one).await.expect("it starts");
        b.node.start(&two).await.expect("it starts");
        assert_eq!(ask(&one, "c", &to(2, b'e', b"x")).await, Ok(b"x".to_vec()));
        assert_eq!(ask(&two, "c", &to(1, b'e', b"y")).await, Ok(b"y".to_vec()));
    }
}

#[tokio::test]
async fn signaling_leads_to_actors_of_unknown_nodes() {
    let service = Signaling::listen(ANYWHERE, id(200), Limits::default())
        .await
        .expect("a port");
    let (mut near, mut far) = (Bench::with(101, |_| ()), Bench::with(102, |_| ()));
    let (one, two) = (near.actor(1).await, far.actor(2).await);
    far.node.listen(ANYWHERE).await.expect("a port");
    for (bench, number) in [(&mut near, 1), (&mut far, 2)] {
        for _ in 0..2 {
            timely(bench.node.connect_signaling(service.url()))
                .await
                .expect("connected");
        }
        bench.hears(number, "on-signaling-connecting").await;
        bench.hears(number, "on-signaling-connected").await;
    }
    assert_eq!(ask(&one, "d", b"beta").await, Ok(vec![2]));
    assert_eq!(
        ask(&one, "c", &to(2, b'e', b"found")).await,
        Ok(b"found".to_vec())
    );
    for hook in ["connecting", "connected"] {
        near.hears(1, &format!("on-websocket-{hook}")).await;
        far.hears(2, &format!("on-websocket-{hook}")).await;
    }
    // The node that does not listen can't be dialled, but the connection is there now.
    assert_eq!(
        ask(&two, "c", &to(1, b'e', b"back")).await,
        Ok(b"back".to_vec())
    );
    assert!(service.disconnect(&id(102)));
    timely(far.node.signaling_lost()).await;
    far.hears(2, "on-signaling-disconnected").await;
    let third = near.actor(3).await;
    drop(service);
    timely(near.node.signaling_lost()).await;
    let mut heard = [near.line().await, near.line().await];
    heard.sort();
    assert_eq!(
        heard,
        [1, 3].map(|n| (n, "on-signaling-disconnected".to_owned()))
    );
    let gone = timely(near.node.connect_signaling("ws://127.0.0.1:9/")).await;
    assert!(matches!(gone, Err(NodeError::Connect(_))));
    assert_eq!(
        ask(&third, "c", &to(2, b'e', b"x")).await,
        Ok(b"x".to_vec())
    );
}

#[tokio::test]
async fn large_messages_cross() {
    let (mut near, mut far, _) = two().await;
    let (three, _four) = (near.actor(3).await, far.actor(4).await);
    let reply = ask(&three, "c", &to(4, b'b', b"")).await;
    assert_eq!(reply.map(|reply| reply.len()), Ok(70_000));
}
