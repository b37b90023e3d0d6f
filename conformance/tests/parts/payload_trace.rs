//! Traces of the free-monoid guest: rows in order, rooted in `new`, and a clear word where they are not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use conformance::payload::{
    ipc::encode,
    literal::{IpcField, IpcLiteral, IpcValue},
    trace::{MAX_DEPTH, Trace, parse},
};

fn stream(ty: &str, values: Vec<IpcValue>) -> Vec<u8> {
    let field = IpcField {
        name: "arg0".to_owned(),
        ty: ty.to_owned(),
        nullable: true,
        metadata: Vec::new(),
    };
    encode(&IpcLiteral {
        columns: vec![field],
        batches: vec![vec![values]],
        rows: None,
    })
    .unwrap()
}

fn operation(tag: u8, stream: &[u8]) -> Vec<u8> {
    [
        &[tag],
        u32::try_from(stream.len())
            .unwrap()
            .to_le_bytes()
            .as_slice(),
        stream,
    ]
    .concat()
}

fn update(rows: &[Option<i64>]) -> Vec<u8> {
    operation(
        b'U',
        &stream(
            "int64",
            rows.iter()
                .map(|row| row.map_or(IpcValue::Null, IpcValue::Integer))
                .collect(),
        ),
    )
}

fn merge(ty: &str, states: &[Vec<u8>]) -> Vec<u8> {
    operation(
        b'M',
        &stream(ty, states.iter().cloned().map(IpcValue::Bytes).collect()),
    )
}

fn state(operations: &[Vec<u8>]) -> Vec<u8> {
    [vec![b'N'], operations.concat()].concat()
}

#[test]
fn rows_come_in_the_order_of_the_trace() {
    let left = state(&[update(&[Some(2), None])]);
    let right = state(&[update(&[Some(3)]), merge("largebinary", &[state(&[])])]);
    let whole = state(&[
        update(&[Some(1)]),
        merge("binary", &[left, right]),
        update(&[]),
        update(&[Some(4)]),
    ]);
    let trace = parse(&whole).unwrap();
    assert_eq!(
        trace,
        Trace {
            rows: vec![Some(1), Some(2), None, Some(3), Some(4)],
            states: 4,
            updates: 5,
            merges: 2
        }
    );
    assert_eq!(
        parse(b"N").unwrap(),
        Trace {
            states: 1,
            ..Trace::default()
        }
    );
}

#[test]
fn merges_nest_so_deep_and_no_deeper() {
    let nested =
        |depth| (0..depth).fold(state(&[]), |inner, _| state(&[merge("binary", &[inner])]));
    assert_eq!(parse(&nested(MAX_DEPTH)).unwrap().merges, MAX_DEPTH);
    assert!(
        parse(&nested(MAX_DEPTH + 1))
            .unwrap_err()
            .to_string()
            .ends_with("merges are nested too deep")
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let whole = state(&[update(&[Some(1)])]);
    let null_state = operation(b'M', &stream("binary", vec![IpcValue::Null]));
    let table = [
        Vec::new(),
        b"X".to_vec(),
        b"NN".to_vec(),
        b"NX".to_vec(),
        b"NU".to_vec(),
        b"NU\x05\0\0\0abc".to_vec(),
        b"NU\xff\xff\xff\xff".to_vec(),
        b"NU\x03\0\0\0abc".to_vec(),
        update(&[Some(1)]),
        [whole.clone(), whole.clone()].concat(),
        state(&[operation(b'U', &stream("utf8", vec![]))]),
        state(&[operation(b'M', &stream("int64", vec![]))]),
        state(&[null_state]),
        state(&[merge("binary", &[whole, update(&[Some(2)])])]),
        state(&[merge("binary", &[Vec::new()])]),
    ];
    let errors = table.map(|bytes| parse(&bytes).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn nothing_brings_the_reader_down() {
    let whole = state(&[
        update(&[Some(1)]),
        merge("binary", &[state(&[update(&[Some(2)])])]),
    ]);
    for length in 0..whole.len() {
        let _ = parse(&whole[..length]);
    }
    for index in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[index] ^= 0x81;
        let _ = parse(&bytes);
    }
}
