//! Scalar calls: shapes, nulls, bad answers, errors, logging.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date64Array, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeBinaryArray, NullArray, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use reference_host::uni::{CallError, Config, Limits, UniHost, columns};

use super::guests::{DATA, ECHO, Guest, scalar_entry};
use super::{Lines, args, array, grants, host, loaded, stream};

fn echo(ty: &str, more: &str) -> Guest {
    Guest::of(&scalar_entry("a.b.f", &[ty], ty, more)).scalar(ECHO)
}

#[tokio::test]
async fn every_type_there_and_back() {
    let cases: Vec<(&str, ArrayRef)> = vec![
        ("int32", array(Int32Array::from(vec![1, -2]))),
        ("int64", array(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        (
            "float32",
            array(Float32Array::from(vec![-0.0, f32::from_bits(0x7fc0_1234)])),
        ),
        (
            "float64",
            array(Float64Array::from(vec![f64::INFINITY, -1.5])),
        ),
        ("boolean", array(BooleanArray::from(vec![true, false]))),
        ("utf8", array(StringArray::from(vec!["", "schön\0"]))),
        (
            "binary",
            array(BinaryArray::from(vec![&b""[..], b"\0\xff"])),
        ),
        (
            "largebinary",
            array(LargeBinaryArray::from(vec![&b""[..], b"\0\xff"])),
        ),
        (
            "cypher_value",
            array(LargeBinaryArray::from(vec![&b"1"[..], b"{}"])),
        ),
        ("date64", array(Date64Array::from(vec![0, 86_400_000]))),
        (
            "timestamp_ms",
            array(TimestampMillisecondArray::from(vec![0, 1])),
        ),
    ];
    for (ty, column) in cases {
        let host = loaded(&echo(ty, "")).await;
        let answer = host
            .invoke_scalar("a.b.f", &args(vec![column.clone()]))
            .await
            .expect(ty);
        assert_eq!(answer.to_data(), column.to_data(), "{ty}");
    }
}

#[tokio::test]
async fn rows_with_nulls_are_the_hosts_or_the_plugins() {
    let column = array(Int64Array::from(vec![Some(1), None, Some(3), None]));
    let host = loaded(&echo("int64", "")).await;
    let answer = host
        .invoke_scalar("a.b.f", &args(vec![column.clone()]))
        .await
        .expect("answers");
    assert_eq!(&answer, &column);

    // A plugin that always traps is not asked when every row has a null.
    let trap =
        Guest::of(&scalar_entry("a.b.f", &["int64", "utf8"], "int64", "")).scalar("unreachable");
    let host = loaded(&trap).await;
    let input = args(vec![
        array(Int64Array::from(vec![Some(1), None])),
        array(StringArray::from(vec![None, Some("x")])),
    ]);
    let answer = host.invoke_scalar("a.b.f", &input).await.expect("answers");
    assert_eq!((answer.len(), answer.null_count()), (2, 2));

    // One row is left: an answer of one row is scattered to its place.
    let (guest, body) = Guest::of(&scalar_entry("a.b.f", &["int64"], "int64", ""))
        .answering(&stream(&[args(vec![array(Int64Array::from(vec![7]))])]));
    let host = loaded(&guest.clone().scalar(&body)).await;
    let input = args(vec![array(Int64Array::from(vec![None, Some(1), None]))]);
    let answer = host.invoke_scalar("a.b.f", &input).await.expect("answers");
    assert_eq!(&answer, &array(Int64Array::from(vec![None, Some(7), None])));

    let mut guest = guest.scalar(&body);
    guest.register = format!(
        r#"{{"entries":[{}]}}"#,
        scalar_entry(
            "a.b.f",
            &["int64"],
            "int64",
            r#","null_handling":"user_handled""#
        )
    );
    let host = loaded(&guest).await;
    let error = host
        .invoke_scalar("a.b.f", &input)
        .await
        .expect_err("one row for three");
    assert!(error.to_string().contains("1 rows, expected 3"), "{error}");
}

#[tokio::test]
async fn no_rows_and_no_arguments() {
    let host =
        loaded(&Guest::of(&scalar_entry("a.b.f", &["int64"], "utf8", "")).scalar("unreachable"))
            .await;
    let none = array(Int64Array::from(Vec::<i64>::new()));
    assert_eq!(
        host.invoke_scalar("a.b.f", &args(vec![none]))
            .await
            .expect("no call")
            .len(),
        0
    );

    let (guest, body) = Guest::of(&scalar_entry("a.b.f", &[], "int64", ""))
        .answering(&stream(&[args(vec![array(Int64Array::from(vec![4, 5]))])]));
    let host = loaded(&guest.scalar(&body)).await;
    let answer = host
        .invoke_scalar("a.b.f", &columns(vec![], 2).expect("batch"))
        .await
        .expect("answers");
    assert_eq!(answer.len(), 2);
}

#[tokio::test]
async fn arguments_that_do_not_fit() {
    let host =
        loaded(&Guest::of(&scalar_entry("a.b.f", &["int64"], "int64", "")).scalar("unreachable"))
            .await;
    let one = array(Int64Array::from(vec![1]));
    let tagged = Field::new("x", one.data_type().clone(), true).with_metadata([(
        "ARROW:extension:name".to_owned(),
        "uni-db.secret-handle".to_owned(),
    )]);
    let secret = RecordBatch::try_new(Arc::new(Schema::new(vec![tagged])), vec![one.clone()])
        .expect("batch");
    for batch in [
        args(vec![]),
        args(vec![one.clone(), one.clone()]),
        args(vec![array(Int32Array::from(vec![1]))]),
        secret,
    ] {
        let error = host
            .invoke_scalar("a.b.f", &batch)
            .await
            .expect_err("refused");
        assert!(
            matches!(error, CallError::Arguments { .. }) && error.code() == 2,
            "{error}"
        );
    }
    let error = host
        .invoke_scalar("a.b.none", &args(vec![one.clone()]))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), 1);
    let nulls = host
        .invoke_scalar("a.b.f", &args(vec![array(NullArray::new(2))]))
        .await
        .expect("null");
    assert_eq!(nulls.null_count(), 2);
}

