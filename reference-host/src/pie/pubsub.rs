//! Topics between instances: exact names, no retention, bounded buffers, a publisher that never waits.
//!
//! All instances of a host share its topics. Publishing takes one lock, so all subscribers of a topic see its
//! messages in the same order, and nothing published before `subscribe` returned is delivered. A full buffer drops
//! the **newest** message, for that subscription alone. A publisher's own subscriptions get its messages too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::ready::{Pollable, Source, Waiters, wake};

/// The topics of one host.
#[derive(Debug)]
pub struct PubSub {
    topics: Mutex<HashMap<Arc<str>, Vec<Arc<Subscriber>>>>,
    capacity: usize,
}

impl PubSub {
    /// No topics yet; each subscription will buffer `capacity` messages.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            topics: Mutex::new(HashMap::new()),
            capacity,
        })
    }

    /// Delivers to every current subscriber of exactly this topic that has room, and returns how many those were.
    pub fn publish(&self, topic: &str, message: &str) -> usize {
        let topics = self.topics();
        let Some(subscribers) = topics.get(topic) else {
            return 0;
        };
        let message: Arc<str> = message.into();
        let (mut wakers, mut delivered) = (Vec::new(), 0);
        for subscriber in subscribers {
            let mut buffer = subscriber.buffer();
            if buffer.messages.len() >= self.capacity {
                buffer.dropped += 1;
                continue;
            }
            buffer.messages.push_back(message.clone());
            wakers.append(&mut buffer.waiters.take());
            delivered += 1;
        }
        drop(topics);
        wake(wakers);
        delivered
    }

    /// A new subscription; every message published from now on is for it.
    pub fn subscribe(self: &Arc<Self>, topic: &str) -> Subscription {
        let subscriber = Arc::new(Subscriber(Mutex::new(Buffer::default())));
        let mut topics = self.topics();
        let topic = match topics.get_key_value(topic) {
            Some((known, _)) => known.clone(),
            None => topic.into(),
        };
        topics
            .entry(topic.clone())
            .or_default()
            .push(subscriber.clone());
        drop(topics);
        Subscription {
            hub: self.clone(),
            topic,
            subscriber,
        }
    }

    /// Topics with at least one subscriber.
    pub fn topic_count(&self) -> usize {
        self.topics().len()
    }

    fn remove(&self, topic: &str, subscriber: &Arc<Subscriber>) {
        let mut topics = self.topics();
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
            if subscribers.is_empty() {
                topics.remove(topic);
            }
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Arc<Subscriber>>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resource `subscription`. Dropping it unsubscribes at once.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<PubSub>,
    topic: Arc<str>,
    subscriber: Arc<Subscriber>,
}

impl Subscription {
    /// Takes the oldest buffered message. Works on after [`Subscription::unsubscribe`] for what arrived before.
    pub fn take(&self) -> Option<Arc<str>> {
        self.subscriber.buffer().messages.pop_front()
    }

    /// Ends the subscription; again does nothing. What arrived before stays readable.
    pub fn unsubscribe(&self) {
        if self.subscriber.buffer().closed {
            return;
        }
        self.hub.remove(&self.topic, &self.subscriber);
        self.subscriber.close(false);
    }

    /// Ready while a message is buffered, and always once unsubscribed or dropped, so that nobody waits in vain.
    pub fn pollable(&self) -> Pollable {
        Pollable::new(self.subscriber.clone())
    }

    /// Messages lost to a full buffer.
    pub fn dropped(&self) -> u64 {
        self.subscriber.buffer().dropped
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.unsubscribe();
        self.subscriber.close(true);
    }
}

#[derive(Debug)]
struct Subscriber(Mutex<Buffer>);

#[derive(Debug, Default)]
struct Buffer {
    messages: VecDeque<Arc<str>>,
    closed: bool,
    dropped: u64,
    waiters: Waiters,
}

