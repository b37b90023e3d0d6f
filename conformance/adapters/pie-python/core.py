"""The interfaces that inferlets import, `pie:inferlet/core` and `wasi:io/poll`: their functions, resources and types."""

import threading
import time
from collections import deque

from wasmtime import WasmtimeError
from wasmtime.component import ComponentInstanceType, EnumType, FuncType, Linker, ListType, OptionType
from wasmtime.component import ResourceAny, ResourceType

from model import PRIORITIES, Answer

POLL, CORE = "wasi:io/poll@0.2.4", "pie:inferlet/core"
VERSION = "pie-python 0.1.0"
SUBSCRIPTION_DEPTH = 256  # messages that one subscription keeps; the oldest go first

RESOURCES = ["model", "queue", "debug-query-result", "synchronization-result", "receive-result", "subscription"]
TYPES = {name: number for number, name in enumerate(RESOURCES + ["pollable"], start=1)}

here = threading.local()  # `here.instance`: the instance whose thread this is


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
    poll = {
        "poll": Core.poll,
        "[method]pollable.ready": Core.pollable__ready,
        "[method]pollable.block": Core.pollable__block,
    }
    return {POLL: poll, CORE: core}


OFFERED = offered()


def make_linker(engine):
    linker = Linker(engine)
    with linker.root() as root:
        for interface, resources in (POLL, ["pollable"]), (CORE, RESOURCES):
            with root.add_instance(interface) as instance:
                for name in resources:
                    instance.add_resource(name, ResourceType.host(TYPES[name]), drop)
                for name, body in OFFERED[interface].items():
                    instance.add_func(name, function(body))
    return linker


def misfit(engine, code):
    """The first import of another type than the host's. The linker checks names, but no types of functions."""
    types = {interface.partition("@")[0]: functions for interface, functions in OFFERED.items()}
    for interface, imported in code.type.imports(engine).items():
        for name, item in imported.ty.exports(engine).items() if isinstance(imported.ty, ComponentInstanceType) else ():
            body = types.get(interface.partition("@")[0], {}).get(name)
            if body and isinstance(item.ty, FuncType) and spell_function(item.ty) != signature(body):
                return f"{interface} has another type of {name}"


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
