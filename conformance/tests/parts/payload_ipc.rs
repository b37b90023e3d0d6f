//! Arrow IPC: what `encode` writes `decode` reads, each fault is what it says, and no bytes whatever bring the reader down.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Cursor;

use arrow::ipc::reader::{FileReader, StreamReader};
use conformance::payload::{
    PayloadError,
    ipc::{IpcContent, MAX_VALUES, decode, encode, known_type, spoil, type_name},
    literal::{IpcField, IpcLiteral, IpcValue, Spoil},
};
use proptest::prelude::*;

use IpcValue::{Bool, Bytes, Float, Integer, List, Null};

fn text(text: &str) -> IpcValue {
    IpcValue::Text(text.to_owned())
}

fn field(name: &str, ty: &str) -> IpcField {
    IpcField {
        name: name.to_owned(),
        ty: ty.to_owned(),
        nullable: true,
        metadata: Vec::new(),
    }
}

fn one(columns: &[(&str, &[IpcValue])]) -> IpcLiteral {
    IpcLiteral {
        columns: columns
            .iter()
            .enumerate()
            .map(|(index, (ty, _))| field(&format!("arg{index}"), ty))
            .collect(),
        batches: vec![columns.iter().map(|(_, values)| values.to_vec()).collect()],
        rows: None,
    }
}

fn sample() -> Vec<u8> {
    encode(&one(&[
        ("int64", &[Integer(1), Null, Integer(3)]),
        ("utf8", &[text("ab"), text(""), text("cde")]),
        ("list(int32)", &[List(vec![Integer(1)]), Null, List(vec![])]),
    ]))
    .unwrap()
}

fn spoiled(bytes: Vec<u8>, fault: Spoil) -> Vec<u8> {
    spoil(bytes, &fault).unwrap()
}

fn strange(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().to_string()
}

#[test]
fn every_type_comes_back() {
    let nested = List(vec![Integer(1), text("x")]);
    let columns: &[(&str, &[IpcValue])] = &[
        ("null", &[Null, Null]),
        ("boolean", &[Bool(true), Null]),
        ("int8", &[Integer(-128), Null]),
        ("int16", &[Integer(-32768), Null]),
        ("int32", &[Integer(i32::MIN.into()), Null]),
        ("int64", &[Integer(i64::MIN), Integer(i64::MAX)]),
        ("uint8", &[Integer(255), Null]),
        ("uint16", &[Integer(65535), Null]),
        ("uint32", &[Integer(u32::MAX.into()), Null]),
        ("uint64", &[Integer(i64::MAX), Null]),
        ("float32", &[Float(1.5), Null]),
        ("float64", &[Float(-0.0), Float(f64::INFINITY)]),
        ("utf8", &[text("é"), Null]),
        ("largeutf8", &[text("é"), Null]),
        ("utf8view", &[text("longer than twelve bytes"), Null]),
        ("binary", &[Bytes(vec![0, 255]), Null]),
        ("largebinary", &[Bytes(vec![]), Null]),
        ("binaryview", &[Bytes(vec![7; 20]), Null]),
        ("fixed_size_binary(2)", &[Bytes(vec![1, 2]), Null]),
        ("date32", &[Integer(19000), Null]),
        ("date64", &[Integer(86_400_000), Null]),
        ("timestamp_s", &[Integer(1), Null]),
        ("timestamp_ms", &[Integer(-1), Null]),
        ("timestamp_us", &[Integer(1), Null]),
        ("timestamp_ns", &[Integer(1), Null]),
        ("dictionary(utf8)", &[text("a"), text("a")]),
        ("dictionary(int8, int64)", &[Integer(9), Null]),
        ("list(int64)", &[List(vec![Integer(1), Null]), Null]),
        ("large_list(utf8)", &[List(vec![text("a")]), List(vec![])]),
        (
            "list(list(float32))",
            &[List(vec![List(vec![Float(0.5)]), Null]), Null],
        ),
        (
            "fixed_size_list(float32, 2)",
            &[List(vec![Float(1.0), Float(2.0)]), Null],
        ),
        ("struct(a: int64, b: utf8)", &[nested, Null]),
    ];
    for column in columns {
        let content = decode(&encode(&one(&[*column])).unwrap()).unwrap();
        assert_eq!(content.columns, [field("arg0", column.0)]);
        assert_eq!(content.batches, [[column.1]], "{}", column.0);
        assert_eq!(
            (content.eos, content.trailing, content.rows),
            (true, 0, vec![2])
        );
    }
    let all = encode(&one(columns)).unwrap();
    let content = decode(&all).unwrap();
    assert!(
        content.batches[0]
            .iter()
            .zip(columns)
            .all(|(found, (_, values))| found == values)
    );
}

