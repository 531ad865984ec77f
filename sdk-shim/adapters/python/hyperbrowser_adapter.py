#!/usr/bin/env python3
"""Adapter for the Python SDK `hyperbrowser`: the blocking client, or with --async the asyncio one.

Run it with the Python that has the SDK.  See sdk-shim/PROTOCOL.md, and README.md beside this folder.
"""

import contextlib
import importlib
import importlib.metadata
import os
import pathlib
import sys

import standbox_adapter
from standbox_adapter import Raised, Skip, asking, given, kind_of_status, shown

# No session saved by somebody may log the SDK in, and no proxy may see calls to this machine.
os.environ["HOME"] = "/nonexistent"
for _name in [name for name in os.environ if name.startswith(("HYPERBROWSER_", "XDG_"))]:
    del os.environ[_name]
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))

try:
    import certifi
    import httpx
    import hyperbrowser
    import pydantic
    from hyperbrowser.exceptions import HyperbrowserError
    from hyperbrowser.models.sandbox import CreateSandboxParams, SandboxExecParams, SandboxListParams
except ModuleNotFoundError as missing:
    print(
        f"hyperbrowser_adapter: {sys.executable} has no module {missing.name}: "
        "install the SDK with `pip install hyperbrowser==1.14.0`, or run this with a Python that has it "
        "(`sdk-shim/tests/run --set-up` makes build/e2e/venv/bin/python)",
        file=sys.stderr,
    )
    sys.exit(2)

CAPABILITIES = [
    "sandbox.create",
    "sandbox.connect",
    "sandbox.refresh",
    "sandbox.status",
    "sandbox.list",
    "sandbox.stop",
    *("exec", "exec.args", "exec.cwd", "exec.env", "exec.timeout_ms", "exec.timeout_s", "exec.user"),
    *("exec.max_output_bytes", "start.max_output_bytes"),
    *("start", "start.args", "start.cwd", "start.env", "start.timeout_ms", "start.timeout_s", "start.user"),
    "get",
    *("list", "list.status", "list.limit", "list.cursor"),
    "status",
    "poll",
    *("wait", "wait.timeout_ms", "wait.timeout_s"),
    "result",
    *("kill", "kill.timeout_ms"),
    "signal",
    *("write", "write.bytes", "write.eof"),
    *("stream", "stream.from_seq"),
    "disconnect",
    *("client.timeout_ms", "client.runtime_proxy"),
    "background",
    "protocol-b",
]

PROCESS_OPTIONS = {
    **{"cwd": "cwd", "env": "env", "timeout_ms": "timeout_ms", "timeout_s": "timeout_sec", "user": "run_as"},
    "max_output_bytes": "max_output_bytes",
}
RESULT_MEMBERS = ("id", "status", "exit_code", "started_at", "completed_at", "error", "output_truncated")
WAIT_OPTIONS = {"timeout_ms": "timeout_ms", "timeout_s": "timeout_sec"}
LIST_OPTIONS = {"status": "status", "limit": "limit"}
WRITE_OPTIONS = {"encoding": "encoding", "eof": "eof"}
STREAM_OPTIONS = {"from_seq": "from_seq"}
CREATE_OPTIONS = {
    "image": "image_name",
    "snapshot": "snapshot_name",
    "timeout_minutes": "timeout_minutes",
    "vcpus": "cpu",
    "memory_mib": "memory_mib",
}

KIND_OF_CODE = {
    "incomplete_output": "incomplete",
    "output_limit_exceeded": "output_limit",
    "streaming_not_supported": "unsupported",
    "secrets_unsupported": "unsupported",
}
# Their messages say that the command may be running.
INDEFINITE_CODES = {"streaming_not_supported", "secret_process_outcome_unknown"}
# What the SDK's own reading of an answer stumbles with.
MISREADINGS = (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError, httpx.DecodingError)


def only(step, names):
    """The arguments of the step under the SDK's names; those that are not there are not given."""
    return {theirs: step[ours] for ours, theirs in names.items() if step.get(ours) is not None}


def command_of(step):
    return SandboxExecParams(command=step["command"], args=step["args"]) if "args" in step else step["command"]


def nothing(_):
    return {}


def sandbox_value(box):
    return {"id": box.id, "status": box.status}


def summary_value(summary):
    return {name: getattr(summary, name) for name in ("id", "status", "exit_code", "pid", "command", "cwd")}


