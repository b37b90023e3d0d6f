//! Actors of one node: what they ask of each other.

use reference_host::actr::{ActrError, ActrType, Failure, Refusal};

use super::{Bench, ask, entry, timely, to};

#[tokio::test]
async fn calls_bring_the_reply_or_the_error() {
    let mut bench = Bench::new();
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    assert_eq!(
        ask(&one, "c", &to(2, b'e', b"hello")).await,
        Ok(b"hello".to_vec())
    );
    assert_eq!(
        ask(&one, "c", &to(2, b'f', b"")).await,
        Ok(vec![1]),
        "the caller is told"
    );
    for case in 0..10 {
        let through = ask(&one, "c", &to(2, b'x', &[case])).await;
        assert_eq!(through, ask(&two, "x", &[case]).await);
    }
    let trapped = ask(&one, "c", &to(2, b't', b"")).await;
    assert!(
        matches!(trapped, Err(Failure::Guest(ActrError::Internal(_)))),
        "{trapped:?}"
    );
    let unknown = ask(&one, "c", &to(3, b'e', b"")).await;
    assert!(
        matches!(unknown, Err(Failure::Guest(ActrError::NotFound(_)))),
        "{unknown:?}"
    );
    let unknown = ask(&one, "k", &to(3, b'e', b"")).await;
    assert!(
        matches!(unknown, Err(Failure::Guest(ActrError::NotFound(_)))),
        "{unknown:?}"
    );
    let shell = ask(&one, "h", b"e").await;
    assert!(
        matches!(shell, Err(Failure::Guest(ActrError::Unavailable(_)))),
        "{shell:?}"
    );
}

#[tokio::test]
async fn an_actor_does_not_wait_for_itself() {
    let mut bench = Bench::new();
    let one = bench.actor(1).await;
    for (route, payload) in [("l", b"n".to_vec()), ("c", to(1, b'n', b""))] {
        let refused = ask(&one, route, &payload).await;
        assert!(
            matches!(refused, Err(Failure::Guest(ActrError::Unavailable(_)))),
            "{refused:?}"
        );
    }
    ask(&one, "m", b"n").await.expect("told");
    assert_eq!(
        ask(&one, "n", b"").await,
        Ok(vec![2]),
        "it came before, in its turn"
    );
}

#[tokio::test]
async fn calls_in_a_circle_time_out() {
    let mut bench = Bench::with(1_000, |config| {
        config.limits.call_time = std::time::Duration::from_millis(200);
    });
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    let circle = [&to(2, b'c', b"")[..], &to(1, b'n', b"")].concat();
    let outcome = ask(&one, "c", &circle).await;
    assert_eq!(outcome, Err(Failure::Guest(ActrError::TimedOut)));
    for actor in [&one, &two] {
        assert_eq!(ask(actor, "e", b"on").await, Ok(b"on".to_vec()));
    }
}

#[tokio::test]
async fn tells_arrive_in_order_and_do_not_wait() {
    let mut bench = Bench::new();
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    ask(&two, "r", b"s").await.expect("registered");
    two.hold(true);
    for number in 0..20 {
        let chunk = to(2, b'w', &[2, 2, b's', b'a' + number]);
        let told = ask(&one, "k", &chunk).await;
        assert_eq!(told, Ok(Vec::new()), "it does not wait for the receiver");
    }
    assert_eq!(two.queued(), 20);
    two.hold(false);
    for number in 0..20_u8 {
        bench.hears(2, "s").await;
        bench.hears(2, &char::from(b'a' + number).to_string()).await;
    }
}

#[tokio::test]
async fn chunks_come_to_registered_streams_only() {
    let mut bench = Bench::new();
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    ask(&one, "w", &to(2, 2, b"sdropped")).await.expect("sent");
    for _ in 0..2 {
        ask(&two, "r", b"s").await.expect("registered");
    }
    for lane in [2, 3] {
        ask(&one, "w", &to(2, lane, b"schunk")).await.expect("sent");
        bench.hears(2, "s").await;
        bench.hears(2, "chunk").await;
    }
    for lane in [0, 1, 4] {
        let refused = ask(&one, "w", &to(2, lane, b"schunk")).await;
        assert!(matches!(
            refused,
            Err(Failure::Guest(ActrError::InvalidArgument(_)))
        ));
    }
    for _ in 0..2 {
        ask(&two, "u", b"s").await.expect("unregistered");
    }
    ask(&one, "w", &to(2, 2, b"sdropped")).await.expect("sent");
    ask(&two, "e", b"").await.expect("comes after the chunk");
    assert!(bench.is_silent());
    let unknown = ask(&one, "w", &to(9, 2, b"schunk")).await;
    assert!(matches!(
        unknown,
        Err(Failure::Guest(ActrError::NotFound(_)))
    ));
}

#[tokio::test]
async fn discovery_finds_started_actors_of_a_type() {
    let mut bench = Bench::with(1_000, |config| {
        let ty = |name: &str| ActrType {
            manufacturer: "acme".into(),
            name: name.into(),
            version: "1".into(),
        };
        config.dependencies = Some(vec![ty("beta"), ty("gamma")]);
    });
    let one = bench.actor(1).await;
    assert_eq!(
        ask(&one, "d", b"beta").await,
        Ok(vec![1]),
        "itself, when there is no other"
    );
    bench.load(super::workload(), 3).await;
    assert_eq!(
        ask(&one, "d", b"beta").await,
        Ok(vec![1]),
        "the other is not started"
    );
    let four = bench.actor(4).await;
    bench.actor(2).await;
    assert_eq!(ask(&one, "d", b"beta").await, Ok(vec![2]));
    assert_eq!(ask(&four, "d", b"beta").await, Ok(vec![1]));
    let missing = ask(&one, "d", b"gamma").await;
    assert!(matches!(
        missing,
        Err(Failure::Guest(ActrError::NotFound(_)))
    ));
    match ask(&one, "d", b"delta").await {
        Err(Failure::Guest(ActrError::DependencyNotFound(payload))) => {
            assert_eq!(payload.service_name, "delta");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_actor_that_is_busy_holds_up_no_other() {
    let mut bench = Bench::new();
    let (one, two) = (bench.actor(1).await, bench.actor(2).await);
    one.hold(true);
    let waiting = two.begin(entry("c", &to(1, b'e', b"late")));
    let third = bench.actor(3).await;
    assert_eq!(ask(&third, "e", b"now").await, Ok(b"now".to_vec()));
    one.hold(false);
    assert_eq!(timely(waiting.outcome()).await, Ok(b"late".to_vec()));
    let call = two.begin(entry("c", &to(1, b'e', b"")));
    timely(call.outcome()).await.expect("answered");
    one.hold(true);
    let lost = two.begin(entry("c", &to(1, b'e', b"")));
    while one.queued() == 0 {
        tokio::task::yield_now().await;
    }
    lost.canceller().cancel();
    assert_eq!(timely(lost.outcome()).await, Err(Refusal::Cancelled.into()));
}
