#!/usr/bin/env python3
"""Adapter for the Python SDK `cwsandbox`: its blocking calls, or with --async its awaitable ones.

Run it with the Python that has the SDK, 0.22.0 (wire version v1beta2) or 1.22.0 (v1).  See sdk-shim/PROTOCOL.md, and
README.md beside this folder.
"""

import asyncio
import concurrent.futures
import importlib.metadata
import os
import signal
import sys

import standbox_adapter
from standbox_adapter import Raised, Skip, asking, given, shown

# No key or proxy of somebody may come into play, and forking is safe: nothing is open before.
os.environ["HOME"] = "/nonexistent"
for _name in [name for name in os.environ if name.startswith(("CWSANDBOX_", "WANDB_", "GRPC_", "XDG_"))]:
    del os.environ[_name]
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

try:
    import cwsandbox
    import grpc
    import grpc.aio
    from cwsandbox import Sandbox
except ModuleNotFoundError as missing:
    print(
        f"coreweave_adapter: {sys.executable} has no module {missing.name}: "
        "install the SDK with `pip install cwsandbox==1.22.0`, or run this with a Python that has it "
        "(`sdk-shim/tests/run --set-up --lane coreweave` makes build/e2e/venv-coreweave-1.22.0/bin/python)",
        file=sys.stderr,
    )
    sys.exit(2)

# The SDK's own handlers stop sandboxes first; who ends an adapter means now.
for _signal in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_signal, signal.SIG_DFL)

CAPABILITIES = [
    *("sandbox.create", "sandbox.create.command", "sandbox.create.args", "sandbox.create.tags"),
    "sandbox.create.max_lifetime_s",
    *("sandbox.connect", "sandbox.refresh", "sandbox.status", "sandbox.wait", "sandbox.wait_complete"),
    "sandbox.leave",
    *("sandbox.list", "sandbox.list.tags", "sandbox.list.include_stopped"),
    *("sandbox.stop", "sandbox.stop.grace_s", "sandbox.stop.missing_ok", "sandbox.delete", "sandbox.logs"),
    *("exec", "exec.args", "exec.cwd", "exec.timeout_s", "exec.check"),
    *("start", "start.args", "start.cwd", "start.timeout_s", "start.check", "start.stdin", "start.tty"),
    *("status", "poll", "wait", "wait.timeout_s", "result", "result.timeout_s", "cancel", "wait_many"),
    *("write", "write.bytes", "write_line", "close_stdin", "resize", "read"),
    *("file.write", "file.read"),
    *("client.timeout_ms", "background"),
]

CREATE_OPTIONS = {"tags": "tags", "max_lifetime_s": "max_lifetime_seconds", "env": "environment_variables"}
UNKNOWN_TO_CREATE = ("snapshot", "timeout_minutes", "vcpus", "memory_mib")
EXEC_OPTIONS = {"cwd": "cwd", "timeout_s": "timeout_seconds", "check": "check", "stdin": "stdin"}
STOP_OPTIONS = {"grace_s": "graceful_shutdown_seconds", "missing_ok": "missing_ok"}
LOG_OPTIONS = {"follow": "follow", "tail_lines": "tail_lines", "timestamps": "timestamps"}
LIST_OPTIONS = {"status": "status", "tags": "tags"}

KIND_OF_STATUS = {
    "INVALID_ARGUMENT": "invalid",
    "OUT_OF_RANGE": "invalid",
    "UNAUTHENTICATED": "unauthenticated",
    "PERMISSION_DENIED": "forbidden",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "conflict",
    "ABORTED": "conflict",
    "FAILED_PRECONDITION": "conflict",
    "DEADLINE_EXCEEDED": "timeout",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "CANCELLED": "cancelled",
    "UNIMPLEMENTED": "unsupported",
    "UNAVAILABLE": "unavailable",
    "INTERNAL": "server",
    "UNKNOWN": "server",
    "DATA_LOSS": "server",
}
# By class, for errors without a gRPC status; the first that fits.  Names, since not every version has all.
KIND_OF_CLASS = (
    (("CancelledError",), "cancelled"),
    (("TimeoutError", "SandboxTimeoutError"), "timeout"),
    (("SandboxUnavailableError",), "unavailable"),
    (("SandboxNotFoundError",), "not_found"),
    (("SandboxNotRunningError", "SandboxTerminatedError", "SandboxFailedError"), "conflict"),
    (("CWSandboxAuthenticationError",), "unauthenticated"),
    (("SandboxResourceExhaustedError",), "rate_limited"),
    (("SandboxProtocolError",), "malformed"),
    (("SandboxStreamTruncatedError", "SandboxStreamBackpressureError"), "incomplete"),
    (("ValueError", "TypeError"), "invalid"),
)
# What only their words tell: an input or a terminal that is closed; a stream that ended without its end.
KIND_OF_WORDS = (
    ("Cannot write to stdin", "conflict"),
    ("Cannot resize", "conflict"),
    ("ended without an exit status", "connection"),
    ("SandboxExecutionError: STREAM_", "incomplete"),
)


