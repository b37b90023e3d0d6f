"""A small host of `pie:inferlet` on wasmtime for Python: instances, the interface `core`, pollables.

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
from wasmtime import WasmtimeError, _bindings, component
from wasmtime.component import ComponentInstanceType, EnumType, FuncType, ListType, OptionType
from wasmtime.component import ResourceAny, ResourceHost, ResourceType, ResultType, String

from model import PRIORITIES, Answer, Model

VERSION = "pie-python 0.1.0"
SUBSCRIPTION_DEPTH = 256  # messages that one subscription keeps; the oldest go first
LAUNCH_PATIENCE = 1.0  # seconds that `launch` waits for a component whose start function does not come to an end

# Zero in a limit means the default.
DEFAULTS = {"memory-bytes": 1 << 30, "compute-ms": 0, "table-elements": 1 << 20, "instances": 4096, "message-bytes": 1 << 28}

RESOURCES = ["model", "queue", "debug-query-result", "synchronization-result", "receive-result", "subscription"]
TYPES = {name: number for number, name in enumerate(RESOURCES + ["pollable"], start=1)}

here = threading.local()  # `here.instance`: the instance whose thread this is


class Refused(Exception):
    """The host does not do what was asked from outside."""


class Receive(Answer):
    """One `receive`: takes the next message that no earlier one takes."""

    seen = False

    def get(self):
        self.seen = self.seen or self.ready()
        return self.value

    def drop(self):
        """A message that nobody has seen goes to the next receiver."""
        if not self.ready():
            self.owner.receivers.remove(self)
        elif not self.seen:
            self.owner.inbox.appendleft(self.value)
            self.owner.deliver()


class Subscription:
    """One subscriber of a topic, with a bounded buffer."""

    def __init__(self, owner, topic):
        self.owner = owner
        self.topic = topic
        self.messages = deque(maxlen=SUBSCRIPTION_DEPTH)
        self.cancelled = False

    def ready(self):
        """A cancelled subscription is ready, so that nobody waits for it for ever."""
        return self.cancelled or bool(self.messages)

    def get(self):
        return self.messages.popleft() if self.messages else None

    def drop(self):
        self.cancelled = True
        self.messages.clear()
        self.owner.host.unsubscribe(self)
        self.owner.changed.notify_all()


class Client:
    """The remote client of one instance: reads its messages, or lets them wait while it pauses."""

    def __init__(self, read):
        self.read = read
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
            self.read(self.unread.popleft())


class Instance:
    """One running inferlet."""

    def __init__(self, host, code, arguments):
        self.host = host
        self.id = str(uuid.uuid4())
        self.code = code
        self.arguments = arguments
        self.client = Client(host.observe)
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


class Core:
    """The functions of `pie:inferlet/core` and `wasi:io/poll`, called on the instance's thread under the host's lock.

    Names are the WIT's with `-` as `_` and `.` as `__`; annotations are its types, which the linker of this binding does
    not look at. `on` is the instance that calls.
    """

    def get_version(on) -> "string":
        return VERSION

    def get_instance_id(on) -> "string":
        return on.id

    def get_arguments(on) -> "list<string>":
        return on.arguments

    def get_model(on, name: "string") -> "option<own>":
        model = on.host.models.get(name)
        return model and on.own("model", model)

    def get_all_models(on) -> "list<string>":
        return list(on.host.models)

    def get_all_models_with_traits(on, traits: "list<string>") -> "list<string>":
        return [name for name, model in on.host.models.items() if set(traits) <= set(model.spec["traits"])]

    def send(on, message: "string"):
        on.check_length(message)
        on.come_to_life()
        on.client.take({"message": {"instance": on.id, "text": message}})

    def receive(on) -> "own":
        receiver = Receive(on)
        on.receivers.append(receiver)
        on.deliver()
        return on.own("receive-result", receiver)

    def broadcast(on, topic: "string", message: "string"):
        on.check_length(message)
        for subscription in on.host.topics.get(topic, ()):
            subscription.messages.append(message)
            subscription.owner.changed.notify_all()

    def subscribe(on, topic: "string") -> "own":
        subscription = Subscription(on, topic)
        on.host.topics.setdefault(topic, []).append(subscription)
        return on.own("subscription", subscription)

    def store_get(on, key: "string") -> "option<string>":
        return on.host.store.get(key)

    def store_set(on, key: "string", value: "string"):
        on.check_length(key, value)
        on.host.store[key] = value

    def store_delete(on, key: "string"):
        on.host.store.pop(key, None)

    def store_exists(on, key: "string") -> "bool":
        return key in on.host.store

    def store_list_keys(on) -> "list<string>":
        return list(on.host.store)

    def debug_query(on, query: "string") -> "own":
        on.check_length(query)
        return on.own("debug-query-result", Answer(on, "pong" if query == "ping" else f"unknown query: {query}"))

    def model__get_name(on, model: "borrow") -> "string":
        return model.name

    def model__get_traits(on, model: "borrow") -> "list<string>":
        return model.spec["traits"]

    def model__get_description(on, model: "borrow") -> "string":
        return model.spec["description"]

    def model__get_version(on, model: "borrow") -> "string":
        return model.spec["version"]

    def model__get_license(on, model: "borrow") -> "string":
        return model.spec["license"]

    def model__get_prompt_template(on, model: "borrow") -> "string":
        return model.spec["prompt-template"]

    def model__get_service_id(on, model: "borrow") -> "u32":
        return model.service_id

    def model__create_queue(on, model: "borrow") -> "own":
        return on.own("queue", model.create_queue(on))

    def queue__get_service_id(on, queue: "borrow") -> "u32":
        return queue.model.service_id

    def queue__synchronize(on, queue: "borrow") -> "own":
        return on.own("synchronization-result", queue.synchronize())

    def queue__set_priority(on, queue: "borrow", priority: "enum<low,normal,high>"):
        queue.priority = PRIORITIES[priority]

    def queue__debug_query(on, queue: "borrow", query: "string") -> "own":
        on.check_length(query)
        return on.own("debug-query-result", queue.ask(query))

    def subscription__unsubscribe(on, subscription: "borrow"):
        subscription.drop()

    def source__pollable(on, source: "borrow") -> "own":
        return on.own("pollable", source)

    def text__get(on, source: "borrow") -> "option<string>":
        return source.get()

    def flag__get(on, source: "borrow") -> "option<bool>":
        return source.get()

    def pollable__ready(on, source: "borrow") -> "bool":
        return source.ready()

    def pollable__block(on, source: "borrow"):
        on.wait([source])

    def poll(on, sources: "list<borrow>") -> "list<u32>":
        if not sources:
            raise WasmtimeError("poll of nothing")
        return on.wait(sources)


POLL, CORE, RUN = "wasi:io/poll@0.2.4", "pie:inferlet/core", "pie:inferlet/run"


def function(body):
    """A function of `Core`, as wasmtime wants it."""

    def call(store, *arguments):
        on = here.instance
        on.computing_since = None
        try:
            arguments = [look_up(on, store, argument) for argument in arguments]
            with on.host.lock:
                on.check_killed()
                return body(on, *arguments)
        except WasmtimeError:
            raise
        except Exception as error:  # the binding keeps other exceptions in a place that all threads share
            raise WasmtimeError(f"{type(error).__name__}: {error}") from error
        finally:
            on.computing_since = time.monotonic()

    return call


def look_up(on, store, argument):
    if isinstance(argument, list):
        return [look_up(on, store, element) for element in argument]
    return on.handles[argument.to_host(store).rep][1] if isinstance(argument, ResourceAny) else argument


def drop(_store, rep):
    on = here.instance
    with on.host.lock:
        kind, thing = on.handles.pop(rep)
        if kind not in ("model", "pollable"):
            thing.drop()


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


def offered():
    """What the host offers, by interface and name of the function."""
    core = {}
    for name, body in vars(Core).items():
        resource, _, method = name.replace("__", ".").replace("_", "-").partition(".")
        if resource in RESOURCES:
            core[f"[method]{resource}.{method}"] = body
        elif not method and resource != "poll" and callable(body):
            core[resource] = body
    for resource in RESOURCES[2:]:
        core[f"[method]{resource}.pollable"] = Core.source__pollable
        core[f"[method]{resource}.get"] = Core.text__get
    core["[method]synchronization-result.get"] = Core.flag__get
    poll = {"poll": Core.poll, "[method]pollable.ready": Core.pollable__ready, "[method]pollable.block": Core.pollable__block}
    return {POLL: poll, CORE: core}


OFFERED = offered()


def make_linker(engine):
    linker = component.Linker(engine)
    with linker.root() as root:
        for interface, resources in (POLL, ["pollable"]), (CORE, RESOURCES):
            with root.add_instance(interface) as instance:
                for name in resources:
                    instance.add_resource(name, ResourceType.host(TYPES[name]), drop)
                for name, body in OFFERED[interface].items():
                    instance.add_func(name, function(body))
    return linker


def check_imports(engine, code):
    """Refuses an import with another type than the host's. The linker checks names, and nothing of a host's function."""
    types = {interface.partition("@")[0]: functions for interface, functions in OFFERED.items()}
    for interface, imported in code.type.imports(engine).items():
        for name, item in imported.ty.exports(engine).items() if isinstance(imported.ty, ComponentInstanceType) else ():
            body = types.get(interface.partition("@")[0], {}).get(name)
            if body and isinstance(item.ty, FuncType) and spell_function(item.ty) != signature(body):
                raise Refused(f"{interface} has another type of {name}")


def spell_function(function):
    return [spell(ty) for _, ty in function.params], function.result and spell(function.result)


def signature(body):
    types = dict(body.__annotations__)
    result = types.pop("return", None)
    return list(types.values()), result


def spell(ty):
    match ty:
        case ListType():
            return f"list<{spell(ty.element)}>"
        case OptionType():
            return f"option<{spell(ty.payload)}>"
        case EnumType():
            return f"enum<{','.join(ty.names)}>"
        case _:
            return type(ty).__name__.removesuffix("Type").lower()


def cause(error):
    """The innermost words of an error of wasmtime, which begins with a backtrace."""
    return str(error).rpartition("Caused by:")[2].strip()


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
            code = component.Component(self.engine, wasm)
            check_imports(self.engine, code)
            run = code.type.exports(self.engine)[RUN].ty.exports(self.engine)["run"].ty
            result = run.result
        except (WasmtimeError, KeyError, AttributeError) as error:
            raise Refused(f"not an inferlet: {error}") from error
        if run.params or not isinstance(result, ResultType) or result.ok is not None or result.err != String():
            raise Refused(f"{RUN} has a `run` of another type")
        return code

    def launch(self, code, arguments):
        instance = Instance(self, code, arguments)
        with self.lock:
            if len(self.instances) >= self.limits["instances"]:
                raise Refused("too many instances run")
            self.instances[instance.id] = instance
        instance.thread.start()
        instance.settled.wait(LAUNCH_PATIENCE)
        with self.lock:
            if instance.refusal is not None:
                raise Refused(instance.refusal)
            instance.launched = True
        return instance

    def instance(self, id):
        try:
            return self.instances[id]
        except KeyError:
            raise Refused(f"no instance {id} runs") from None

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
            left = list(self.instances.values())
            for instance in left:
                instance.kill("the host closes")
        for instance in left:
            instance.client.pause(False)
            instance.thread.join()
        with self.lock:
            for model in self.models.values():
                model.close()
        self.closing.set()

    def _tick(self):
        while not self.closing.wait(self.limits["compute-ms"] / 4000):
            self.engine.increment_epoch()
