"""A small host of `pie:inferlet` on wasmtime for Python: instances, what they share, and their ends.

Every instance has a thread and a store of its own, since calls into wasmtime are synchronous here. All state of the host
is behind one lock, and an instance that waits sleeps on a condition of that lock until something of its own changes.
It knows nothing of test suites; `adapter.py` does.
"""

import ctypes
import threading
import time
import uuid
from collections import deque
from itertools import count

import wasmtime
from wasmtime import WasmtimeError, _bindings
from wasmtime.component import Component, ResourceHost, ResultType, String

from core import TYPES, here, make_linker, misfit
from model import Model

RUN = "pie:inferlet/run"
LAUNCH_PATIENCE = 1.0  # seconds that `launch` waits for a component whose start function does not come to an end

# Zero in a limit means the default.
DEFAULTS = {"memory-bytes": 1 << 30, "compute-ms": 0, "table-elements": 1 << 20, "instances": 4096, "message-bytes": 1 << 28}


class Refused(Exception):
    """The host does not do what was asked from outside."""


class Client:
    """The remote client of one instance: reads its messages, or lets them wait while it pauses."""

    def __init__(self, read, leave):
        self.read = read
        self.leave = leave  # called when it has read that its instance ended
        self.lock = threading.Lock()
        self.unread = deque()
        self.paused = False

    def take(self, event):
        with self.lock:
            self.unread.append(event)
            self._read_on()

    def pause(self, paused):
        with self.lock:
            self.paused = paused
            self._read_on()

    def _read_on(self):
        while self.unread and not self.paused:
            event = self.unread.popleft()
            if "ended" in event:
                self.leave()
            self.read(event)


class Instance:
    """One running inferlet."""

    def __init__(self, host, code, arguments):
        self.host = host
        self.id = str(uuid.uuid4())
        self.code = code
        self.arguments = arguments
        self.client = Client(host.observe, lambda: host.clients.pop(self.id, None))
        self.changed = threading.Condition(host.lock)
        self.handles = {}  # what the guest holds, by rep: the name of the resource and the thing
        self.inbox = deque()  # messages of the client that no receiver waits for
        self.receivers = deque()  # receivers that wait, in the order of their calls
        self.killed = None  # why it is to end
        self.refusal = None
        self.launched = False  # whether `launch` has told the id, and is owed the end of the instance
        self.settled = threading.Event()  # whether it came to life or was refused
        self.computing_since = None
        self.thread = threading.Thread(target=self._live, daemon=True, name=f"instance {self.id}")

    def _live(self):
        here.instance = self
        store = wasmtime.Store(self.host.engine)
        try:
            outcome = self._run(store)
        except Exception as error:  # a trap, or an error of the binding in a call of this guest
            outcome = {"terminated": self.killed} if self.killed else {"trapped": cause(error)}
        finally:
            store.close()
        with self.host.lock:
            self.host.forget(self)
            if not self.launched:
                self.refusal = next(iter(outcome.values())) or "ended before it came to life"
        self.settled.set()
        if self.launched:
            self.client.take({"ended": {"instance": self.id, "outcome": outcome}})

    def _run(self, store):
        limits = self.host.limits
        store.set_limits(memory_size=limits["memory-bytes"], table_elements=limits["table-elements"])
        store.set_epoch_deadline(1)
        _bindings.wasmtime_store_epoch_deadline_callback(store.ptr(), on_epoch, None, NO_FINALIZER)
        self.computing_since = time.monotonic()
        instance = self.host.linker.instantiate(store, self.code)
        run = instance.get_func(store, instance.get_export_index(store, "run", instance.get_export_index(store, RUN)))
        self.come_to_life()
        error = run(store)
        run.post_return(store)
        return {"finished": None} if error is None else {"failed": error}

    def come_to_life(self):
        with self.host.lock:
            self.check_killed()
            self.launched = self.launched or self.refusal is None
        self.settled.set()

    def check_killed(self):
        if self.killed:
            raise WasmtimeError(self.killed)

    def kill(self, reason):
        """Wakes it when it waits, interrupts it when it computes."""
        self.killed = self.killed or reason
        self.changed.notify_all()
        self.host.engine.increment_epoch()

    def wait(self, sources):
        """The indices of the sources that are ready, as soon as there is one."""
        while not (ready := [index for index, source in enumerate(sources) if source.ready()]):
            self.changed.wait()
            self.check_killed()
        return ready

    def own(self, kind, thing):
        """A handle to this thing for the guest."""
        rep = next(self.host.reps)
        self.handles[rep] = kind, thing
        return ResourceHost.own(rep, TYPES[kind])

    def deliver(self):
        while self.inbox and self.receivers:
            self.receivers.popleft().settle(self.inbox.popleft())

    def check_length(self, *texts):
        limit = self.host.limits["message-bytes"]
        if any(len(text.encode()) > limit for text in texts):
            raise WasmtimeError(f"a text is longer than {limit} bytes")


@ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(_bindings.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(_bindings.wasmtime_update_deadline_kind_t),
)
def on_epoch(_context, _data, delta, kind):
    """Lets a guest compute on until the next epoch, or ends it."""
    on = here.instance
    limit, since = on.host.limits["compute-ms"], on.computing_since
    if limit and since and time.monotonic() - since > limit / 1000:
        on.killed = on.killed or f"computed for more than {limit} ms"
    if on.killed:
        return ctypes.cast(WasmtimeError(on.killed)._consume(), ctypes.c_void_p).value
    delta[0], kind[0] = 1, 0
    return 0


NO_FINALIZER = ctypes.cast(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p))


def make_engine():
    config = wasmtime.Config()
    config.epoch_interruption = True
    return wasmtime.Engine(config)


class Host:
    """The engine with everything that instances share. `observe` is called with every event, as it happens."""

    engine = make_engine()
    linker = make_linker(engine)

    def __init__(self, models, limits, observe):
        self.lock = threading.RLock()
        self.observe = observe
        self.limits = {name: (limits or {}).get(name) or default for name, default in DEFAULTS.items()}
        self.models = {spec["name"]: Model(spec, number, self.lock) for number, spec in enumerate(models, start=1)}
        self.instances = {}
        self.clients = {}  # of the instances that run, and of those whose end is not read yet
        self.topics = {}
        self.store = {}
        self.reps = count(1)
        self.closing = threading.Event()
        if self.limits["compute-ms"]:
            threading.Thread(target=self._tick, daemon=True).start()

    def compile(self, wasm):
        """The code of an inferlet. Whether its imports fit is for the linker to find out."""
        if not wasm.startswith(b"\0asm"):
            raise Refused("not WebAssembly")
        try:
            code = Component(self.engine, wasm)
            run = code.type.exports(self.engine)[RUN].ty.exports(self.engine)["run"].ty
            result = run.result
        except (WasmtimeError, KeyError, AttributeError) as error:
            raise Refused(f"not an inferlet: {error}") from error
        if run.params or not isinstance(result, ResultType) or result.ok is not None or result.err != String():
            raise Refused(f"{RUN} has a `run` of another type")
        if strange := misfit(self.engine, code):
            raise Refused(strange)
        return code

    def launch(self, code, arguments):
        instance = Instance(self, code, arguments)
        with self.lock:
            if len(self.instances) >= self.limits["instances"]:
                raise Refused("too many instances run")
            self.instances[instance.id] = instance
            self.clients[instance.id] = instance.client
        instance.thread.start()
        instance.settled.wait(LAUNCH_PATIENCE)
        with self.lock:
            if instance.refusal is not None:
                del self.clients[instance.id]
                raise Refused(instance.refusal)
            instance.launched = True
        return instance

    def instance(self, id):
        try:
            return self.instances[id]
        except KeyError:
            raise Refused(f"no instance {id} runs") from None

    def client(self, id):
        try:
            return self.clients[id]
        except KeyError:
            raise Refused(f"no client of {id}") from None

    def model(self, name):
        try:
            return self.models[name]
        except KeyError:
            raise Refused(f"no model {name}") from None

    def message(self, id, text):
        """A message from the instance's remote client."""
        with self.lock:
            if len(text.encode()) > self.limits["message-bytes"]:
                raise Refused("the message is too long")
            instance = self.instance(id)
            instance.inbox.append(text)
            instance.deliver()

    def unsubscribe(self, subscription):
        """Takes it from its topic; does nothing when it is not there any more."""
        others = [other for other in self.topics.get(subscription.topic, ()) if other is not subscription]
        self.topics[subscription.topic] = others
        if not others:
            del self.topics[subscription.topic]

    def forget(self, instance):
        """Takes an instance that ended out of everything shared."""
        self.instances.pop(instance.id, None)
        for kind, thing in instance.handles.values():
            if kind == "subscription":
                self.unsubscribe(thing)
        for model in self.models.values():
            model.abandon(instance)
        instance.handles.clear()

    def close(self):
        """Ends all that runs, and waits for it."""
        with self.lock:
            left, clients = list(self.instances.values()), list(self.clients.values())
            for instance in left:
                instance.kill("the host closes")
        for client in clients:
            client.pause(False)
        for instance in left:
            instance.thread.join()
        with self.lock:
            for model in self.models.values():
                model.close()
        self.closing.set()

    def _tick(self):
        while not self.closing.wait(self.limits["compute-ms"] / 4000):
            self.engine.increment_epoch()


def cause(error):
    """The innermost words of an error of wasmtime, which begins with a backtrace."""
    return str(error).rpartition("Caused by:")[2].strip()
