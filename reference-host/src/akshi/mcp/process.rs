//! A program that speaks MCP on its standard input and output, in a process group of its own.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

/// How long a program may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);
/// How long the system may take to end it by force.
const FORCE: Duration = Duration::from_secs(5);

/// A running program. It and all it has started end when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Option<Box<dyn ChildWrapper>>,
}

impl Process {
    /// Starts a program, with the way to hear it and to talk to it.
    ///
    /// # Errors
    /// When the system cannot.
    pub(super) fn start(
        command: &[String],
        environment: &BTreeMap<String, String>,
    ) -> io::Result<(Self, ChildStdout, ChildStdin)> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut command = CommandWrap::with_new(program, |command| {
            command
                .args(arguments)
                .env_clear()
                .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
                .envs(environment)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        command.wrap(KillOnDrop);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        let mut child = command.spawn()?;
        let pipes = (child.stdout().take(), child.stdin().take());
        if let Some(stderr) = child.stderr().take() {
            tokio::spawn(drain(stderr));
        }
        let process = Self { child: Some(child) };
        match pipes {
            (Some(stdout), Some(stdin)) => Ok((process, stdout, stdin)),
            _ => Err(io::Error::other("no pipes")),
        }
    }

    /// Whether the program itself has ended.
    pub(super) fn has_exited(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Waits a little for its end, then ends it and all it has started.
    pub(super) async fn stop(mut self) {
        let Some(child) = self.child.as_mut() else {
            return;
        };
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
        // Also when it has ended: others of its group may not have. None left is an error, and good.
        let _ = child.start_kill();
        let _ = tokio::time::timeout(FORCE, child.wait()).await;
        self.child = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.start_kill();
            // Nobody else waits for it any more; without an executor the system does when the host ends.
            if let Ok(executor) = tokio::runtime::Handle::try_current() {
                executor.spawn(async move {
                    let _ = tokio::time::timeout(FORCE, child.wait()).await;
                });
            }
        }
    }
}

/// Reads what nobody wants, so that the program never waits for it.
async fn drain(mut stderr: ChildStderr) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut bytes).await {
        tracing::trace!(text = %String::from_utf8_lossy(&bytes[..length]), "an MCP server says");
    }
}
