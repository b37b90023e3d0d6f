//! The engine that all worlds share: one pooled wasmtime [`Engine`], its epoch ticker, a cache of compiled
//! components, and what bounds one instance (memory, tables, compute time).
//!
//! A host of a world brings its own linker, store data and limits; nothing here knows a WIT package.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::component::Component;
use wasmtime::{
    CacheConfig, Config, Enabled, Engine, OptLevel, PoolingAllocationConfig, RegallocAlgorithm,
    ResourceLimiter, Store, UpdateDeadline,
};

/// Time between two epochs. A computing guest gives its thread back to the other instances this often.
pub const TICK: Duration = Duration::from_millis(2);

/// Component instances that may live at once in this process, over all hosts and worlds.
pub const MAX_INSTANCES: u32 = 1_500;

/// Bytes of linear memory one memory can ever have; per-instance limits lie below.
pub const MAX_MEMORY_BYTES: usize = 1 << 30;

/// Elements one table can ever have; per-instance limits lie below.
pub const MAX_TABLE_ELEMENTS: usize = 1 << 17;

/// Bytes of a memory that stay with its slot of the pool when an instance ends, set back to what they were. To give them
/// back to the system and fault them in again, page by page, takes ten times as long.
const RESIDENT_BYTES: usize = 32 << 20;

/// The same where the system does not tell which pages were written, so that as many are set back every time.
const BLIND_RESIDENT_BYTES: usize = 16 << 10;

/// Components a [`Cache`] keeps before it forgets the oldest.
const CACHE_ENTRIES: usize = 128;

/// Bytes of component binaries a [`Cache`] keeps before it forgets the oldest.
const CACHE_BYTES: usize = 256 << 20;

/// Why there is no engine, or a component did not compile.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The component is not valid, or uses a feature that is switched off.
    #[error("not a component this engine can run: {0}")]
    Compile(String),
    /// The machine refused what the pool or the ticker needs.
    #[error("the engine could not be set up: {0}")]
    Setup(String),
}

/// Where compiled components are kept between runs.
static KEPT: OnceLock<wasmtime::Cache> = OnceLock::new();

/// Keeps compiled components in a folder, for this process and those after it: what was compiled once is read back, keyed by
/// the bytes, the engine's version and its settings. The folder is made when it is not there, and kept below half a GiB by
/// forgetting what was not used for longest. Whatever fails there later only costs the compilation.
///
/// Must come before the first use of the engine, and binds at most once in a process.
///
/// # Errors
/// [`EngineError::Setup`] when the folder can't be used, or there is one already.
pub fn keep_compiled(directory: &Path) -> Result<(), EngineError> {
    let directory =
        std::path::absolute(directory).map_err(|error| EngineError::Setup(error.to_string()))?;
    let mut config = CacheConfig::new();
    config
        .with_directory(directory)
        .with_baseline_compression_level(1);
    let cache =
        wasmtime::Cache::new(config).map_err(|error| EngineError::Setup(format!("{error:#}")))?;
    KEPT.set(cache)
        .map_err(|_| EngineError::Setup("compiled components are kept in a folder already".into()))
}

/// What came of [`keep_compiled`] so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Components read back from the folder.
    pub read: usize,
    /// Components compiled, and put into it.
    pub compiled: usize,
}

/// What came of [`keep_compiled`] so far; nothing without it.
pub fn kept() -> Kept {
    KEPT.get().map_or_else(Kept::default, |cache| Kept {
        read: cache.cache_hits(),
        compiled: cache.cache_misses(),
    })
}

/// The engine of this process: built at first use, then kept for ever.
///
/// The pool reserves address space, not memory: an idle slot costs a few kilobytes.
///
/// # Errors
/// [`EngineError::Setup`] when the pool cannot be reserved or the ticker thread cannot start; the same error every time.
pub fn shared() -> Result<&'static Engine, EngineError> {
    static ENGINE: OnceLock<Result<Engine, EngineError>> = OnceLock::new();
    ENGINE.get_or_init(build).as_ref().map_err(Clone::clone)
}

/// Compiles a component on the [`shared`] engine, through a cache keyed by its bytes.
///
/// # Errors
/// [`EngineError::Compile`] for anything that is not a valid component; text components are not accepted.
pub fn compile(bytes: &[u8]) -> Result<Component, EngineError> {
    static CACHE: OnceLock<Cache<Component>> = OnceLock::new();
    CACHE.get_or_init(Cache::new).get_or_try_insert(bytes, || {
        Component::from_binary(shared()?, bytes)
            .map_err(|error| EngineError::Compile(format!("{error:#}")))
    })
}

