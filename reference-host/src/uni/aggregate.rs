//! Accumulators, and whole aggregations as a query engine carries them out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema};

use super::arguments::fit;
use super::error::CallError;
use super::guest::{Guest, single_column};
use super::host::UniHost;
use super::registration::{Function, FunctionKind, WireType};
use super::scalar::host;

/// The running state of one group. The state is the plugin's bytes, carried as they are; every call gets an instance of
/// its own. An accumulator outlives the unloading of its plugin.
pub struct Accumulator {
    guest: Arc<Guest>,
    function: Arc<Function>,
    returns: WireType,
    state: Vec<u8>,
}

impl std::fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Accumulator({}, {} bytes)",
            self.function.qname,
            self.state.len()
        )
    }
}

impl UniHost {
    /// Opens an accumulator with `agg-new`.
    ///
    /// # Errors
    /// See [`CallError`]; an error of `agg-new` is reported here, and no accumulator is made.
    pub async fn accumulator(&self, qname: &str) -> Result<Accumulator, CallError> {
        let (guest, function) = self.find("aggregate", qname, None)?;
        Accumulator::open(guest, function).await
    }
}

impl Accumulator {
    async fn open(guest: Arc<Guest>, function: Arc<Function>) -> Result<Self, CallError> {
        let FunctionKind::Aggregate { returns, .. } = function.kind else {
            return Err(CallError::Unknown {
                kind: "aggregate",
                qname: function.qname.clone(),
            });
        };
        let state = guest.work("agg-new", (function.qname.as_str(),)).await?;
        Ok(Self {
            guest,
            function,
            returns,
            state,
        })
    }

    /// Feeds one batch, one column per argument; a batch without rows or columns too. Nulls reach the plugin.
    ///
    /// # Errors
    /// See [`CallError`]. The state stays what it was.
    pub async fn update(&mut self, args: &RecordBatch) -> Result<(), CallError> {
        let batch = fit(&self.function, args)?;
        let values = self.guest.shared.spare.stream(&batch).map_err(host)?;
        let qname = self.function.qname.as_str();
        self.state = self
            .guest
            .work("agg-update", (qname, self.state.as_slice(), &*values))
            .await?;
        Ok(())
    }

    /// Merges partial states, in this order, in one call; none is allowed.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::NullState`] for a null. The state stays what it was.
    pub async fn merge(&mut self, states: &[Option<Vec<u8>>]) -> Result<(), CallError> {
        let column: ArrayRef =
            Arc::new(BinaryArray::from_iter(states.iter().map(Option::as_deref)));
        self.merge_column(&column).await
    }

    /// Merges a column of partial states, which must be `Binary`.
    ///
    /// # Errors
    /// As [`Accumulator::merge`]; [`CallError::Arguments`] for any other type, without asking the plugin.
    pub async fn merge_column(&mut self, states: &ArrayRef) -> Result<(), CallError> {
        let qname = &self.function.qname;
        if *states.data_type() != DataType::Binary {
            let problem = format!("partial states are {}, expected Binary", states.data_type());
            return Err(CallError::Arguments {
                qname: qname.clone(),
                problem,
            });
        }
        if let Some(row) = (0..states.len()).find(|row| states.is_null(*row)) {
            return Err(CallError::NullState {
                qname: qname.clone(),
                row,
            });
        }
        let schema = Schema::new(vec![Field::new("partial_state", DataType::Binary, true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![states.clone()]).map_err(host)?;
        let others = self.guest.shared.spare.stream(&batch).map_err(host)?;
        self.state = self
            .guest
            .work(
                "agg-merge",
                (qname.as_str(), self.state.as_slice(), &*others),
            )
            .await?;
        Ok(())
    }

    /// The state.
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// The value: one row of the declared type, which may be null. The accumulator stays as it is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn evaluate(&self) -> Result<ArrayRef, CallError> {
        let qname = self.function.qname.as_str();
        let bytes = self
            .guest
            .work("agg-evaluate", (qname, self.state.as_slice()))
            .await?;
        single_column("agg-evaluate", bytes, self.returns, 1)
    }
}

/// How an aggregation is carried out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The input rows, one column per argument; see [`columns`](super::columns).
    pub arguments: RecordBatch,
    /// The group of each row; empty puts every row into group 0, which then exists even without rows.
    pub groups: Vec<u32>,
    /// Rows are cut into batches of this many; 0 is one batch. No rows, no batches.
    pub batch_rows: usize,
    /// Batches are dealt to this many partitions in turn, each aggregated on its own; 0 or 1 is no merge. Without groups
    /// every partition has a partial state, also one without rows.
    pub partitions: u32,
    /// Partial states reach the merge in reverse order of their partitions.
    pub reverse: bool,
    /// Partial states per merge call; 0 is all at once.
    pub merge_width: usize,
}