#[test]
fn the_stream_is_what_arrows_own_writer_makes() {
    let literal = IpcLiteral {
        columns: vec![IpcField {
            name: "x".to_owned(),
            ty: "int64".to_owned(),
            nullable: false,
            metadata: vec![("k".to_owned(), "v".to_owned())],
        }],
        batches: vec![
            vec![vec![Integer(1)]],
            vec![vec![]],
            vec![vec![Integer(2), Integer(3)]],
        ],
        rows: None,
    };
    let bytes = encode(&literal).unwrap();
    let batches = StreamReader::try_new(Cursor::new(&bytes), None)
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert_eq!(
        batches
            .iter()
            .map(|batch| batch.num_rows())
            .collect::<Vec<_>>(),
        [1, 0, 2]
    );
    let content = decode(&bytes).unwrap();
    assert_eq!(
        (content.columns, content.batches),
        (literal.columns, literal.batches)
    );
}

#[test]
fn a_stream_may_have_no_batch_and_a_batch_no_column() {
    let schema = IpcLiteral {
        columns: vec![field("a", "int64")],
        batches: vec![],
        rows: None,
    };
    assert_eq!(decode(&encode(&schema).unwrap()).unwrap().batches.len(), 0);
    let rows = IpcLiteral {
        columns: vec![],
        batches: vec![vec![], vec![]],
        rows: Some(vec![3, 0]),
    };
    assert_eq!(decode(&encode(&rows).unwrap()).unwrap().rows, [3, 0]);
}

#[test]
fn type_names() {
    for name in [
        "int",
        "list",
        "list()",
        "list(int64",
        "list(int64))",
        "fixed_size_list(int8)",
        "fixed_size_list(int8, -1)",
        "dictionary(utf8, utf8)",
        "",
        "struct()",
        "struct(a int8)",
        "decimal128(1, 2)",
    ] {
        assert_eq!(
            known_type(name),
            Err(PayloadError::UnknownType(name.to_owned()))
        );
    }
    assert!(known_type(&("list(".repeat(10_000) + &")".repeat(10_000))).is_err());
    assert_eq!(
        type_name(&known_type(" struct( a:list( int8 ),b : fixed_size_list(utf8,3) ) ").unwrap()),
        "struct(a: list(int8), b: fixed_size_list(utf8, 3))"
    );
}

