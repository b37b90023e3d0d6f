//! Accumulators and plans.
//!
//! The plugin's state is a text: agg-new is `N`; an update appends `U`; a merge appends `M`. Evaluate fails with the state
//! as its message, so a test reads the whole history of a state.

use arrow::array::{ArrayRef, BinaryArray, Int64Array, LargeBinaryArray};
use arrow::datatypes::DataType;
use reference_host::uni::{CallError, Plan, UniHost, columns};

use super::guests::{DATA, ECHO, Guest, aggregate_entry};
use super::{args, array, loaded, stream};

const APPEND: &str = "
    (func $append (param $s i32) (param $l i32) (param $c i32) (result i32)
      (memory.copy (i32.const 40000) (local.get $s) (local.get $l))
      (i32.store8 (i32.add (i32.const 40000) (local.get $l)) (local.get $c))
      (call $ok (i32.const 40000) (i32.add (local.get $l) (i32.const 1))))";

fn history() -> Guest {
    let (mut guest, new) = Guest::of(
        &[
            aggregate_entry("a.b.g", &["int64"], "int64"),
            aggregate_entry("a.b.n", &[], "int64"),
        ]
        .join(","),
    )
    .answering(b"N");
    guest.core = APPEND.into();
    guest.aggregate([
        &new,
        "(call $append (local.get $a) (local.get $al) (i32.const 85))",
        "(call $append (local.get $a) (local.get $al) (i32.const 77))",
        "(call $err (i32.const 256) (local.get $a) (local.get $al) (i32.const 0))",
    ])
}

fn ints(n: usize) -> ArrayRef {
    array(Int64Array::from_iter_values(0..n as i64))
}

