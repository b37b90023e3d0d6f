//! The command queues of one model: who may hand work to its backend next.
//!
//! Within a queue: strictly first in, first out, one command at the backend at a time. Across queues: the highest
//! priority first, and among equals whoever has waited longest for its turn. A waiting queue rises by one level every
//! [`AGEING`] commands handed over meanwhile, so a low one is served whatever the load. A changed priority applies at
//! once to everything the backend has not been given yet. At most `capacity` commands are at the backend.
//!
//! `synchronize` is an entry of its queue: it resolves when everything before it in that queue has completed, with
//! `false` if any of that has failed since the synchronize before.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::InstanceId;
use super::backend::{Backend, BackendError, Later, Service};
use super::limits::{LimitExceeded, within};
use super::ready::Reply;

/// After how many commands handed over to the backend a waiting queue counts as one priority higher.
pub const AGEING: u64 = 8;

/// Priority of a queue (`enum priority`), lowest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Behind everything else, but never starved.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// The queues of one model, and what is at its backend.
#[derive(Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    capacity: usize,
    queue_commands: usize,
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<u64, Entries, BuildHasherDefault<IdHasher>>,
    /// Queues with a command ready to be handed over, by level, by turn.
    ready: [BTreeMap<u64, u64>; 3],
    next_queue: u64,
    next_turn: u64,
    handed_over: u64,
    at_backend: usize,
    waiting: usize,
    handing_over: bool,
}

/// Ids are counted up, here alone: there is nothing to defend against, and a queue is looked up several times a command.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing.
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[derive(Debug)]
struct Entries {
    owner: InstanceId,
    level: Level,
    entries: VecDeque<Entry>,
    /// Its turn, and `handed_over` when it got in line.
    in_line: Option<(u64, u64)>,
    running: Option<Running>,
    failed: bool,
    /// The handle is gone; the queue goes when it is empty.
    dropped: bool,
}

#[derive(Debug)]
struct Running {
    reply: Arc<Reply<Arc<str>>>,
    work: Work,
    task: Option<AbortHandle>,
}

/// What is at the backend.
#[derive(Clone, Debug)]
enum Work {
    Task(Task),
    Later(Later),
}

