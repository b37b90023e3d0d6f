"""Puts the host of `host.py` under witgate: JSON Lines on standard input and output, see docs/adapter-protocol.md."""

import base64
import json
import sys
import threading
from importlib.metadata import version

from host import Host, Refused

HELLO = {
    "type": "hello",
    "protocol": 1,
    "name": "pie-python",
    "version": f"0.1.0 on wasmtime {version('wasmtime')}",
    "contracts": {"pie": {"capabilities": ["models", "terminate", "slow-client", "hold", "fail", "count", "limits"]}},
}

out = sys.stdout.buffer
writing = threading.Lock()


def say(type, **fields):
    line = json.dumps({"type": type, **fields}, ensure_ascii=False).encode() + b"\n"
    with writing:
        out.write(line)
        out.flush()


class Case:
    """One case: a fresh host with the case's guests. A method for every function of the driver `pie`."""

    def __init__(self, guests, environment):
        self.guests = {name: base64.b64decode(guest["component"]) for name, guest in guests.items()}
        self.code = {}
        limits = environment["limits"] and environment["limits"]["some"]
        limits = limits and {name: int(value) for name, value in limits.items()}
        self.host = Host(environment["models"], limits, lambda event: say("event", event=event))

    def launch(self, guest, arguments):
        if guest not in self.code:
            self.code[guest] = self.host.compile(self.guests[guest])
        return self.host.launch(self.code[guest], arguments).id

    def client_send(self, instance, message):
        self.host.message(instance, message)

    def terminate(self, instance):
        with self.host.lock:
            self.host.instance(instance).kill("terminated from outside")

    def client_pause(self, instance):
        self.host.client(instance).pause(True)

    def client_resume(self, instance):
        self.host.client(instance).pause(False)

    def hold(self, model):
        with self.host.lock:
            self.host.model(model).hold()

    def release(self, model, count):
        with self.host.lock:
            self.host.model(model).release(count)

    def fail_next(self, model, count):
        with self.host.lock:
            self.host.model(model).failing = count

    def served(self, model):
        with self.host.lock:
            return list(self.host.model(model).served)

    def pending(self, model):
        with self.host.lock:
            return self.host.model(model).pending()

    def running(self):
        return len(self.host.instances)


DRIVER = {name.replace("_", "-"): body for name, body in vars(Case).items() if not name.startswith("_")}


def answer(case, call):
    """Carries out one call of the driver."""
    try:
        value = DRIVER[call["function"]](case, *call["arguments"])
    except Refused as refused:
        say("return", id=call["id"], value={"err": str(refused)})
    except Exception as error:
        say("fault", id=call["id"], message=f"{type(error).__name__}: {error}")
    else:
        say("return", id=call["id"], value=value if call["function"] == "running" else {"ok": value})


def main():
    case = None
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                say(**HELLO)
            case "begin":
                case = Case(message["guests"], message["environment"])
                say("ready")
            case "call":
                answer(case, message)
            case "end":
                case.host.close()
                say("done")
            case "bye":
                break


if __name__ == "__main__":
    main()
