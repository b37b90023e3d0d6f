//! The framing of an IPC stream: continuation marker, metadata length, metadata, body. Nothing is copied or reserved
//! before its bytes are known to be there.

use super::AnswerError;

const CONTINUATION: [u8; 4] = [0xff; 4];

/// One encapsulated message.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Offset of the message in the stream.
    pub(super) offset: usize,
    /// The flatbuffer.
    pub(super) metadata: &'a [u8],
    /// Offset of the first byte behind the metadata.
    pub(super) body: usize,
}

/// Cuts a stream into messages. The caller tells the length of each body, which only the metadata knows.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// # Errors
    /// Where the bytes cannot be a stream at all.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, AnswerError> {
        if bytes.is_empty() {
            return Err(AnswerError::Empty);
        }
        if bytes.starts_with(b"ARROW1") {
            return Err(AnswerError::FileFormat);
        }
        Ok(Self { bytes, at: 0 })
    }

    /// The next message, or `None` at the end: an end marker with nothing behind it, or no bytes left.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'a>>, AnswerError> {
        let offset = self.at;
        if offset == self.bytes.len() {
            return Ok(None);
        }
        if self.word()? != CONTINUATION {
            return Err(framing(offset, "no continuation marker".into()));
        }
        let length = i32::from_le_bytes(self.word()?);
        if length == 0 {
            return match self.bytes.len() - self.at {
                0 => Ok(None),
                left => Err(framing(
                    self.at,
                    format!("{left} bytes behind the end marker"),
                )),
            };
        }
        let left = self.bytes.len() - self.at;
        let length = usize::try_from(length)
            .ok()
            .filter(|n| *n <= left)
            .ok_or_else(|| {
                framing(
                    offset + 4,
                    format!("metadata length {length}, with {left} bytes left"),
                )
            })?;
        let metadata = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(Some(Frame {
            offset,
            metadata,
            body: self.at,
        }))
    }

    /// Steps over the body of the message just read.
    pub(super) fn skip_body(
        &mut self,
        frame: &Frame<'_>,
        length: i64,
    ) -> Result<usize, AnswerError> {
        let left = self.bytes.len() - self.at;
        let length = usize::try_from(length)
            .ok()
            .filter(|n| *n <= left)
            .ok_or_else(|| {
                framing(
                    frame.offset,
                    format!("body length {length}, with {left} bytes left"),
                )
            })?;
        self.at += length;
        Ok(length)
    }

    fn word(&mut self) -> Result<[u8; 4], AnswerError> {
        let rest = &self.bytes[self.at..];
        let word = rest
            .first_chunk()
            .copied()
            .ok_or_else(|| framing(self.at, "cut in the middle".into()))?;
        self.at += 4;
        Ok(word)
    }
}

fn framing(offset: usize, problem: String) -> AnswerError {
    AnswerError::Framing { offset, problem }
}
