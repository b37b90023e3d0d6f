//! A host behind the adapter protocol: a child process in any language, one JSON object a line each way. Nothing that the
//! child does, or does not do, stops the suite: reading, writing and its standard error have a thread each, and every
//! wait has a limit.

mod child;
mod lines;

use std::{
    ffi::OsString,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

use self::{child::Process, lines::Line};
use super::{
    Host, HostFault, Launcher,
    protocol::{Hello, Message, Request, VERSION},
    turns::Turns,
};

/// Longest line that the protocol allows, in bytes, without its end.
pub const LINE_LIMIT: usize = 512 << 20;

/// How long an adapter may take to answer `hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an adapter may take to end after `bye`.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an adapter whose output is at its end may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a silent adapter is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Messages that are read ahead; an adapter that sends more waits until they are taken.
const READ_AHEAD: usize = 64;

/// Starts adapters with one command line.
#[derive(Clone, Debug)]
pub struct ProcessLauncher {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Set on top of the environment of the suite.
    pub env: Vec<(OsString, OsString)>,
    /// How long it may take to answer `hello`.
    pub hello_timeout: Duration,
    /// Longest line it may send, in bytes.
    pub line_limit: usize,
}

impl ProcessLauncher {
    /// A launcher of this program with these arguments and the limits of the protocol.
    pub fn new<S: Into<OsString>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            hello_timeout: HELLO_TIMEOUT,
            line_limit: LINE_LIMIT,
        }
    }

    /// As [`Launcher::launch`], with the host's own type.
    ///
    /// # Errors
    /// As [`Launcher::launch`].
    pub fn start(&self) -> Result<ProcessHost, HostFault> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| HostFault::Start("there is no command".into()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);

        let start =
            |error: std::io::Error| HostFault::Start(format!("{}: {error}", program.display()));
        let mut child = command.spawn().map_err(start)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(HostFault::Start(format!(
                "{}: no pipe to it",
                program.display()
            )));
        };
        let process = Process::new(child, stderr).map_err(start)?;
        let (lines_in, lines) = sync_channel(READ_AHEAD);
        let limit = self.line_limit;
        spawn("adapter output", move || {
            lines::read(stdout, limit, &lines_in)
        })
        .map_err(start)?;
        let (requests, requests_out) = channel();
        spawn("adapter input", move || lines::write(stdin, &requests_out)).map_err(start)?;

        let mut host = ProcessHost {
            hello: Hello::default(),
            process,
            requests: Some(requests),
            lines,
            turns: Turns::default(),
            fault: None,
        };
        host.greet(self.hello_timeout)?;
        Ok(host)
    }
}

impl Launcher for ProcessLauncher {
    fn launch(&self) -> Result<Box<dyn Host>, HostFault> {
        Ok(Box::new(self.start()?))
    }
}

/// An adapter that runs. Dropping it says `bye`, waits 2 s, then kills it and what it started.
#[derive(Debug)]
pub struct ProcessHost {
    hello: Hello,
    process: Process,
    requests: Option<Sender<Request>>,
    lines: Receiver<Line>,
    turns: Turns,
    fault: Option<HostFault>,
}

impl ProcessHost {
    /// The process id, for a log.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn greet(&mut self, timeout: Duration) -> Result<(), HostFault> {
        self.send(Request::Hello { protocol: VERSION });
        match self.guarded(|host| host.receive(Instant::now() + timeout))? {
            Some(Message::Hello(hello)) if hello.protocol == VERSION => {
                self.hello = hello;
                Ok(())
            }
            Some(Message::Hello(hello)) => {
                let spoken = hello.protocol;
                self.guarded(|host| {
                    Err(host.breach(format!(
                        "it speaks version {spoken} of the protocol, this suite version {VERSION}"
                    )))
                })
            }
            Some(_) => {
                self.guarded(|host| Err(host.breach("its first message is not `hello`".into())))
            }
            None => self.guarded(|_| Err(HostFault::Silent(timeout))),
        }
    }

    fn send(&self, request: Request) {
        // A writer that is gone means an adapter that is going or does not listen: `next` finds out which, after all
        // that it still said.
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        let mut ended = false;
        loop {
            let wait = deadline.saturating_duration_since(Instant::now()).min(POLL);
            match self.lines.recv_timeout(wait) {
                Ok(Line::Message(message)) => return Ok(Some(message)),
                Ok(Line::Nonsense(what)) => return Err(self.breach(what)),
                Ok(Line::End) | Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                // Its output may be kept open by a process that it left behind.
                Err(RecvTimeoutError::Timeout) if ended => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => return Ok(None),
                Err(RecvTimeoutError::Timeout) => ended = self.process.status().is_some(),
            }
        }
    }

    fn gone(&mut self) -> HostFault {
        match self.process.wait(EXIT_TIMEOUT) {
            Some(status) => HostFault::Gone {
                status: status.to_string(),
                stderr: self.process.final_stderr(),
            },
            None => self.breach("it closed its standard output and goes on".into()),
        }
    }

    fn breach(&mut self, what: String) -> HostFault {
        self.process.kill();
        HostFault::Breach {
            what,
            stderr: self.process.final_stderr(),
        }
    }

    /// Keeps the fault of `action`, and ends the adapter upon it.
    fn guarded<T>(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<T, HostFault>,
    ) -> Result<T, HostFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let result = action(self);
        if let Err(fault) = &result {
            self.fault = Some(fault.clone());
            self.process.kill();
        }
        result
    }
}

impl Host for ProcessHost {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn post(&mut self, request: Request) -> Result<(), HostFault> {
        self.guarded(|host| {
            host.turns.sent(&request);
            host.send(request);
            Ok(())
        })
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        self.guarded(|host| {
            let message = host.receive(deadline)?;
            match message
                .as_ref()
                .map_or(Ok(()), |message| host.turns.received(message))
            {
                Ok(()) => Ok(message),
                Err(what) => Err(host.breach(format!("it sent {what}"))),
            }
        })
    }

    fn stderr(&self) -> String {
        self.process.stderr()
    }
}

impl Drop for ProcessHost {
    fn drop(&mut self) {
        if self.fault.is_none() {
            self.send(Request::Bye);
            self.requests = None;
            self.process.wait(BYE_TIMEOUT);
        }
        self.process.kill();
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(drop)
}
