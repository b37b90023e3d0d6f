//! The process itself: its end, by itself or by force, and the end of its standard error.

use std::{
    collections::VecDeque,
    io::{self, Read},
    process::{Child, ChildStderr, ExitStatus},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How much of the standard error is kept, in bytes.
const STDERR_KEPT: usize = 8 << 10;

/// How long a process may take to end that was killed.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the rest of the standard error of a process that ended may take.
const STDERR_TIMEOUT: Duration = Duration::from_millis(200);

/// A child process whose standard error is kept, in a process group of its own where there are such.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    status: Option<ExitStatus>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    /// Disconnected when the standard error is at its end.
    stderr_open: Receiver<()>,
}

impl Process {
    pub(super) fn new(child: Child, source: ChildStderr) -> io::Result<Self> {
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let (open, stderr_open) = channel::<()>();
        let process = Self {
            child,
            status: None,
            stderr: Arc::clone(&stderr),
            stderr_open,
        };
        super::spawn("adapter errors", move || {
            keep_end(source, &stderr);
            drop(open);
        })?;
        Ok(process)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
            if self.status.is_some() {
                self.kill_group();
            }
        }
        self.status
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.status().is_some() || left.is_zero() {
                return self.status;
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Kills it, if it has not ended, and what it started.
    pub(super) fn kill(&mut self) {
        if self.status().is_none() {
            self.kill_group();
            let _ = self.child.kill();
            self.wait(KILL_TIMEOUT);
        }
    }

    /// The end of its standard error so far.
    pub(super) fn stderr(&self) -> String {
        let mut kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }

    /// The end of its standard error, after it has ended.
    pub(super) fn final_stderr(&self) -> String {
        let _ = self.stderr_open.recv_timeout(STDERR_TIMEOUT);
        self.stderr()
    }

    /// A group lives on while one of its processes does, so its number is not given away before.
    #[cfg(unix)]
    fn kill_group(&self) {
        use rustix::process::{Pid, Signal, kill_process_group};

        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn kill_group(&self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn keep_end(mut source: impl Read, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = source.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..read]);
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
}
