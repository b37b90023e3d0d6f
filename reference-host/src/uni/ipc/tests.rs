//! Streams that are spoilt in every place: the reader answers or refuses, and never panics, hangs or reserves memory for
//! bytes that are not there.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int64Array,
    LargeBinaryArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::ipc::MetadataVersion;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use super::{AnswerError, Expected, read_stream, write_stream};

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let field =
        |(i, c): (usize, &ArrayRef)| Field::new(format!("c{i}"), c.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).expect("a batch")
}

fn read(bytes: &[u8], columns: &[DataType]) -> Result<Vec<RecordBatch>, AnswerError> {
    read_stream(
        bytes.to_vec(),
        Expected {
            columns,
            max_rows: 1 << 40,
            max_batches: 10,
        },
    )
}

fn wide() -> RecordBatch {
    batch(vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("schön")])),
        Arc::new(LargeBinaryArray::from(vec![
            Some(&b"xy"[..]),
            Some(b""),
            None,
        ])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Float64Array::from(vec![0.5, f64::NAN, -0.0])),
    ])
}

fn types(batch: &RecordBatch) -> Vec<DataType> {
    batch
        .columns()
        .iter()
        .map(|c| c.data_type().clone())
        .collect()
}

#[test]
fn every_bit_of_a_good_stream() {
    for batch in [
        wide(),
        batch(vec![Arc::new(Int64Array::from(vec![
            Some(1),
            None,
            Some(3),
        ]))]),
    ] {
        let good = write_stream(&batch).expect("a stream");
        let types = types(&batch);
        let (mut same, mut other, mut refused) = (0, 0, 0);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match read(&bytes, &types) {
                Ok(read) if read == [batch.clone()] => same += 1,
                // Formatting touches every value.
                Ok(read) => other += usize::from(!format!("{read:?}").is_empty()),
                Err(AnswerError::Batch { problem, .. }) if problem.contains("gave up") => {
                    panic!("bit {bit}: the decoder panicked")
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            same > 0 && other > 0 && refused > 0,
            "{same} {other} {refused}"
        );
    }
}

#[test]
fn every_byte_and_every_word_of_a_good_stream() {
    let batch = wide();
    let good = write_stream(&batch).expect("a stream");
    let types = types(&batch);
    for at in 0..good.len() {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let _ = read(&bytes, &types);
        }
        for word in [
            i64::MIN,
            i64::MAX,
            -8,
            1 << 40,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
        ] {
            let mut bytes = good.clone();
            let end = good.len().min(at + 8);
            bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            if let Err(AnswerError::Batch { problem, .. }) = read(&bytes, &types) {
                assert!(!problem.contains("gave up"), "byte {at}, word {word}");
            }
        }
    }
}

#[test]
fn every_cut_of_a_good_stream() {
    let batch = wide();
    let good = write_stream(&batch).expect("a stream");
    let types = types(&batch);
    let read_at = |end: usize| read(&good[..end], &types);
    // Whole messages are a stream: the schema alone, and all but the end marker.
    let whole: Vec<usize> = (0..good.len())
        .filter(|end| read_at(*end).is_ok())
        .collect();
    assert_eq!(whole.len(), 2, "{whole:?}");
    assert_eq!(whole[1], good.len() - 8);
    assert!(read_at(whole[0]).expect("no batches").is_empty());
}

