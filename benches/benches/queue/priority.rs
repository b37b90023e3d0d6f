//! A question of high priority while others of low priority flood the same model.

use std::sync::Arc;
use std::time::Duration;

use benches::inferlet::repeat;
use benches::times::{Record, Times};
use reference_host::pie::{Launch, Program};
use tokio::sync::mpsc;

use crate::host::{Bench, Task, pairs, program};

/// Instances that flood the model, each with so many questions in its queue at all times.
const FLOOD: usize = 64;
const OUTSTANDING: usize = 16;

/// Time the backend spends on a command.
const WORK: Duration = Duration::from_micros(20);

/// Commands at the backend at once.
const CAPACITY: u32 = 4;

/// Timed questions.
const CALLS: usize = 2_000;

/// Asks on a queue of this priority, again and again.
fn asker(priority: u32) -> Program {
    program(&format!(
        "(local.set $a (call $queue)) (call $set-priority (local.get $a) (i32.const {priority})) {} {}",
        repeat(
            100,
            "(call $ask-and-wait (local.get $a)) (call $forget-answer)"
        ),
        repeat(
            CALLS,
            "(call $mark) (call $ask-and-wait (local.get $a)) (call $mark) (call $forget-answer)"
        ),
    ))
}

/// Keeps its queue of low priority full for ever.
fn flooder() -> Program {
    let ask = "(i32.store offset=8192 (local.get $b) (call $ask (local.get $a) (i32.const 112) (i32.const 4)))
               (local.set $b (i32.add (local.get $b) (i32.const 4)))";
    let read = "(local.set $b (i32.sub (local.get $b) (i32.const 4)))
                (call $drop-answer (i32.load offset=8192 (local.get $b)))";
    program(&format!(
        "(local.set $a (call $queue)) (call $set-priority (local.get $a) (i32.const 0))
         (loop $for-ever {} (call $wait (local.get $a)) (call $forget-wait) {} (br $for-ever))",
        repeat(OUTSTANDING, ask),
        repeat(OUTSTANDING, read),
    ))
}

pub(crate) fn measure(bench: &Bench, records: &mut Vec<Record>) {
    let [quiet, high, normal] =
        [(2, 0), (2, FLOOD), (1, FLOOD)].map(|(priority, flood)| asked(bench, priority, flood));
    let group = "queue, under a flood of low priority";
    let note = format!(
        "the backend takes {} us a command, {CAPACITY} at a time in line; {FLOOD} instances keep {OUTSTANDING} commands each in their queues",
        WORK.as_micros()
    );
    records.push(Record::times(group, "high, without the flood", &quiet));
    for (name, times) in [("high", high), ("normal", normal)] {
        records.push(
            Record::times(group, name, &times)
                .above(&quiet)
                .note(note.clone()),
        );
    }
}

fn asked(bench: &Bench, priority: u32, flood: usize) -> Times {
    let host = bench.host(Task::new(bench, WORK), CAPACITY);
    let (asker, flooder) = (asker(priority), flooder());
    bench.run(async move {
        let host = Arc::new(host);
        let (events, _client) = mpsc::unbounded_channel();
        for _ in 0..flood {
            let launched = host.host.launch(&flooder, Launch::new(events.clone()));
            launched.expect("launched");
        }
        // The flood is there when its first thousand commands wait.
        while (host.host.pending(crate::host::MODEL).expect("a model") as usize)
            < flood * OUTSTANDING / 2
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let readings = host.once(&asker).await;
        host.host.shutdown().await.expect("nothing to write");
        Times::from_nanos(pairs(&readings))
    })
}
