//! Calls of scalar functions and procedures.

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, UInt64Array, new_empty_array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{filter_record_batch, take};
use arrow::error::ArrowError;

use super::arguments::fit;
use super::error::CallError;
use super::guest::{answer, single_column};
use super::host::UniHost;
use super::ipc::Expected;
use super::registration::{FunctionKind, NullHandling};

impl UniHost {
    /// Calls a scalar function over the rows of `args`, one column per argument; see [`columns`](super::columns).
    ///
    /// The answer has one value per row. No row: no call, an empty column. Under `propagate`, rows with a null are taken
    /// out before the call and are null in the answer; if no row is left there is no call. Never called twice.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn invoke_scalar(
        &self,
        qname: &str,
        args: &RecordBatch,
    ) -> Result<ArrayRef, CallError> {
        let (guest, function) = self.find("scalar", qname, Some(args.num_columns()))?;
        let FunctionKind::Scalar {
            returns,
            null_handling,
            ..
        } = function.kind
        else {
            return Err(CallError::Unknown {
                kind: "scalar",
                qname: qname.to_owned(),
            });
        };
        let batch = fit(&function, args)?;
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(new_empty_array(&returns.arrow()));
        }
        let nulls = match null_handling {
            NullHandling::Propagate => {
                NullBuffer::union_many(batch.columns().iter().map(|c| c.nulls()))
            }
            NullHandling::UserHandled => None,
        };
        let call = async |batch: &RecordBatch| {
            let stream = guest.shared.spare.stream(batch).map_err(host)?;
            let bytes = guest.work("invoke-scalar", (qname, &*stream)).await?;
            single_column("invoke-scalar", bytes, returns, batch.num_rows())
        };
        match nulls.filter(|n| n.null_count() > 0) {
            None => call(&batch).await,
            Some(nulls) if nulls.null_count() == rows => Ok(new_null_array(&returns.arrow(), rows)),
            Some(nulls) => {
                let keep = BooleanArray::new(nulls.inner().clone(), None);
                let asked = filter_record_batch(&batch, &keep).map_err(host)?;
                scatter(&call(&asked).await?, &nulls).map_err(host)
            }
        }
    }

    /// Calls a procedure with one row of arguments. The answer is the plugin's batches in its order, possibly none; types
    /// are as declared, column names and nullability as the plugin chose. If any batch is bad there are none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn invoke_procedure(
        &self,
        qname: &str,
        args: &RecordBatch,
    ) -> Result<Vec<RecordBatch>, CallError> {
        let (guest, function) = self.find("procedure", qname, Some(args.num_columns()))?;
        let FunctionKind::Procedure { yields, .. } = &function.kind else {
            return Err(CallError::Unknown {
                kind: "procedure",
                qname: qname.to_owned(),
            });
        };
        if args.num_rows() != 1 {
            let problem = format!(
                "a procedure takes one row of arguments, {} given",
                args.num_rows()
            );
            return Err(CallError::Arguments {
                qname: qname.to_owned(),
                problem,
            });
        }
        let batch = fit(&function, args)?;
        let stream = guest.shared.spare.stream(&batch).map_err(host)?;
        let bytes = guest.work("invoke-procedure", (qname, &*stream)).await?;
        let columns: Vec<_> = yields.iter().map(|t| t.arrow()).collect();
        let expected = Expected {
            columns: &columns,
            max_rows: guest.limits.result_rows,
            max_batches: guest.shared.limits.result_batches,
        };
        answer("invoke-procedure", bytes, expected)
    }
}

pub(super) fn host(error: ArrowError) -> CallError {
    CallError::Host(error.to_string())
}

/// Puts the values of the rows that were asked back where they came from; the others are null.
fn scatter(values: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    let mut next = 0_u64;
    let index = nulls.iter().map(|valid| {
        valid.then(|| {
            next += 1;
            next - 1
        })
    });
    take(values, &UInt64Array::from_iter(index), None)
}