#[tokio::test]
async fn answers_that_break_the_contract() {
    let ints = |v: Vec<i64>| args(vec![array(Int64Array::from(v))]);
    let good = stream(&[ints(vec![1, 2])]);
    let mut trailing = good.clone();
    trailing.extend_from_slice(b"more");
    let mut none = stream(&[ints(vec![1]).slice(0, 0)]);
    none.clear();
    for (name, bytes) in [
        ("empty", none),
        ("file", b"ARROW1\0\0".to_vec()),
        ("garbage", vec![7; 100]),
        ("cut", good[..good.len() - 20].to_vec()),
        ("trailing", trailing),
        ("rows", stream(&[ints(vec![1])])),
        ("more rows", stream(&[ints(vec![1, 2, 3])])),
        ("no rows", stream(&[ints(vec![])])),
        ("two batches", stream(&[ints(vec![1, 2]), ints(vec![])])),
        (
            "three batches",
            stream(&[ints(vec![1, 2]), ints(vec![]), ints(vec![])]),
        ),
        (
            "two columns",
            stream(&[args(vec![
                array(Int64Array::from(vec![1, 2])),
                array(Int64Array::from(vec![1, 2])),
            ])]),
        ),
        ("no column", stream(&[columns(vec![], 2).expect("batch")])),
        (
            "another type",
            stream(&[args(vec![array(Float64Array::from(vec![1., 2.]))])]),
        ),
    ] {
        let (guest, body) =
            Guest::of(&scalar_entry("a.b.f", &["int64"], "int64", "")).answering(&bytes);
        let host = loaded(&guest.scalar(&body)).await;
        let error = host
            .invoke_scalar("a.b.f", &ints(vec![8, 9]))
            .await
            .expect_err(name);
        assert!(
            matches!(error, CallError::Answer { .. }),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_plugins_error_arrives_as_it_is() {
    for (code, message, retryable) in [
        (0x100_u32, "", true),
        (u32::MAX, "schön", false),
        (4, "mine", true),
    ] {
        let (mut guest, _) =
            Guest::of(&scalar_entry("a.b.f", &[], "int64", "")).answering(message.as_bytes());
        guest.scalar = Some(format!(
            "(call $err (i32.const {}) (i32.const {DATA}) (i32.const {}) (i32.const {}))",
            code as i32,
            message.len(),
            i32::from(retryable)
        ));
        let error = loaded(&guest)
            .await
            .invoke_scalar("a.b.f", &args(vec![]))
            .await
            .expect_err("fails");
        let CallError::Plugin(own) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (own.code, own.message.as_str(), own.retryable),
            (code, message, retryable)
        );
        assert!(!error.is_host_made() && error.code() == code && error.retryable() == retryable);
    }
}

#[tokio::test]
async fn traps_are_told_apart_and_leave_nothing_behind() {
    let bad = [
        "unreachable",
        "(call $ok (i32.const 0) (i32.const 0x7fffffff))",
        "(i32.store8 (i32.const 4096) (i32.const 255)) (call $err (i32.const 1) (i32.const 4096) (i32.const 1) (i32.const 0))",
        "(i32.store (i32.const 64) (i32.const 2)) (i32.const 64)",
        "(i32.const 0x7ffffff0)",
    ];
    let entries = [
        scalar_entry("a.b.bad", &[], "int64", ""),
        scalar_entry("a.b.f", &["int64"], "int64", ""),
    ]
    .join(",");
    for body in bad {
        // The names differ in length, which is how the plugin tells them apart.
        let body = format!(
            "(if (result i32) (i32.eq (local.get $ql) (i32.const 7)) (then {body}) (else {ECHO}))"
        );
        let host = loaded(&Guest::of(&entries).scalar(&body)).await;
        for _ in 0..3 {
            let error = host
                .invoke_scalar("a.b.bad", &args(vec![]))
                .await
                .expect_err("traps");
            assert!(
                matches!(error, CallError::Trap { .. }) && error.code() == 6,
                "{error:?}"
            );
            let input = args(vec![array(Int64Array::from(vec![5]))]);
            let answer = host.invoke_scalar("a.b.f", &input).await.expect("answers");
            assert_eq!(
                answer
                    .as_primitive::<arrow::datatypes::Int64Type>()
                    .value(0),
                5
            );
        }
    }
}

#[tokio::test]
async fn memory_is_fresh_for_every_call() {
    let body = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (call $err (i32.load (i32.const 8)) (i32.const 0) (i32.const 0) (i32.const 0))";
    let host = loaded(&Guest::of(&scalar_entry("a.b.f", &[], "int64", "")).scalar(body)).await;
    for _ in 0..3 {
        assert_eq!(
            host.invoke_scalar("a.b.f", &args(vec![]))
                .await
                .expect_err("counts")
                .code(),
            1
        );
    }
}

#[tokio::test]
async fn log_lines_arrive_as_they_are() {
    let text = "warnline\nwith \0 and schön";
    let (mut guest, _) =
        Guest::of(&scalar_entry("a.b.f", &[], "int64", "")).answering(text.as_bytes());
    guest.log = true;
    guest.scalar = Some(format!(
        "(call $log (i32.const {DATA}) (i32.const 4) (i32.const {}) (i32.const {})) unreachable",
        DATA + 4,
        text.len() - 4
    ));
    guest.manifest_body =
        format!("(call $log (i32.const {DATA}) (i32.const 0) (i32.const {DATA}) (i32.const 4))");
    let lines = Arc::new(Lines::default());
    let host = UniHost::new(Config {
        log: lines.clone(),
        ..Config::default()
    })
    .expect("host");
    host.load(&guest.build(), &grants()).await.expect("loads");
    host.invoke_scalar("a.b.f", &args(vec![]))
        .await
        .expect_err("traps");
    let lines = lines.0.lock().expect("lines").clone();
    let line =
        |p: Option<&str>, l: &str, m: &str| (p.map(str::to_owned), l.to_owned(), m.to_owned());
    assert_eq!(
        lines,
        [
            line(None, "", "warn"),
            line(Some("a.b"), "warn", &text[4..])
        ]
    );
}

#[tokio::test]
async fn long_log_lines() {
    let mut guest = Guest::of(&scalar_entry("a.b.f", &[], "int64", ""));
    guest.log = true;
    guest.pages = 40;
    let log = |len: usize| {
        format!("(call $log (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const {len}))")
    };
    guest.scalar = Some(format!("{} {} unreachable", log(1 << 20), log(2 << 20)));
    let lines = Arc::new(Lines::default());
    let limits = Limits {
        log_message_bytes: (1 << 20) + 5,
        ..Limits::default()
    };
    let host = UniHost::new(Config {
        log: lines.clone(),
        limits,
        ..Config::default()
    })
    .expect("host");
    host.load(&guest.build(), &grants()).await.expect("loads");
    host.invoke_scalar("a.b.f", &args(vec![]))
        .await
        .expect_err("traps");
    let lengths: Vec<_> = lines
        .0
        .lock()
        .expect("lines")
        .iter()
        .map(|(.., m)| m.len())
        .collect();
    assert_eq!(lengths, [1 << 20, (1 << 20) + 5]);
}

#[tokio::test]
async fn a_million_rows() {
    let column = array(Int64Array::from_iter_values(0..8_000_000));
    let host = loaded(&echo("int64", "")).await;
    let answer = host
        .invoke_scalar("a.b.f", &args(vec![column.clone()]))
        .await
        .expect("64 MB there and back");
    assert_eq!(&answer, &column);
}

#[test]
fn a_host_is_cheap() {
    drop(host());
    let start = std::time::Instant::now();
    for _ in 0..100 {
        drop(host());
    }
    assert!(start.elapsed().as_millis() < 100);
}
