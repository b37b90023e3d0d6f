//! The signaling service: nodes connect to it, and it asks all of them where an actor is when one of them wants to know.
//!
//! It keeps nothing but connections, so its answers are never older than the question.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clock::Pending;
use super::error::NodeError;
use super::link::{self, Answer, Handler, Link, Opened, Peer};
use super::wire::Frame;
use super::{ActrId, Limits};

/// A signaling service. When it is dropped, its connections close.
pub struct Signaling {
    inner: Arc<Inner>,
    url: String,
}

struct Inner {
    this: Weak<Inner>,
    own: Peer,
    limits: Arc<Limits>,
    nodes: Mutex<HashMap<ActrId, Arc<Link>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Signaling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signaling").field("url", &self.url).finish()
    }
}

impl Signaling {
    /// A service of this identity that listens at this address; port 0 is any that is free.
    ///
    /// # Errors
    /// [`NodeError::Listen`].
    pub async fn listen(
        address: SocketAddr,
        identity: ActrId,
        limits: Limits,
    ) -> Result<Self, NodeError> {
        let limits = Arc::new(limits);
        let inner = Arc::new_cyclic(|this: &Weak<Inner>| Inner {
            this: this.clone(),
            own: Peer {
                node: identity,
                url: None,
            },
            limits: limits.clone(),
            nodes: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
        });
        let weak = inner.this.clone();
        let opened = move |opened: Opened| {
            let weak = weak.clone();
            let accepted = async move {
                let run = match weak.upgrade() {
                    Some(inner) => inner.accept(opened).await,
                    None => return,
                };
                run.await;
            };
            Box::pin(accepted) as Pending<'static, ()>
        };
        let (url, accepting) = link::listen(address, limits, opened).await?;
        inner.spawn(accepting);
        Ok(Self { inner, url })
    }

    /// The URL to dial.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Drops a node. Returns whether it was connected.
    pub fn disconnect(&self, node: &ActrId) -> bool {
        let link = self.inner.nodes().get(node).cloned();
        if let Some(link) = &link {
            link.close();
        }
        link.is_some()
    }
}

impl Inner {
    async fn accept(&self, opened: Opened) -> impl Future<Output = ()> + Send + use<> {
        let (link, run) = opened.link(&self.limits, Arc::new(Relay(self.this.clone())));
        let node = link.peer.node.clone();
        let replaced = self.nodes().insert(node, link.clone());
        if let Some(replaced) = replaced {
            replaced.close();
        }
        link.greet(&self.own).await;
        run
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<ActrId, Arc<Link>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes questions on.
struct Relay(Weak<Inner>);

impl Handler for Relay {
    fn frame(&self, link: &Arc<Link>, frame: Frame, _payload: Vec<u8>) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        let id = match &frame {
            Frame::Locate { id, .. } | Frame::Discover { id, .. } => *id,
            _ => {
                tracing::warn!("a node sent a frame that signaling does not take");
                link.close();
                return;
            }
        };
        let others: Vec<_> = inner
            .nodes()
            .values()
            .filter(|other| !Arc::ptr_eq(other, link))
            .cloned()
            .collect();
        let (link, limits) = (link.clone(), inner.limits.clone());
        inner.spawn(async move {
            let mut actor = None;
            for other in others {
                let question = |id| with_id(frame.clone(), id);
                let asked = timeout(limits.connect_time / 2, other.ask(question, &[]));
                if let Ok(Ok(Answer::Found(Some(place)))) = asked.await {
                    actor = Some(place);
                    break;
                }
            }
            // A connection that is over needs no answer.
            let _ = link.send(&Frame::Found { id, actor }, &[]).await;
        });
    }

    fn lost(&self, link: &Arc<Link>) {
        if let Some(inner) = self.0.upgrade() {
            inner.nodes().retain(|_, other| !Arc::ptr_eq(other, link));
        }
    }
}

/// The same question under another number.
fn with_id(frame: Frame, id: u64) -> Frame {
    match frame {
        Frame::Locate { target, .. } => Frame::Locate { id, target },
        Frame::Discover { target_type, .. } => Frame::Discover { id, target_type },
        other => other,
    }
}
