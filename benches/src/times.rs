//! Times of single calls, their percentiles beside those of a floor, and the file that keeps them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

/// Times of calls in nanoseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// From durations, in any order.
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::from_nanos(times.into_iter().map(|time| time.as_secs_f64() * 1e9))
    }

    /// From nanoseconds, in any order.
    pub fn from_nanos(times: impl IntoIterator<Item = f64>) -> Self {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// Every time made longer by a constant, or shorter when it is negative; none becomes less than zero.
    #[must_use]
    pub fn shifted(&self, nanos: f64) -> Self {
        Self(self.0.iter().map(|time| (time + nanos).max(0.0)).collect())
    }

    /// The time that this share of all, 0 to 1, is not above. Not a number when there are no times.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into at most a few million times"
        )]
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many times lie in each interval from a power of two (of nanoseconds) to the next, from the first that is not
    /// empty to the last.
    pub fn histogram(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for time in &self.0 {
            let from = time.max(1.0).log2().floor().exp2();
            match buckets.last_mut() {
                Some(bucket) if bucket.from >= from => bucket.count += 1,
                _ => {
                    while let Some(next) = buckets.last().map(|last| last.from * 2.0)
                        && next < from
                    {
                        buckets.push(Bucket {
                            from: next,
                            count: 0,
                        });
                    }
                    buckets.push(Bucket { from, count: 1 });
                }
            }
        }
        buckets
    }

    /// The share of all times from half a millisecond to four. A timer of one or two milliseconds somewhere on the way of a
    /// call that takes microseconds shows here; what a busy machine does shows, too, but a hundred times less.
    #[expect(clippy::cast_precision_loss, reason = "at most a few million times")]
    pub fn at_a_timer(&self) -> f64 {
        let within = self
            .0
            .iter()
            .filter(|time| (5e5..4e6).contains(*time))
            .count();
        within as f64 / self.0.len().max(1) as f64
    }
}

/// One bar of a histogram.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bucket {
    /// The shortest time that falls into it, in nanoseconds; twice that falls into the next.
    pub from: f64,
    /// How many do.
    pub count: usize,
}