def process_value(handle):
    known = handle.to_dict()
    return {"id": handle.id, "status": handle.status, **{n: known[n] for n in ("exit_code", "pid", "command", "cwd")}}


def result_value(result):
    value = {n: getattr(result, n) for n in RESULT_MEMBERS}
    return {**value, "stdout": shown(result.stdout), "stderr": shown(result.stderr)}


def event_value(event):
    if event.type == "exit":
        return {"type": "exit", "result": result_value(event.result)}
    return {"type": event.type, "data": shown(event.data), "seq": event.seq, "timestamp": event.timestamp}


class Events:
    """What a stream has given so far, and whether that is as much as was asked for."""

    def __init__(self, take):
        self._left = take
        self.value = {"events": [], "ended": False}

    def is_enough(self):
        return self._left == 0

    def at_its_end(self):
        self.value["ended"] = True
        return self.value

    def add(self, event):
        self.value["events"].append(event_value(event))
        if self._left is not None and event.type != "exit":
            self._left -= 1


def network_kind(error):
    if isinstance(error, httpx.RemoteProtocolError) and str(error).lower().startswith("illegal"):
        return "malformed"
    if isinstance(error, (httpx.TransportError, OSError)):
        return "connection"
    return "malformed" if isinstance(error, MISREADINGS) else None


def sdk_kind(error):
    """The kind of the SDK's own error class."""
    cause = error.original_error or error.cause
    by_cause = network_kind(cause) if cause is not None else None
    local = "invalid" if error.service is None else "other"
    return KIND_OF_CODE.get(error.code) or kind_of_status(error.status_code) or by_cause or local


def other_kind(error):
    """The kind of what the SDK lets through."""
    if isinstance(error, pydantic.ValidationError):
        return "invalid" if error.title.endswith("Params") else "malformed"
    if isinstance(error, (StopIteration, StopAsyncIteration)):  # a stream without a first event
        return "connection"
    return network_kind(error) or "other"


def one_certificate():
    """A file with a single authority.

    The SDK reads the whole list for every call, 30 ms each, also where nothing uses TLS.
    """
    first, end, _ = pathlib.Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")
    fd = os.memfd_create("one-certificate")
    os.write(fd, (first + end).encode())
    return f"/proc/self/fd/{fd}"


ONE_CERTIFICATE = one_certificate()


