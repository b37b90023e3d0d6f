//! The call `log` of plugins. A plugin logs in its start function, so that instantiating it is all that the floor needs;
//! the sink counts the lines and reads the clock at the first and at the last.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reference_host::engine;
use reference_host::uni::{Config, Grants, Limits, LogLine, LogSink, UniHost};
use tokio::runtime::Runtime;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Linker};

use super::{CALLS, Side};

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package uni:plugin@0.1.0;
            // As the contract writes it.
            interface host-log {
                log: func(level: string, message: string);
            }
            world plugin {
                import host-log;
            }
        ",
        imports: { default: trappable },
        exports: { default: async },
    });
}

use bindings::{PluginPre, uni::plugin::host_log};

/// Instances that one load makes: one for `manifest`, one for `register`.
const INSTANCES: u32 = 2;

/// A plugin that registers nothing and logs a line so often that one load makes [`CALLS`] calls between the readings.
pub(super) fn plugin() -> Vec<u8> {
    let lines = CALLS / INSTANCES + 1;
    let manifest = r#"{"id":"bench.log","version":"1.0.0"}"#;
    let register = r#"{"entries":[]}"#;
    let (at, next) = (1024, 1024 + manifest.len());
    let image = format!("{manifest}{register}").replace('"', "\\22");
    let text = format!(
        r#"(component
          (import "uni:plugin/host-log@0.1.0" (instance $log
            (export "log" (func (param "level" string) (param "message" string)))))
          (core module $Libc
            (memory (export "memory") 1)
            (data (i32.const 16) "info")
            (data (i32.const 32) "a line of forty characters, just as many")
            (data (i32.const {at}) "{image}"))
          (core instance $libc (instantiate $Libc))
          (core func $lowered (canon lower (func $log "log") (memory $libc "memory")))
          (core module $Main
            (import "libc" "memory" (memory 1))
            (import "host" "log" (func $log (param i32 i32 i32 i32)))
            (func $start (local $n i32)
              (local.set $n (i32.const {lines}))
              (loop $again
                (call $log (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 40))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (start $start)
            (func (export "manifest") (result i32)
              (i32.store (i32.const 64) (i32.const {at})) (i32.store (i32.const 68) (i32.const {}))
              (i32.const 64))
            (func (export "register") (result i32)
              (i32.store (i32.const 64) (i32.const {next})) (i32.store (i32.const 68) (i32.const {}))
              (i32.const 64)))
          (core instance $i (instantiate $Main
            (with "libc" (instance $libc))
            (with "host" (instance (export "log" (func $lowered))))))
          (func (export "manifest") (result string)
            (canon lift (core func $i "manifest") (memory $libc "memory")))
          (func (export "register") (result string)
            (canon lift (core func $i "register") (memory $libc "memory"))))"#,
        manifest.len(),
        register.len()
    );
    wat::parse_str(text).expect("the plugin's text")
}

/// Counts lines, the same way on both sides, and times them from the first of an instance to the last.
#[derive(Debug, Default)]
struct Lines {
    count: AtomicU32,
    timed: Mutex<(Option<Instant>, Duration)>,
}

impl Lines {
    fn line(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            self.timed().0 = Some(Instant::now());
        } else if count == CALLS / INSTANCES {
            self.count.store(0, Ordering::Relaxed);
            let (begin, spent) = &mut *self.timed();
            *spent += begin.take().map_or(Duration::ZERO, |begin| begin.elapsed());
        }
    }

    fn take(&self) -> Duration {
        std::mem::take(&mut self.timed().1)
    }

    fn timed(&self) -> MutexGuard<'_, (Option<Instant>, Duration)> {
        self.timed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bare engine.
pub(super) struct Floor {
    runtime: Arc<Runtime>,
    guest: PluginPre<Lines>,
}

impl host_log::Host for Lines {
    fn log(&mut self, _level: String, _message: String) -> wasmtime::Result<()> {
        self.line();
        Ok(())
    }
}

impl Floor {
    pub(super) fn new(runtime: &Arc<Runtime>, guest: &[u8]) -> Self {
        let pre = || -> wasmtime::Result<_> {
            let engine = engine::shared()?;
            let mut linker = Linker::new(engine);
            bindings::Plugin::add_to_linker::<_, HasSelf<Lines>>(&mut linker, |lines| lines)?;
            PluginPre::new(linker.instantiate_pre(&Component::from_binary(engine, guest)?)?)
        };
        Self {
            runtime: runtime.clone(),
            guest: pre().expect("a plugin"),
        }
    }
}

impl Side for Floor {
    fn round(&mut self) -> Duration {
        let guest = self.guest.clone();
        let task = self.runtime.spawn(async move {
            let mut spent = Duration::ZERO;
            for _ in 0..INSTANCES {
                let mut store = Store::new(guest.engine(), Lines::default());
                store.epoch_deadline_async_yield_and_update(1);
                guest.instantiate_async(&mut store).await?;
                spent += store.data().take();
            }
            Ok::<_, wasmtime::Error>(spent)
        });
        self.runtime
            .block_on(task)
            .expect("no panic")
            .expect("it starts")
    }
}

/// The reference host.
pub(super) struct Host {
    runtime: Arc<Runtime>,
    host: Arc<UniHost>,
    lines: Arc<Lines>,
    guest: Arc<[u8]>,
}

impl LogSink for Lines {
    fn log(&self, _line: LogLine<'_>) {
        self.line();
    }
}

impl Host {
    pub(super) fn new(runtime: &Arc<Runtime>, guest: &[u8]) -> Self {
        let lines = Arc::new(Lines::default());
        let host = UniHost::new(Config {
            limits: Limits {
                log_bytes_per_call: usize::MAX,
                ..Limits::default()
            },
            log: lines.clone(),
            ..Config::default()
        });
        Self {
            runtime: runtime.clone(),
            host: Arc::new(host.expect("a host")),
            lines,
            guest: guest.into(),
        }
    }
}

impl Side for Host {
    fn round(&mut self) -> Duration {
        let (host, guest) = (self.host.clone(), self.guest.clone());
        let task = self.runtime.spawn(async move {
            let loaded = host.load(&guest, &Grants::default()).await;
            let loaded = loaded.expect("it loads");
            host.unload(&loaded.id);
        });
        self.runtime.block_on(task).expect("no panic");
        self.lines.take()
    }
}