/// One line of the file.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    group: String,
    name: String,
    unit: &'static str,
    /// How many calls were timed; for a rate, how many it was taken from.
    calls: usize,
    p50: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p90: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_p99: Option<f64>,
    /// `p50` over `floor_p50`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// `p99` over `floor_p99`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_p99: Option<f64>,
    /// What `ratio` is promised to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<f64>,
    /// What `ratio_p99` is promised to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise_p99: Option<f64>,
    /// Whether the promise is a least value; else it is the most.
    at_least: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Vec<Bucket>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Record {
    /// Percentiles of times, in nanoseconds.
    pub fn times(group: &str, name: impl Into<String>, times: &Times) -> Self {
        Self {
            p90: Some(times.percentile(0.9)),
            p99: Some(times.percentile(0.99)),
            max: Some(times.percentile(1.0)),
            ..Self::value(group, name, "ns", times.len(), times.percentile(0.5))
        }
    }

    /// One number.
    pub fn value(
        group: &str,
        name: impl Into<String>,
        unit: &'static str,
        calls: usize,
        value: f64,
    ) -> Self {
        Self {
            group: group.to_owned(),
            name: name.into(),
            unit,
            calls,
            p50: value,
            p90: None,
            p99: None,
            max: None,
            floor_p50: None,
            floor_p99: None,
            ratio: None,
            ratio_p99: None,
            promise: None,
            promise_p99: None,
            at_least: false,
            histogram: None,
            note: None,
        }
    }

    /// Beside the floor, percentile by percentile.
    #[must_use]
    pub fn above(mut self, floor: &Times) -> Self {
        let (p50, p99) = (floor.percentile(0.5), floor.percentile(0.99));
        self.floor_p50 = Some(p50);
        self.floor_p99 = Some(p99);
        self.ratio = Some(self.p50 / p50);
        self.ratio_p99 = self.p99.map(|own| own / p99);
        self
    }

    /// Beside one number.
    #[must_use]
    pub fn beside(mut self, floor: f64) -> Self {
        self.floor_p50 = Some(floor);
        self.ratio = Some(self.p50 / floor);
        self
    }

    /// The median is promised to be at most so many times the floor's.
    #[must_use]
    pub fn promised(mut self, ratio: f64) -> Self {
        self.promise = Some(ratio);
        self
    }

    /// The 99th percentile is promised to be at most so many times the floor's.
    #[must_use]
    pub fn promised_p99(mut self, ratio: f64) -> Self {
        self.promise_p99 = Some(ratio);
        self
    }

    /// The number is promised to be at least so many times the other.
    #[must_use]
    pub fn promised_at_least(mut self, ratio: f64) -> Self {
        self.promise = Some(ratio);
        self.at_least = true;
        self
    }

    /// With the whole distribution, and whether it betrays a timer.
    #[must_use]
    pub fn histogram(mut self, times: &Times) -> Self {
        self.histogram = Some(times.histogram());
        let share = times.at_a_timer();
        let finding = if share < 0.01 { "no timer" } else { "A TIMER?" };
        self.note(format!(
            "{finding}: {:.3} % between 0.5 and 4 ms",
            share * 100.0
        ))
    }

    /// With a remark for whoever reads it.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    fn line(&self) -> String {
        let (scale, unit) = match self.unit {
            "ns" if self.p50 >= 1e4 => (1e3, "us"),
            unit => (1.0, unit),
        };
        let mut text = format!("{:<44}", format!("{}/{}", self.group, self.name));
        let mut put = |name: &str, value: f64| {
            // Writing to a string cannot fail.
            let _ = write!(text, " {name} {:>8.1}", value / scale);
        };
        put("p50", self.p50);
        if let (Some(p90), Some(p99), Some(max)) = (self.p90, self.p99, self.max) {
            put("p90", p90);
            put("p99", p99);
            put("max", max);
        }
        text.push(' ');
        text.push_str(unit);
        let bound = if self.at_least { "least" } else { "most" };
        let mut compare = |what: &str, floor: Option<f64>, ratio: Option<f64>, promise| {
            if let (Some(floor), Some(ratio)) = (floor, ratio) {
                let _ = write!(
                    text,
                    "; {what} floor {:.1}, ratio {ratio:.2}",
                    floor / scale
                );
                if let Some::<f64>(promise) = promise {
                    let kept = if self.at_least {
                        ratio >= promise
                    } else {
                        ratio <= promise
                    };
                    let verdict = if kept { "kept" } else { "NOT KEPT" };
                    let _ = write!(text, " (at {bound} {promise}: {verdict})");
                }
            }
        };
        compare("p50", self.floor_p50, self.ratio, self.promise);
        compare("p99", self.floor_p99, self.ratio_p99, self.promise_p99);
        if let Some(note) = &self.note {
            let _ = write!(text, "; {note}");
        }
        for bucket in self.histogram.iter().flatten() {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a bar of at most 60 characters"
            )]
            let bar = (60.0 * bucket.count as f64 / self.calls as f64).ceil() as usize;
            let _ = write!(
                text,
                "\n    from {:>12.3} us {:>9} {}",
                bucket.from / 1e3,
                bucket.count,
                "#".repeat(bar)
            );
        }
        text
    }
}

/// Prints all records and writes them to `target/criterion/witgate/NAME.json`.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(name: &str, records: &[Record]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/criterion/witgate");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join(format!("{name}.json")),
        serde_json::to_vec_pretty(records)?,
    )?;
    let mut out = std::io::stdout().lock();
    for record in records {
        writeln!(out, "{}", record.line())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_buckets_count_every_time_once() {
        let times = Times::from_nanos((1..=100).rev().map(f64::from));
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| times.percentile(share)),
            [1.0, 51.0, 99.0, 100.0]
        );
        let buckets = times.histogram();
        assert_eq!(
            buckets.iter().map(|bucket| bucket.count).sum::<usize>(),
            100
        );
        assert_eq!(buckets.len(), 7);
        let gap = Times::from_nanos([1.0, 9.0]).histogram();
        assert_eq!(
            gap.iter().map(|b| b.count).collect::<Vec<_>>(),
            [1, 0, 0, 1]
        );
    }

    #[test]
    fn a_timer_shows() {
        let quiet = Times::from_nanos((0..1000).map(|n| f64::from(n) * 10.0));
        assert!(quiet.at_a_timer() < 0.01);
        let ticking = Times::from_nanos((0..1000).map(|n| if n % 20 == 0 { 1.1e6 } else { 400.0 }));
        assert!(ticking.at_a_timer() >= 0.05);
    }
}