impl Subscriber {
    fn close(&self, clear: bool) {
        let mut buffer = self.buffer();
        buffer.closed = true;
        if clear {
            buffer.messages = VecDeque::new();
        }
        let wakers = buffer.waiters.take();
        drop(buffer);
        wake(wakers);
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Subscriber {
    fn is_ready(&self) -> bool {
        let buffer = self.buffer();
        !buffer.messages.is_empty() || buffer.closed
    }

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut buffer = self.buffer();
        if !buffer.messages.is_empty() || buffer.closed {
            return Poll::Ready(());
        }
        buffer.waiters.register(context);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(subscription: &Subscription) -> Vec<String> {
        std::iter::from_fn(|| subscription.take())
            .map(|message| message.to_string())
            .collect()
    }

    #[test]
    fn topics_are_exact_and_nothing_is_retained() {
        let hub = PubSub::new(64);
        assert_eq!(hub.publish("a", "early"), 0);
        let subscription = hub.subscribe("a");
        for other in ["A", "a ", "a/b", "", "*"] {
            assert_eq!(hub.publish(other, "no"), 0, "{other:?}");
        }
        let empty = hub.subscribe("");
        assert_eq!(hub.publish("", ""), 1);
        assert_eq!(hub.publish("a", "x"), 1);
        assert_eq!(drain(&subscription), ["x"]);
        assert_eq!(drain(&empty), [""]);
        assert!(
            !subscription.pollable().is_ready(),
            "not ready after the drain"
        );
    }

    #[test]
    fn a_full_buffer_drops_the_newest_for_that_subscription_alone() {
        let hub = PubSub::new(64);
        let (slow, fast) = (hub.subscribe("t"), hub.subscribe("t"));
        let mut seen = Vec::new();
        for number in 0..1000 {
            hub.publish("t", &number.to_string());
            seen.extend(drain(&fast));
        }
        assert_eq!(seen.len(), 1000);
        let kept = drain(&slow);
        assert_eq!((kept.len(), kept[63].as_str()), (64, "63"));
        assert_eq!((slow.dropped(), fast.dropped()), (936, 0));
    }

    #[test]
    fn unsubscribing_twice_harms_nobody() {
        let hub = PubSub::new(64);
        let (leaver, stayer) = (hub.subscribe("t"), hub.subscribe("t"));
        let pollable = leaver.pollable();
        hub.publish("t", "before");
        leaver.unsubscribe();
        leaver.unsubscribe();
        assert_eq!(hub.publish("t", "after"), 1);
        assert_eq!(drain(&leaver), ["before"]);
        assert_eq!(drain(&stayer), ["before", "after"]);
        assert!(pollable.is_ready(), "closed, so nobody waits in vain");
        drop(leaver);
        assert!(pollable.is_ready());
        stayer.unsubscribe();
        assert_eq!(hub.topic_count(), 0);
    }

    #[test]
    fn dropping_leaves_nothing_behind() {
        let hub = PubSub::new(64);
        for round in 0..10_000 {
            let topic = format!("topic-{round}");
            let subscription = hub.subscribe(&topic);
            hub.publish(&topic, "m");
            drop(subscription);
        }
        assert_eq!(hub.topic_count(), 0);
    }

    #[test]
    fn all_subscribers_see_one_order() {
        let hub = PubSub::new(100_000);
        let subscriptions: Vec<_> = (0..4).map(|_| hub.subscribe("t")).collect();
        std::thread::scope(|scope| {
            for publisher in 0..4 {
                let hub = &hub;
                scope.spawn(move || {
                    for number in 0..1000 {
                        hub.publish("t", &format!("{publisher}:{number}"));
                    }
                });
            }
        });
        let orders: Vec<_> = subscriptions.iter().map(drain).collect();
        assert_eq!(orders[0].len(), 4000);
        assert!(orders.iter().all(|order| *order == orders[0]));
    }
}
