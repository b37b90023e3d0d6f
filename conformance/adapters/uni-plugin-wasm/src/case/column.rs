//! The driver's variant `column` and Arrow arrays, each into the other.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, Date64Array, Float32Array,
        Float64Array, Int32Array, Int64Array, LargeBinaryArray, NullArray, StringArray,
        TimestampMillisecondArray,
    },
    datatypes::{
        DataType, Date64Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
        TimestampMillisecondType,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    case::Refusal,
    wire::{Bytes, Float, Long, Opt},
};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Column {
    Int32(Vec<Opt<i32>>),
    Int64(Vec<Opt<Long<i64>>>),
    Float32(Vec<Opt<Float>>),
    Float64(Vec<Opt<Float>>),
    Boolean(Vec<Opt<bool>>),
    Utf8(Vec<Opt<String>>),
    Binary(Vec<Opt<Bytes>>),
    LargeBinary(Vec<Opt<Bytes>>),
    Date64(Vec<Opt<Long<i64>>>),
    TimestampMs(Vec<Opt<Long<i64>>>),
    Null(u32),
    Other((String, u32)),
}

impl Column {
    /// The Arrow array.
    pub(super) fn array(self) -> Result<ArrayRef, Refusal> {
        fn longs(values: Vec<Opt<Long<i64>>>) -> impl Iterator<Item = Option<i64>> {
            values.into_iter().map(|value| value.0.map(|long| long.0))
        }
        fn bytes(values: &[Opt<Bytes>]) -> impl Iterator<Item = Option<&[u8]>> {
            values
                .iter()
                .map(|value| value.0.as_ref().map(|bytes| bytes.0.as_slice()))
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float32 travels as the float64 that it is"
        )]
        fn narrow(value: Float) -> f32 {
            value.0 as f32
        }
        Ok(match self {
            Self::Int32(values) => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.0)
                    .collect::<Int32Array>(),
            ),
            Self::Int64(values) => Arc::new(longs(values).collect::<Int64Array>()),
            Self::Float32(values) => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.0.map(narrow))
                    .collect::<Float32Array>(),
            ),
            Self::Float64(values) => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.0.map(|float| float.0))
                    .collect::<Float64Array>(),
            ),
            Self::Boolean(values) => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.0)
                    .collect::<BooleanArray>(),
            ),
            Self::Utf8(values) => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.0)
                    .collect::<StringArray>(),
            ),
            Self::Binary(values) => Arc::new(bytes(&values).collect::<BinaryArray>()),
            Self::LargeBinary(values) => Arc::new(bytes(&values).collect::<LargeBinaryArray>()),
            Self::Date64(values) => Arc::new(longs(values).collect::<Date64Array>()),
            Self::TimestampMs(values) => {
                Arc::new(longs(values).collect::<TimestampMillisecondArray>())
            }
            Self::Null(rows) => Arc::new(NullArray::new(rows as usize)),
            Self::Other((ty, _)) => {
                return Err(Refusal(format!("this adapter makes no column of {ty}")));
            }
        })
    }
}

impl From<&ArrayRef> for Column {
    fn from(array: &ArrayRef) -> Self {
        let longs = |values: Vec<Option<i64>>| {
            values
                .into_iter()
                .map(|value| Opt(value.map(Long)))
                .collect()
        };
        let bytes = |value: Option<&[u8]>| Opt(value.map(|bytes| Bytes(bytes.to_vec())));
        let rows = u32::try_from(array.len()).unwrap_or(u32::MAX);
        match array.data_type() {
            DataType::Int32 => {
                Self::Int32(array.as_primitive::<Int32Type>().iter().map(Opt).collect())
            }
            DataType::Int64 => {
                Self::Int64(longs(array.as_primitive::<Int64Type>().iter().collect()))
            }
            DataType::Float32 => {
                let wide = |value: Option<f32>| Opt(value.map(|value| Float(value.into())));
                Self::Float32(
                    array
                        .as_primitive::<Float32Type>()
                        .iter()
                        .map(wide)
                        .collect(),
                )
            }
            DataType::Float64 => Self::Float64(
                array
                    .as_primitive::<Float64Type>()
                    .iter()
                    .map(|value| Opt(value.map(Float)))
                    .collect(),
            ),
            DataType::Boolean => Self::Boolean(array.as_boolean().iter().map(Opt).collect()),
            DataType::Utf8 => {
                let text = |value: Option<&str>| Opt(value.map(ToOwned::to_owned));
                Self::Utf8(array.as_string::<i32>().iter().map(text).collect())
            }
            DataType::Binary => Self::Binary(array.as_binary::<i32>().iter().map(bytes).collect()),
            DataType::LargeBinary => {
                Self::LargeBinary(array.as_binary::<i64>().iter().map(bytes).collect())
            }
            DataType::Date64 => {
                Self::Date64(longs(array.as_primitive::<Date64Type>().iter().collect()))
            }
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::TimestampMs(longs(
                array
                    .as_primitive::<TimestampMillisecondType>()
                    .iter()
                    .collect(),
            )),
            DataType::Null => Self::Null(rows),
            other => Self::Other((other.to_string(), rows)),
        }
    }
}
