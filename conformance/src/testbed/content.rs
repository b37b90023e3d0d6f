//! The body of an answer.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::http::BreakOff;

/// What is sent again and again.
static CHUNK: [u8; 16 << 10] = [b'a'; 16 << 10];
/// By so much `/cut` promises more than it sends.
const MISSING: u64 = 1000;
/// How long a connection stays before it is cut, so that what was sent arrives.
const CUT_AFTER: Duration = Duration::from_millis(20);

pub(super) enum Content {
    /// So many bytes `a`, some more promised, and the end of the connection.
    Cut {
        left: u64,
        pause: Option<Pin<Box<Sleep>>>,
    },
    /// Pieces of unknown length together.
    Pieces(VecDeque<Bytes>),
    /// So many bytes `a`.
    Same { left: u64 },
    /// So many bytes `a`, one at a time, after a pause each.
    Trickle {
        left: u64,
        pause: Duration,
        next: Pin<Box<Sleep>>,
    },
    /// These bytes.
    Whole(Option<Bytes>),
}

impl Content {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Content::Whole((!bytes.is_empty()).then(|| Bytes::from(bytes)))
    }

    pub(super) fn pieces(pieces: impl IntoIterator<Item = String>) -> Self {
        Content::Pieces(pieces.into_iter().map(Bytes::from).collect())
    }

    pub(super) fn trickle(left: u64, pause: Duration) -> Self {
        Content::Trickle {
            left,
            pause,
            next: Box::pin(sleep(pause)),
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BreakOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BreakOff>>> {
        let bytes = match &mut *self {
            Content::Cut { left: 0, pause } => {
                let pause = pause.get_or_insert_with(|| Box::pin(sleep(CUT_AFTER)));
                ready!(pause.as_mut().poll(context));
                return Poll::Ready(Some(Err(BreakOff)));
            }
            Content::Cut { left, .. } | Content::Same { left } if *left > 0 => Some(same(left)),
            Content::Cut { .. } | Content::Same { .. } => None,
            Content::Pieces(pieces) => pieces.pop_front(),
            Content::Trickle { left: 0, .. } => None,
            Content::Trickle { left, pause, next } => {
                ready!(next.as_mut().poll(context));
                *left -= 1;
                *next = Box::pin(sleep(*pause));
                Some(Bytes::from_static(b"a"))
            }
            Content::Whole(bytes) => bytes.take(),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Cut { .. } => false,
            Content::Pieces(pieces) => pieces.is_empty(),
            Content::Same { left } | Content::Trickle { left, .. } => *left == 0,
            Content::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Cut { left, .. } => SizeHint::with_exact(*left + MISSING),
            Content::Pieces(_) | Content::Trickle { .. } => SizeHint::default(),
            Content::Same { left } => SizeHint::with_exact(*left),
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

fn same(left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
    *left = left.saturating_sub(length as u64);
    Bytes::from_static(&CHUNK[..length])
}
