//! The adapter's side of the protocol, over any pair of pipes.

use std::{
    io::{self, BufRead, Write},
    sync::mpsc::Receiver,
    thread,
};

use super::conversation;
use crate::host::protocol::{Message, Request};

/// Why the reference host stopped serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It could not start.
    #[error("the reference host could not start: {0}")]
    Start(String),
    /// A line that is no request.
    #[error("line {line} is no request: {source}")]
    Request {
        /// 1-based number of the line.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A pipe broke.
    #[error("the pipe to the suite broke: {0}")]
    Pipe(#[from] io::Error),
}

/// Serves requests until `bye` or the end of `input`. Returns when the last case is ended and the last message written.
///
/// # Errors
/// [`ServeError`]; the case that ran is ended then, too.
pub fn serve(input: impl BufRead, output: impl Write + Send) -> Result<(), ServeError> {
    let (requests, messages) = conversation::open().map_err(ServeError::Start)?;
    thread::scope(|scope| {
        let writer = scope.spawn(move || write(output, &messages));
        let read = || {
            for (line, text) in (1u64..).zip(input.lines()) {
                let request = serde_json::from_str(&text?)
                    .map_err(|source| ServeError::Request { line, source })?;
                let last = matches!(request, Request::Bye);
                if requests.send(request).is_err() || last {
                    break;
                }
            }
            Ok(())
        };
        let read = read();
        drop(requests);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
        read.and(written.map_err(ServeError::Pipe))
    })
}

fn write(mut output: impl Write, messages: &Receiver<Message>) -> io::Result<()> {
    for message in messages {
        serde_json::to_writer(&mut output, &message)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}
