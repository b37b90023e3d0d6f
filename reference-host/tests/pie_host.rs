//! The host of `pie:inferlet` with real guests: the wiring of each import, limits, and the ends of instances.

mod pie_guest;

use std::time::{Duration, Instant};

use pie_guest::{Client, core_inferlet, echo, inferlet};
use reference_host::pie::store::{Backing, Isolation, StoreConfig};
use reference_host::pie::{
    Config, ControlError, Event, InstanceId, Launch, LaunchError, Limits, ModelConfig, Outcome,
    PieHost, Program,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct Bench {
    host: PieHost,
    events: UnboundedSender<Event>,
    client: Client,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            models: vec![ModelConfig::deterministic("tiny")],
            ..Config::default()
        };
        change(&mut config);
        let (events, receiver) = unbounded_channel();
        Self {
            host: PieHost::new(config).expect("a host"),
            events,
            client: Client::new(receiver),
        }
    }

    fn launch(&self, component: &[u8]) -> InstanceId {
        let launch = Launch::new(self.events.clone());
        self.host.launch_bytes(component, launch).expect("launched")
    }

    async fn run(&mut self, component: &[u8]) -> (Vec<String>, Outcome) {
        let id = self.launch(component);
        self.client.all(id).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_both_ways_and_the_end_is_last() {
    let mut bench = Bench::new();
    let id = bench.launch(&echo());
    for text in ["hello", "é\0", ""] {
        bench.host.client_send(id, text).expect("sent");
    }
    let (messages, outcome) = bench.client.all(id).await;
    assert_eq!(messages, ["hello", "é\0", ""]);
    assert_eq!(outcome, Outcome::Finished);
    let error = bench
        .host
        .client_send(id, "late")
        .expect_err("it has ended");
    assert_eq!(error, ControlError::NoInstance(id));
    assert_eq!(bench.host.running(), 0);
}

#[tokio::test]
async fn the_guest_knows_its_id_and_arguments() {
    let mut bench = Bench::new();
    let guest = inferlet(
        "(call $get-instance-id (i32.const 36)) (call $send-text)
         (call $get-arguments (i32.const 48))
         (local.set $a (i32.load (i32.const 48)))
         (loop $each
           (if (i32.load (i32.const 52)) (then
             (call $send (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))
             (local.set $a (i32.add (local.get $a) (i32.const 8)))
             (i32.store (i32.const 52) (i32.sub (i32.load (i32.const 52)) (i32.const 1)))
             (br $each))))
         i32.const 0",
        &[],
        "",
    );
    let arguments = ["a", "-x", "a", "", "b c", "ü"].map(str::to_owned).to_vec();
    let launch = Launch {
        arguments: arguments.clone(),
        ..Launch::new(bench.events.clone())
    };
    let id = bench.host.launch_bytes(&guest, launch).expect("launched");
    let (messages, _) = bench.client.all(id).await;
    assert_eq!(messages[0], id.to_string());
    assert_eq!(messages[1..], arguments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_misbehaves_ends_only_itself() {
    let mut bench = Bench::new();
    let witness = bench.launch(&echo());
    let bodies = [
        "unreachable",
        "(call $deep) i32.const 0",
        "(call $send (i32.const -1) (i32.const 10)) i32.const 0",
        "(call $send (i32.const 100) (i32.const 2)) i32.const 0",
        "(call $drop-receive (i32.const 77)) i32.const 0",
        "(call $poll (i32.const 0) (i32.const 0) (i32.const 32)) i32.const 0",
        "(call $set-priority (call $receive) (i32.const 0)) i32.const 0",
        "i32.const -4",
        "(i32.store8 (i32.const 0) (i32.const 9)) i32.const 0",
    ];
    for body in bodies {
        let guest = inferlet(
            body,
            &[],
            "(func $deep (call $deep)) (data (i32.const 100) \"\\ff\\fe\")",
        );
        let (_, outcome) = bench.run(&guest).await;
        assert!(
            matches!(outcome, Outcome::Trapped(_)),
            "{body}: {outcome:?}"
        );
    }
    bench.host.client_send(witness, "").expect("alive");
    assert_eq!(bench.client.all(witness).await.1, Outcome::Finished);
}

#[tokio::test]
async fn run_can_fail_with_a_text() {
    let mut bench = Bench::new();
    let guest = inferlet(
        "(i32.store (i32.const 0) (i32.const 1))
         (i32.store (i32.const 4) (i32.const 100))
         (i32.store (i32.const 8) (i32.const 3))
         i32.const 0",
        &[(100, "no!")],
        "",
    );
    assert_eq!(bench.run(&guest).await.1, Outcome::Failed("no!".into()));
}

#[tokio::test]
async fn what_is_no_inferlet_is_refused() {
    let bench = Bench::new();
    let other_world = wat::parse_str(r#"(component (import "x" (func)))"#).expect("text");
    let no_export = wat::parse_str("(component)").expect("text");
    let mut cut = echo();
    cut.truncate(cut.len() / 2);
    for bytes in [&b"garbage"[..], b"", &other_world, &no_export, &cut] {
        let launch = Launch::new(bench.events.clone());
        let error = bench.host.launch_bytes(bytes, launch).expect_err("refused");
        assert!(matches!(error, LaunchError::Refused(_)), "{error}");
    }
    assert_eq!(bench.host.running(), 0);
}

#[tokio::test]
async fn results_and_pollables_may_be_dropped_in_any_order() {
    let mut bench = Bench::new();
    let guest = inferlet(
        "(local.set $a (call $receive))
         (local.set $b (call $receive-pollable (local.get $a)))
         (call $drop-receive (local.get $a))
         (call $block (local.get $b))
         (call $drop-pollable (local.get $b))
         (call $next) (call $send-text)
         i32.const 0",
        &[],
        "",
    );
    let id = bench.launch(&guest);
    bench.host.client_send(id, "kept").expect("sent");
    assert_eq!(bench.client.all(id).await.0, ["kept"]);
}

#[tokio::test]
async fn poll_returns_every_ready_index() {
    let mut bench = Bench::new();
    // Pollables at 200: the pending receive, the subscription with a message, again the subscription.
    let guest = inferlet(
        "(local.set $a (call $subscribe (i32.const 100) (i32.const 1)))
         (call $broadcast (i32.const 100) (i32.const 1) (i32.const 101) (i32.const 1))
         (i32.store (i32.const 200) (call $receive-pollable (call $receive)))
         (i32.store (i32.const 204) (call $subscription-pollable (local.get $a)))
         (i32.store (i32.const 208) (i32.load (i32.const 204)))
         (call $poll (i32.const 200) (i32.const 3) (i32.const 32))
         (if (i32.ne (i32.load (i32.const 36)) (i32.const 2)) (then unreachable))
         (local.set $b (i32.load (i32.const 32)))
         (if (i32.ne (i32.load (local.get $b)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load offset=4 (local.get $b)) (i32.const 2)) (then unreachable))
         (call $subscription-get (local.get $a) (i32.const 32)) (call $send-text)
         (if (call $ready (i32.load (i32.const 204))) (then unreachable))
         (call $drop-subscription (local.get $a))
         (if (i32.eqz (call $ready (i32.load (i32.const 204)))) (then unreachable))
         i32.const 0",
        &[(100, "tm")],
        "",
    );
    let (messages, outcome) = bench.run(&guest).await;
    assert_eq!((messages, outcome), (vec!["m".into()], Outcome::Finished));
}

/// Asks the model `ping`, drops model and queue, waits for the synchronize, sends the answer and `F` or `T`.
fn asker() -> Vec<u8> {
    inferlet(
        "(call $get-model (i32.const 100) (i32.const 4) (i32.const 32))
         (if (i32.ne (i32.load8_u (i32.const 32)) (i32.const 1)) (then unreachable))
         (local.set $a (call $create-queue (i32.load (i32.const 36))))
         (call $drop-model (i32.load (i32.const 36)))
         (call $set-priority (local.get $a) (i32.const 2))
         (local.set $b (call $ask (local.get $a) (i32.const 110) (i32.const 4)))
         (local.set $c (call $synchronize (local.get $a)))
         (call $drop-queue (local.get $a))
         (call $block (call $sync-pollable (local.get $c)))
         (call $answer (local.get $b) (i32.const 32)) (call $send-text)
         (call $sync-get (local.get $c) (i32.const 32))
         (call $send (i32.add (i32.const 120) (i32.load8_u (i32.const 33))) (i32.load8_u (i32.const 32)))
         i32.const 0",
        &[(100, "tiny"), (110, "ping"), (120, "FT")],
        "",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_reach_the_model_and_its_controls() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&asker()).await.0, ["pong", "T"]);
    bench.host.fail_next("tiny", 1).expect("a model");
    let (messages, _) = bench.run(&asker()).await;
    assert_eq!(messages, ["error: the command was made to fail", "F"]);
    bench.host.hold("tiny").expect("a model");
    let (held, ended) = (bench.launch(&asker()), bench.launch(&asker()));
    while bench.host.pending("tiny").expect("a model") < 2 {
        tokio::task::yield_now().await;
    }
    bench.host.terminate(ended, "enough").expect("it runs");
    let outcome = bench.client.all(ended).await.1;
    assert_eq!(outcome, Outcome::Terminated("enough".into()));
    bench.host.release("tiny", 1).expect("a model");
    assert_eq!(bench.client.all(held).await.0, ["pong", "T"]);
    assert_eq!(bench.host.pending("tiny"), Ok(0));
    let served = bench.host.served("tiny").expect("a model");
    assert_eq!(served.len(), 3);
    assert!(served[1].failed && !served[2].failed);
    assert!(matches!(
        bench.host.hold("no"),
        Err(ControlError::NoModel(_))
    ));
}

fn setter() -> Vec<u8> {
    inferlet(
        "(call $store-set (i32.const 100) (i32.const 1) (i32.const 101) (i32.const 1)) i32.const 0",
        &[(100, "kv")],
        "",
    )
}

fn getter() -> Vec<u8> {
    inferlet(
        "(call $store-get (i32.const 100) (i32.const 1) (i32.const 32))
         (if (i32.load8_u (i32.const 32)) (then (call $send-text)))
         i32.const 0",
        &[(100, "k")],
        "",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_survives_instances_and_restarts_and_is_isolated_as_configured() {
    let directory = tempfile::tempdir().expect("directory");
    let file = Backing::File(directory.path().join("store.redb"));
    for (backing, isolation, visible) in [
        (Backing::Memory, Isolation::Shared, true),
        (Backing::Temporary, Isolation::Shared, true),
        (file, Isolation::Shared, true),
        (Backing::Memory, Isolation::PerUser, true),
        (Backing::Memory, Isolation::PerProgram, false),
    ] {
        let mut bench = Bench::with(|config| config.store = StoreConfig { backing, isolation });
        bench.run(&setter()).await;
        assert_eq!(!bench.run(&getter()).await.0.is_empty(), visible);
        let waiting = bench.launch(&echo());
        bench.host = bench.host.restart().await.expect("restarted");
        let outcome = bench.client.all(waiting).await.1;
        assert_eq!(outcome, Outcome::Terminated("the host restarts".into()));
        assert_eq!(!bench.run(&getter()).await.0.is_empty(), visible);
        let launch = Launch {
            user: "somebody else".into(),
            ..Launch::new(bench.events.clone())
        };
        let id = bench
            .host
            .launch_bytes(&getter(), launch)
            .expect("launched");
        let seen = !bench.client.all(id).await.0.is_empty();
        assert_eq!(seen, visible && isolation == Isolation::Shared);
    }
}

const SPIN: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn a_spinning_guest_holds_nobody_up_and_is_stopped() {
    let mut bench = Bench::with(|config| config.limits.compute = Duration::from_millis(300));
    let (spin, echo) = (inferlet(SPIN, &[], ""), echo());
    for guest in [&spin, &echo] {
        Program::compile(guest).expect("an inferlet");
    }
    let start = Instant::now();
    let spinning = bench.launch(&spin);
    let other = bench.launch(&echo);
    bench.host.client_send(other, "").expect("sent");
    // One thread runs everything here.
    assert_eq!(bench.client.all(other).await.1, Outcome::Finished);
    assert!(
        start.elapsed() < Duration::from_millis(300),
        "served meanwhile"
    );
    let outcome = bench.client.all(spinning).await.1;
    assert!(
        matches!(&outcome, Outcome::Terminated(text) if text.contains("compute limit")),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminate_ends_the_waiting_and_the_spinning() {
    let mut bench = Bench::new();
    for guest in [
        echo(),
        inferlet(SPIN, &[], ""),
        inferlet(&format!("(call $next) {SPIN}"), &[], ""),
    ] {
        let id = bench.launch(&guest);
        let _ = bench.host.client_send(id, "go");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let start = Instant::now();
        bench.host.terminate(id, "asked to").expect("it runs");
        let outcome = bench.client.all(id).await.1;
        assert_eq!(outcome, Outcome::Terminated("asked to".into()));
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn every_limit_is_a_clean_end() {
    let mut bench = Bench::with(|config| {
        config.limits = Limits {
            memory_bytes: 1 << 20,
            table_elements: 100,
            instances: 2,
            message_bytes: 100,
            key_bytes: 100,
            value_bytes: 100,
            query_bytes: 100,
            argument_bytes: 100,
            handles: 50,
            ..Limits::default()
        };
    });
    let too_long = [
        ("message", "(call $send (i32.const 100) (i32.const 101))"),
        (
            "topic",
            "(drop (call $subscribe (i32.const 100) (i32.const 101)))",
        ),
        (
            "message",
            "(call $broadcast (i32.const 100) (i32.const 1) (i32.const 100) (i32.const 101))",
        ),
        (
            "key",
            "(call $store-get (i32.const 100) (i32.const 101) (i32.const 32))",
        ),
        (
            "value",
            "(call $store-set (i32.const 100) (i32.const 1) (i32.const 100) (i32.const 101))",
        ),
        (
            "query",
            "(drop (call $debug-query (i32.const 100) (i32.const 101)))",
        ),
        (
            "handles",
            "(loop $again (drop (call $receive)) (br $again))",
        ),
    ];
    for (what, body) in too_long {
        let guest = inferlet(&format!("{body} i32.const 0"), &[], "");
        let outcome = bench.run(&guest).await.1;
        assert!(
            matches!(&outcome, Outcome::Terminated(text) if text.contains(what)),
            "{what}: {outcome:?}"
        );
    }
    let grow = inferlet(
        "(if (i32.ne (memory.grow (i32.const 15)) (i32.const 1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
         i32.const 0",
        &[],
        "",
    );
    assert_eq!(bench.run(&grow).await.1, Outcome::Finished);
    let refused = [
        r#"(module (memory (export "memory") 17) (func (export "pie:inferlet/run#run") (result i32) i32.const 0)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#,
        r#"(module (memory (export "memory") 1) (table 101 funcref) (func (export "pie:inferlet/run#run") (result i32) i32.const 0)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#,
    ];
    for text in refused {
        let launch = Launch::new(bench.events.clone());
        let error = bench.host.launch_bytes(&core_inferlet(text), launch);
        assert!(matches!(error, Err(LaunchError::Limit(_))), "{error:?}");
    }
    let launch = Launch {
        arguments: vec!["x".repeat(101)],
        ..Launch::new(bench.events.clone())
    };
    let error = bench.host.launch_bytes(&echo(), launch);
    assert!(matches!(error, Err(LaunchError::Limit(_))), "{error:?}");
    let (one, two) = (bench.launch(&echo()), bench.launch(&echo()));
    let launch = Launch::new(bench.events.clone());
    let error = bench.host.launch_bytes(&echo(), launch);
    assert!(matches!(error, Err(LaunchError::Limit(_))), "{error:?}");
    assert!(matches!(
        bench.host.client_send(one, &"x".repeat(101)),
        Err(ControlError::Limit(_))
    ));
    bench.host.terminate(one, "").expect("it runs");
    bench.client.all(one).await;
    bench.launch(&echo());
    bench.host.terminate(two, "").expect("it runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_holds_back_only_itself() {
    let mut bench = Bench::with(|config| config.limits.outbox_messages = 1000);
    let flood = inferlet(
        "(call $next)
         (local.set $a (i32.const 3000))
         (loop $again
           (call $send (i32.const 100) (i32.const 1))
           (local.set $a (i32.sub (local.get $a) (i32.const 1)))
           (br_if $again (local.get $a)))
         i32.const 0",
        &[(100, "x")],
        "",
    );
    let (slow, fast) = (bench.launch(&flood), bench.launch(&flood));
    bench.host.client_pause(slow).expect("it runs");
    bench.host.client_send(slow, "go").expect("sent");
    bench.host.client_send(fast, "go").expect("sent");
    assert_eq!(bench.client.all(fast).await.0.len(), 3000);
    assert_eq!(bench.host.running(), 1, "its guest waits for its client");
    bench.host.client_resume(slow).expect("it runs");
    assert_eq!(bench.client.all(slow).await.0.len(), 3000);
    let paused = bench.launch(&echo());
    bench.host.client_pause(paused).expect("it runs");
    bench.host.client_send(paused, "").expect("sent");
    while bench.host.running() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.client.try_next(), None, "the client does not read");
    bench.host.client_resume(paused).expect("not read yet");
    assert_eq!(
        bench.client.all(paused).await,
        (vec![String::new()], Outcome::Finished)
    );
    assert!(bench.host.client_resume(paused).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_leaves_no_instance() {
    let mut bench = Bench::new();
    let ids: Vec<_> = (0..20).map(|_| bench.launch(&echo())).collect();
    bench.host.shutdown().await.expect("flushed");
    assert_eq!(bench.host.running(), 0);
    for id in ids {
        assert!(matches!(
            bench.client.all(id).await.1,
            Outcome::Terminated(_)
        ));
    }
    let launch = Launch::new(bench.events.clone());
    let program = Program::compile(&echo()).expect("an inferlet");
    assert_eq!(
        bench.host.launch(&program, launch),
        Err(LaunchError::Closed)
    );
    let mut bench = Bench::new();
    let id = bench.launch(&echo());
    drop(bench.host);
    assert!(matches!(
        bench.client.all(id).await.1,
        Outcome::Terminated(_)
    ));
}
