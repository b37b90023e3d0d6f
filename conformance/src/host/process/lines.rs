//! The two pipes of an adapter: lines of bounded length into messages, requests into lines.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    sync::mpsc::{Receiver, SyncSender},
};

use crate::host::protocol::{Message, Request};

/// Longest excerpt of a line in an error, in bytes.
const EXCERPT: usize = 160;

/// What a line is.
#[derive(Debug)]
pub(super) enum Line {
    Message(Message),
    /// Not a message; which line, and why.
    Nonsense(String),
    /// No more lines.
    End,
}

/// Reads messages until the end or the first nonsense, then throws away what follows so that the adapter does not
/// wait for a reader.
pub(super) fn read(source: impl Read, limit: usize, messages: &SyncSender<Line>) {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let mut buffer = Vec::new();
    for number in 1u64.. {
        let line = next(&mut source, &mut buffer, limit, number);
        let last = !matches!(line, Line::Message(_));
        if messages.send(line).is_err() || last {
            break;
        }
        if buffer.capacity() > 1 << 20 {
            buffer = Vec::new();
        }
    }
    let _ = io::copy(&mut source, &mut io::sink());
}

/// Writes requests until there are no more or nobody reads them.
pub(super) fn write(mut sink: impl Write, requests: &Receiver<Request>) {
    for request in requests {
        let Ok(mut line) = serde_json::to_vec(&request) else {
            return;
        };
        line.push(b'\n');
        if sink.write_all(&line).and_then(|()| sink.flush()).is_err() {
            return;
        }
    }
}

fn next(source: &mut impl io::BufRead, buffer: &mut Vec<u8>, limit: usize, number: u64) -> Line {
    buffer.clear();
    let most = (limit as u64).saturating_add(1);
    match source.by_ref().take(most).read_until(b'\n', buffer) {
        // A line without an end is what a process that dies leaves behind.
        Ok(_) if buffer.last() != Some(&b'\n') && buffer.len() <= limit => Line::End,
        Ok(_) if buffer.last() != Some(&b'\n') => Line::Nonsense(format!(
            "line {number} of its output is longer than {limit} bytes"
        )),
        Ok(_) => parse(&buffer[..buffer.len() - 1], number),
        Err(_) => Line::End,
    }
}

fn parse(line: &[u8], number: u64) -> Line {
    match serde_json::from_slice(line) {
        Ok(message) => Line::Message(message),
        Err(error) => {
            let text = error.to_string();
            // A line is one line: of serde's position only the column says something.
            let why = text.split(" at line ").next().unwrap_or(&text);
            let column = error.column();
            let excerpt = excerpt(line, column.saturating_sub(1));
            let place = if column == 0 {
                String::new()
            } else {
                format!(", column {column}")
            };
            Line::Nonsense(format!(
                "line {number}{place} of its output is no message: {why}: {excerpt}"
            ))
        }
    }
}

/// The line around `offset`, quoted.
fn excerpt(line: &[u8], offset: usize) -> String {
    let start = offset.min(line.len()).saturating_sub(EXCERPT / 2);
    let end = line.len().min(start + EXCERPT);
    let (before, after) = (
        if start > 0 { "..." } else { "" },
        if end < line.len() { "..." } else { "" },
    );
    format!(
        "{before}{:?}{after}",
        String::from_utf8_lossy(&line[start..end])
    )
}
