//! The host of `akshi:runtime` with real guests: gates, runs, restarts, mailboxes, limits, and the ends of agents.

mod akshi_guest;

use std::sync::Arc;
use std::time::{Duration, Instant};

use akshi_guest::{agent, core_agent};
use reference_host::akshi::{
    AgentConfig, AgentId, AkshiHost, Capability, Config, ConfigEntry, ConfigError, ControlError,
    DataDirectory, DirectoryError, Event, Function, Level, Limits, LoadError, Outcome, Plan,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

struct Bench {
    host: AkshiHost,
    events: UnboundedReceiver<Event>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::on(DataDirectory::Temporary, limits)
    }

    fn on(data: DataDirectory, limits: Limits) -> Self {
        let (sink, events) = unbounded_channel();
        let config = Config {
            data,
            sync: false,
            limits,
        };
        let host = AkshiHost::new(config, Arc::new(sink)).expect("a host");
        Self { host, events }
    }

    fn load(&self, guest: &[u8], config: AgentConfig) -> AgentId {
        let program = self.host.compile(guest).expect("a program");
        self.host.load(&program, config).expect("loaded")
    }

    async fn tick(&mut self, agent: AgentId) -> (Vec<String>, Outcome) {
        let outcome = in_time(self.host.tick(agent)).await.expect("ran");
        (self.messages(), outcome)
    }

    /// Loads, runs, unloads: what it logged, and how it ended.
    async fn run(&mut self, guest: &[u8], config: AgentConfig) -> (Vec<String>, Outcome) {
        let agent = self.load(guest, config);
        let ran = self.tick(agent).await;
        self.host.stop(agent).await.expect("stopped");
        assert!(matches!(self.next().await, Event::Ended { .. }));
        ran
    }

    async fn said(&mut self, guest: &str, config: AgentConfig) -> Vec<String> {
        let (said, outcome) = self.run(&agent(guest), config).await;
        assert_eq!(outcome, Outcome::Finished, "{said:?}");
        said
    }

    /// The messages that were logged, up to now.
    fn messages(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Log(record) => messages.push(record.message),
                other => panic!("a record, not {other:?}"),
            }
        }
        messages
    }

    async fn next(&mut self) -> Event {
        in_time(self.events.recv()).await.expect("the host lives")
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

fn named(name: &str) -> AgentConfig {
    AgentConfig {
        name: name.into(),
        ..AgentConfig::default()
    }
}

fn granted(name: &str) -> AgentConfig {
    AgentConfig {
        capabilities: Capability::ALL.into(),
        ..named(name)
    }
}

const OK: &str = "(i32.const 0)";

#[tokio::test]
async fn nothing_is_granted_by_default_and_nothing_is_made() {
    let mut bench = Bench::new();
    let guest = format!(
        "(call $db-query `SELECT 1` (i32.const 32)) (call $say)
         (call $db-execute `CREATE TABLE t (a)` (i32.const 32)) (call $say-count)
         (call $journal-append `x` (i32.const 32)) (call $say-err)
         (call $journal-read (i64.const 0) (i32.const 32)) (call $say)
         (call $config-get `k` (i32.const 32)) (call $say)
         (call $config-set `k` `v` (i32.const 32)) (call $say-err)
         (call $a2a-send `a` `m` (i32.const 32)) (call $say)
         (call $a2a-receive (i32.const 32)) (call $say)
         (call $sleep-ms (i64.const 0) (i32.const 32)) (call $say-err)
         {OK}"
    );
    let id = bench.load(&agent(&guest), named("a"));
    let (said, outcome) = bench.tick(id).await;
    assert_eq!(outcome, Outcome::Finished);
    let denied: Vec<String> = ["database", "journal", "config", "a2a"]
        .into_iter()
        .flat_map(|name| {
            let text = format!("denied: the capability `{name}` is not granted");
            ["err".to_owned(), text.clone(), "err".to_owned(), text]
        })
        .chain([String::new()])
        .collect();
    assert_eq!(said, denied);
    let audit = bench.host.audit(id).expect("known");
    let functions: Vec<_> = audit.iter().map(|entry| entry.function).collect();
    let called = [
        Function::DbQuery,
        Function::DbExecute,
        Function::JournalAppend,
        Function::JournalRead,
        Function::ConfigGet,
        Function::ConfigSet,
        Function::A2aSend,
        Function::A2aReceive,
    ];
    assert_eq!(functions, called);
    assert!(
        audit
            .iter()
            .all(|entry| !entry.allowed && entry.reason.contains("not granted"))
    );
    assert_eq!(audit[4].target, "k");
    assert_eq!(bench.host.data_files(id), Ok(Vec::new()));
}

#[tokio::test]
async fn what_is_granted_works_and_stays_with_its_agent() {
    let mut bench = Bench::new();
    let guest = format!(
        "(call $db-execute `CREATE TABLE t (a)` (i32.const 32)) (call $say-count)
         (call $db-execute `INSERT INTO t VALUES (1), (NULL)` (i32.const 32)) (call $say-count)
         (call $db-query `SELECT a FROM t` (i32.const 32)) (call $say)
         (call $journal-append `entry` (i32.const 32)) (call $say-err)
         (call $journal-read (i64.const 1) (i32.const 32)) (call $say)
         (call $config-set `k` `v` (i32.const 32)) (call $say-err)
         (call $config-get `k` (i32.const 32)) (call $say)
         (call $config-get `given` (i32.const 32)) (call $say)
         {OK}"
    );
    let config = |name: &str| AgentConfig {
        config: vec![ConfigEntry {
            key: "given".into(),
            value: format!("to {name}"),
            protected: false,
        }],
        ..granted(name)
    };
    for name in ["a", "b"] {
        let id = bench.load(&agent(&guest), config(name));
        let (said, outcome) = bench.tick(id).await;
        let given = format!("to {name}");
        let expected = [
            "0",
            "2",
            r#"[{"a":1},{"a":null}]"#,
            "",
            "[]",
            "",
            "v",
            &given,
        ];
        assert_eq!(
            (said, outcome),
            (expected.map(str::to_owned).into(), Outcome::Finished)
        );
        bench.host.stop(id).await.expect("stopped");
        let files = bench.host.data_files(id).expect("known");
        assert_eq!(files, ["config.db", "database.db", "journal.db"]);
        assert!(
            bench
                .host
                .audit(id)
                .expect("known")
                .iter()
                .all(|entry| entry.allowed)
        );
        assert!(matches!(bench.next().await, Event::Ended { .. }));
    }
}

#[tokio::test]
async fn a_revoked_capability_is_gone_at_the_next_call() {
    let mut bench = Bench::new();
    let guest = format!("(call $journal-append `x` (i32.const 32)) (call $say-err) {OK}");
    let id = bench.load(&agent(&guest), granted("a"));
    assert_eq!(bench.tick(id).await.0, [""]);
    assert_eq!(bench.host.revoke(id, Capability::Journal), Ok(true));
    assert_eq!(bench.host.revoke(id, Capability::Journal), Ok(false));
    let denied = "denied: the capability `journal` is not granted";
    assert_eq!(bench.tick(id).await.0, ["err", denied]);
}

#[tokio::test]
async fn an_approval_is_waited_for_and_taken_or_not() {
    let mut bench = Bench::with(|limits| limits.approval = Duration::from_millis(200));
    let guest = format!("(call $config-set `k` `v` (i32.const 32)) (call $say-err) {OK}");
    let config = AgentConfig {
        approvals: [Function::ConfigSet].into(),
        ..granted("a")
    };
    let id = bench.load(&agent(&guest), config);
    assert_eq!(
        bench.host.decide(id, true),
        Err(ControlError::NothingToDecide(id))
    );
    for (decision, expected) in [
        (Some(true), &[""][..]),
        (Some(false), &["err", "denied: approval_denied"]),
        (None, &["err", "denied: approval_timeout"]),
    ] {
        let Bench { host, events } = &mut bench;
        let decide = async {
            let asked = Event::Approval {
                agent: id,
                function: Function::ConfigSet,
                target: "k".into(),
            };
            assert_eq!(in_time(events.recv()).await, Some(asked));
            if let Some(approve) = decision {
                host.decide(id, approve).expect("it waits");
            }
        };
        let (outcome, ()) = tokio::join!(in_time(host.tick(id)), decide);
        assert_eq!(outcome, Ok(Outcome::Finished));
        assert_eq!(bench.messages(), expected);
    }
    let allowed: Vec<_> = bench
        .host
        .audit(id)
        .expect("known")
        .iter()
        .map(|it| it.allowed)
        .collect();
    assert_eq!(allowed, [true, false, false]);
}

#[tokio::test]
async fn a_trap_in_a_transaction_leaves_nothing_but_the_journal() {
    let mut bench = Bench::new();
    let first = "(call $db-execute `CREATE TABLE t (a)` (i32.const 32))
         (call $db-execute `BEGIN IMMEDIATE` (i32.const 32))
         (call $db-execute `INSERT INTO t VALUES (1)` (i32.const 32)) (call $say-count)
         (call $journal-append `before the trap` (i32.const 32))
         unreachable";
    let (said, outcome) = bench.run(&agent(first), granted("a")).await;
    assert_eq!(said, ["1"]);
    assert!(matches!(outcome, Outcome::Trapped(_)));
    let second = format!(
        "(call $db-query `SELECT a FROM t` (i32.const 32)) (call $say)
         (call $db-execute `INSERT INTO t VALUES (2)` (i32.const 32)) (call $say-count)
         (call $journal-read (i64.const 0) (i32.const 32)) (call $say)
         {OK}"
    );
    let said = bench.said(&second, granted("a")).await;
    assert_eq!(said[..2], ["[]", "1"]);
    assert!(said[2].contains("before the trap"));
}

#[tokio::test]
async fn memory_is_kept_between_runs_and_fresh_after_a_trap() {
    let mut bench = Bench::new();
    // Traps in every third run of an instance.
    let guest = agent(
        "(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
         (if (i32.eq (global.get $runs) (i32.const 3)) (then unreachable))
         (i32.store8 (i32.const 96) (i32.add (i32.const 48) (global.get $runs)))
         (call $tell (i32.const 96) (i32.const 1))
         (i32.const 0)",
    );
    let id = bench.load(&guest, named("a"));
    for _ in 0..2 {
        assert_eq!(bench.tick(id).await, (vec!["1".into()], Outcome::Finished));
        assert_eq!(bench.tick(id).await, (vec!["2".into()], Outcome::Finished));
        let (said, outcome) = bench.tick(id).await;
        assert!(said.is_empty() && matches!(outcome, Outcome::Trapped(_)));
    }
}

#[tokio::test]
async fn a_plan_restarts_after_traps_until_they_are_too_many() {
    let mut bench = Bench::new();
    let plan = Plan {
        interval: Duration::from_millis(1),
        ticks: 0,
        max_restarts: 2,
        backoff: Duration::from_millis(20),
    };
    let id = bench.load(&agent("unreachable"), named("a"));
    let begun = Instant::now();
    bench.host.supervise(id, plan.clone()).await.expect("begun");
    for _ in 0..3 {
        let event = bench.next().await;
        assert!(
            matches!(
                event,
                Event::Ticked {
                    outcome: Outcome::Trapped(_),
                    ..
                }
            ),
            "{event:?}"
        );
    }
    let event = bench.next().await;
    assert!(
        matches!(
            event,
            Event::Ended {
                outcome: Outcome::Trapped(_),
                ..
            }
        ),
        "{event:?}"
    );
    assert!(begun.elapsed() >= 2 * plan.backoff);
    assert_eq!(bench.host.tick(id).await, Err(ControlError::NoAgent(id)));

    let failing = agent("(i32.store8 (i32.const 32) (i32.const 1)) (i32.const 32)");
    let id = bench.load(&failing, named("a"));
    let plan = Plan {
        ticks: 3,
        max_restarts: 0,
        ..plan
    };
    bench.host.supervise(id, plan).await.expect("begun");
    for _ in 0..3 {
        let outcome = Outcome::Failed(String::new());
        assert_eq!(bench.next().await, Event::Ticked { agent: id, outcome });
    }
    let outcome = Outcome::Failed(String::new());
    assert_eq!(bench.next().await, Event::Ended { agent: id, outcome });
    assert_eq!(bench.host.agents(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_computes_too_long_traps_and_others_live() {
    let mut bench = Bench::with(|limits| limits.tick = Duration::from_millis(100));
    let spinner = bench.load(
        &agent("(loop $again (br $again)) unreachable"),
        named("spinner"),
    );
    // A hundred short turns of computing between waits add up; waiting itself does not.
    let sleeper = agent(&format!(
        "(call $sleep-ms (i64.const 300) (i32.const 32)) (call $say-err) {OK}"
    ));
    let sleeper = bench.load(&sleeper, named("sleeper"));
    let (spun, slept) = tokio::join!(
        in_time(bench.host.tick(spinner)),
        in_time(bench.host.tick(sleeper))
    );
    let limit = "limit reached: the run computed for more than 100 ms";
    assert_eq!(spun, Ok(Outcome::Trapped(limit.into())));
    assert_eq!(slept, Ok(Outcome::Finished));
    assert_eq!(bench.messages(), [""]);
    // Each run has its own time.
    let nap = agent(&format!(
        "(call $sleep-ms (i64.const 1) (i32.const 32)) {OK}"
    ));
    let nap = bench.load(&nap, named("nap"));
    for _ in 0..20 {
        assert_eq!(bench.tick(nap).await.1, Outcome::Finished);
    }
}

#[tokio::test]
async fn computing_between_waits_adds_up() {
    let mut bench = Bench::with(|limits| limits.tick = Duration::from_millis(100));
    let guest = agent(
        "(local $i i32)
         (loop $for-ever
           (local.set $i (i32.const 0))
           (loop $compute
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $compute (i32.lt_u (local.get $i) (i32.const 10000000))))
           (call $sleep-ms (i64.const 1) (i32.const 32))
           (br $for-ever))
         unreachable",
    );
    let (_, outcome) = bench.run(&guest, named("a")).await;
    assert!(matches!(outcome, Outcome::Trapped(text) if text.starts_with("limit reached")));
}

#[tokio::test]
async fn a_sleep_or_statement_ends_when_the_agent_is_stopped() {
    let mut bench = Bench::with(|limits| limits.db_time = Duration::from_secs(600));
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    for wait in [
        "(call $sleep-ms (i64.const 59000) (i32.const 32))".to_owned(),
        format!("(call $db-query `{endless}` (i32.const 32))"),
        "(loop $again (br $again))".to_owned(),
    ] {
        let guest = agent(&format!("(call $tell `here`) {wait} (i32.const 0)"));
        let id = bench.load(&guest, granted("a"));
        let plan = Plan {
            interval: Duration::ZERO,
            ticks: 0,
            max_restarts: 0,
            backoff: Duration::ZERO,
        };
        bench.host.supervise(id, plan).await.expect("begun");
        assert!(matches!(bench.next().await, Event::Log(_)));
        in_time(bench.host.stop(id)).await.expect("stopped");
        let outcome = Outcome::Terminated("stopped".into());
        let ticked = Event::Ticked {
            agent: id,
            outcome: outcome.clone(),
        };
        assert_eq!(bench.next().await, ticked);
        assert_eq!(bench.next().await, Event::Ended { agent: id, outcome });
    }
}

#[tokio::test]
async fn bounds_of_sleep_and_random_bytes() {
    let mut bench = Bench::with(|limits| {
        limits.sleep = Duration::from_millis(100);
        limits.random_bytes = 32;
    });
    let guest = format!(
        "(call $sleep-ms (i64.const -1) (i32.const 32)) (call $say-err)
         (call $sleep-ms (i64.const 101) (i32.const 32)) (call $say-err)
         (call $sleep-ms (i64.const 60) (i32.const 32)) (call $say-err)
         (call $random-bytes (i32.const -1) (i32.const 32)) (call $say)
         (call $random-bytes (i32.const 33) (i32.const 32)) (call $say)
         (call $random-bytes (i32.const 0) (i32.const 32)) (call $say-err)
         (call $random-bytes (i32.const 32) (i32.const 32)) (call $say-err)
         (if (i32.ne (i32.load (i32.const 40)) (i32.const 32)) (then unreachable))
         {OK}"
    );
    let begun = Instant::now();
    let said = bench.said(&guest, named("a")).await;
    assert!(begun.elapsed() >= Duration::from_millis(60));
    let expected = [
        "err",
        "limit reached: 18446744073709551615 ms of sleep, allowed are 100",
        "err",
        "limit reached: 101 ms of sleep, allowed are 100",
        "",
        "err",
        "limit reached: 4294967295 random bytes, allowed are 32",
        "err",
        "limit reached: 33 random bytes, allowed are 32",
        "",
        "",
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn memory_and_tables_do_not_grow_beyond_their_limits() {
    let mut bench = Bench::with(|limits| {
        limits.memory_bytes = 3 << 16;
        limits.table_elements = 40;
    });
    let guest = "(if (i32.ne (memory.grow (i32.const 2)) (i32.const 1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
         (if (i32.ne (table.grow (ref.null func) (i32.const 40)) (i32.const -1)) (then unreachable))
         (i32.const 0)";
    assert_eq!(bench.said(guest, named("a")).await, Vec::<String>::new());
    let large = core_agent(
        r#"(module (memory (export "memory") 4)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
          (func (export "run") (result i32) i32.const 0))"#,
    );
    let program = bench.host.compile(&large).expect("a program");
    let refused = bench.host.load(&program, named("a"));
    assert!(matches!(refused, Err(LoadError::Limit(_))), "{refused:?}");
}

#[tokio::test]
async fn messages_reach_their_target_also_after_a_restart() {
    let mut bench = Bench::new();
    let send = format!(
        "(call $a2a-send `b` `hello` (i32.const 32)) (call $say)
         (call $a2a-send `nobody` `hello` (i32.const 32)) (call $say)
         {OK}"
    );
    let receive = format!("(call $a2a-receive (i32.const 32)) (call $say) {OK}");
    let b = bench.load(&agent(&receive), granted("b"));
    assert_eq!(bench.tick(b).await.0, ["null"]);
    let said = bench.said(&send, granted("a")).await;
    assert!(said[0].starts_with(r#"{"id":""#), "{said:?}");
    assert_eq!(said[1..], ["err", "there is no agent \"nobody\""]);
    assert_eq!(bench.said(&receive, granted("c")).await, ["null"]);
    let Bench { host, mut events } = bench;
    let host = host.restart().await.expect("restarted");
    assert!(matches!(events.try_recv(), Ok(Event::Ended { .. })));
    let mut bench = Bench { host, events };
    // It waits for an agent of that name, whatever program it runs.
    let deaf = bench.load(&agent(&receive), named("b"));
    let said = bench.said(&send, granted("a")).await;
    assert_eq!(said[..2], ["err", "the agent \"b\" takes no messages"]);
    bench.host.stop(deaf).await.expect("stopped");
    assert!(matches!(bench.next().await, Event::Ended { .. }));
    let said = bench.said(&receive, granted("b")).await;
    let message: serde_json::Value = serde_json::from_str(&said[0]).expect("JSON");
    assert_eq!(
        (&message["from"], &message["payload"]),
        (&"a".into(), &"hello".into())
    );
    assert_eq!(bench.said(&receive, granted("b")).await, ["null"]);
}

#[tokio::test]
async fn data_outlives_the_process_and_belongs_to_one_runtime() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = DataDirectory::Path(directory.path().join("akshi"));
    let guest = format!(
        "(call $journal-append `x` (i32.const 32))
         (call $db-execute `CREATE TABLE IF NOT EXISTS t (a)` (i32.const 32))
         (call $db-execute `INSERT INTO t VALUES (1)` (i32.const 32))
         (call $db-query `SELECT count(*) AS n FROM t` (i32.const 32)) (call $say)
         {OK}"
    );
    for run in 1..=3 {
        let mut bench = Bench::on(data.clone(), Limits::default());
        let second = Config {
            data: data.clone(),
            ..Config::default()
        };
        let (sink, _events) = unbounded_channel();
        let refused = AkshiHost::new(second, Arc::new(sink));
        assert!(matches!(
            refused,
            Err(ConfigError::Directory(DirectoryError::Locked(_)))
        ));
        let said = bench.said(&guest, granted("a")).await;
        assert_eq!(said, [format!(r#"[{{"n":{run}}}]"#)]);
        bench.host.shutdown().await;
    }
}

#[tokio::test]
async fn agents_are_refused_for_what_is_wrong_with_them() {
    let bench = Bench::with(|limits| limits.agents = 2);
    let program = bench.host.compile(&agent(OK)).expect("a program");
    for name in ["", "-a", "A", "a/b", "..", "a b", &"a".repeat(65)] {
        let refused = bench.host.load(&program, named(name));
        assert!(
            matches!(refused, Err(LoadError::Config(_))),
            "{name}: {refused:?}"
        );
    }
    let a = bench.host.load(&program, named("a")).expect("loaded");
    let refused = bench.host.load(&program, named("a"));
    assert_eq!(refused, Err(LoadError::Name("a".into())));
    bench.host.load(&program, named("b")).expect("loaded");
    let refused = bench.host.load(&program, named("c"));
    assert!(matches!(refused, Err(LoadError::Limit(_))), "{refused:?}");
    bench.host.stop(a).await.expect("stopped");
    assert_eq!(bench.host.stop(a).await, Err(ControlError::NoAgent(a)));
    bench
        .host
        .load(&program, named("a"))
        .expect("there is room again");
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"(component)"] {
        let refused = bench.host.compile(bytes);
        assert!(matches!(refused, Err(LoadError::Refused(_))), "{refused:?}");
    }
    let other = wat::parse_str("(component)").expect("text");
    let refused = bench.host.compile(&other);
    assert!(matches!(refused, Err(LoadError::Refused(_))), "{refused:?}");
    bench.host.shutdown().await;
    assert_eq!(
        bench.host.load(&program, named("d")),
        Err(LoadError::Closed)
    );
}

#[tokio::test]
async fn records_below_the_threshold_are_not_made() {
    let mut bench = Bench::new();
    let guest = format!(
        "(call $log `debug` `hidden` (i32.const 32)) (call $say-err)
         (call $log `WARN` `shown` (i32.const 32)) (call $say-err)
         (call $log `loud` `what` (i32.const 32)) (call $say-err)
         {OK}"
    );
    let config = AgentConfig {
        log_level: Level::Info,
        ..named("a")
    };
    let said = bench.said(&guest, config).await;
    assert_eq!(said[..4], ["", "shown", "", "err"]);
    assert!(said[4].contains("loud"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_shot_runs_once_and_ends() {
    let mut bench = Bench::new();
    let guest = agent(&format!("(call $tell `once`) {OK}"));
    let program = bench.host.compile(&guest).expect("a program");
    let mut ids = Vec::new();
    for number in 0..64 {
        let config = named(&format!("agent-{number}"));
        ids.push(bench.host.launch(&program, config).expect("launched"));
    }
    let (mut said, mut ended) = (0, Vec::new());
    while ended.len() < 64 {
        match bench.next().await {
            Event::Log(record) => said += usize::from(record.message == "once"),
            Event::Ended { agent, outcome } => {
                assert_eq!(outcome, Outcome::Finished);
                ended.push(agent);
            }
            other => panic!("{other:?}"),
        }
    }
    ids.sort();
    ended.sort();
    assert_eq!((said, ended), (64, ids));
    bench.host.shutdown().await;
    assert_eq!(bench.host.agents(), 0);
}
