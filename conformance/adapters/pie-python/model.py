"""Models and their command queues: what waits, what is served next, and what synchronizing means.

A model has one backend thread. It serves the head of the queue of highest priority, the oldest among equals, and sleeps
when there is nothing it may serve. The backend itself is a stand-in that answers `ping` with `pong` and echoes everything
else; a command takes it no time, so what it could serve at once (`capacity`) makes no difference.
"""

import threading
from collections import deque
from itertools import count

PRIORITIES = {"low": 0, "normal": 1, "high": 2}


class Answer:
    """A value that comes later, once; a source that a pollable can stand for."""

    def __init__(self, owner, value=None):
        self.owner = owner
        self.value = value

    def ready(self):
        return self.value is not None

    def get(self):
        return self.value

    def settle(self, value):
        self.value = value
        self.owner.changed.notify_all()

    def drop(self):
        """The guest dropped the handle; whoever settles the answer later does no harm."""


class Command(Answer):
    """A query on its way to the backend and back."""

    def __init__(self, owner, number, query):
        super().__init__(owner)
        self.number = number
        self.query = query


class Queue:
    """Commands of one instance to one model. Outlives its handle as long as commands wait in it."""

    def __init__(self, model, owner):
        self.model = model
        self.owner = owner
        self.priority = PRIORITIES["normal"]
        self.entries = deque()
        self.failed = False  # whether a command failed since the last synchronization

    def ask(self, query):
        command = Command(self.owner, next(self.model.numbers), query)
        self.entries.append(command)
        self.model.work.notify()
        return command

    def synchronize(self):
        """True when every command asked before is served and none of them failed."""
        result = Answer(self.owner)
        self.entries.append(result)
        self.settle_synchronizations()
        return result

    def settle_synchronizations(self):
        while self.entries and not isinstance(self.entries[0], Command):
            self.entries.popleft().settle(not self.failed)
            self.failed = False

    def drop(self):
        """The guest dropped the handle; what waits is still served."""


class Model:
    """One model. Everything here happens under the lock of the host."""

    def __init__(self, spec, service_id, lock):
        self.spec = spec
        self.name = spec["name"]
        self.service_id = service_id
        self.numbers = count()
        self.queues = []
        self.served = []
        self.failing = 0  # how many of the next commands fail
        self.permits = None  # how many commands may be served; None when the backend is not held
        self.closed = False
        self.work = threading.Condition(lock)
        threading.Thread(target=self._serve, daemon=True, name=f"model {self.name}").start()

    def create_queue(self, owner):
        queue = Queue(self, owner)
        self.queues.append(queue)
        return queue

    def pending(self):
        return sum(isinstance(entry, Command) for queue in self.queues for entry in queue.entries)

    def hold(self):
        self.permits = self.permits or 0

    def release(self, commands):
        self.permits = (self.permits or 0) + commands if commands else None
        self.work.notify()

    def abandon(self, owner):
        """Forgets the queues of an instance that ended, and what still waits in them."""
        self.queues = [queue for queue in self.queues if queue.owner is not owner]

    def close(self):
        self.closed = True
        self.work.notify()

    def _serve(self):
        with self.work:
            while not self.closed:
                if not self._serve_next():
                    self.work.wait()

    def _serve_next(self):
        """Serves the next command; false when there is none that may be served."""
        waiting = [queue for queue in self.queues if queue.entries]
        if not waiting or self.permits == 0:
            return False
        queue = min(waiting, key=lambda queue: (-queue.priority, queue.entries[0].number))
        command = queue.entries.popleft()
        failed = self.failing > 0
        self.failing -= failed
        self.permits = self.permits and self.permits - 1
        queue.failed |= failed
        self.served.append({"query": command.query, "failed": failed})
        command.settle("the command failed" if failed else self._answer(command.query))
        queue.settle_synchronizations()
        return True

    @staticmethod
    def _answer(query):
        return "pong" if query == "ping" else f"echo: {query}"
