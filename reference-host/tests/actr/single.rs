//! One actor: its lifecycle, context, traps, and entries that are given up.

use reference_host::actr::{
    ActrError, ActrId, Answer, Bridge, BridgeError, DependencyNotFoundPayload, Entry, Failure,
    Hook, LoadError, Node, Operation, Pending, Refusal,
};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

use super::guest::{Start, build, id, workload};
use super::{Bench, ask, entry, timely};

#[tokio::test]
async fn lifecycle_goes_in_order_and_once() {
    let mut bench = Bench::new();
    let actor = bench.load(workload(), 1).await;
    assert_eq!(
        ask(&actor, "e", b"x").await,
        Err(Refusal::NotStarted.into())
    );
    assert_eq!(
        actor.enter(Entry::Ready).await,
        Err(Refusal::NotStarted.into())
    );
    actor
        .enter(Entry::Hook(Hook::SignalingConnected))
        .await
        .expect("hooks may come before the start");
    bench.hears(1, "on-signaling-connected").await;
    bench.start(&actor).await;
    assert_eq!(
        actor.enter(Entry::Start).await,
        Err(Refusal::StartedBefore.into())
    );
    assert_eq!(ask(&actor, "e", b"").await, Ok(Vec::new()));
    assert_eq!(ask(&actor, "i", b"").await, Ok(b"request-i".to_vec()));
    assert_eq!(ask(&actor, "f", b"").await, Ok(vec![0]));
    assert_eq!(ask(&actor, "n", b"").await, Ok(vec![1]));
    assert_eq!(ask(&actor, "n", b"").await, Ok(vec![2]));
    actor.hold(true);
    let waiting = actor.begin(entry("n", b""));
    assert_eq!(actor.queued(), 1);
    timely(actor.enter(Entry::Stop)).await.expect("it stops");
    bench.hears(1, "on-stop").await;
    assert_eq!(
        waiting.outcome().await,
        Ok(vec![3]),
        "what waited came before"
    );
    assert_eq!(ask(&actor, "n", b"").await, Err(Refusal::Ended.into()));
    assert_eq!(actor.enter(Entry::Stop).await, Err(Refusal::Ended.into()));
    assert!(bench.is_silent());
    bench.actor(1).await;
}

#[tokio::test]
async fn a_start_that_fails_ends_the_actor() {
    let bench = Bench::new();
    let actor = bench.load(&build(Start::Err, ""), 1).await;
    let denied = ActrError::PermissionDenied("on-start".into());
    assert_eq!(actor.enter(Entry::Start).await, Err(Failure::Guest(denied)));
    assert_eq!(ask(&actor, "e", b"").await, Err(Refusal::Ended.into()));
    let actor = bench.load(&build(Start::Trap, ""), 1).await;
    assert!(matches!(
        actor.enter(Entry::Start).await,
        Err(Failure::Trapped(_))
    ));
    assert!(actor.is_ended());
}

#[tokio::test]
async fn every_error_of_the_guest_comes_out_as_it_is() {
    let mut bench = Bench::new();
    let actor = bench.actor(1).await;
    let text = || "x\u{1f980}".to_owned();
    let errors = [
        ActrError::Unavailable(text()),
        ActrError::TimedOut,
        ActrError::NotFound(text()),
        ActrError::PermissionDenied(text()),
        ActrError::InvalidArgument(text()),
        ActrError::UnknownRoute(text()),
        ActrError::DependencyNotFound(DependencyNotFoundPayload {
            service_name: text(),
            message: text(),
        }),
        ActrError::DecodeFailure(text()),
        ActrError::NotImplemented(text()),
        ActrError::Internal(text()),
    ];
    for (case, error) in (0..).zip(errors) {
        let outcome = ask(&actor, &text(), &[case]).await;
        assert_eq!(outcome, Err(Failure::Guest(error)));
    }
    let outcome = ask(&actor, &text(), &[10]).await;
    assert!(
        matches!(outcome, Err(Failure::Trapped(_))),
        "there is no such case"
    );
}

#[tokio::test]
async fn a_trap_costs_the_instance_and_nothing_else() {
    let mut bench = Bench::new();
    let (actor, other) = (bench.actor(1).await, bench.actor(2).await);
    for actor in [&actor, &other] {
        assert_eq!(ask(actor, "n", b"").await, Ok(vec![1]));
    }
    ask(&actor, "r", b"s").await.expect("registered");
    assert!(matches!(
        ask(&actor, "t", b"").await,
        Err(Failure::Trapped(_))
    ));
    assert!(bench.is_silent());
    assert_eq!(ask(&actor, "n", b"").await, Ok(vec![1]), "a fresh instance");
    bench.hears(1, "on-start").await;
    assert_eq!(ask(&other, "n", b"").await, Ok(vec![2]));
    assert!(bench.is_silent(), "the other was not touched");
    ask(&actor, "w", &super::to(1, 2, b"sgone"))
        .await
        .expect("sent");
    assert_eq!(ask(&actor, "e", b"").await, Ok(Vec::new()));
    assert!(bench.is_silent(), "the stream went with the instance");
}

