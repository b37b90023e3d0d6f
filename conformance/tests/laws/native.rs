//! A native aggregate as a subject of the laws: thousands of runs a second.

use std::sync::Arc;

use aggregates::{Aggregate, Failure, Memory, Rows};
use arrow::{
    array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray},
    datatypes::{DataType, Float64Type, Int64Type},
};
use conformance::law::{Batch, Cell, Fault, Instances, Signature, Subject, Wire};
use serde_json::{Value as Json, json};

/// Its accumulators, and the memory of the one instance that is kept.
pub(crate) struct Native {
    aggregate: &'static dyn Aggregate,
    signature: Signature,
    instances: Instances,
    memory: Memory,
    states: Vec<Vec<u8>>,
}

impl Native {
    pub(crate) fn new(aggregate: &'static dyn Aggregate) -> Self {
        Self {
            aggregate,
            signature: Signature {
                qname: aggregate.name().to_owned(),
                arguments: aggregate
                    .arguments()
                    .iter()
                    .map(|ty| Wire::of(aggregates::type_name(ty)).unwrap())
                    .collect(),
            },
            instances: Instances::Fresh,
            memory: Memory::default(),
            states: Vec::new(),
        }
    }

    fn memory(&mut self) -> &mut Memory {
        if self.instances == Instances::Fresh {
            self.memory = Memory::default();
        }
        &mut self.memory
    }
}

impl Subject for Native {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn begin(&mut self, instances: Instances) -> Result<(), Fault> {
        self.instances = instances;
        self.memory = Memory::default();
        self.states.clear();
        Ok(())
    }

    fn keeps(&self) -> bool {
        true
    }

    fn open(&mut self) -> Result<u32, Fault> {
        let aggregate = self.aggregate;
        let state = aggregate.new_state(self.memory()).map_err(fault)?;
        self.states.push(state);
        Ok(u32::try_from(self.states.len() - 1).unwrap())
    }

    fn update(&mut self, accumulator: u32, batch: &Batch) -> Result<(), Fault> {
        let columns = columns(self.aggregate.arguments(), batch);
        let state = std::mem::take(&mut self.states[accumulator as usize]);
        let aggregate = self.aggregate;
        let rows = Rows {
            columns: &columns,
            rows: batch.0.len(),
        };
        let next = aggregate.update(self.memory(), &state, rows).map_err(fault);
        self.states[accumulator as usize] = next.clone().unwrap_or(state);
        next.map(drop)
    }

    fn merge(&mut self, accumulator: u32, states: &[Vec<u8>]) -> Result<(), Fault> {
        let others: Vec<_> = states.iter().map(Vec::as_slice).collect();
        let state = std::mem::take(&mut self.states[accumulator as usize]);
        let aggregate = self.aggregate;
        let next = aggregate
            .merge(self.memory(), &state, &others)
            .map_err(fault);
        self.states[accumulator as usize] = next.clone().unwrap_or(state);
        next.map(drop)
    }

    fn state(&mut self, accumulator: u32) -> Result<Vec<u8>, Fault> {
        Ok(self.states[accumulator as usize].clone())
    }

    fn evaluate(&mut self, accumulator: u32) -> Result<Json, Fault> {
        let aggregate = self.aggregate;
        let state = self.states[accumulator as usize].clone();
        let value = aggregate.evaluate(self.memory(), &state).map_err(fault)?;
        Ok(column(&value))
    }
}

fn fault(failure: Failure) -> Fault {
    match failure {
        Failure::Error { code, message } => Fault::Plugin { code, message },
        Failure::Trap => Fault::Host {
            kind: "trap".into(),
            message: String::new(),
        },
        Failure::Raw(_) | Failure::Never => panic!("no native twin for {failure:?}"),
    }
}

fn columns(types: &[DataType], batch: &Batch) -> Vec<ArrayRef> {
    let column = |(index, ty): (usize, &DataType)| -> ArrayRef {
        let cells = || batch.0.iter().map(move |row| &row[index]);
        match ty {
            DataType::Int64 => Arc::new(Int64Array::from_iter(cells().map(|cell| match cell {
                Cell::Int(value) => Some(*value),
                _ => None,
            }))),
            DataType::Float64 => {
                Arc::new(Float64Array::from_iter(cells().map(|cell| match cell {
                    Cell::Float(value) => Some(*value),
                    _ => None,
                })))
            }
            DataType::Boolean => {
                Arc::new(BooleanArray::from_iter(cells().map(|cell| match cell {
                    Cell::Bool(value) => Some(*value),
                    _ => None,
                })))
            }
            DataType::Utf8 => Arc::new(StringArray::from_iter(cells().map(|cell| match cell {
                Cell::Text(value) => Some(value),
                _ => None,
            }))),
            DataType::Binary => Arc::new(BinaryArray::from_iter(cells().map(|cell| match cell {
                Cell::Bytes(value) => Some(value),
                _ => None,
            }))),
            other => panic!("no native twin takes {other}"),
        }
    };
    types.iter().enumerate().map(column).collect()
}

/// One row, as the driver's `column`.
fn column(array: &ArrayRef) -> Json {
    let some = |value: Json| json!([{ "some": value }]);
    let cells = |value: Option<Json>| value.map_or(json!([null]), some);
    let valid = array.is_valid(0);
    match array.data_type() {
        DataType::Int64 => {
            let value = array.as_primitive::<Int64Type>().value(0);
            json!({ "int64": cells(valid.then(|| json!(value))) })
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(0);
            let value = if value.is_nan() {
                json!("nan")
            } else if value.is_infinite() {
                json!(if value > 0.0 { "inf" } else { "-inf" })
            } else if value == 0.0 && value.is_sign_negative() {
                json!("-0.0")
            } else {
                json!(value)
            };
            json!({ "float64": cells(valid.then_some(value)) })
        }
        DataType::Utf8 => {
            let value = array.as_string::<i32>().value(0);
            json!({ "utf8": cells(valid.then(|| json!(value))) })
        }
        other => panic!("no native twin gives {other}"),
    }
}
