//! Entries into an actor: what may be asked of it, and the two ends of one that is under way.

use tokio::sync::{oneshot, watch};

use super::error::{Failure, Refusal};
use super::{
    ActrId, BackpressureEvent, CredentialEvent, DataStream, ErrorEvent, PeerEvent, RpcEnvelope,
};

/// What the host tells an actor: `on-error` and the hooks that can't fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the export of its name")]
pub enum Hook {
    Error(ErrorEvent),
    SignalingConnecting,
    SignalingConnected,
    SignalingDisconnected,
    WebsocketConnecting(PeerEvent),
    WebsocketConnected(PeerEvent),
    WebsocketDisconnected(PeerEvent),
    WebrtcConnecting(PeerEvent),
    WebrtcConnected(PeerEvent),
    WebrtcDisconnected(PeerEvent),
    CredentialRenewed(CredentialEvent),
    CredentialExpiring(CredentialEvent),
    MailboxBackpressure(BackpressureEvent),
}

impl Hook {
    /// The name in the request-id that the hook sees.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "on_error",
            Self::SignalingConnecting => "on_signaling_connecting",
            Self::SignalingConnected => "on_signaling_connected",
            Self::SignalingDisconnected => "on_signaling_disconnected",
            Self::WebsocketConnecting(_) => "on_websocket_connecting",
            Self::WebsocketConnected(_) => "on_websocket_connected",
            Self::WebsocketDisconnected(_) => "on_websocket_disconnected",
            Self::WebrtcConnecting(_) => "on_webrtc_connecting",
            Self::WebrtcConnected(_) => "on_webrtc_connected",
            Self::WebrtcDisconnected(_) => "on_webrtc_disconnected",
            Self::CredentialRenewed(_) => "on_credential_renewed",
            Self::CredentialExpiring(_) => "on_credential_expiring",
            Self::MailboxBackpressure(_) => "on_mailbox_backpressure",
        }
    }
}

/// One entry into an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `on-start`; once.
    Start,
    /// `on-ready`, on an actor that is started.
    Ready,
    /// `on-stop`, on an actor that is started, after all that waits; then the actor ends.
    Stop,
    /// `dispatch`
    Dispatch {
        /// The request.
        envelope: RpcEnvelope,
        /// Who asks; `None` is the shell.
        caller: Option<ActrId>,
    },
    /// A hook.
    Hook(Hook),
    /// `on-data-stream`, if the instance has registered the stream.
    Chunk {
        /// The chunk.
        chunk: DataStream,
        /// Who sent it.
        sender: ActrId,
    },
}

impl Entry {
    /// Whether it waits in the mailbox proper; the others go before it.
    pub(super) fn is_request(&self) -> bool {
        matches!(self, Self::Dispatch { .. } | Self::Chunk { .. })
    }

    /// What it is, and its bytes.
    pub(super) fn size(&self) -> (&'static str, usize) {
        match self {
            Self::Dispatch { envelope, .. } => ("a request", envelope_size(envelope)),
            Self::Chunk { chunk, .. } => ("a chunk", chunk_size(chunk)),
            _ => ("a hook", 0),
        }
    }
}

fn envelope_size(envelope: &RpcEnvelope) -> usize {
    envelope.request_id.len() + envelope.route_key.len() + envelope.payload.len()
}

pub(super) fn chunk_size(chunk: &DataStream) -> usize {
    let metadata = chunk.metadata.iter();
    let texts: usize = metadata
        .map(|entry| entry.key.len() + entry.value.len())
        .sum();
    chunk.stream_id.len() + chunk.payload.len() + texts
}

/// What came of an entry: the reply of a dispatch, no bytes for the others.
pub type Outcome = Result<Vec<u8>, Failure>;

/// An entry under way, as who began it holds it. Dropping it gives the entry up if it still waits; one that runs goes on.
#[derive(Debug)]
pub struct Ticket {
    outcome: oneshot::Receiver<Outcome>,
    cancel: Canceller,
}

/// Gives an entry up.
#[derive(Clone, Debug)]
pub struct Canceller(watch::Sender<bool>);

impl Canceller {
    /// Gives the entry up, whether it waits or runs. An instance that is given up in the middle of an entry is gone, as
    /// after a trap. Without effect on an entry that has ended.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Ticket {
    /// What gives it up.
    pub fn canceller(&self) -> Canceller {
        self.cancel.clone()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`Failure`]; [`Refusal::Ended`] also when the actor ended before the entry had its turn.
    pub async fn outcome(self) -> Outcome {
        let mut cancelled = self.cancel.0.subscribe();
        // One that waits behind another is given up at once, not at its turn.
        tokio::select! {
            biased;
            outcome = self.outcome => outcome.unwrap_or_else(|_| Err(Refusal::Ended.into())),
            _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Refusal::Cancelled.into()),
        }
    }
}

/// An entry in a mailbox.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) entry: Entry,
    /// `None` when nobody waits for it.
    reply: Option<oneshot::Sender<Outcome>>,
    cancelled: watch::Receiver<bool>,
}

impl Queued {
    /// An entry that someone waits for.
    pub(super) fn attended(entry: Entry) -> (Self, Ticket) {
        let (reply, outcome) = oneshot::channel();
        let (cancel, cancelled) = watch::channel(false);
        let queued = Self {
            entry,
            reply: Some(reply),
            cancelled,
        };
        let cancel = Canceller(cancel);
        (queued, Ticket { outcome, cancel })
    }

    /// An entry that nobody waits for.
    pub(super) fn detached(entry: Entry) -> Self {
        let (_, cancelled) = watch::channel(false);
        Self {
            entry,
            reply: None,
            cancelled,
        }
    }

    /// Splits what is to be done from who is to be told.
    pub(super) fn split(self) -> (Entry, Waiter) {
        let Self {
            entry,
            reply,
            cancelled,
        } = self;
        (entry, Waiter { reply, cancelled })
    }

    pub(super) fn refuse(self, refusal: Refusal) {
        self.split().1.tell(Err(refusal.into()));
    }
}

/// Who waits for an entry.
#[derive(Debug)]
pub(super) struct Waiter {
    reply: Option<oneshot::Sender<Outcome>>,
    cancelled: watch::Receiver<bool>,
}

impl Waiter {
    /// Whether nobody needs the entry any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_cancelled() || self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Whether the entry was given up explicitly.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Ready when the entry is given up explicitly.
    pub(super) async fn cancelled(&mut self) {
        if self
            .cancelled
            .wait_for(|cancelled| *cancelled)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    pub(super) fn tell(self, outcome: Outcome) {
        if let Some(reply) = self.reply {
            // Nobody listens any more; then nobody misses it either.
            let _ = reply.send(outcome);
        }
    }
}