impl Running {
    fn cancel(self) {
        match self.work {
            Work::Task(work) => work.cancel(),
            Work::Later(later) => later.abandon(),
        }
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

/// The work of one command, shared so that cancelling drops it on the spot and not when the runtime gets to it.
#[derive(Clone)]
struct Task(Arc<Mutex<Option<BoxFuture<'static, Answer>>>>);

type Answer = Result<String, BackendError>;

impl Task {
    fn cancel(&self) {
        drop(self.slot().take());
    }

    fn slot(&self) -> MutexGuard<'_, Option<BoxFuture<'static, Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Task {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match self.slot().as_mut() {
            Some(work) => work.as_mut().poll(context),
            None => Poll::Ready(Err(BackendError::Cancelled)),
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Task")
    }
}

#[derive(Debug)]
enum Entry {
    Command {
        query: String,
        reply: Arc<Reply<Arc<str>>>,
    },
    Synchronize(Arc<Reply<bool>>),
}

impl Scheduler {
    /// A scheduler that hands at most `capacity` commands at once to this backend, on this runtime. A queue holds at
    /// most `queue_commands` entries.
    pub fn new(
        backend: Arc<dyn Backend>,
        capacity: u32,
        queue_commands: usize,
        runtime: Handle,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                capacity: capacity.max(1) as usize,
                queue_commands,
                runtime,
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// A new, empty queue of this instance, of normal priority.
    pub fn create_queue(&self, owner: InstanceId, service_id: u32) -> Queue {
        let mut state = self.shared.state();
        let id = state.next_queue;
        state.next_queue += 1;
        state.queues.insert(
            id,
            Entries {
                owner,
                level: Level::default(),
                entries: VecDeque::new(),
                in_line: None,
                running: None,
                failed: false,
                dropped: false,
            },
        );
        drop(state);
        Queue {
            shared: self.shared.clone(),
            id,
            service_id,
        }
    }

    /// Commands not completed yet: in the queues and at the backend.
    pub fn pending(&self) -> usize {
        let state = self.shared.state();
        state.waiting + state.at_backend
    }

    /// Queues that exist: their handle lives, or they are not empty.
    pub fn queue_count(&self) -> usize {
        self.shared.state().queues.len()
    }

    /// The instance has ended: its queues go, with all that waits in them or is at the backend.
    pub fn forget(&self, owner: InstanceId) {
        let mut state = self.shared.state();
        let ids: Vec<u64> = state
            .queues
            .iter()
            .filter(|(_, queue)| queue.owner == owner)
            .map(|(id, _)| *id)
            .collect();
        let mut cancelled = Vec::new();
        for id in ids {
            state.leave_line(id);
            let Some(queue) = state.queues.remove(&id) else {
                continue;
            };
            let is_command = |entry: &&Entry| matches!(entry, Entry::Command { .. });
            state.waiting -= queue.entries.iter().filter(is_command).count();
            state.at_backend -= usize::from(queue.running.is_some());
            cancelled.extend(queue.running);
        }
        drop(state);
        for running in cancelled {
            running.cancel();
        }
        self.shared.hand_over(self.shared.state());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, id: u64, entry: Entry) -> Result<(), LimitExceeded> {
        let mut state = self.state();
        let Some(queue) = state.queues.get_mut(&id) else {
            return Ok(());
        };
        let length = queue.entries.len() + 1;
        within("commands in one queue", length, self.queue_commands)?;
        let entry = match entry {
            Entry::Synchronize(reply) if queue.is_idle() => {
                queue.synchronize(&reply);
                return Ok(());
            }
            // Nobody is in line before it, so that it need not get there.
            Entry::Command { query, reply } if queue.is_idle() && state.has_room(self.capacity) => {
                if let Some(work) = state.begin(id, query, reply, &*self.backend) {
                    state.handing_over = true;
                    state = self.start(state, id, work);
                    state.handing_over = false;
                    self.hand_over(state);
                }
                return Ok(());
            }
            entry => entry,
        };
        let is_command = matches!(entry, Entry::Command { .. });
        if let Some(queue) = state.queues.get_mut(&id) {
            queue.entries.push_back(entry);
        }
        if is_command {
            state.waiting += 1;
        }
        state.advance(id);
        self.hand_over(state);
        Ok(())
    }

    /// Gives the backend what it has room for, in the order of the scheduler. One thread does so at a time; what
    /// changes meanwhile it sees before it leaves.
    fn hand_over<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) {
        if std::mem::replace(&mut state.handing_over, true) {
            return;
        }
        while state.at_backend < self.capacity
            && let Some((id, work)) = state.next_work(&*self.backend)
        {
            state = self.start(state, id, work);
        }
        state.handing_over = false;
    }

    /// Has the command completed when its answer comes. Outside the lock: it may have come, and a runtime that is being
    /// shut down drops the task, and so completes the command, on the spot.
    fn start<'a>(
        self: &'a Arc<Self>,
        state: MutexGuard<'a, State>,
        id: u64,
        work: Work,
    ) -> MutexGuard<'a, State> {
        drop(state);
        let mut completion = Completion {
            shared: self.clone(),
            queue: id,
            result: None,
        };
        match work {
            Work::Later(later) => {
                later.then(move |answer| {
                    completion.result = Some(answer);
                    drop(completion);
                });
                self.state()
            }
            Work::Task(work) => {
                // Owned by the task, so that a panic or an abort completes the command as well.
                let task = self.runtime.spawn(async move {
                    completion.result = Some(work.await);
                    drop(completion);
                });
                let mut state = self.state();
                match state.queues.get_mut(&id).map(|queue| &mut queue.running) {
                    Some(Some(running)) => running.task = Some(task.abort_handle()),
                    // Completed or forgotten meanwhile.
                    _ => task.abort(),
                }
                state
            }
        }
    }

    fn complete(self: &Arc<Self>, id: u64, result: Answer) {
        let mut state = self.state();
        let Some(queue) = state.queues.get_mut(&id) else {
            return;
        };
        let Some(running) = queue.running.take() else {
            return;
        };
        queue.answer(&running.reply, result);
        state.at_backend -= 1;
        state.advance(id);
        self.hand_over(state);
    }
}

impl Entries {
    /// Whether nothing of it waits or is at the backend.
    fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.running.is_none() && self.in_line.is_none()
    }

    fn synchronize(&mut self, reply: &Reply<bool>) {
        reply.resolve(!self.failed);
        self.failed = false;
    }

    fn answer(&mut self, reply: &Reply<Arc<str>>, answer: Answer) {
        self.failed |= answer.is_err();
        let text = answer.unwrap_or_else(|error| format!("error: {error}"));
        reply.resolve(text.into());
    }
}

impl State {
    /// Resolves what has come to the head of this queue, gets it in line for its next command, removes it when it
    /// is empty and nobody holds it.
    fn advance(&mut self, id: u64) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue.running.is_some() || queue.in_line.is_some() {
            return;
        }
        while let Some(Entry::Synchronize(reply)) = queue.entries.front() {
            let reply = reply.clone();
            queue.synchronize(&reply);
            queue.entries.pop_front();
        }
        if !queue.entries.is_empty() {
            let turn = self.next_turn;
            self.next_turn += 1;
            queue.in_line = Some((turn, self.handed_over));
            self.ready[queue.level as usize].insert(turn, id);
        } else if queue.dropped {
            self.queues.remove(&id);
        }
    }

