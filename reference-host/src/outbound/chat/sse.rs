//! An incremental parser of server-sent events (the `data` of each event; other fields do not matter here).
//!
//! Bytes may be cut anywhere, also inside a character or a line end.

/// What a stream has sent so far of an event that is not complete.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    started: bool,
}

impl EventStream {
    /// Takes more bytes; returns the data of every event they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    /// Bytes held back for an event that is not complete.
    pub(super) fn buffered(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, Vec::len)
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.started, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &line[line.len()..]),
        };
        if field == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\r\ndata: {\"a\":\"é\"}\r\n\r\nevent: x\rdata:1\rdata: 2\r\rid: 3\n\ndata\n\ndata: [DONE]\n\ndata: cut";

    fn texts(events: Vec<Vec<u8>>) -> Vec<String> {
        events
            .into_iter()
            .map(|event| String::from_utf8(event).expect("text"))
            .collect()
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        let expected = ["{\"a\":\"é\"}", "1\n2", "", "[DONE]"];
        assert_eq!(
            texts(EventStream::default().push(STREAM.as_bytes())),
            expected
        );
        for size in 1..STREAM.len() {
            let mut stream = EventStream::default();
            let events = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| stream.push(chunk))
                .collect();
            assert_eq!(texts(events), expected, "cut every {size} bytes");
            assert_eq!(stream.buffered(), "data: cut".len());
        }
    }
}
