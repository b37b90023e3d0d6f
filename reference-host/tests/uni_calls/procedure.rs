//! Procedure calls.

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, LargeBinaryArray, NullArray, StringArray,
};
use reference_host::uni::{CallError, Limits, columns};

use super::guests::{ECHO, Guest, procedure_entry};
use super::{args, array, grants, host_with, is_limit, loaded, stream};

fn ints(values: &[i64]) -> ArrayRef {
    array(Int64Array::from(values.to_vec()))
}

async fn answered(yields: &[&str], bytes: &[u8]) -> Result<Vec<usize>, CallError> {
    let (guest, body) = Guest::of(&procedure_entry("a.b.p", &[], yields, "read")).answering(bytes);
    let host = loaded(&guest.procedure(&body)).await;
    let batches = host.invoke_procedure("a.b.p", &args(vec![])).await?;
    Ok(batches.iter().map(|b| b.num_rows()).collect())
}

#[tokio::test]
async fn none_one_and_many_batches() {
    let batch = |v: &[i64]| args(vec![ints(v)]);
    let schema_only = {
        let mut writer =
            arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch(&[]).schema())
                .expect("writer");
        writer.finish().expect("stream");
        writer.into_inner().expect("stream")
    };
    assert_eq!(
        answered(&["int64"], &schema_only).await.expect("rows"),
        Vec::<usize>::new()
    );
    let many = stream(&[batch(&[1, 2]), batch(&[]), batch(&[3])]);
    assert_eq!(answered(&["int64"], &many).await.expect("rows"), [2, 0, 1]);
    assert_eq!(
        answered(&[], &stream(&[columns(vec![], 3).expect("batch")]))
            .await
            .expect("rows"),
        [3]
    );
    for (yields, bytes) in [
        (&["int64"][..], &b""[..]),
        (&["utf8"], &many),
        (&["int64", "int64"], &many),
        (&[], &many),
        (&["utf8"], &schema_only),
        (&["int64"], &many[..many.len() - 100]),
    ] {
        assert!(
            matches!(answered(yields, bytes).await, Err(CallError::Answer { .. })),
            "{yields:?}"
        );
    }
}

#[tokio::test]
async fn arguments() {
    let host = loaded(
        &Guest::of(&procedure_entry(
            "a.b.p",
            &["float64"],
            &["float64"],
            "read",
        ))
        .procedure(ECHO),
    )
    .await;
    let null = host
        .invoke_procedure("a.b.p", &args(vec![array(NullArray::new(1))]))
        .await
        .expect("answers");
    assert_eq!(null[0].column(0).null_count(), 1);
    for batch in [
        args(vec![ints(&[1])]),
        args(vec![]),
        args(vec![array(Float64Array::from(vec![1., 2.]))]),
        columns(vec![array(Float64Array::from(Vec::<f64>::new()))], 0).expect("batch"),
    ] {
        let error = host
            .invoke_procedure("a.b.p", &batch)
            .await
            .expect_err("refused");
        assert!(matches!(error, CallError::Arguments { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn cypher_values() {
    let guest = Guest::of(&procedure_entry(
        "a.b.p",
        &["cypher_value"],
        &["cypher_value"],
        "read",
    ))
    .procedure(ECHO);
    let host = loaded(&guest).await;
    let list =
        arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([Some(
            [Some(1), None],
        )]);
    for (column, text) in [
        (ints(&[5]), "5"),
        (array(StringArray::from(vec!["a\"b"])), r#""a\"b""#),
        (array(list), "[1,null]"),
        (
            array(LargeBinaryArray::from(vec![&b"\xff"[..]])),
            "\u{fffd}",
        ),
    ] {
        let answer = host
            .invoke_procedure("a.b.p", &args(vec![column]))
            .await
            .expect("answers");
        let value = answer[0].column(0).as_binary::<i64>().value(0).to_vec();
        assert_eq!(String::from_utf8_lossy(&value), text);
    }
}

#[tokio::test]
async fn overloads_by_arity() {
    let entries = [
        procedure_entry("a.b.p", &["int64"], &["int64"], "read"),
        procedure_entry("a.b.p", &["int64", "int64"], &["int64", "int64"], "read"),
    ]
    .join(",");
    let host = loaded(&Guest::of(&entries).procedure(ECHO)).await;
    for n in 1..=2 {
        let answer = host
            .invoke_procedure("a.b.p", &args(vec![ints(&[1]); n]))
            .await
            .expect("answers");
        assert_eq!(answer[0].num_columns(), n);
    }
}

#[tokio::test]
async fn more_rows_than_the_host_collects() {
    let (guest, body) =
        Guest::of(&procedure_entry("a.b.p", &[], &[], "read")).answering(&stream(&[
            columns(vec![], 3).expect("batch"),
            columns(vec![], 3).expect("batch"),
        ]));
    let component = guest.procedure(&body).build();
    for limits in [
        Limits {
            result_rows: 5,
            ..Limits::default()
        },
        Limits {
            result_batches: 1,
            ..Limits::default()
        },
    ] {
        let host = host_with(limits);
        host.load(&component, &grants()).await.expect("loads");
        is_limit(host.invoke_procedure("a.b.p", &args(vec![])).await);
    }
}