#[tokio::test]
async fn components_that_are_no_workload_are_refused() {
    let bench = Bench::new();
    let refused = async |bytes: &[u8]| match bench.node.load(bytes, bench.config(1)).await {
        Err(LoadError::Refused(_)) => true,
        other => panic!("{other:?}"),
    };
    for bytes in [
        &b""[..],
        b"\0asm\x01\0\0\0",
        b"(component)",
        b"\0asm\x0d\0\x01\0",
    ] {
        assert!(refused(bytes).await);
    }
    let starts = |body: &str| build(Start::Ok, &format!("(func $go {body}) (start $go)"));
    assert!(refused(&starts("unreachable")).await);
    bench.load(workload(), 1).await;
    let taken = bench.node.load(workload(), bench.config(1)).await;
    assert_eq!(taken.err(), Some(LoadError::Taken(id(1))));
}

/// A bridge that answers as often as it has permits.
struct Gate {
    open: Semaphore,
    seen: Mutex<Vec<Operation>>,
    reply: Result<Answer, BridgeError>,
}

impl Gate {
    fn new(open: usize, reply: Result<Answer, BridgeError>) -> Arc<Self> {
        let open = Semaphore::new(open);
        let seen = Mutex::default();
        Arc::new(Self { open, seen, reply })
    }

    async fn sees(&self, count: usize) {
        while self.seen.lock().expect("no panic").len() < count {
            tokio::task::yield_now().await;
        }
    }
}

impl Bridge for Gate {
    fn operate(
        &self,
        _origin: ActrId,
        operation: Operation,
    ) -> Pending<'_, Result<Answer, BridgeError>> {
        self.seen.lock().expect("no panic").push(operation);
        Box::pin(async {
            self.open.acquire().await.expect("not closed").forget();
            self.reply.clone()
        })
    }
}

#[tokio::test]
async fn entries_never_overlap_and_hooks_go_first() {
    let mut bench = Bench::new();
    let actor = bench.actor(1).await;
    let gate = Gate::new(0, Ok(Answer::Done));
    actor.set_bridge(gate.clone());
    let first = actor.begin(entry("h", b"r"));
    timely(gate.sees(1)).await;
    let second = actor.begin(entry("n", b""));
    let hook = actor.begin(Entry::Hook(Hook::SignalingConnected));
    assert_eq!(actor.queued(), 1);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(bench.is_silent(), "the hook waits for its turn");
    gate.open.add_permits(1);
    assert_eq!(timely(first.outcome()).await, Ok(Vec::new()));
    timely(hook.outcome()).await.expect("it has its turn");
    bench.hears(1, "on-signaling-connected").await;
    assert_eq!(timely(second.outcome()).await, Ok(vec![1]));
}

#[tokio::test]
async fn an_entry_can_be_given_up() {
    let mut bench = Bench::new();
    let actor = bench.actor(1).await;
    ask(&actor, "n", b"").await.expect("counts");
    let gate = Gate::new(0, Ok(Answer::Done));
    actor.set_bridge(gate.clone());
    let running = actor.begin(entry("h", b"r"));
    timely(gate.sees(1)).await;
    let (waiting, dropped, kept) = (
        actor.begin(entry("n", b"")),
        actor.begin(entry("n", b"")),
        actor.begin(entry("n", b"")),
    );
    drop(dropped);
    waiting.canceller().cancel();
    assert_eq!(
        timely(waiting.outcome()).await,
        Err(Refusal::Cancelled.into())
    );
    running.canceller().cancel();
    assert_eq!(
        timely(running.outcome()).await,
        Err(Refusal::Cancelled.into())
    );
    assert_eq!(
        timely(kept.outcome()).await,
        Ok(vec![1]),
        "on a fresh instance, the first to count"
    );
    bench.hears(1, "on-start").await;
    assert_eq!(ask(&actor, "i", b"").await, Ok(b"request-i".to_vec()));
}

#[tokio::test]
async fn a_bridge_answers_or_traps() {
    let mut bench = Bench::new();
    let actor = bench.actor(1).await;
    let answers = [
        (Ok(Answer::Bytes(b"reply".to_vec())), Ok(b"reply".to_vec())),
        (Ok(Answer::Done), Ok(Vec::new())),
        (
            Err(ActrError::TimedOut.into()),
            Err(Failure::Guest(ActrError::TimedOut)),
        ),
    ];
    for (answer, outcome) in answers {
        actor.set_bridge(Gate::new(9, answer));
        assert_eq!(ask(&actor, "h", b"r").await, outcome);
    }
    actor.set_bridge(Gate::new(9, Ok(Answer::Found(id(9)))));
    assert_eq!(ask(&actor, "d", b"beta").await, Ok(vec![9]));
    actor.set_bridge(Gate::new(9, Ok(Answer::Bytes(vec![1]))));
    let undecodable = ask(&actor, "d", b"beta").await;
    assert!(matches!(
        undecodable,
        Err(Failure::Guest(ActrError::DecodeFailure(_)))
    ));
    actor.set_bridge(Gate::new(9, Err(BridgeError::Trap("no".into()))));
    assert!(matches!(
        ask(&actor, "h", b"r").await,
        Err(Failure::Trapped(_))
    ));
}

#[tokio::test]
async fn actors_end_with_their_node() {
    let mut bench = Bench::new();
    let actor = bench.actor(1).await;
    let gate = Gate::new(0, Ok(Answer::Done));
    actor.set_bridge(gate.clone());
    let running = actor.begin(entry("h", b"r"));
    timely(gate.sees(1)).await;
    let node: Node = bench.node;
    drop(node);
    assert_eq!(timely(running.outcome()).await, Err(Refusal::Ended.into()));
    assert_eq!(ask(&actor, "e", b"").await, Err(Refusal::Ended.into()));
}