impl UniHost {
    /// Aggregates: one accumulator per partition and group, one update per batch and group; then, if there is more than
    /// one partition, one accumulator per group that starts at `agg-new` and merges the partial states. Ordered by group.
    /// A group that fails does not stop the others.
    ///
    /// # Errors
    /// Where no call could be made: an unknown name, arguments or a plan that do not fit. Errors of the plugin are each
    /// group's own.
    pub async fn aggregate(
        &self,
        qname: &str,
        plan: &Plan,
    ) -> Result<Vec<(u32, Result<ArrayRef, CallError>)>, CallError> {
        let (guest, function) = self.find("aggregate", qname, None)?;
        let rows = plan.arguments.num_rows();
        let refuse = |problem: String| CallError::Arguments {
            qname: qname.to_owned(),
            problem,
        };
        if !plan.groups.is_empty() && plan.groups.len() != rows {
            return Err(refuse(format!(
                "{} groups for {rows} rows",
                plan.groups.len()
            )));
        }
        let most = guest.shared.limits.partitions;
        if plan.partitions > most {
            return Err(refuse(format!(
                "{} partitions, more than {most}",
                plan.partitions
            )));
        }
        let input = fit(&function, &plan.arguments)?;
        let pieces = plan.pieces(rows)?;
        let mut results = Vec::with_capacity(pieces.len());
        for (group, partitions) in pieces {
            results.push((
                group,
                run_group(&guest, &function, plan, &input, partitions).await,
            ));
        }
        Ok(results)
    }
}

/// The rows of one group: for each partition that has a partial state, its batches in order.
type Pieces = BTreeMap<u32, BTreeMap<u32, Vec<Vec<u32>>>>;

impl Plan {
    fn pieces(&self, rows: usize) -> Result<Pieces, CallError> {
        let partitions = self.partitions.max(1);
        let mut pieces = Pieces::new();
        if self.groups.is_empty() {
            pieces.insert(0, (0..partitions).map(|p| (p, Vec::new())).collect());
        }
        let width = if self.batch_rows == 0 {
            rows.max(1)
        } else {
            self.batch_rows
        };
        let rows =
            u32::try_from(rows).map_err(|_| CallError::Host(format!("{rows} rows in one plan")))?;
        let rows: Vec<u32> = (0..rows).collect();
        for (batch, partition) in rows.chunks(width).zip((0..partitions).cycle()) {
            let mut by_group = BTreeMap::<u32, Vec<u32>>::new();
            for row in batch {
                let group = self.groups.get(*row as usize).copied().unwrap_or(0);
                by_group.entry(group).or_default().push(*row);
            }
            for (group, rows) in by_group {
                pieces
                    .entry(group)
                    .or_default()
                    .entry(partition)
                    .or_default()
                    .push(rows);
            }
        }
        Ok(pieces)
    }
}

async fn run_group(
    guest: &Arc<Guest>,
    function: &Arc<Function>,
    plan: &Plan,
    input: &RecordBatch,
    partitions: BTreeMap<u32, Vec<Vec<u32>>>,
) -> Result<ArrayRef, CallError> {
    let open = || Accumulator::open(guest.clone(), function.clone());
    let mut partials = Vec::with_capacity(partitions.len());
    for batches in partitions.into_values() {
        let mut accumulator = open().await?;
        for rows in batches {
            let whole = rows.len() == input.num_rows();
            let batch = if whole {
                input.clone()
            } else {
                rows_of(input, rows)?
            };
            accumulator.update(&batch).await?;
        }
        if plan.partitions <= 1 {
            return accumulator.evaluate().await;
        }
        partials.push(Some(accumulator.state));
    }
    if plan.reverse {
        partials.reverse();
    }
    let mut last = open().await?;
    let width = if plan.merge_width == 0 {
        partials.len()
    } else {
        plan.merge_width
    };
    for states in partials.chunks(width.max(1)) {
        last.merge(states).await?;
    }
    last.evaluate().await
}

fn rows_of(input: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, CallError> {
    if input.num_columns() == 0 {
        return super::columns(Vec::new(), rows.len());
    }
    take_record_batch(input, &UInt32Array::from(rows)).map_err(host)
}