    /// Takes the next command out of its queue and gives it to the backend, and so on until one is not answered at once.
    /// That call, made under the lock, fixes the order in which the backend sees the commands.
    fn next_work(&mut self, backend: &dyn Backend) -> Option<(u64, Work)> {
        loop {
            let id = self.next_ready()?;
            self.leave_line(id);
            let queue = self.queues.get_mut(&id);
            let Some(Entry::Command { query, reply }) =
                queue.and_then(|queue| queue.entries.pop_front())
            else {
                continue;
            };
            self.waiting -= 1;
            match self.begin(id, query, reply, backend) {
                Some(work) => return Some((id, work)),
                None => self.advance(id),
            }
        }
    }

    /// Gives a command to the backend; `None` when it is answered by that.
    fn begin(
        &mut self,
        id: u64,
        query: String,
        reply: Arc<Reply<Arc<str>>>,
        backend: &dyn Backend,
    ) -> Option<Work> {
        let queue = self.queues.get_mut(&id)?;
        self.handed_over += 1;
        let work = match backend.serve(query) {
            Service::Done(answer) => {
                queue.answer(&reply, answer);
                return None;
            }
            Service::Later(later) => Work::Later(later),
            Service::Pending(work) => Work::Task(Task(Arc::new(Mutex::new(Some(work))))),
        };
        self.at_backend += 1;
        queue.running = Some(Running {
            reply,
            work: work.clone(),
            task: None,
        });
        Some(work)
    }

    /// Whether a command may go to the backend past the line, which is empty.
    fn has_room(&self, capacity: usize) -> bool {
        !self.handing_over
            && self.at_backend < capacity
            && self.ready.iter().all(BTreeMap::is_empty)
    }

    fn leave_line(&mut self, id: u64) {
        if let Some(queue) = self.queues.get_mut(&id)
            && let Some((turn, _)) = queue.in_line.take()
        {
            self.ready[queue.level as usize].remove(&turn);
        }
    }

    /// The first of each level has waited longest there; of these three, the one whose level and age count most.
    fn next_ready(&self) -> Option<u64> {
        let mut best: Option<(u64, std::cmp::Reverse<u64>, u64)> = None;
        for (level, line) in (0u64..).zip(&self.ready) {
            let Some((turn, id)) = line.first_key_value() else {
                continue;
            };
            let since = self
                .queues
                .get(id)
                .and_then(|queue| queue.in_line)
                .map_or(self.handed_over, |(_, since)| since);
            let aged = (level + (self.handed_over - since) / AGEING).min(Level::High as u64);
            let candidate = (aged, std::cmp::Reverse(*turn), *id);
            if best.is_none_or(|best| candidate > best) {
                best = Some(candidate);
            }
        }
        best.map(|(_, _, id)| id)
    }
}

/// Completes a command when it is dropped: with its result, or as cancelled when there is none.
struct Completion {
    shared: Arc<Shared>,
    queue: u64,
    result: Option<Answer>,
}

impl Drop for Completion {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or(Err(BackendError::Cancelled));
        self.shared.clone().complete(self.queue, result);
    }
}

/// The resource `queue`. Dropping it lets its work go on; results stay valid.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    id: u64,
    service_id: u32,
}

impl Queue {
    /// The id of the model's service.
    pub fn service_id(&self) -> u32 {
        self.service_id
    }

    /// Changes the priority, at once, for everything that the backend has not been given yet. The queue keeps its
    /// turn and its age.
    pub fn set_priority(&self, level: Level) {
        let mut state = self.shared.state();
        let Some(queue) = state.queues.get_mut(&self.id) else {
            return;
        };
        let before = std::mem::replace(&mut queue.level, level);
        if let Some((turn, _)) = queue.in_line {
            state.ready[before as usize].remove(&turn);
            state.ready[level as usize].insert(turn, self.id);
        }
    }

    /// Sends a command to the model. A command that fails answers `error: ` and the reason.
    ///
    /// # Errors
    /// [`LimitExceeded`] when the queue is full.
    pub(crate) fn submit(&self, query: String) -> Result<Arc<Reply<Arc<str>>>, LimitExceeded> {
        let reply = Reply::new();
        let entry = Entry::Command {
            query,
            reply: reply.clone(),
        };
        self.shared.push(self.id, entry)?;
        Ok(reply)
    }

    /// Resolves when everything submitted before has completed.
    ///
    /// # Errors
    /// [`LimitExceeded`] when the queue is full.
    pub(crate) fn synchronize(&self) -> Result<Arc<Reply<bool>>, LimitExceeded> {
        let reply = Reply::new();
        self.shared
            .push(self.id, Entry::Synchronize(reply.clone()))?;
        Ok(reply)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(queue) = state.queues.get_mut(&self.id) {
            queue.dropped = true;
        }
        state.advance(self.id);
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