class Hyperbrowser(standbox_adapter.Run):
    """The operations; how a call is made and a stream read is left to the two flavours below."""

    client_class = None

    def __init__(self, settings):
        super().__init__(settings)
        self._client = None
        if settings["url"].startswith("http:"):
            os.environ["SSL_CERT_FILE"] = ONE_CERTIFICATE

    def client(self):
        """Built by the first step that needs it, so that a refusal is that step's error."""
        if self._client is None:
            options = {"runtime_proxy_override": self.settings.get("runtime_proxy")}
            if self.settings.get("timeout_ms") is not None:
                options["timeout"] = self.settings["timeout_ms"] / 1000
            with asking():
                self._client = self.client_class(
                    base_url=self.settings["url"], api_key=self.settings["api_key"], **options
                )
        return self._client

    def sandboxes(self):
        return self.client().sandboxes

    def process(self, step):
        return self.kept(step, "process")

    def box(self, step):
        return self.kept(step, "sandbox")

    def keeping(self, step, show):
        """Shows a handle, and keeps it for later steps."""

        def keep_and_show(handle):
            self.keep(step, handle)
            return show(handle)

        return keep_and_show

    def error_of(self, error):
        described = {"class": type(error).__name__, "message": str(error)}
        if isinstance(error, TimeoutError):  # a limit of waiting; others come wrapped
            return {"kind": "timeout", **described}
        if not isinstance(error, HyperbrowserError):
            return {"kind": other_kind(error), **described}
        told = {
            "status": error.status_code,
            "code": error.code,
            "service": error.service,
            "retryable": error.retryable,
            "request_id": error.request_id,
            "details": error.details,
        }
        if error.code in INDEFINITE_CODES:
            told["definite"] = False
        return {"kind": sdk_kind(error), **described, **{k: v for k, v in told.items() if v is not None}}

    def do_sandbox_create(self, step):
        if step.get("env"):
            raise Skip("the client has no environment for a whole sandbox")
        with asking():
            params = CreateSandboxParams(**only(step, CREATE_OPTIONS))
        return self.ask(self.keeping(step, sandbox_value), self.sandboxes().create, params)

    def do_sandbox_connect(self, step):
        return self.ask(self.keeping(step, sandbox_value), self.sandboxes().connect, self.id_for(step))

    def do_sandbox_refresh(self, step):
        return self.ask(sandbox_value, self.box(step).refresh)

    def do_sandbox_status(self, step):
        return sandbox_value(self.box(step))

    def do_sandbox_list(self, step):
        with asking():
            params = SandboxListParams(**only(step, LIST_OPTIONS))
        show = lambda page: {"items": [sandbox_value(box) for box in page.sandboxes]}
        return self.ask(show, self.sandboxes().list, params)

    def do_sandbox_stop(self, step):
        return self.ask(nothing, self.box(step).stop)

    def do_exec(self, step):
        return self.ask(result_value, self.box(step).exec, command_of(step), **only(step, PROCESS_OPTIONS))

    def do_start(self, step):
        start = self.box(step).processes.start
        return self.ask(self.keeping(step, process_value), start, command_of(step), **only(step, PROCESS_OPTIONS))

    def do_get(self, step):
        return self.ask(self.keeping(step, process_value), self.box(step).get_process, self.id_for(step))

    def do_list(self, step):
        options = only(step, LIST_OPTIONS)
        if step.get("cursor") is not None:
            options["cursor"] = self.cursor_for(step)
        show = lambda page: {"items": [summary_value(one) for one in page.data], "cursor": page.next_cursor}
        return self.ask(show, self.box(step).processes.list, **options)

    def do_status(self, step):
        return process_value(self.process(step))

    def do_poll(self, step):
        return self.ask(process_value, self.process(step).refresh)

    def do_wait(self, step):
        return self.ask(result_value, self.process(step).wait, **only(step, WAIT_OPTIONS))

    def do_result(self, step):
        return self.ask(result_value, self.process(step).result)

    def do_kill(self, step):
        return self.ask(result_value, self.process(step).kill, **only(step, WAIT_OPTIONS))

    def do_signal(self, step):
        return self.ask(nothing, self.process(step).signal, step["signal"])

    def do_write(self, step):
        data = [given(step["data"])] if step.get("data") is not None else []
        return self.ask(nothing, self.process(step).write_stdin, *data, **only(step, WRITE_OPTIONS))

    def do_stream(self, step):
        return self.gather(Events(step.get("take")), self.process(step).stream, only(step, STREAM_OPTIONS))

    def do_disconnect(self, step):
        return self.ask(nothing, self.process(step).disconnect)


class Blocking(Hyperbrowser):
    client_class = hyperbrowser.Hyperbrowser

    def ask(self, show, function, *args, **options):
        with asking():
            answer = function(*args, **options)
        return show(answer)

    def gather(self, events, stream, options):
        generator = stream(**options)
        try:
            while not events.is_enough():
                try:
                    event = next(generator)
                except StopIteration:
                    return events.at_its_end()
                except Exception as error:
                    raise Raised(error, events.value) from error
                events.add(event)
            return events.value
        finally:
            generator.close()


class Asyncio(Hyperbrowser):
    client_class = hyperbrowser.AsyncHyperbrowser

    async def ask(self, show, function, *args, **options):
        with asking():
            answer = await function(*args, **options)
        return show(answer)

    async def gather(self, events, stream, options):
        generator = stream(**options)
        try:
            while not events.is_enough():
                try:
                    event = await generator.__anext__()
                except StopAsyncIteration:
                    return events.at_its_end()
                except Exception as error:
                    raise Raised(error, events.value) from error
                events.add(event)
            return events.value
        finally:
            await generator.aclose()


def warm_up():
    """Imports what the SDK imports at its first call: here once, else in the process of every case."""
    for name in ("httpcore", "h11", "anyio", "anyio._backends._asyncio", "encodings.idna"):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--async"]):
        print("usage: hyperbrowser_adapter.py [--async]", file=sys.stderr)
        sys.exit(2)
    flavour, name, fact = (
        (Asyncio, "hyperbrowser-python-async", "async") if arguments else (Blocking, "hyperbrowser-python", "sync")
    )
    warm_up()
    standbox_adapter.serve(
        flavour,
        name=name,
        language="python",
        client_version=importlib.metadata.version("hyperbrowser"),
        issues="https://github.com/hyperbrowserai/python-sdk/issues",
        vendors=["hyperbrowser"],
        capabilities=[*CAPABILITIES, fact],
    )


if __name__ == "__main__":
    main()
