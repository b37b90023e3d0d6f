//! What connections carry: between two nodes, and between a node and the signaling service.
//!
//! A frame is one binary WebSocket message: four bytes, little-endian, the length of a header; the header, JSON, an object
//! with a member `frame` that tells which; the rest is the frame's payload, bytes as they are. Text messages are refused.
//!
//! | frame | payload | meaning |
//! |---|---|---|
//! | `hello` | | first frame of both sides, the dialling side's first |
//! | `busy` | | in place of the accepting side's `hello`: the two are connected already, or dial each other and the other way wins |
//! | `call` | request | answered by `reply` or `failure` with the same `id` |
//! | `tell` | request | not answered |
//! | `chunk` | chunk's payload | not answered |
//! | `locate`, `discover` | | answered by `found` with the same `id` |
//! | `reply` | reply | |
//! | `failure` | | |
//! | `found` | | |
//!
//! Frames of one connection arrive in the order in which they were sent. A header is at most [`HEADER_BYTES`] and the
//! payload's limit long, a payload at most what the limit of messages says. Whoever breaks this is disconnected.

use serde::{Deserialize, Serialize};

use super::{ActrError, ActrId, ActrType, MetadataEntry};

/// Version of these frames; a side that says another is disconnected.
pub(super) const PROTOCOL: u32 = 1;

/// What a header may have beyond the texts of a message.
pub(super) const HEADER_BYTES: usize = 64 << 10;

/// What a frame says but for its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "kebab-case")]
pub(super) enum Frame {
    Hello {
        protocol: u32,
        /// Who it is.
        node: ActrId,
        /// Where it listens, if it does.
        url: Option<String>,
    },
    Busy,
    Call {
        id: u64,
        caller: ActrId,
        target: ActrId,
        request_id: String,
        route_key: String,
    },
    Tell {
        caller: ActrId,
        target: ActrId,
        request_id: String,
        route_key: String,
    },
    Chunk {
        sender: ActrId,
        target: ActrId,
        stream_id: String,
        sequence: u64,
        metadata: Vec<MetadataEntry>,
        timestamp_ms: Option<i64>,
    },
    Locate {
        id: u64,
        target: ActrId,
    },
    Discover {
        id: u64,
        target_type: ActrType,
    },
    Reply {
        id: u64,
    },
    Failure {
        id: u64,
        error: ActrError,
    },
    Found {
        id: u64,
        actor: Option<Place>,
    },
}

/// An actor, and the node where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) actor: ActrId,
    pub(super) node: ActrId,
    /// Where the node listens, if it does.
    pub(super) url: Option<String>,
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("a frame of {0} bytes has no whole header")]
    Short(usize),
    #[error("a header is not understood: {0}")]
    Header(#[from] serde_json::Error),
    #[error("a frame of {actual} bytes, allowed are {limit}")]
    Long { actual: usize, limit: usize },
}

/// Bytes of a whole frame, where messages may have this many.
pub(super) fn frame_limit(message_bytes: usize) -> usize {
    // A text may double in JSON; what doubles more often than that is refused.
    message_bytes.saturating_mul(2).saturating_add(HEADER_BYTES)
}

/// The bytes of a frame.
///
/// # Errors
/// [`WireError::Long`] when it is larger than `limit`.
pub(super) fn encode(frame: &Frame, payload: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let header = serde_json::to_vec(frame)?;
    let actual = 4 + header.len() + payload.len();
    let length = u32::try_from(header.len()).map_err(|_| WireError::Long { actual, limit })?;
    if actual > limit {
        return Err(WireError::Long { actual, limit });
    }
    let mut bytes = Vec::with_capacity(actual);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// The frame that bytes are, and its payload.
///
/// # Errors
/// When they are none.
pub(super) fn decode(bytes: &[u8]) -> Result<(Frame, Vec<u8>), WireError> {
    let short = || WireError::Short(bytes.len());
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, payload) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((serde_json::from_slice(header)?, payload.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actr::{DependencyNotFoundPayload, Realm};

    fn id() -> ActrId {
        ActrId {
            realm: Realm { realm_id: u32::MAX },
            serial_number: u64::MAX,
            type_: ActrType {
                manufacturer: "mañana".into(),
                name: "\"\n\0".into(),
                version: String::new(),
            },
        }
    }

    #[test]
    fn frames_come_back_as_they_went() {
        let text = || "t\u{1f980}".to_owned();
        let errors = [
            ActrError::Unavailable(text()),
            ActrError::TimedOut,
            ActrError::NotFound(text()),
            ActrError::PermissionDenied(text()),
            ActrError::InvalidArgument(text()),
            ActrError::UnknownRoute(text()),
            ActrError::DependencyNotFound(DependencyNotFoundPayload {
                service_name: "s".into(),
                message: text(),
            }),
            ActrError::DecodeFailure(text()),
            ActrError::NotImplemented(text()),
            ActrError::Internal(text()),
        ];
        let mut frames: Vec<Frame> = (1..)
            .zip(errors)
            .map(|(id, error)| Frame::Failure { id, error })
            .collect();
        frames.push(Frame::Chunk {
            sender: id(),
            target: id(),
            stream_id: text(),
            sequence: u64::MAX,
            metadata: vec![MetadataEntry {
                key: "k".into(),
                value: text(),
            }],
            timestamp_ms: Some(i64::MIN),
        });
        frames.push(Frame::Found {
            id: 1,
            actor: Some(Place {
                actor: id(),
                node: id(),
                url: None,
            }),
        });
        for frame in frames {
            let bytes = encode(&frame, &[0, 255], 1 << 20).expect("small");
            let (back, payload) = decode(&bytes).expect("a frame");
            assert_eq!((back, payload.as_slice()), (frame, &[0, 255][..]));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let long = encode(&Frame::Busy, &[0; 100], 100);
        assert!(matches!(long, Err(WireError::Long { limit: 100, .. })));
        for bytes in [&b""[..], b"\0\0\0", b"\x02\0\0\0{", b"\xff\xff\xff\xff{}"] {
            assert!(matches!(decode(bytes), Err(WireError::Short(_))));
        }
        for bytes in [&b"\0\0\0\0"[..], b"\x02\0\0\0{}", b"\x02\0\0\0[]x"] {
            assert!(matches!(decode(bytes), Err(WireError::Header(_))));
        }
    }
}
