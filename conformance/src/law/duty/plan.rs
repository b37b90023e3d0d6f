//! What plans are, and how they are generated. They shrink to fewer queries, fewer partials, fewer batches, fewer rows and empty
//! payloads; those carried out by accumulators come before those that the host carries out alone.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    strategy::{BoxedStrategy, Union},
};

use super::Duty;

/// Bytes of [`Payload::Large`].
const LARGE: usize = 1 << 20;

/// Several queries, carried out side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The queries.
    pub queries: Vec<Query>,
    /// Whose turn it is, among those that are not through; the first's when there are no more turns.
    pub turns: Vec<u8>,
}

/// One aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What it computes.
    pub aggregate: Aggregate,
    /// How.
    pub work: Work,
}

/// The aggregates of `plans.wat` and `plans-other.wat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Writes down what is done.
    Trace,
    /// The same by another name.
    Again,
    /// The same of another plugin.
    OtherTrace,
    /// Keeps any bytes.
    Raw,
    /// The same of another plugin.
    OtherRaw,
}

impl Aggregate {
    /// The full name.
    #[must_use]
    pub fn qname(self) -> &'static str {
        match self {
            Self::Trace => "a.b.trace",
            Self::Again => "a.b.again",
            Self::OtherTrace => "c.d.trace",
            Self::Raw => "a.b.raw",
            Self::OtherRaw => "c.d.raw",
        }
    }

    /// Whether its state is the payload of a row, whatever that is.
    pub(super) fn is_raw(self) -> bool {
        matches!(self, Self::Raw | Self::OtherRaw)
    }
}

/// How a query is carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// By accumulators of the driver, one root a group.
    Accumulators(Vec<Life>),
    /// By the driver's `aggregate`.
    Whole {
        /// Group and payload of each row.
        rows: Vec<(u32, Payload)>,
        /// Whether there are groups; all rows are of group 0 otherwise.
        grouped: bool,
        /// As in the driver's `plan`.
        batch_rows: u32,
        /// As in the driver's `plan`.
        partitions: u32,
        /// As in the driver's `plan`.
        reverse: bool,
        /// As in the driver's `plan`.
        merge_width: u32,
    },
}

/// What is done to one accumulator, from its opening on.
#[derive(Clone, Debug, PartialEq)]
pub struct Life(pub Vec<Move>);

/// One thing that is done to an accumulator.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// A batch, which may have no rows.
    Feed(Vec<Payload>),
    /// The states of other accumulators are merged into this one.
    Merge {
        /// How those came about.
        partials: Vec<Life>,
        /// Through `accumulator-merge-column`, where the host has it.
        column: bool,
    },
    /// Its state is taken out, and merged into a fresh accumulator that goes on in its place.
    Spill,
    /// It is evaluated before its end.
    Evaluate,
}

/// The second column of a row; the first is the row's number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// No value.
    Null,
    /// 1 MiB, starting with this byte and going on with the next ones.
    Large(u8),
}

impl Payload {
    /// The bytes, if it is not null.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Null => None,
            Self::Large(first) => {
                let from = usize::from(*first);
                Some((from..from + LARGE).map(|byte| byte as u8).collect())
            }
        }
    }
}

impl Plan {
    /// Plans to try a duty on; with queries that the host carries out alone where it does that.
    pub(super) fn any(duty: Duty, whole: bool) -> impl Strategy<Value = Self> + use<> {
        let bytes = duty == Duty::StatesVerbatim;
        let query = query(whole, bytes, payload(bytes));
        (vec(query, 1..4), vec(any::<u8>(), 0..40))
            .prop_map(|(queries, turns)| Self { queries, turns })
    }
}

fn query(
    whole: bool,
    bytes: bool,
    payload: BoxedStrategy<Payload>,
) -> impl Strategy<Value = Query> {
    let raw = if bytes { 12 } else { 2 };
    let aggregate = prop_oneof![
        4 => Just(Aggregate::Trace),
        2 => Just(Aggregate::Again),
        1 => Just(Aggregate::OtherTrace),
        raw => Just(Aggregate::Raw),
        1 => Just(Aggregate::OtherRaw),
    ];
    let mut ways = vec![(3, by_accumulators(payload.clone()))];
    if whole {
        ways.push((2, by_the_host(payload)));
    }
    (aggregate, Union::new_weighted(ways)).prop_map(|(aggregate, work)| Query { aggregate, work })
}

fn by_accumulators(payload: BoxedStrategy<Payload>) -> BoxedStrategy<Work> {
    let feed = prop_oneof![
        30 => vec(payload.clone(), 0..4),
        1 => vec(payload, 20..60),
    ];
    let plain = prop_oneof![
        6 => feed.prop_map(Move::Feed),
        1 => Just(Move::Spill),
        1 => Just(Move::Evaluate),
    ]
    .boxed();
    let life = vec(plain.clone(), 0..4).prop_map(Life);
    let life = life.prop_recursive(3, 12, 3, move |life| {
        let merge = (vec(life, 0..4), any::<bool>())
            .prop_map(|(partials, column)| Move::Merge { partials, column });
        vec(prop_oneof![2 => plain.clone(), 2 => merge], 0..4).prop_map(Life)
    });
    vec(life, 1..4).prop_map(Work::Accumulators).boxed()
}

/// Rows come last: where batches and partitions are few already, more rows can go.
fn by_the_host(payload: BoxedStrategy<Payload>) -> BoxedStrategy<Work> {
    let rows = prop_oneof![
        12 => vec((0..4_u32, payload.clone()), 0..12),
        1 => vec((0..9_u32, payload), 40..90),
    ];
    let knobs = (any::<bool>(), 0..5_u32, 0..6_u32, any::<bool>(), 0..4_u32);
    (knobs, rows)
        .prop_map(|(knobs, rows)| {
            let (grouped, batch_rows, partitions, reverse, merge_width) = knobs;
            Work::Whole {
                rows,
                grouped,
                batch_rows,
                partitions,
                reverse,
                merge_width,
            }
        })
        .boxed()
}

/// Where bytes are what is looked at, few are none: an empty state stands out then. A large state costs as much time as all the
/// rest of many plans.
fn payload(bytes: bool) -> BoxedStrategy<Payload> {
    let (empty, rare, null) = if bytes { (1, 300, 8) } else { (5, 1500, 150) };
    let zeros = (1..5_usize).prop_map(|count| vec![0; count]);
    let trailing = (vec(any::<u8>(), 0..3), 1..3_usize)
        .prop_map(|(bytes, zeros)| [bytes, vec![0; zeros]].concat());
    let present = prop_oneof![
        empty => Just(Vec::new()),
        3 => vec(any::<u8>(), 1..6),
        3 => zeros,
        1 => trailing,
        1 => Just(vec![0xff, 0xfe]),
    ];
    prop_oneof![
        rare => present.prop_map(Payload::Bytes),
        null => Just(Payload::Null),
        1 => any::<u8>().prop_map(Payload::Large),
    ]
    .boxed()
}
