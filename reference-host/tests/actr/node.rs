//! What a node tells its actors: pressure, credentials, failures, and what a WebRTC transport reports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reference_host::actr::{
    ActorConfig, ActrError, Failure, ManualClock, PeerTransport, Timestamp, TransportEvent,
    TransportSink,
};

use super::guest::{Start, build, id};
use super::{Bench, ask, entry, timely, workload};

#[tokio::test]
async fn pressure_is_told_while_the_mailbox_is_full() {
    let mut bench = Bench::new();
    let config = ActorConfig {
        mailbox_threshold: 3,
        ..bench.config(1)
    };
    let actor = bench.node.load(workload(), config).await.expect("an actor");
    bench.start(&actor).await;
    for _ in 0..2 {
        actor.hold(true);
        let waiting: Vec<_> = (0..5).map(|_| actor.begin(entry("n", b""))).collect();
        bench.hears(1, "on-mailbox-backpressure").await;
        actor.hold(false);
        for ticket in waiting {
            timely(ticket.outcome()).await.expect("served");
        }
        assert!(bench.is_silent(), "once a crossing");
    }
}

#[tokio::test]
async fn credentials_are_renewed_and_expire_by_the_clock() {
    let at = |seconds| Timestamp {
        seconds,
        nanoseconds: 5,
    };
    let clock = Arc::new(ManualClock::new(at(1_000)));
    let mut bench = Bench::with(1_000, |config| {
        config.clock = clock.clone();
        config.credential_lead = Duration::from_secs(60);
    });
    let actor = bench.actor(1).await;
    let stranger = super::to(9, b'e', b"");
    let expiry = bench.node.renew_credential(Duration::from_secs(600));
    assert_eq!(expiry, at(1_600));
    bench.hears(1, "on-credential-renewed").await;
    clock.set(at(1_539));
    bench.node.renew_credential(Duration::from_secs(600));
    bench.hears(1, "on-credential-renewed").await;
    clock.set(at(2_078));
    let beyond = ask(&actor, "c", &stranger).await;
    assert!(matches!(
        beyond,
        Err(Failure::Guest(ActrError::NotFound(_)))
    ));
    assert!(bench.is_silent(), "the first credential was replaced");
    clock.set(at(2_079));
    bench.hears(1, "on-credential-expiring").await;
    clock.set(at(2_139));
    let beyond = ask(&actor, "c", &stranger).await;
    assert!(matches!(
        beyond,
        Err(Failure::Guest(ActrError::PermissionDenied(_)))
    ));
    assert_eq!(
        ask(&actor, "d", b"beta").await,
        Ok(vec![1]),
        "the node itself is open"
    );
    assert!(bench.is_silent());
}

#[tokio::test]
async fn failures_are_reported_to_who_wants_to_know() {
    let mut bench = Bench::new();
    let config = ActorConfig {
        error_reports: true,
        ..bench.config(1)
    };
    let curious = bench.node.load(workload(), config).await.expect("an actor");
    bench.start(&curious).await;
    let other = bench.actor(2).await;
    for actor in [&curious, &other] {
        ask(actor, "?", b"").await.expect_err("no such route");
    }
    bench.hears(1, "request_id=request-?; route_key=?").await;
    ask(&curious, "t", b"").await.expect_err("a trap");
    bench.hears(1, "on-start").await;
    bench.hears(1, "request_id=request-t; route_key=t").await;
    assert!(bench.is_silent());
}

/// Keeps the sink it was given.
#[derive(Default)]
struct Transport(Mutex<Option<TransportSink>>);

impl PeerTransport for Transport {
    fn attach(&self, sink: TransportSink) {
        *self.0.lock().expect("no panic") = Some(sink);
    }
}

#[tokio::test]
async fn a_transport_reports_to_started_actors() {
    let mut bench = Bench::new();
    bench.actor(1).await;
    bench.load(&build(Start::Ok, ""), 2).await;
    let transport = Transport::default();
    bench.node.attach(&transport);
    let sink = transport
        .0
        .lock()
        .expect("no panic")
        .take()
        .expect("attached");
    assert!(sink.report(TransportEvent::Connecting(id(9))));
    let connected = TransportEvent::Connected {
        peer: id(9),
        relayed: true,
    };
    assert!(sink.report(connected));
    assert!(sink.report(TransportEvent::Disconnected(id(9))));
    for hook in ["connecting", "connected", "disconnected"] {
        bench.hears(1, &format!("on-webrtc-{hook}")).await;
    }
    assert!(bench.is_silent());
    drop(bench);
    assert!(!sink.report(TransportEvent::Disconnected(id(9))));
}