#[test]
fn literals_that_cannot_be() {
    let mut nonnull = one(&[("int64", &[Integer(1), Null])]);
    nonnull.columns[0].nullable = false;
    let mut fewer = one(&[("int64", &[Integer(1)])]);
    fewer.batches[0].clear();
    let errors = [
        encode(&one(&[("int8", &[Integer(128)])])),
        encode(&one(&[("uint64", &[Integer(-1)])])),
        encode(&one(&[("utf8", &[Integer(1)])])),
        encode(&one(&[("null", &[Bool(true)])])),
        encode(&one(&[(
            "fixed_size_list(int8, 2)",
            &[List(vec![Integer(1)])],
        )])),
        encode(&one(&[("list(int8)", &[List(vec![text("a")])])])),
        encode(&one(&[("int8", &[Null]), ("int8", &[])])),
        encode(&one(&[("what", &[])])),
        encode(&nonnull),
        encode(&fewer),
    ];
    let errors: Vec<String> = errors
        .into_iter()
        .map(|error| error.unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn faults_of_bytes() {
    let good = sample();
    let length = good.len();
    assert_eq!(spoiled(good.clone(), Spoil::Cut(10)), good[..10]);
    assert_eq!(
        spoiled(good.clone(), Spoil::DropLast(3)),
        good[..length - 3]
    );
    assert_eq!(
        spoiled(good.clone(), Spoil::Append(vec![1, 2])),
        [good.as_slice(), &[1, 2]].concat()
    );
    assert_eq!(spoiled(good.clone(), Spoil::Twice), good.repeat(2));
    let flipped = spoiled(good.clone(), Spoil::Flip(8 * 20 + 3));
    assert_eq!(flipped[20], good[20] ^ 8);
    assert_eq!(flipped.iter().zip(&good).filter(|(a, b)| a != b).count(), 1);
    assert_eq!(spoiled(good.clone(), Spoil::NoEos), good[..length - 8]);
    for fault in [
        Spoil::Cut(length + 1),
        Spoil::DropLast(length + 1),
        Spoil::Flip(length * 8),
    ] {
        assert!(matches!(
            spoil(good.clone(), &fault),
            Err(PayloadError::Spoil { .. })
        ));
    }
}

#[test]
fn ends_are_reported() {
    let good = sample();
    let content = decode(&good).unwrap();
    let without = decode(&spoiled(good.clone(), Spoil::NoEos)).unwrap();
    assert_eq!(
        without,
        IpcContent {
            eos: false,
            ..content.clone()
        }
    );
    let twice = decode(&spoiled(good.clone(), Spoil::Twice)).unwrap();
    assert_eq!(
        twice,
        IpcContent {
            trailing: good.len(),
            ..content
        }
    );
    assert!(spoil(spoiled(good, Spoil::NoEos), &Spoil::NoEos).is_err());
}

/// How many bytes differ, for streams of one length.
fn changed(a: &[u8], b: &[u8]) -> Option<usize> {
    (a.len() == b.len()).then(|| a.iter().zip(b).filter(|(a, b)| a != b).count())
}

#[test]
fn faults_of_structure_change_their_field_and_nothing_else() {
    let good = sample();
    for (fault, most) in [
        (Spoil::MetadataLength(0x7fff_fff0), 4),
        (Spoil::MetadataLength(-16), 4),
        (Spoil::BodyLength(1 << 40), 8),
        (Spoil::BodyLength(-8), 8),
        (Spoil::MetadataV4, 2),
        (Spoil::Offsets, 4),
        (Spoil::Utf8, 1),
        (Spoil::NullCount(2), 1),
        (Spoil::RowCount(1 << 50), 8),
    ] {
        let bad = spoiled(good.clone(), fault.clone());
        let changed = changed(&good, &bad).unwrap();
        assert!((1..=most).contains(&changed), "{fault}: {changed}");
    }
}

#[test]
fn faults_are_seen() {
    let good = sample();
    let table = [
        Spoil::Cut(0),
        Spoil::Cut(4),
        Spoil::Cut(9),
        Spoil::DropLast(9),
        Spoil::MetadataLength(0x7fff_fff0),
        Spoil::MetadataLength(-16),
        Spoil::BodyLength(1 << 40),
        Spoil::BodyLength(-8),
        Spoil::FileFormat,
        Spoil::BigEndian,
        Spoil::Offsets,
        Spoil::Utf8,
        Spoil::NullCount(2),
        Spoil::NullCount(0),
        Spoil::NullCount(-1),
        Spoil::RowCount(2),
        Spoil::RowCount(-1),
        Spoil::RowCount(1 << 40),
    ];
    let seen = table.map(|fault| {
        format!(
            "{fault}: {}",
            strange(&spoiled(good.clone(), fault.clone()))
        )
    });
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn a_file_is_a_file_of_the_same_content() {
    let file = spoiled(sample(), Spoil::FileFormat);
    let batches = FileReader::try_new(Cursor::new(file), None)
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let stream = StreamReader::try_new(Cursor::new(sample()), None)
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert_eq!(batches, stream);
}

#[test]
fn metadata_version_4_reads_the_same() {
    let dictionary = encode(&one(&[("dictionary(utf8)", &[text("a")])])).unwrap();
    for good in [sample(), dictionary] {
        let bad = spoiled(good.clone(), Spoil::MetadataV4);
        assert_ne!(good, bad);
        assert_eq!(decode(&bad), decode(&good));
    }
}

#[test]
fn a_big_endian_schema_is_a_valid_message() {
    let good = sample();
    let bad = spoiled(good.clone(), Spoil::BigEndian);
    let grown = bad.len() - good.len();
    assert_eq!(grown % 64, 0);
    let length = i32::from_le_bytes(bad[4..8].try_into().unwrap());
    let message =
        arrow::ipc::root_as_message(&bad[8..8 + usize::try_from(length).unwrap()]).unwrap();
    let schema = message.header_as_schema().unwrap();
    assert_eq!(schema.endianness(), arrow::ipc::Endianness::Big);
    assert_eq!(message.version(), arrow::ipc::MetadataVersion::V5);
    let fields = arrow::ipc::convert::try_fb_to_schema(schema).unwrap();
    let names: Vec<&str> = fields
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["arg0", "arg1", "arg2"]);
    // A second time the field is there.
    assert_eq!(spoiled(bad.clone(), Spoil::BigEndian), bad);
}

#[test]
fn fields_that_are_left_out_are_put_in() {
    let empty = encode(&one(&[("int64", &[])])).unwrap();
    let bad = spoiled(empty.clone(), Spoil::RowCount(7));
    assert_eq!(
        strange(&bad).split(": ").last(),
        Some("node 0 has 0 rows, its batch 7")
    );
    let nothing = encode(&IpcLiteral {
        columns: vec![],
        batches: vec![vec![]],
        rows: None,
    })
    .unwrap();
    assert_eq!(
        decode(&spoiled(nothing.clone(), Spoil::RowCount(7)))
            .unwrap()
            .rows,
        [7]
    );
    let far = spoiled(nothing, Spoil::BodyLength(1 << 40));
    assert!(
        strange(&far).contains("the body should have 1099511627776 bytes"),
        "{}",
        strange(&far)
    );
}

#[test]
fn faults_need_something_to_act_on() {
    let integers = encode(&one(&[("int64", &[Integer(1)])])).unwrap();
    let no_rows = encode(&one(&[("utf8", &[])])).unwrap();
    let no_text = encode(&one(&[("utf8", &[text("")])])).unwrap();
    let no_batch = encode(&IpcLiteral {
        columns: vec![field("a", "utf8")],
        batches: vec![],
        rows: None,
    })
    .unwrap();
    let no_columns = encode(&IpcLiteral {
        columns: vec![],
        batches: vec![vec![]],
        rows: None,
    })
    .unwrap();
    let table = [
        (integers.clone(), Spoil::Offsets),
        (integers, Spoil::Utf8),
        (no_rows, Spoil::Offsets),
        (no_text, Spoil::Utf8),
        (no_batch.clone(), Spoil::BodyLength(0)),
        (no_batch.clone(), Spoil::MetadataLength(0)),
        (no_batch, Spoil::NullCount(0)),
        (no_columns, Spoil::NullCount(0)),
        (b"garbage!".to_vec(), Spoil::MetadataV4),
    ];
    let errors = table.map(|(bytes, fault)| spoil(bytes, &fault).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn faults_of_wide_columns() {
    let wide = encode(&one(&[("largeutf8", &[text("a"), text("b")])])).unwrap();
    assert!(decode(&spoiled(wide.clone(), Spoil::Offsets)).is_err());
    assert!(decode(&spoiled(wide, Spoil::Utf8)).is_err());
    let nested = encode(&one(&[("list(utf8)", &[List(vec![text("a")])])])).unwrap();
    assert!(decode(&spoiled(nested.clone(), Spoil::Utf8)).is_err());
    assert!(decode(&spoiled(nested, Spoil::Offsets)).is_err());
}

#[test]
fn what_repeats_does_not_unfold_without_bound() {
    let word = "x".repeat(1 << 20);
    let values = vec![text(&word); 1 << 10];
    let bomb = encode(&one(&[("dictionary(utf8)", &values)])).unwrap();
    assert!(matches!(
        decode(&bomb),
        Err(PayloadError::TooLarge { what: "bytes", .. })
    ));
    let nulls = IpcLiteral {
        columns: vec![field("a", "null")],
        batches: vec![vec![vec![Null]]],
        rows: None,
    };
    let rows = spoiled(encode(&nulls).unwrap(), Spoil::RowCount(1 << 60));
    assert!(matches!(
        decode(&rows),
        Err(PayloadError::TooLarge {
            limit: MAX_VALUES,
            ..
        })
    ));
}

#[test]
fn no_bit_flip_brings_the_reader_down() {
    let dictionary = encode(&one(&[
        ("dictionary(utf8)", &[text("a"), text("b"), Null]),
        ("utf8view", &[text("0123456789abcdef"), text("b"), Null]),
        (
            "struct(a: int64, b: boolean)",
            &[List(vec![Integer(1), Bool(true)]), Null, Null],
        ),
        (
            "fixed_size_list(float32, 2)",
            &[List(vec![Float(1.0), Null]), Null, Null],
        ),
        ("null", &[Null, Null, Null]),
    ]))
    .unwrap();
    for good in [sample(), dictionary] {
        for bit in 0..good.len() * 8 {
            let _ = decode(&spoiled(good.clone(), Spoil::Flip(bit)));
        }
    }
}

#[test]
fn only_whole_messages_are_read() {
    let good = sample();
    for length in 0..good.len() {
        let cut = decode(&good[..length]);
        // Without its marker a stream may end after the schema or after the batch.
        if let Ok(content) = cut {
            assert!(!content.eos);
            assert!(
                length == good.len() - 8 || content.rows.is_empty(),
                "{length}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let framed = [&[255, 255, 255, 255, bytes.len() as u8, 0, 0, 0], bytes.as_slice()].concat();
        let _ = decode(&framed);
    }

    #[test]
    fn no_few_changes_bring_the_reader_down(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = sample();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let _ = decode(&bytes);
        for fault in [Spoil::BigEndian, Spoil::Offsets, Spoil::Utf8, Spoil::NullCount(1), Spoil::FileFormat] {
            let _ = spoil(bytes.clone(), &fault);
        }
    }

    #[test]
    fn integers_come_back(values in prop::collection::vec(prop::option::of(any::<i64>()), 0..50)) {
        let values: Vec<IpcValue> = values.into_iter().map(|value| value.map_or(Null, Integer)).collect();
        let content = decode(&encode(&one(&[("int64", &values)])).unwrap()).unwrap();
        prop_assert_eq!(&content.batches[0][0], &values);
    }
}
