//! The scheduler against the deterministic backend, without a guest.

use super::*;
use crate::pie::backend::Deterministic;
use crate::pie::ready::Pollable;

type Asked = Arc<Reply<Arc<str>>>;

fn scheduler(capacity: u32) -> (Scheduler, Deterministic) {
    let backend = Deterministic::new();
    let scheduler = Scheduler::new(Arc::new(backend.clone()), capacity, 1000, Handle::current());
    (scheduler, backend)
}

fn submit(queue: &Queue, query: &str) -> Asked {
    queue.submit(query.into()).expect("room")
}

async fn answer(reply: &Asked) -> String {
    Pollable::new(reply.clone()).wait().await;
    reply.value().expect("ready implies some").to_string()
}

async fn synchronized(reply: &Arc<Reply<bool>>) -> bool {
    Pollable::new(reply.clone()).wait().await;
    reply.value().expect("ready implies some")
}

fn served(backend: &Deterministic) -> Vec<String> {
    let served = backend.served();
    served.into_iter().map(|served| served.query).collect()
}

async fn settle(scheduler: &Scheduler) {
    for _ in 0..10_000 {
        if scheduler.pending() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("commands stay pending");
}

#[tokio::test]
async fn a_queue_is_first_in_first_out_with_any_capacity() {
    for capacity in [1, 4, 64] {
        let (scheduler, backend) = scheduler(capacity);
        let queue = scheduler.create_queue(InstanceId::new(), 1);
        let answers: Vec<_> = (0..50).map(|n| submit(&queue, &n.to_string())).collect();
        for (n, reply) in answers.iter().enumerate() {
            queue.set_priority([Level::Low, Level::Normal, Level::High][n % 3]);
            assert_eq!(answer(reply).await, format!("echo: {n}"));
        }
        let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
        assert_eq!(served(&backend), expected);
    }
}

#[tokio::test]
async fn synchronize_means_completed() {
    let (scheduler, backend) = scheduler(2);
    let queue = scheduler.create_queue(InstanceId::new(), 1);
    let other = scheduler.create_queue(InstanceId::new(), 1);
    let idle = queue.synchronize().expect("room");
    assert_eq!(idle.value(), Some(true), "nothing to wait for");
    backend.hold();
    let first = submit(&queue, "a");
    let one = queue.synchronize().expect("room");
    let two = queue.synchronize().expect("room");
    submit(&queue, "b");
    let three = queue.synchronize().expect("room");
    let free = other.synchronize().expect("room");
    assert_eq!(free.value(), Some(true), "another queue does not wait");
    assert_eq!((one.value(), two.value()), (None, None));
    backend.release(1, 2);
    assert!(synchronized(&one).await && synchronized(&two).await);
    assert!(first.value().is_some(), "the work was done before");
    assert_eq!(three.value(), None);
    drop(queue);
    backend.release(0, 1);
    assert!(synchronized(&three).await, "also when the queue is gone");
    assert_eq!(scheduler.queue_count(), 1);
}

#[tokio::test]
async fn failed_work_makes_the_next_synchronize_false() {
    let (scheduler, backend) = scheduler(1);
    let queue = scheduler.create_queue(InstanceId::new(), 1);
    backend.fail_next(1);
    let failed = submit(&queue, "a");
    submit(&queue, "b");
    let first = queue.synchronize().expect("room");
    let second = queue.synchronize().expect("room");
    assert!(!synchronized(&first).await);
    assert!(synchronized(&second).await, "failures count once");
    assert_eq!(answer(&failed).await, "error: the command was made to fail");
}

#[tokio::test]
async fn higher_priority_goes_first_once_there_is_contention() {
    let (scheduler, backend) = scheduler(1);
    let owner = InstanceId::new();
    let [slot, low, normal, high] = [1, 2, 3, 4].map(|_| scheduler.create_queue(owner, 1));
    backend.hold();
    submit(&slot, "slot");
    low.set_priority(Level::Low);
    submit(&low, "low");
    submit(&normal, "normal");
    submit(&high, "high");
    high.set_priority(Level::High);
    backend.release(0, 4);
    settle(&scheduler).await;
    assert_eq!(served(&backend), ["slot", "high", "normal", "low"]);
}

#[tokio::test]
async fn nobody_starves() {
    let (scheduler, backend) = scheduler(1);
    let owner = InstanceId::new();
    let low = scheduler.create_queue(owner, 1);
    low.set_priority(Level::Low);
    let high: Vec<_> = (0..3)
        .map(|_| {
            let queue = scheduler.create_queue(owner, 1);
            queue.set_priority(Level::High);
            queue
        })
        .collect();
    backend.hold();
    submit(&high[0], "h");
    submit(&low, "low");
    for _ in 0..100 {
        for queue in &high {
            submit(queue, "h");
        }
    }
    backend.release(0, 1000);
    settle(&scheduler).await;
    let place = served(&backend).iter().position(|query| query == "low");
    let place = place.expect("served");
    assert!(
        (10..=2 * AGEING as usize + 2).contains(&place),
        "at {place}"
    );
}

#[tokio::test]
async fn equals_take_turns() {
    let (scheduler, backend) = scheduler(1);
    let (a, b) = (
        scheduler.create_queue(InstanceId::new(), 1),
        scheduler.create_queue(InstanceId::new(), 1),
    );
    backend.hold();
    for _ in 0..3 {
        submit(&a, "a");
    }
    for _ in 0..3 {
        submit(&b, "b");
    }
    backend.release(0, 6);
    settle(&scheduler).await;
    assert_eq!(served(&backend), ["a", "b", "a", "b", "a", "b"]);
}

#[tokio::test]
async fn capacity_bounds_what_is_at_the_backend() {
    let (scheduler, backend) = scheduler(2);
    backend.hold();
    let queues: Vec<_> = (0..5)
        .map(|_| scheduler.create_queue(InstanceId::new(), 1))
        .collect();
    for queue in &queues {
        submit(queue, "q");
    }
    assert_eq!(scheduler.pending(), 5);
    backend.release(3, 5);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((backend.served().len(), scheduler.pending()), (3, 2));
}

#[tokio::test]
async fn an_ended_instance_frees_its_slots() {
    let (scheduler, backend) = scheduler(1);
    let (ended, alive) = (InstanceId::new(), InstanceId::new());
    let dying = scheduler.create_queue(ended, 1);
    let living = scheduler.create_queue(alive, 1);
    backend.hold();
    submit(&dying, "d1");
    submit(&dying, "d2");
    let reply = submit(&living, "l");
    scheduler.forget(ended);
    drop(dying);
    assert_eq!(scheduler.pending(), 1, "at once");
    backend.release(0, 1);
    assert_eq!(answer(&reply).await, "echo: l");
    settle(&scheduler).await;
    assert_eq!(served(&backend), ["l"]);
    drop(living);
    assert_eq!(scheduler.queue_count(), 0);
}

#[tokio::test]
async fn a_panicking_backend_fails_its_command_only() {
    #[derive(Debug)]
    struct Panics;
    impl Backend for Panics {
        fn serve(&self, query: String) -> Service {
            Service::Pending(Box::pin(async move {
                assert!(query != "panic", "as the test asked");
                Ok(query)
            }))
        }
    }
    let scheduler = Scheduler::new(Arc::new(Panics), 1, 10, Handle::current());
    let queue = scheduler.create_queue(InstanceId::new(), 1);
    let (bad, good) = (submit(&queue, "panic"), submit(&queue, "fine"));
    assert_eq!(answer(&bad).await, "error: cancelled");
    assert_eq!(answer(&good).await, "fine");
}

#[tokio::test]
async fn a_queue_is_bounded() {
    let backend = Deterministic::new();
    backend.hold();
    let scheduler = Scheduler::new(Arc::new(backend), 1, 2, Handle::current());
    let queue = scheduler.create_queue(InstanceId::new(), 1);
    for _ in 0..3 {
        submit(&queue, "q");
    }
    assert!(queue.submit("q".into()).is_err() && queue.synchronize().is_err());
}
