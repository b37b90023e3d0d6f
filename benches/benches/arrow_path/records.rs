//! Single timed calls: percentiles of a subject beside those of its floor, both taken in turn, and the file they go to.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

/// One line of the file. Times are in `unit`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    group: &'static str,
    name: String,
    unit: &'static str,
    /// How many calls were timed.
    calls: usize,
    /// Bytes of Arrow IPC that cross the boundary, both directions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_p50: Option<f64>,
    /// `p50` over `floor_p50`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// The ratio that is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<f64>,
    /// Whether the promise is a least value of `ratio`; else it is the most.
    at_least: bool,
}

/// Times in microseconds, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times
            .into_iter()
            .map(|time| time.as_secs_f64() * 1e6)
            .collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time that this share of all is not above.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a few thousand times"
        )]
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn record(&self, group: &'static str, name: impl Into<String>) -> Record {
        Record {
            group,
            name: name.into(),
            unit: "us",
            calls: self.0.len(),
            bytes: None,
            p50: self.percentile(0.5),
            p90: self.percentile(0.9),
            p99: self.percentile(0.99),
            max: self.percentile(1.0),
            floor_p50: None,
            ratio: None,
            promise: None,
            at_least: false,
        }
    }
}

impl Record {
    pub(crate) fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    pub(crate) fn above(mut self, floor: &Times) -> Self {
        let floor = floor.percentile(0.5);
        self.floor_p50 = Some(floor);
        self.ratio = Some(self.p50 / floor);
        self
    }

    pub(crate) fn promised(mut self, ratio: f64) -> Self {
        self.promise = Some(ratio);
        self
    }

    /// How many times faster than this the host here is, and at least should be.
    pub(crate) fn slower_than_ours(mut self, ratio: f64, promise: f64) -> Self {
        self.ratio = Some(ratio);
        self.promise = Some(promise);
        self.at_least = true;
        self
    }
}

/// Calls both in turn, so that whatever else the machine does hits both, and answers with the times of each. Stops after
/// `budget` or `most` pairs, and never before ten.
pub(crate) fn in_turn(
    budget: Duration,
    most: usize,
    mut floor: impl FnMut() -> Duration,
    mut subject: impl FnMut() -> Duration,
) -> (Times, Times) {
    for _ in 0..3 {
        floor();
        subject();
    }
    let begin = Instant::now();
    let (mut floors, mut subjects) = (Vec::new(), Vec::new());
    while floors.len() < 10 || (floors.len() < most && begin.elapsed() < budget) {
        floors.push(floor());
        subjects.push(subject());
    }
    (Times::new(floors), Times::new(subjects))
}

/// Writes all records and prints each.
pub(crate) fn keep(records: &[Record]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/criterion/witgate");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("arrow_path.json"),
        serde_json::to_vec_pretty(records)?,
    )?;
    let mut out = std::io::stdout().lock();
    for record in records {
        use std::io::Write as _;
        write!(
            out,
            "{}/{}: p50 {:.1} us, p99 {:.1} us",
            record.group, record.name, record.p50, record.p99
        )?;
        if let Some(floor) = record.floor_p50 {
            write!(out, "; floor {floor:.1} us")?;
        }
        if let Some(ratio) = record.ratio {
            write!(out, "; ratio {ratio:.2}")?;
        }
        if let Some(promise) = record.promise {
            let bound = if record.at_least { "least" } else { "most" };
            write!(out, ", promised at {bound} {promise}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
