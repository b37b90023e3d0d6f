//! Generates what laws are tried on. Values shrink to null and zero, batches to fewer rows, terms to fewer calls.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    strategy::{BoxedStrategy, Union},
};

use super::term::{Batch, Cell, Step, Term, Wire};

/// What one trial of a law takes; each law uses what it needs.
#[derive(Clone, Debug)]
pub struct Sample {
    /// A state.
    pub s: Term,
    /// A partial state.
    pub a: Term,
    /// Another.
    pub b: Term,
    /// Rows.
    pub left: Batch,
    /// More rows.
    pub right: Batch,
    /// Puts the rows of `left` into another order.
    pub order: Vec<u8>,
    /// What is done to both sides before they are compared.
    pub after: Vec<Step>,
}

impl Sample {
    /// Samples for an aggregate of these arguments.
    pub fn any(arguments: &[Wire]) -> impl Strategy<Value = Self> + use<> {
        let term = terms(arguments);
        let batch = batches(arguments);
        let step = prop_oneof![
            batch.clone().prop_map(Step::Update),
            vec(term.clone(), 0..3).prop_map(Step::Merge),
        ];
        (
            term.clone(),
            term.clone(),
            term,
            batch.clone(),
            batch,
            vec(any::<u8>(), 6),
            vec(step, 0..3),
        )
            .prop_map(|(s, a, b, left, right, order, after)| Self {
                s,
                a,
                b,
                left,
                right,
                order,
                after,
            })
    }

    /// The rows of `left` in another order.
    pub(super) fn permuted(&self) -> Batch {
        let mut rows: Vec<_> = self.left.0.iter().enumerate().collect();
        rows.sort_by_key(|(index, _)| {
            let key = self.order.get(index % self.order.len().max(1));
            key.copied().unwrap_or(0).wrapping_add((index / 6) as u8)
        });
        Batch(rows.into_iter().map(|(_, row)| row.clone()).collect())
    }
}

/// Batches of rows of these types: mostly short, none and many rows among them.
pub fn batches(arguments: &[Wire]) -> BoxedStrategy<Batch> {
    // Many rows are few rows many times: they shrink in few steps.
    let times = prop_oneof![12 => Just(1), 1 => 8..24_usize];
    (vec(row(arguments), 0..6), times)
        .prop_map(|(rows, times)| Batch(vec![rows; times].concat()))
        .boxed()
}

/// One row of these types.
pub(crate) fn row(arguments: &[Wire]) -> Vec<BoxedStrategy<Cell>> {
    arguments.iter().copied().map(cells).collect()
}

fn terms(arguments: &[Wire]) -> BoxedStrategy<Term> {
    let batch = batches(arguments);
    Just(Term::New)
        .prop_recursive(3, 10, 3, move |term| {
            prop_oneof![
                2 => (term.clone(), batch.clone()).prop_map(|(state, batch)| state.update(&batch)),
                1 => (term.clone(), vec(term, 0..3)).prop_map(|(state, others)| state.merge(others)),
            ]
        })
        .boxed()
}

fn cells(wire: Wire) -> BoxedStrategy<Cell> {
    let present = match wire {
        Wire::Boolean => any::<bool>().prop_map(Cell::Bool).boxed(),
        Wire::Int32 => ints(i64::from(i32::MIN), i64::from(i32::MAX)),
        Wire::Int64 => ints(i64::MIN, i64::MAX),
        // Times that calendars know: hosts may turn them into such.
        Wire::Date64 | Wire::TimestampMs => ints(-62_135_596_800_000, 253_402_300_799_000),
        Wire::Float32 => floats(f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)),
        Wire::Float64 => floats(f64::MAX, f64::MIN_POSITIVE),
        Wire::Utf8 => prop_oneof![
            Just(String::new()),
            "[a-c]{1,3}",
            Just("é\u{0}\u{1f600}".to_owned()),
            any::<String>(),
        ]
        .prop_map(Cell::Text)
        .boxed(),
        Wire::Binary | Wire::LargeBinary => {
            prop_oneof![Just(Vec::new()), Just(vec![0]), vec(any::<u8>(), 0..8),]
                .prop_map(Cell::Bytes)
                .boxed()
        }
    };
    prop_oneof![1 => Just(Cell::Null), 6 => present].boxed()
}

fn ints(min: i64, max: i64) -> BoxedStrategy<Cell> {
    prop_oneof![
        6 => -9..=9_i64,
        1 => Just(min),
        1 => Just(max),
        2 => min..=max,
    ]
    .prop_map(Cell::Int)
    .boxed()
}

fn floats(max: f64, tiny: f64) -> BoxedStrategy<Cell> {
    let special = [
        0.0,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        max,
        -max,
        tiny,
    ];
    prop_oneof![
        3 => (-9..=9_i8).prop_map(|number| f64::from(number) / 2.0),
        2 => Union::new(special.map(Just)),
        2 => any::<f32>().prop_map(f64::from),
    ]
    .prop_map(Cell::Float)
    .boxed()
}