fn build() -> Result<Engine, EngineError> {
    let resident = if PoolingAllocationConfig::is_pagemap_scan_available() {
        RESIDENT_BYTES
    } else {
        BLIND_RESIDENT_BYTES
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(4 * MAX_INSTANCES)
        .total_memories(2 * MAX_INSTANCES)
        .total_tables(4 * MAX_INSTANCES)
        .total_stacks(MAX_INSTANCES)
        .max_core_instances_per_component(128)
        .max_memories_per_component(16)
        .max_tables_per_component(128)
        .max_tables_per_module(16)
        .max_memories_per_module(4)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_unused_warm_slots(64)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(4 << 10);
    let mut config = Config::new();
    config
        // Most guests of a suite are small and run once: what compiles fast is done first.
        .cranelift_opt_level(OptLevel::None)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        .allocation_strategy(pool);
    start(&mut config)
}

/// An engine of these settings and those that all engines here share: stacks, the folder of [`keep_compiled`], and epochs,
/// which a thread counts for as long as the engine lives.
///
/// # Errors
/// [`EngineError::Setup`] when the machine refuses what the settings or the thread need.
pub(crate) fn start(config: &mut Config) -> Result<Engine, EngineError> {
    config
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .cache(KEPT.get().cloned());
    let engine = Engine::new(config).map_err(|error| EngineError::Setup(format!("{error:#}")))?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epochs".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| EngineError::Setup(error.to_string()))?;
    Ok(engine)
}

/// What was made from component binaries, by their bytes. Bounded: the oldest entry leaves first.
#[derive(Debug)]
pub struct Cache<V> {
    state: Mutex<CacheState<V>>,
}

#[derive(Debug)]
struct CacheState<V> {
    entries: HashMap<Arc<[u8]>, V>,
    order: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl<V: Clone> Cache<V> {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(CacheState {
                entries: HashMap::new(),
                order: VecDeque::new(),
                bytes: 0,
            }),
        }
    }

    /// The value made from these bytes, made now if it is not there. Failures are not kept.
    ///
    /// # Errors
    /// Whatever `make` returns.
    pub fn get_or_try_insert<E>(
        &self,
        bytes: &[u8],
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        if let Some(value) = self.state().entries.get(bytes) {
            return Ok(value.clone());
        }
        // Made outside the lock: a slow compilation holds nobody up. Two may race; both results are good.
        let value = make()?;
        let key: Arc<[u8]> = bytes.into();
        let mut state = self.state();
        if state.entries.insert(key.clone(), value.clone()).is_none() {
            state.bytes += key.len();
            state.order.push_back(key);
        }
        while state.order.len() > CACHE_ENTRIES
            || (state.bytes > CACHE_BYTES && state.order.len() > 1)
        {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            state.bytes -= oldest.len();
            state.entries.remove(&oldest);
        }
        Ok(value)
    }

    fn state(&self) -> MutexGuard<'_, CacheState<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> Default for Cache<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Bounds what one instance's memories and tables may hold. Growth beyond answers `-1` in the guest, as
/// `memory.grow` and `table.grow` define it; a first size beyond makes instantiation fail.
#[derive(Debug)]
pub struct MemoryLimiter {
    memory_bytes: usize,
    table_elements: usize,
    memory_used: usize,
    table_used: usize,
}

impl MemoryLimiter {
    /// A limiter for one store: bytes over all its linear memories, elements over all its tables.
    pub fn new(memory_bytes: u64, table_elements: u32) -> Self {
        Self {
            memory_bytes: usize::try_from(memory_bytes).unwrap_or(usize::MAX),
            table_elements: table_elements as usize,
            memory_used: 0,
            table_used: 0,
        }
    }

    /// Bytes of linear memory granted so far.
    pub fn memory_used(&self) -> usize {
        self.memory_used
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .memory_used
            .saturating_add(desired.saturating_sub(current));
        let granted = total <= self.memory_bytes && maximum.is_none_or(|most| desired <= most);
        if granted {
            self.memory_used = total;
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_used
            .saturating_add(desired.saturating_sub(current));
        let granted = total <= self.table_elements && maximum.is_none_or(|most| desired <= most);
        if granted {
            self.table_used = total;
        }
        Ok(granted)
    }

    // How many instances, memories and tables one component may have is bounded by the pool.
    fn instances(&self) -> usize {
        1_000
    }

    fn tables(&self) -> usize {
        1_000
    }

    fn memories(&self) -> usize {
        1_000
    }
}

/// The trap of a guest that computed longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compute limit reached: {} ms without waiting", .limit.as_millis())]
pub struct ComputeExceeded {
    /// The limit.
    pub limit: Duration,
}

/// Measures how long a guest computes without waiting, and stops it at a limit.
///
/// The clock runs only while the guest's task is being polled and goes back to zero when the guest waits for the
/// host; it is not reset by giving way to other instances at an epoch, nor by a host call that answers at once.
/// Precision: one [`TICK`].
#[derive(Debug, Clone)]
pub struct ComputeMeter(Arc<MeterState>);

#[derive(Debug)]
struct MeterState {
    limit: Duration,
    /// Whether waiting sets it back to zero.
    forgets: bool,
    origin: Instant,
    /// Nanoseconds computed in earlier polls since the last wait.
    spent: AtomicU64,
    /// Start of the current poll, nanoseconds since `origin`.
    entered: AtomicU64,
    gave_way: AtomicBool,
}

impl ComputeMeter {
    /// A meter at zero.
    pub fn new(limit: Duration) -> Self {
        Self::build(limit, true)
    }

    /// A meter at zero that sums up: waiting stops its clock and does not set it back.
    pub fn total(limit: Duration) -> Self {
        Self::build(limit, false)
    }

    /// Sets it back to zero, between two runs.
    pub fn reset(&self) {
        self.0.spent.store(0, Ordering::Relaxed);
    }

    fn build(limit: Duration, forgets: bool) -> Self {
        Self(Arc::new(MeterState {
            limit,
            forgets,
            origin: Instant::now(),
            spent: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            gave_way: AtomicBool::new(false),
        }))
    }

    /// Makes the store give way at every epoch and trap with [`ComputeExceeded`] at the limit. Whatever runs on the
    /// store must be wrapped by [`ComputeMeter::meter`].
    pub fn arm<T: 'static>(&self, store: &mut Store<T>) {
        let meter = self.clone();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| meter.tick());
    }

    /// Counts the time that `future` is being polled.
    pub fn meter<F: Future>(&self, future: F) -> Metered<F> {
        Metered {
            meter: self.clone(),
            future: Box::pin(future),
        }
    }

    fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let state = &*self.0;
        let running = state
            .now()
            .saturating_sub(state.entered.load(Ordering::Relaxed));
        let spent = state.spent.load(Ordering::Relaxed).saturating_add(running);
        if Duration::from_nanos(spent) > state.limit {
            return Err(ComputeExceeded { limit: state.limit }.into());
        }
        // A guest that just woke up finds its deadline long past; it has not used its turn yet.
        if Duration::from_nanos(running) < TICK / 2 {
            return Ok(UpdateDeadline::Continue(1));
        }
        state.gave_way.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }
}

