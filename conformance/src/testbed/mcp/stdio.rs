//! MCP over standard input and output: what `\{mcp}` runs. What it gets it tells the testbed, before it answers.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use super::{Mode, REPORT, Reaction, failure, heard, noise, react};
use crate::testbed::log::{ToolCall, ToolCallKind};

/// Bytes of one message, at most.
const MAX_LINE: u64 = 64 << 20;
/// How long the testbed may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server lives at most, whoever forgot it.
const LIFETIME: Duration = Duration::from_secs(600);

/// A server to be.
#[derive(Clone, Debug)]
pub struct Server {
    /// How it behaves.
    pub mode: Mode,
    /// `http://127.0.0.1:PORT` of the testbed.
    pub testbed: String,
    /// What the testbed is told it is.
    pub label: String,
    /// What it was started with, for the record.
    pub arguments: Vec<String>,
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its input ended, or its time.
    Over,
    /// It was to crash.
    Crashed,
}

impl Server {
    /// Serves until the input ends, or until it is to crash.
    ///
    /// # Errors
    /// When the testbed can't be told, or nobody reads the output.
    pub fn serve(
        &self,
        input: impl Read + Send + 'static,
        output: &mut dyn Write,
    ) -> io::Result<End> {
        self.report(&ToolCall {
            server: self.label.clone(),
            kind: ToolCallKind::Start,
            tool: String::new(),
            arguments: json!(self.arguments).to_string(),
        })?;
        let (lines, heard) = mpsc::sync_channel(64);
        thread::spawn(move || {
            let mut input = BufReader::new(input);
            loop {
                let mut line = Vec::new();
                let read = (&mut input).take(MAX_LINE).read_until(b'\n', &mut line);
                if !matches!(read, Ok(1..)) || lines.send(line).is_err() {
                    return;
                }
            }
        });
        self.answer(&heard, output)
    }

    fn answer(&self, lines: &Receiver<Vec<u8>>, output: &mut dyn Write) -> io::Result<End> {
        let end = Instant::now() + LIFETIME;
        let mut later: Vec<(Instant, Json)> = Vec::new();
        loop {
            let now = Instant::now();
            let (due, rest) = later.into_iter().partition(|(at, _)| *at <= now);
            later = rest;
            let due: Vec<(Instant, Json)> = due;
            for (_, answer) in due {
                self.say(&answer, output)?;
            }
            let next = later.iter().map(|(at, _)| *at).min().unwrap_or(end);
            let wait = next.min(end).saturating_duration_since(now);
            let line = match lines.recv_timeout(wait) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => continue,
                Err(_) => return Ok(End::Over),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Ok(message) = serde_json::from_slice::<Json>(&line) else {
                self.say(&failure(&Json::Null, -32700, "this is no JSON"), output)?;
                continue;
            };
            let call = match heard(&self.label, &message) {
                Some(heard) => self.report(&heard)?,
                None => 0,
            };
            match react(self.mode, &message, call) {
                Reaction::Answer(after, answer) if after.is_zero() => self.say(&answer, output)?,
                Reaction::Answer(after, answer) => later.push((Instant::now() + after, answer)),
                Reaction::Crash => return Ok(End::Crashed),
                Reaction::Hang | Reaction::Nothing => {}
            }
        }
    }

    fn say(&self, answer: &Json, output: &mut dyn Write) -> io::Result<()> {
        if self.mode == Mode::Noisy {
            writeln!(output, "this is no JSON {{\n\n{}", noise())?;
        }
        writeln!(output, "{answer}")?;
        output.flush()
    }

    /// Tells the testbed, and gives the how manieth call of a tool it was.
    fn report(&self, heard: &ToolCall) -> io::Result<u64> {
        let body = json!({
            "server": heard.server,
            "kind": heard.kind.name(),
            "tool": heard.tool,
            "arguments": heard.arguments,
        })
        .to_string();
        let host = self.testbed.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host.trim_end_matches('/'))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head = format!("POST {REPORT} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
        let mut answer = String::new();
        stream.take(1 << 16).read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        body.and_then(|body| {
            serde_json::from_str::<Json>(body)
                .ok()?
                .get("call")?
                .as_u64()
        })
        .ok_or_else(|| io::Error::other("the testbed did not take what it was told"))
    }
}