def only(step, names):
    """The arguments of the step under the SDK's names; those that are not there are not given."""
    return {theirs: step[ours] for ours, theirs in names.items() if step.get(ours) is not None}


def argv_of(step):
    """The command as a list; no text and no arguments are an empty one."""
    return [step["command"], *step["args"]] if step.get("args") else [step["command"]] if step["command"] else []


def nothing(_):
    return {}


def sandbox_value(box):
    return {
        "id": box.sandbox_id,
        "status": None if box.status is None else box.status.value,
        "exit_code": box.returncode,
    }


def process_value(process):
    return {"exit_code": process.returncode, "command": process.command, "stdin": process.stdin is not None}


def result_value(result):
    value = {"exit_code": result.returncode, "command": result.command}
    if hasattr(result, "stdout"):  # a terminal's has none
        value |= {"stdout": result.stdout, "stderr": result.stderr}
        value |= {"stdout_bytes": shown(result.stdout_bytes), "stderr_bytes": shown(result.stderr_bytes)}
    return value


def status_of(error):
    """The name of the gRPC status behind an error, or None."""
    for one in (error, error.__cause__):
        if isinstance(one, grpc.RpcError) and hasattr(one, "code"):
            return one.code().name
    return None


def details_of(error):
    """The result that a check refused; else what the server said beside its words."""
    if getattr(error, "exec_result", None) is not None:
        return result_value(error.exec_result)
    return dict(getattr(error, "metadata", None) or {}) or None


def kind_of(error, status):
    if getattr(error, "exec_result", None) is not None:
        return "check_failed"
    if status is not None:
        return KIND_OF_STATUS.get(status, "other")
    said = f"{type(error).__name__}: {error}"
    names = {base.__name__ for base in type(error).__mro__}
    by_words = next((kind for words, kind in KIND_OF_WORDS if words in said), None)
    return by_words or next((kind for classes, kind in KIND_OF_CLASS if names & set(classes)), "other")


class LeavingError(Exception):
    """What a block is left by when a case says so."""


def leave(step):
    if step.get("raise") is not None:
        raise LeavingError(step["raise"])


