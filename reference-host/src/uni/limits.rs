//! Every ceiling this host enforces, in one place. Each one is a clean error, never a crash, when a plugin runs into it.

use std::time::Duration;

/// Size of a WebAssembly page in bytes, the unit of the manifest's `memory_max_pages`.
pub const PAGE_BYTES: u64 = 65_536;

/// Ceilings of the host. A manifest may lower a limit for its own plugin; it never raises one.
///
/// A value over a ceiling ends the call as [`CallError::Limit`](super::CallError::Limit) (framework code 0x04), or the
/// load as a [`LoadError`](super::LoadError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of one export call: instantiation, start functions, host calls and lifting included. Covers
    /// `manifest` and `register` too. The manifest's `timeout_ms` and the capability `wall-clock-millis-per-call` lower it.
    pub call_time: Duration,
    /// Bytes of linear memory of one instance, summed over its memories. `memory.grow` beyond it answers -1; an initial
    /// memory beyond it fails the instantiation. `memory_max_pages` and `memory-bytes` lower it.
    pub memory_bytes: u64,
    /// Elements of one table. `table.grow` beyond it answers -1.
    pub table_elements: u32,
    /// Bytes of one list or string that a plugin returns or hands to a host function. Checked before it is copied.
    pub payload_bytes: u64,
    /// Instances of one plugin that may be live at once. A call that finds none free waits, within `call_time`.
    pub instances: u32,
    /// Bytes of the answer of `manifest` or `register`.
    pub json_bytes: usize,
    /// Entries of one registration.
    pub entries: usize,
    /// Arguments or yields of one registered function.
    pub columns: usize,
    /// Rows over all batches of one procedure's answer. The capability `max-result-rows` lowers it.
    pub result_rows: u64,
    /// Batches of one answer of `invoke-procedure`.
    pub result_batches: usize,
    /// Bytes of a component.
    pub component_bytes: usize,
    /// Bytes of one log message that reach the sink; a longer one is cut at a character boundary. Levels share it.
    pub log_message_bytes: usize,
    /// Bytes of log that one export call may send to the sink; what comes after is dropped.
    pub log_bytes_per_call: usize,
    /// Ceiling and default of one outbound request, from the connection to the last byte of the body.
    pub http_time: Duration,
    /// Ceiling and default of one response body. A longer body is cut there.
    pub http_body_bytes: u32,
    /// Bytes of one URL.
    pub url_bytes: usize,
    /// Partitions of one aggregation plan.
    pub partitions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_time: Duration::from_secs(30),
            memory_bytes: 1 << 30,
            table_elements: 1 << 17,
            payload_bytes: 256 << 20,
            instances: 4,
            json_bytes: 4 << 20,
            entries: 4096,
            columns: 256,
            result_rows: 16 << 20,
            result_batches: 65_536,
            component_bytes: 64 << 20,
            log_message_bytes: 4 << 20,
            log_bytes_per_call: 16 << 20,
            http_time: Duration::from_secs(10),
            http_body_bytes: 8 << 20,
            url_bytes: 8 << 10,
            partitions: 4096,
        }
    }
}

/// What holds for one plugin: the host's [`Limits`] lowered by the plugin's manifest.
#[derive(Clone, Debug)]
pub(super) struct PluginLimits {
    pub(super) call_time: Duration,
    pub(super) memory_bytes: u64,
    pub(super) instances: u32,
    pub(super) result_rows: u64,
    pub(super) fuel: Option<u64>,
}

impl PluginLimits {
    /// What holds before a manifest is known.
    pub(super) fn bootstrap(limits: &Limits) -> Self {
        Self {
            call_time: limits.call_time,
            memory_bytes: limits.memory_bytes,
            instances: limits.instances.max(1),
            result_rows: limits.result_rows,
            fuel: None,
        }
    }

    /// What holds for the plugin of `manifest`.
    pub(super) fn of(limits: &Limits, manifest: &super::Manifest) -> Self {
        use super::Quota;
        let quota = |q: Quota| manifest.quota(q);
        let mut this = Self::bootstrap(limits);
        for ms in [manifest.timeout_ms, quota(Quota::WallClockMillisPerCall)]
            .into_iter()
            .flatten()
        {
            this.call_time = this.call_time.min(Duration::from_millis(ms));
        }
        for bytes in [
            manifest
                .memory_max_pages
                .map(|pages| u64::from(pages) * PAGE_BYTES),
            quota(Quota::MemoryBytes),
            quota(Quota::TotalMemoryBytes),
        ]
        .into_iter()
        .flatten()
        {
            this.memory_bytes = this.memory_bytes.min(bytes);
        }
        if let Some(n) = quota(Quota::ConcurrentInstances) {
            this.instances = this.instances.min(clamp_u32(n)).max(1);
        }
        if let Some(total) = quota(Quota::TotalMemoryBytes) {
            // Memory is accounted at its ceiling, so that the sum over live instances can never pass the quota.
            let fit = total / this.memory_bytes.max(1);
            this.instances = this.instances.min(clamp_u32(fit)).max(1);
        }
        if let Some(rows) = quota(Quota::MaxResultRows) {
            this.result_rows = this.result_rows.min(rows);
        }
        this.fuel = match (manifest.fuel_per_call, quota(Quota::FuelPerCall)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        this
    }
}

fn clamp_u32(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
