//! The frames of a stream: where each message's metadata and body lie, and where the scalars of its flatbuffer are.
//! Every length is checked against the bytes that are there before anyone allocates by it.

use std::ops::Range;

use arrow::ipc::{Message, MessageHeader, RecordBatch, root_as_message};

use crate::payload::PayloadError;

/// What introduces a message and its length.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes of the continuation marker and the metadata length.
pub(super) const PREFIX: usize = 8;

/// One message, by byte ranges of the stream.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The flatbuffer with its padding; the prefix is the eight bytes before.
    pub(super) metadata: Range<usize>,
    /// The body.
    pub(super) body: Range<usize>,
    /// What the message is.
    pub(super) kind: MessageHeader,
}

/// All messages of a stream.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// In order.
    pub(super) frames: Vec<Frame>,
    /// Where the end-of-stream marker starts, if there is one.
    pub(super) eos: Option<usize>,
    /// One past the last message or the end-of-stream marker.
    pub(super) end: usize,
}

impl Frames {
    /// Reads the frames of a stream up to its end-of-stream marker or its last byte.
    pub(super) fn read(bytes: &[u8]) -> Result<Frames, PayloadError> {
        if bytes.is_empty() {
            return Err(malformed(0, "it is empty"));
        }
        if bytes.starts_with(b"ARROW1") {
            return Err(malformed(0, "this is the IPC file format"));
        }
        let mut frames = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let prefix = bytes
                .get(at..at + PREFIX)
                .ok_or_else(|| malformed(at, "it is cut inside a message prefix"))?;
            let (marker, length) = prefix.split_at(CONTINUATION.len());
            if marker != CONTINUATION {
                return Err(malformed(
                    at,
                    "a continuation marker (ff ff ff ff) should stand here",
                ));
            }
            let length = i32_at(length, 0).unwrap_or_default();
            if length == 0 {
                return Ok(Frames {
                    frames,
                    eos: Some(at),
                    end: at + PREFIX,
                });
            }
            let frame = frame(bytes, at + PREFIX, length)?;
            at = frame.body.end;
            frames.push(frame);
        }
        Ok(Frames {
            frames,
            eos: None,
            end: at,
        })
    }

    /// The last record batch.
    pub(super) fn last_batch(&self) -> Option<&Frame> {
        self.frames
            .iter()
            .rev()
            .find(|frame| frame.kind == MessageHeader::RecordBatch)
    }
}

impl Frame {
    /// The verified message.
    pub(super) fn message<'a>(&self, bytes: &'a [u8]) -> Result<Message<'a>, PayloadError> {
        let start = self.metadata.start;
        let metadata = bytes
            .get(self.metadata.clone())
            .ok_or_else(|| malformed(start, "it is cut inside a message"))?;
        root_as_message(metadata).map_err(|error| {
            malformed(
                start,
                format!("the message's flatbuffer is invalid: {error}"),
            )
        })
    }

    /// The record batch inside a record batch or dictionary batch.
    pub(super) fn batch<'a>(
        &self,
        bytes: &'a [u8],
    ) -> Result<Option<RecordBatch<'a>>, PayloadError> {
        let message = self.message(bytes)?;
        Ok(match message.header_as_dictionary_batch() {
            Some(dictionary) => dictionary.data(),
            None => message.header_as_record_batch(),
        })
    }
}

fn frame(bytes: &[u8], start: usize, length: i32) -> Result<Frame, PayloadError> {
    let prefix = start - CONTINUATION.len();
    let left = bytes.len() - start;
    let length = usize::try_from(length)
        .map_err(|_| malformed(prefix, format!("the metadata length is {length}")))?;
    if length > left {
        return Err(malformed(
            prefix,
            format!("the metadata should have {length} bytes, {left} are left"),
        ));
    }
    let end = start + length;
    let mut frame = Frame {
        metadata: start..end,
        body: end..end,
        kind: MessageHeader::NONE,
    };
    let message = frame.message(bytes)?;
    let body = message.bodyLength();
    let left = bytes.len() - end;
    let body = usize::try_from(body)
        .map_err(|_| malformed(start, format!("the body length is {body}")))?;
    if body > left {
        return Err(malformed(
            start,
            format!("the body should have {body} bytes, {left} are left"),
        ));
    }
    frame.kind = message.header_type();
    frame.body = end..end + body;
    Ok(frame)
}

/// A flatbuffer table, read just enough to find where its fields lie.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    /// The root table of a message.
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        Some(Self {
            bytes,
            at: forward(bytes, 0)?,
        })
    }

    /// Where the field of a slot (0 for the first) lies, if the table has it.
    pub(super) fn field(self, slot: usize) -> Option<usize> {
        let vtable = i64::try_from(self.at).ok()? - i64::from(i32_at(self.bytes, self.at)?);
        let vtable = usize::try_from(vtable).ok()?;
        let entry = 4 + 2 * slot;
        if entry + 2 > usize::from(u16_at(self.bytes, vtable)?) {
            return None;
        }
        match u16_at(self.bytes, vtable + entry)? {
            0 => None,
            offset => Some(self.at + usize::from(offset)),
        }
    }

    /// What the offset in a slot points at: a table or a vector.
    pub(super) fn target(self, slot: usize) -> Option<usize> {
        forward(self.bytes, self.field(slot)?)
    }

    /// The table that the offset in a slot points at.
    pub(super) fn table(self, slot: usize) -> Option<Self> {
        Some(Self {
            bytes: self.bytes,
            at: self.target(slot)?,
        })
    }
}

fn forward(bytes: &[u8], at: usize) -> Option<usize> {
    at.checked_add(usize::try_from(i32_at(bytes, at)?).ok()?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

/// A little-endian `i32`.
pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

/// A little-endian `i64`.
pub(super) fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}

/// An error at a byte of the stream.
pub(super) fn malformed(offset: usize, reason: impl Into<String>) -> PayloadError {
    PayloadError::Malformed {
        offset,
        reason: reason.into(),
    }
}