impl MeterState {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A future whose polls are counted by a [`ComputeMeter`].
#[derive(Debug)]
pub struct Metered<F> {
    meter: ComputeMeter,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let meter = self.meter.clone();
        let state = &*meter.0;
        state.entered.store(state.now(), Ordering::Relaxed);
        let result = self.future.as_mut().poll(context);
        if state.gave_way.swap(false, Ordering::Relaxed) || !state.forgets {
            let running = state
                .now()
                .saturating_sub(state.entered.load(Ordering::Relaxed));
            state.spent.fetch_add(running, Ordering::Relaxed);
        } else {
            state.spent.store(0, Ordering::Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: &str = r#"(component
        (core module $m (func (export "spin") (loop br 0)))
        (core instance $i (instantiate $m))
        (func (export "spin") (canon lift (core func $i "spin"))))"#;

    #[tokio::test]
    async fn a_spinning_guest_gives_way_and_is_stopped() {
        let component = compile(&wat::parse_str(SPIN).expect("text")).expect("component");
        let mut store = Store::new(shared().expect("engine"), MemoryLimiter::new(1 << 16, 10));
        store.limiter(|limiter| limiter);
        let meter = ComputeMeter::new(Duration::from_millis(60));
        meter.arm(&mut store);
        let ticks = Arc::new(AtomicU64::new(0));
        let counter = ticks.clone();
        let other = tokio::spawn(async move {
            loop {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let linker = wasmtime::component::Linker::new(shared().expect("engine"));
        let error = meter
            .clone()
            .meter(async {
                let instance = linker.instantiate_async(&mut store, &component).await?;
                let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
                spin.call_async(&mut store, ()).await
            })
            .await
            .expect_err("the limit stops it");
        assert!(
            error.downcast_ref::<ComputeExceeded>().is_some(),
            "{error:?}"
        );
        assert!(
            ticks.load(Ordering::Relaxed) >= 2,
            "the other task ran meanwhile"
        );
        other.abort();
    }

    #[test]
    fn garbage_is_refused() {
        for bytes in [
            &b""[..],
            b"\0asm\x01\0\0\0",
            b"(component)",
            b"\0asm\x0d\0\x01\0\xff",
        ] {
            assert!(matches!(compile(bytes), Err(EngineError::Compile(_))));
        }
    }

    #[test]
    fn the_cache_answers_from_memory_and_keeps_no_failure() {
        let cache = Cache::new();
        assert_eq!(
            cache.get_or_try_insert(b"a", || Err::<u32, _>("no")),
            Err("no")
        );
        assert_eq!(cache.get_or_try_insert(b"a", || Ok::<_, ()>(1)), Ok(1));
        assert_eq!(cache.get_or_try_insert(b"a", || Ok::<_, ()>(2)), Ok(1));
    }

    #[test]
    fn memory_counts_over_all_memories() {
        let mut limiter = MemoryLimiter::new(100, 10);
        assert!(limiter.memory_growing(0, 60, None).expect("no error"));
        assert!(!limiter.memory_growing(0, 60, None).expect("no error"));
        assert!(limiter.memory_growing(60, 100, None).expect("no error"));
        assert_eq!(limiter.memory_used(), 100);
        assert!(!limiter.table_growing(0, 11, None).expect("no error"));
    }
}