class CoreWeave(standbox_adapter.Run):
    """The operations; how a call is waited for and a reader read is left to the two flavours below."""

    def __init__(self, settings):
        super().__init__(settings)
        os.environ["CWSANDBOX_BASE_URL"] = settings["url"]
        os.environ["CWSANDBOX_API_KEY"] = settings["api_key"]
        limit = settings.get("timeout_ms")
        self._timeout = None if limit is None else limit / 1000

    def limited(self, options, name):
        return options if self._timeout is None else {**options, name: self._timeout}

    def process(self, step):
        return self.kept(step, "process")

    def box(self, step):
        return self.kept(step, "sandbox")

    def id_for(self, step):
        return step["id"] if "from" not in step else self.kept(step, "from").sandbox_id

    def keeping(self, step):
        """Shows a sandbox, and keeps it for later steps."""

        def keep_and_show(box):
            self.keep(step, box)
            return sandbox_value(box)

        return keep_and_show

    def error_of(self, error):
        status = status_of(error)
        told = {
            "status": status,
            "code": getattr(error, "reason", None) or getattr(error, "stream_code", None),
            "details": details_of(error),
        }
        message = error.details() if isinstance(error, grpc.RpcError) else str(error)
        described = {"kind": kind_of(error, status), "class": type(error).__name__, "message": message}
        return {**described, **{name: value for name, value in told.items() if value is not None}}

    # ---- sandboxes

    def do_sandbox_create(self, step):
        for name in UNKNOWN_TO_CREATE:
            if step.get(name) is not None:
                raise Skip(f"the client has no {name} for a sandbox")
        options = self.limited(only(step, CREATE_OPTIONS), "request_timeout_seconds")
        if step.get("image") not in (None, "default"):
            options["container_image"] = step["image"]
        argv = [step["command"], *step.get("args", [])] if step.get("command") else []
        return self.call(self.keeping(step), Sandbox.run, *argv, **options)

    def do_sandbox_connect(self, step):
        options = self.limited({}, "timeout_seconds")
        return self.ask(self.keeping(step), Sandbox.from_id, self.id_for(step), **options)

    def do_sandbox_refresh(self, step):
        box = self.box(step)
        return self.call(lambda _: sandbox_value(box), box.get_status)

    def do_sandbox_status(self, step):
        return sandbox_value(self.box(step))

    def do_sandbox_wait(self, step):
        return self.call(sandbox_value, self.box(step).wait, **only(step, {"timeout_s": "timeout"}))

    def do_sandbox_wait_complete(self, step):
        options = only(step, {"timeout_s": "timeout"})
        return self.ask(sandbox_value, self.box(step).wait_until_complete, **options)

    def do_sandbox_list(self, step):
        if step.get("limit") is not None:
            raise Skip("the client has no limit for its list")
        options = self.limited(only(step, LIST_OPTIONS), "timeout_seconds")
        if step.get("include_stopped") is not None:
            options[INCLUDE_STOPPED] = step["include_stopped"]
        return self.ask(lambda boxes: {"items": [sandbox_value(box) for box in boxes]}, Sandbox.list, **options)

    def do_sandbox_stop(self, step):
        return self.ask(nothing, self.box(step).stop, **only(step, STOP_OPTIONS))

    def do_sandbox_delete(self, step):
        which = step["id"] if step.get("id") is not None else self.box(step).sandbox_id
        options = self.limited(only(step, {"missing_ok": "missing_ok"}), "timeout_seconds")
        return self.ask(nothing, Sandbox.delete, which, **options)

    def do_sandbox_logs(self, step):
        with asking():
            reader = self.box(step).stream_logs(**only(step, LOG_OPTIONS))
        return self.gather(reader, step.get("take"), reader.close)

    def do_file_write(self, step):
        data = given(step["data"])
        data = data.encode() if isinstance(data, str) else data
        return self.ask(nothing, self.box(step).write_file, step["path"], data)

    def do_file_read(self, step):
        return self.ask(lambda data: {"data": shown(data)}, self.box(step).read_file, step["path"])

    # ---- processes

    def begin(self, step):
        with asking():
            return self.box(step).exec(argv_of(step), **only(step, EXEC_OPTIONS))

    def do_exec(self, step):
        return self.finish(result_value, self.begin(step), None)

    def do_start(self, step):
        if step.get("tty"):
            with asking():
                process = self.box(step).shell(argv_of(step))
        else:
            process = self.begin(step)
        self.keep(step, process)
        return process_value(process)

    def do_status(self, step):
        return process_value(self.process(step))

    def do_poll(self, step):
        process = self.process(step)
        with asking():
            return {"exit_code": process.poll()}

    def do_wait(self, step):
        return self.finish(lambda result: {"exit_code": result.returncode}, self.process(step), step.get("timeout_s"))

    def do_result(self, step):
        return self.finish(result_value, self.process(step), step.get("timeout_s"))

    def do_cancel(self, step):
        with asking():
            return {"cancelled": self.process(step).cancel()}

    def do_wait_many(self, step):
        named = [(name, self.kept({"process": name}, "process")) for name in step["processes"]]
        names = {id(process): name for name, process in named}
        options = only(step, {"num_returns": "num_returns", "timeout_s": "timeout"})

        def show(answer):
            done, pending = ([names[id(process)] for process in group] for group in answer)
            return {"done": done, "pending": pending}

        return self.call(show, cwsandbox.wait, [process for _, process in named], **options)

    def stdin(self, step):
        writer = self.process(step).stdin
        if writer is None:
            raise Skip("the process has no input")
        return writer

    def do_write(self, step):
        data = given(step.get("data", ""))
        return self.ask(nothing, self.stdin(step).write, data.encode() if isinstance(data, str) else data)

    def do_write_line(self, step):
        return self.ask(nothing, self.stdin(step).writeline, step["data"])

    def do_close_stdin(self, step):
        return self.ask(nothing, self.stdin(step).close)

    def do_resize(self, step):
        with asking():
            self.process(step).resize(step["width"], step["height"])
        return {}

    def do_read(self, step):
        process = self.process(step)
        reader = getattr(process, "output", None) or getattr(process, step["of"])
        return self.gather(reader, step.get("take"), lambda: None)