fn message(result: Result<ArrayRef, CallError>) -> String {
    match result {
        Err(CallError::Plugin(e)) => e.message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn accumulators() {
    let host = loaded(&history()).await;
    let mut one = host.accumulator("a.b.g").await.expect("opens");
    let mut two = host.accumulator("a.b.n").await.expect("opens");
    one.update(&args(vec![ints(3)])).await.expect("updates");
    two.update(&columns(vec![], 3).expect("batch"))
        .await
        .expect("updates without arguments");
    one.update(&args(vec![ints(0)]))
        .await
        .expect("updates without rows");
    two.merge(&[]).await.expect("merges nothing");
    one.merge(&vec![Some(b"\0\xff".to_vec()); 1000])
        .await
        .expect("merges");
    assert_eq!((one.state(), two.state()), (&b"NUUM"[..], &b"NUM"[..]));
    assert_eq!(message(one.evaluate().await), "NUUM");
    assert_eq!(message(one.evaluate().await), "NUUM");

    for bad in [
        args(vec![array(LargeBinaryArray::from(vec![&b"x"[..]]))]),
        args(vec![]),
    ] {
        assert!(matches!(
            one.update(&bad).await,
            Err(CallError::Arguments { .. })
        ));
    }
    let wide = array(LargeBinaryArray::from(vec![&b"x"[..]]));
    assert!(matches!(
        one.merge_column(&wide).await,
        Err(CallError::Arguments { .. })
    ));
    assert_eq!(
        one.merge(&[Some(vec![]), None])
            .await
            .expect_err("null")
            .code(),
        3
    );
    assert_eq!(one.state(), b"NUUM");
    host.unload("a.b");
    one.update(&args(vec![ints(3)])).await.expect("still there");
    assert_eq!(host.accumulator("a.b.g").await.expect_err("gone").code(), 1);
}

#[tokio::test]
async fn an_error_keeps_the_state() {
    let (guest, new) =
        Guest::of(&aggregate_entry("a.b.g", &[], "int64")).answering(b"\0\xff state");
    let host = loaded(&guest.aggregate([&new, "unreachable", "unreachable", "unreachable"])).await;
    let mut one = host.accumulator("a.b.g").await.expect("opens");
    assert!(matches!(
        one.update(&args(vec![])).await,
        Err(CallError::Trap { .. })
    ));
    assert!(matches!(one.merge(&[]).await, Err(CallError::Trap { .. })));
    assert_eq!(one.state(), b"\0\xff state");
}

#[tokio::test]
async fn the_merge_column_is_what_the_contract_says() {
    // The new state is the merge's input stream.
    let (guest, new) = Guest::of(&aggregate_entry("a.b.g", &[], "int64")).answering(b"");
    let host = loaded(&guest.aggregate([
        &new,
        ECHO,
        "(call $ok (local.get $b) (local.get $bl))",
        ECHO,
    ]))
    .await;
    let mut one = host.accumulator("a.b.g").await.expect("opens");
    assert_eq!(one.state(), b"");
    one.merge(&[Some(b"x".to_vec()), Some(vec![])])
        .await
        .expect("merges");
    let mut reader = arrow::ipc::reader::StreamReader::try_new(one.state(), None).expect("stream");
    let batch = reader.next().expect("batch").expect("good");
    assert!(reader.next().is_none());
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Binary);
    assert_eq!(
        batch.column(0),
        &array(BinaryArray::from(vec![&b"x"[..], b""]))
    );
}

#[tokio::test]
async fn evaluate_is_one_value_of_the_declared_type() {
    for (bytes, good) in [
        (stream(&[args(vec![ints(1)])]), true),
        (
            stream(&[args(vec![array(Int64Array::from(vec![None::<i64>]))])]),
            true,
        ),
        (stream(&[args(vec![ints(0)])]), false),
        (stream(&[args(vec![ints(2)])]), false),
        (stream(&[args(vec![ints(1), ints(1)])]), false),
        (stream(&[args(vec![ints(1)]), args(vec![ints(1)])]), false),
        (
            stream(&[args(vec![array(BinaryArray::from(vec![&b""[..]]))])]),
            false,
        ),
    ] {
        let (guest, answer) = Guest::of(&aggregate_entry("a.b.g", &[], "int64")).answering(&bytes);
        let host = loaded(&guest.aggregate([&answer, ECHO, ECHO, &answer])).await;
        let value = host
            .accumulator("a.b.g")
            .await
            .expect("opens")
            .evaluate()
            .await;
        assert_eq!(value.is_ok(), good, "{value:?}");
    }
}

async fn run(host: &UniHost, change: impl FnOnce(&mut Plan)) -> Vec<(u32, String)> {
    let mut plan = Plan {
        arguments: args(vec![ints(10)]),
        groups: Vec::new(),
        batch_rows: 0,
        partitions: 0,
        reverse: false,
        merge_width: 0,
    };
    change(&mut plan);
    let results = host.aggregate("a.b.g", &plan).await.expect("runs");
    results
        .into_iter()
        .map(|(group, value)| (group, message(value)))
        .collect()
}

#[tokio::test]
async fn plans() {
    let host = loaded(&history()).await;
    let one = |text: &str| vec![(0, text.to_owned())];
    assert_eq!(run(&host, |_| {}).await, one("NU"));
    assert_eq!(run(&host, |p| p.batch_rows = 3).await, one("NUUUU"));
    assert_eq!(run(&host, |p| p.partitions = 3).await, one("NM"));
    assert_eq!(
        run(&host, |p| (p.partitions, p.merge_width) = (4, 1)).await,
        one("NMMMM")
    );
    assert_eq!(
        run(&host, |p| (p.partitions, p.merge_width) = (4, 3)).await,
        one("NMM")
    );
    assert_eq!(
        run(&host, |p| p.arguments = args(vec![ints(0)])).await,
        one("N")
    );
    let groups = run(&host, |p| {
        (p.groups, p.batch_rows) = (vec![7, 3, 7, 3, 7, 3, 7, 3, 7, 7], 5)
    })
    .await;
    assert_eq!(groups, [(3, "NUU".to_owned()), (7, "NUU".to_owned())]);
    let mut plan = Plan {
        arguments: args(vec![ints(2)]),
        groups: vec![0],
        batch_rows: 0,
        partitions: 0,
        reverse: false,
        merge_width: 0,
    };
    assert!(matches!(
        host.aggregate("a.b.g", &plan).await,
        Err(CallError::Arguments { .. })
    ));
    plan.groups.clear();
    plan.partitions = u32::MAX;
    assert!(matches!(
        host.aggregate("a.b.g", &plan).await,
        Err(CallError::Arguments { .. })
    ));
}

#[tokio::test]
async fn partial_states_are_merged_in_the_order_of_the_plan() {
    // A state is the values the accumulator was updated with, as a stream; a merge's state is its input.
    let (guest, new) = Guest::of(&aggregate_entry("a.b.g", &["int64"], "int64")).answering(b"N");
    let guest = guest.aggregate([
        &new,
        "(call $ok (local.get $b) (local.get $bl))",
        "(call $ok (local.get $b) (local.get $bl))",
        "(call $err (i32.const 256) (i32.const 0) (i32.const 0) (i32.const 0))",
    ]);
    let host = loaded(&guest).await;
    let mut one = host.accumulator("a.b.g").await.expect("opens");
    let partial = |v: i64| stream(&[args(vec![array(Int64Array::from(vec![v]))])]);
    one.merge(&[Some(partial(2)), Some(partial(1))])
        .await
        .expect("merges");
    let first = one
        .state()
        .windows(8)
        .position(|w| w == 2_i64.to_le_bytes());
    let second = one
        .state()
        .windows(8)
        .rposition(|w| w == 1_i64.to_le_bytes());
    assert!(first.is_some() && first < second, "DATA at {DATA}");
}
