//! WebRTC as this host sees it: a transport of someone else's that reports what happens to its connections.
//!
//! The host speaks no WebRTC itself; its own peers are connected over WebSocket. Who embeds it with a WebRTC stack
//! attaches that stack here, and started actors hear of it through the `webrtc` hooks.

use std::sync::Weak;

use super::node::Inner;
use super::{ActrId, Hook, PeerEvent};

/// What a WebRTC transport reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A connection to the peer is being made. The hook's `relayed` is `none`.
    Connecting(ActrId),
    /// It stands.
    Connected {
        /// With whom.
        peer: ActrId,
        /// Whether it traverses a TURN relay.
        relayed: bool,
    },
    /// It is over. The hook's `relayed` is `none`.
    Disconnected(ActrId),
}

/// A WebRTC transport.
pub trait PeerTransport: Send + Sync {
    /// Takes the sink for what it will report.
    fn attach(&self, sink: TransportSink);
}

/// Where a transport reports to. Does not keep the node alive.
#[derive(Clone)]
pub struct TransportSink(pub(super) Weak<Inner>);

impl std::fmt::Debug for TransportSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransportSink")
    }
}

impl TransportSink {
    /// Tells all started actors of the node. Returns whether the node is there.
    pub fn report(&self, event: TransportEvent) -> bool {
        let about = |peer, relayed| PeerEvent { peer, relayed };
        let hook = match event {
            TransportEvent::Connecting(peer) => Hook::WebrtcConnecting(about(peer, None)),
            TransportEvent::Connected { peer, relayed } => {
                Hook::WebrtcConnected(about(peer, Some(relayed)))
            }
            TransportEvent::Disconnected(peer) => Hook::WebrtcDisconnected(about(peer, None)),
        };
        let node = self.0.upgrade();
        if let Some(node) = &node {
            node.tell_all(&hook);
        }
        node.is_some()
    }
}
