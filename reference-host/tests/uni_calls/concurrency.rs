//! Many calls at once.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::Int64Array;
use reference_host::uni::{Limits, block_on};

use super::guests::{ECHO, Guest, scalar_entry};
use super::{args, array, grants, host_with, is_limit, loaded};

#[test]
fn right_answers_from_many_threads() {
    let guest = Guest::of(&scalar_entry("a.b.f", &["int64"], "int64", "")).scalar(ECHO);
    let host = Arc::new(block_on(loaded(&guest)).expect("runtime"));
    let threads: Vec<_> = (0..8_i64)
        .map(|thread| {
            let host = host.clone();
            std::thread::spawn(move || {
                for call in 0..100 {
                    let column = array(Int64Array::from(vec![thread, call]));
                    let answer = block_on(host.invoke_scalar("a.b.f", &args(vec![column.clone()])));
                    assert_eq!(&answer.expect("runtime").expect("answers"), &column);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().expect("thread"));
}

#[tokio::test]
async fn calls_beyond_the_instances_wait_and_then_give_up() {
    let entries = [
        scalar_entry("a.b.bad", &[], "int64", ""),
        scalar_entry("a.b.trap", &[], "int64", ""),
    ]
    .join(",");
    let body = "(if (i32.eq (local.get $ql) (i32.const 7)) (then (loop br 0))) unreachable";
    let host = host_with(Limits {
        instances: 2,
        call_time: Duration::from_millis(100),
        ..Limits::default()
    });
    host.load(&Guest::of(&entries).scalar(body).build(), &grants())
        .await
        .expect("loads");
    let none = args(vec![]);
    let calls =
        futures::future::join_all((0..8).map(|_| host.invoke_scalar("a.b.bad", &none))).await;
    let texts: Vec<_> = calls.into_iter().map(is_limit).collect();
    assert!(
        texts.iter().any(|t| t.contains("longer than 100 ms")),
        "{texts:?}"
    );
    assert!(
        texts.iter().any(|t| t.contains("no instance became free")),
        "{texts:?}"
    );
    // Slots come back after errors, and after calls that were dropped half way.
    for _ in 0..20 {
        let call = host.invoke_scalar("a.b.bad", &none);
        tokio::time::timeout(Duration::from_millis(1), call)
            .await
            .expect_err("dropped");
    }
    for _ in 0..100 {
        assert_eq!(
            host.invoke_scalar("a.b.trap", &none)
                .await
                .expect_err("traps")
                .code(),
            6
        );
    }
}
