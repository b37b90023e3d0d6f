//! A whole aggregation over the host's accumulators, carried out as DataFusion does: one accumulator a group and
//! partition, one `update_batch` a group and batch, partial states as the column that `state()` gives, merged by an
//! accumulator that starts anew. DataFusion itself is not run, because it leaves the order of partitions open.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, UInt32Array},
    compute::take,
};
use datafusion::scalar::ScalarValue;
use uni_plugin::traits::aggregate::{AggregatePluginFn, PluginAccumulator};

use super::{
    Refusal,
    column::Column,
    types::{Failure, GroupResult, Plan},
};

/// The rows of one group: for each partition that has a partial state, its batches in order.
type Pieces = BTreeMap<u32, BTreeMap<u32, Vec<UInt32Array>>>;

pub(super) fn run(
    aggregate: &Arc<dyn AggregatePluginFn>,
    plan: Plan,
) -> Result<Vec<GroupResult>, Refusal> {
    let pieces = pieces(&plan)?;
    let arguments = plan
        .arguments
        .into_iter()
        .map(Column::array)
        .collect::<Result<Vec<_>, _>>()?;
    if arguments
        .iter()
        .any(|array| u32::try_from(array.len()) != Ok(plan.rows))
    {
        return Err(Refusal(format!(
            "not every argument has {} rows",
            plan.rows
        )));
    }
    let how = How {
        merges: plan.partitions > 1,
        reverse: plan.reverse,
        merge_width: plan.merge_width as usize,
    };
    let result = |(group, partitions)| {
        let value = how.group(aggregate, &arguments, partitions);
        GroupResult {
            group,
            value: value.map(|array| Column::from(&array)).into(),
        }
    };
    Ok(pieces.into_iter().map(result).collect())
}

/// Without groups there is the group 0, with a partial state in every partition, also where there are no rows.
fn pieces(plan: &Plan) -> Result<Pieces, Refusal> {
    if !plan.groups.is_empty() && u32::try_from(plan.groups.len()) != Ok(plan.rows) {
        return Err(Refusal(format!(
            "{} groups for {} rows",
            plan.groups.len(),
            plan.rows
        )));
    }
    let partitions = plan.partitions.max(1);
    let mut pieces = Pieces::new();
    if plan.groups.is_empty() {
        pieces.insert(
            0,
            (0..partitions)
                .map(|partition| (partition, Vec::new()))
                .collect(),
        );
    }
    let width = if plan.batch_rows == 0 {
        plan.rows.max(1)
    } else {
        plan.batch_rows
    };
    let rows: Vec<u32> = (0..plan.rows).collect();
    for (batch, partition) in rows.chunks(width as usize).zip((0..partitions).cycle()) {
        let mut by_group = BTreeMap::<u32, Vec<u32>>::new();
        for row in batch {
            let group = plan.groups.get(*row as usize).copied().unwrap_or(0);
            by_group.entry(group).or_default().push(*row);
        }
        for (group, rows) in by_group {
            pieces
                .entry(group)
                .or_default()
                .entry(partition)
                .or_default()
                .push(rows.into());
        }
    }
    Ok(pieces)
}

struct How {
    merges: bool,
    reverse: bool,
    merge_width: usize,
}

impl How {
    fn group(
        &self,
        aggregate: &Arc<dyn AggregatePluginFn>,
        arguments: &[ArrayRef],
        partitions: BTreeMap<u32, Vec<UInt32Array>>,
    ) -> Result<ArrayRef, Failure> {
        let mut partials = Vec::with_capacity(partitions.len());
        for batches in partitions.into_values() {
            let mut accumulator = aggregate.create_accumulator();
            for rows in batches {
                let batch = arguments
                    .iter()
                    .map(|array| take(array, &rows, None))
                    .collect::<Result<Vec<_>, _>>();
                accumulator.update_batch(&batch.map_err(|error| Failure::other(&error))?)?;
            }
            if !self.merges {
                return value(&*accumulator);
            }
            partials.push(accumulator.state()?);
        }
        if self.reverse {
            partials.reverse();
        }
        let mut last = aggregate.create_accumulator();
        let width = if self.merge_width == 0 {
            partials.len()
        } else {
            self.merge_width
        };
        for states in partials.chunks(width.max(1)) {
            last.merge_batch(&columns(states)?)?;
        }
        value(&*last)
    }
}

/// One column a field of the state.
fn columns(states: &[Vec<ScalarValue>]) -> Result<Vec<ArrayRef>, Failure> {
    let fields = states.iter().map(Vec::len).min().unwrap_or(0);
    (0..fields)
        .map(|field| ScalarValue::iter_to_array(states.iter().map(|state| state[field].clone())))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::other(&error))
}

/// The value of an accumulator as a column of one row.
pub(super) fn value(accumulator: &dyn PluginAccumulator) -> Result<ArrayRef, Failure> {
    accumulator
        .evaluate()?
        .to_array()
        .map_err(|error| Failure::other(&error))
}
