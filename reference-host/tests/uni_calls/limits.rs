//! Every limit is a clean error, and the next call is fine.

use std::time::{Duration, Instant};

use arrow::array::Int64Array;
use reference_host::uni::{CallError, Limits};

use super::guests::{ECHO, Guest, scalar_entry};
use super::{args, array, grants, host_with, is_limit, loaded};

fn guest(manifest: &str, body: &str) -> Guest {
    let entries = [
        scalar_entry("a.b.bad", &[], "int64", ""),
        scalar_entry("a.b.f", &["int64"], "int64", ""),
    ]
    .join(",");
    let body = format!(
        "(if (result i32) (i32.eq (local.get $ql) (i32.const 7)) (then {body}) (else {ECHO}))"
    );
    let mut guest = Guest::of(&entries).scalar(&body);
    guest.manifest = format!(r#"{{"id":"a.b","version":"1.0.0"{manifest}}}"#);
    guest
}

const SPIN: &str = "(loop br 0) unreachable";

async fn check(host: &reference_host::uni::UniHost) -> String {
    let text = is_limit(host.invoke_scalar("a.b.bad", &args(vec![])).await);
    fine(host).await;
    text
}

async fn fine(host: &reference_host::uni::UniHost) {
    host.invoke_scalar("a.b.f", &args(vec![array(Int64Array::from(vec![1]))]))
        .await
        .expect("the next call is fine");
}

#[tokio::test]
async fn time() {
    for manifest in [
        r#","timeout_ms":60"#,
        r#","capabilities":[{"kind":"wall-clock-millis-per-call","value":60}]"#,
    ] {
        let host = loaded(&guest(manifest, SPIN)).await;
        let start = Instant::now();
        assert!(check(&host).await.contains("longer than 60 ms"));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    // The manifest does not raise the ceiling.
    let host = host_with(Limits {
        call_time: Duration::from_millis(60),
        ..Limits::default()
    });
    host.load(&guest(r#","timeout_ms":60000"#, SPIN).build(), &grants())
        .await
        .expect("loads");
    assert!(check(&host).await.contains("longer than 60 ms"));
}

#[tokio::test]
async fn fuel() {
    let host = loaded(&guest(r#","fuel_per_call":100000"#, SPIN)).await;
    for _ in 0..3 {
        assert!(check(&host).await.contains("fuel of 100000"));
    }
    let tight = guest(r#","fuel_per_call":1"#, SPIN);
    is_limit(
        super::host()
            .load(&tight.build(), &grants())
            .await
            .map_err(|e| match e {
                reference_host::uni::LoadError::Call(e) => e,
                other => panic!("{other:?}"),
            }),
    );
}

#[tokio::test]
async fn memory() {
    // Grows until it fails; the code is the number of pages then.
    let grow = "(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 1)))))
        (call $err (memory.size) (i32.const 0) (i32.const 0) (i32.const 0))";
    for (manifest, pages) in [
        (r#","memory_max_pages":20"#, 20),
        (
            r#","capabilities":[{"kind":"memory-bytes","value":655360}]"#,
            10,
        ),
        (r#","memory_max_pages":99999"#, 32),
    ] {
        let host = host_with(Limits {
            memory_bytes: 32 * 65_536,
            ..Limits::default()
        });
        host.load(&guest(manifest, grow).build(), &grants())
            .await
            .expect("loads");
        let error = host
            .invoke_scalar("a.b.bad", &args(vec![]))
            .await
            .expect_err("counts");
        assert!(
            matches!(error, CallError::Plugin(_)) && error.code() == pages,
            "{error:?}"
        );
        // An input that does not fit is a trap of the plugin's realloc.
        let big = args(vec![array(Int64Array::from(vec![0; 1 << 20]))]);
        assert!(matches!(
            host.invoke_scalar("a.b.f", &big).await,
            Err(CallError::Trap { .. })
        ));
        fine(&host).await;
    }
    let mut guest = guest(r#","memory_max_pages":3"#, grow);
    guest.pages = 4;
    let error = super::host()
        .load(&guest.build(), &grants())
        .await
        .expect_err("does not fit");
    assert!(
        error.to_string().contains("cannot be instantiated"),
        "{error}"
    );
}

#[tokio::test]
async fn tables() {
    let mut guest = guest(
        "",
        "(call $err (table.grow $t (ref.null func) (i32.const 100)) (i32.const 0) (i32.const 0) (i32.const 0))",
    );
    guest.core = "(table $t 10 funcref)".into();
    for (most, code) in [(109, u32::MAX), (110, 10)] {
        let host = host_with(Limits {
            table_elements: most,
            ..Limits::default()
        });
        host.load(&guest.build(), &grants()).await.expect("loads");
        assert_eq!(
            host.invoke_scalar("a.b.bad", &args(vec![]))
                .await
                .expect_err("grows")
                .code(),
            code
        );
    }
}

#[tokio::test]
async fn payload() {
    let mut big = guest("", "(call $ok (i32.const 0) (i32.const 3000000))");
    big.pages = 50;
    let mut message = guest(
        "",
        "(call $err (i32.const 256) (i32.const 0) (i32.const 3000000) (i32.const 0))",
    );
    message.pages = 50;
    for guest in [big, message] {
        let host = host_with(Limits {
            payload_bytes: 2_999_999,
            ..Limits::default()
        });
        host.load(&guest.build(), &grants()).await.expect("loads");
        assert!(check(&host).await.contains("2999999 bytes"));
        let host = host_with(Limits {
            payload_bytes: 3_000_000,
            ..Limits::default()
        });
        host.load(&guest.build(), &grants()).await.expect("loads");
        let error = host
            .invoke_scalar("a.b.bad", &args(vec![]))
            .await
            .expect_err("no stream");
        assert!(!matches!(error, CallError::Limit { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn json() {
    let host = host_with(Limits {
        json_bytes: 40,
        ..Limits::default()
    });
    let error = host
        .load(&guest("", SPIN).build(), &grants())
        .await
        .expect_err("too long");
    assert!(
        error.to_string().contains("bytes of JSON, more than 40"),
        "{error}"
    );
}