class Blocking(CoreWeave):
    def call(self, show, function, *args, **options):
        with asking():
            answer = function(*args, **options)
        return show(answer)

    def ask(self, show, function, *args, **options):
        with asking():
            answer = function(*args, **options).result()
        return show(answer)

    def finish(self, show, process, limit):
        with asking():
            answer = process.result(limit)
        return show(answer)

    def do_sandbox_leave(self, step):
        box = self.box(step)
        with asking(), box:
            leave(step)
        return {}

    def do_wait(self, step):
        with asking():
            return {"exit_code": self.process(step).wait(step.get("timeout_s"))}

    def gather(self, reader, take, close):
        value = {"data": [], "ended": False}
        try:
            while take is None or len(value["data"]) < take:
                item = next(reader, None)
                if item is None:
                    return {**value, "ended": True}
                value["data"].append(shown(item))
            return value
        except Exception as error:
            raise Raised(error, value) from error
        finally:
            close()


class Asyncio(CoreWeave):
    """Awaits what the SDK lets one await; the rest is called on a thread, as its documentation has it."""

    async def call(self, show, function, *args, **options):
        with asking():
            answer = await asyncio.to_thread(function, *args, **options)
        return show(answer)

    async def ask(self, show, function, *args, **options):
        with asking():
            answer = await function(*args, **options)
        return show(answer)

    async def do_sandbox_leave(self, step):
        box = self.box(step)
        with asking():
            async with box:
                leave(step)
        return {}

    async def finish(self, show, process, limit):
        with asking():
            try:
                answer = await (process if limit is None else asyncio.to_thread(process.result, limit))
            except asyncio.CancelledError as error:
                raise Raised(error) from error
        return show(answer)

    async def gather(self, reader, take, close):
        value = {"data": [], "ended": False}
        try:
            while take is None or len(value["data"]) < take:
                item = await anext(reader, None)
                if item is None:
                    return {**value, "ended": True}
                value["data"].append(shown(item))
            return value
        except Exception as error:
            raise Raised(error, value) from error
        finally:
            close()


VERSION = importlib.metadata.version("cwsandbox")
WIRE = "v1beta2" if tuple(map(int, VERSION.split(".")[:2])) < (0, 27) else "v1"
# Async iteration of 0.22.0 waits in the caller's event loop for what another one brings, and nothing wakes it up
# (known/cwsandbox-async-iteration.py): every case that reads would hang until its deadline.
BROKEN_IN_ASYNC = {"read", "sandbox.logs"} if WIRE == "v1beta2" else set()
INCLUDE_STOPPED = "include_stopped" if WIRE == "v1beta2" else "show_terminated"


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--async"]):
        print("usage: coreweave_adapter.py [--async]", file=sys.stderr)
        sys.exit(2)
    flavour, suffix, fact = (Asyncio, "-async", "async") if arguments else (Blocking, "", "sync")
    standbox_adapter.serve(
        flavour,
        name=f"coreweave-python-{VERSION}{suffix}",
        language="python",
        client_version=VERSION,
        issues="https://github.com/coreweave/cwsandbox-client/issues",
        vendors=["coreweave"],
        capabilities=[name for name in CAPABILITIES if not (arguments and name in BROKEN_IN_ASYNC)] + [WIRE, fact],
    )


if __name__ == "__main__":
    main()