#[test]
fn what_the_frame_says() {
    let good = write_stream(&wide()).expect("a stream");
    let with = |at: usize, bytes: &[u8]| {
        let mut copy = good.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        read(&copy, &types(&wide()))
    };
    assert_eq!(read(b"", &[]), Err(AnswerError::Empty));
    assert_eq!(read(b"ARROW1\0\0more", &[]), Err(AnswerError::FileFormat));
    for length in [0x7fff_fff0_i32, -16, i32::MIN, -1] {
        assert!(
            matches!(
                with(4, &length.to_le_bytes()),
                Err(AnswerError::Framing { .. })
            ),
            "{length}"
        );
    }
    let mut twice = good.clone();
    twice.extend_from_slice(&good);
    assert!(matches!(
        read(&twice, &types(&wide())),
        Err(AnswerError::Framing { .. })
    ));
    let mut second_schema = good[..good.len() - 8].to_vec();
    second_schema.extend_from_slice(&good);
    assert!(matches!(
        read(&second_schema, &types(&wide())),
        Err(AnswerError::Message { .. })
    ));
    assert!(matches!(
        read(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], &[]),
        Err(AnswerError::Schema { .. })
    ));
}

#[test]
fn what_the_schema_says() {
    let one = |array: ArrayRef| write_stream(&batch(vec![array])).expect("a stream");
    let dictionary: DictionaryArray<Int32Type> = ["a", "a"].into_iter().collect();
    let dictionary = one(Arc::new(dictionary));
    let view = one(Arc::new(StringViewArray::from(vec!["a"])));
    for (bytes, name) in [(&dictionary, "Dictionary"), (&view, "Utf8View")] {
        let error = read(bytes, &[DataType::Utf8]).expect_err("refused");
        assert!(error.to_string().contains(name), "{error}");
    }
    let secret = [(
        "ARROW:extension:name".to_owned(),
        "uni-db.secret-handle".to_owned(),
    )];
    let child = Arc::new(Field::new("deep", DataType::Int64, true).with_metadata(secret.clone()));
    for field in [
        Field::new("top", DataType::Int64, true).with_metadata(secret),
        Field::new("outer", DataType::List(child), true),
    ] {
        let empty = RecordBatch::new_empty(Arc::new(Schema::new(vec![field])));
        let error = read(&write_stream(&empty).expect("a stream"), &[DataType::Int64]);
        assert!(matches!(error, Err(AnswerError::Secret(_))), "{error:?}");
    }
}

#[test]
fn older_metadata_and_odd_alignment() {
    let batch = wide();
    for version in [MetadataVersion::V4, MetadataVersion::V5] {
        for alignment in [8, 16, 64] {
            let options = IpcWriteOptions::try_new(alignment, false, version).expect("options");
            let mut writer =
                StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)
                    .expect("writer");
            writer.write(&batch).expect("a batch");
            let bytes = writer.into_inner().expect("a stream");
            let same = read(&bytes, &types(&batch)).expect("reads");
            assert_eq!(format!("{same:?}"), format!("{:?}", [&batch]));
        }
    }
}

#[test]
fn values_that_no_array_may_hold() {
    let text = write_stream(&batch(vec![Arc::new(StringArray::from(vec![
        "needle", "x",
    ]))]))
    .expect("a stream");
    let at = text
        .windows(6)
        .position(|w| w == b"needle")
        .expect("the value");
    let mut spoilt = text.clone();
    spoilt[at] = 0xff;
    assert!(matches!(
        read(&spoilt, &[DataType::Utf8]),
        Err(AnswerError::Batch { .. })
    ));
    // Offsets 0, 6, 7.
    let offsets = text
        .windows(12)
        .position(|w| w == [0, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0])
        .expect("offsets");
    for bad in [[9, 0, 0, 0], [0, 0, 0, 0x80], [0xff, 0xff, 0xff, 0x7f]] {
        let mut spoilt = text.clone();
        spoilt[offsets + 4..offsets + 8].copy_from_slice(&bad);
        assert!(
            matches!(
                read(&spoilt, &[DataType::Utf8]),
                Err(AnswerError::Batch { .. })
            ),
            "{bad:?}"
        );
    }
    let empty: ArrayRef = Arc::new(BinaryArray::from(Vec::<&[u8]>::new()));
    let empty = batch(vec![empty]);
    assert_eq!(
        read(
            &write_stream(&empty).expect("a stream"),
            &[DataType::Binary]
        ),
        Ok(vec![empty])
    );
}
