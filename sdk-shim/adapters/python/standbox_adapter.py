"""Speaks the adapter protocol, version 1 (sdk-shim/PROTOCOL.md), for a client written in Python.

    import standbox_adapter

    class Run(standbox_adapter.Run):          # one case, with a client of its own
        def do_sandbox_create(self, step):    # a method for each operation; a dot becomes "_"
            with standbox_adapter.asking():   # what is raised in here, the client raised
                box = Client(self.settings["url"], self.settings["api_key"]).create(step["image"])
            self.keep(step, box)
            return {"id": box.id, "status": box.status}

    standbox_adapter.serve(Run, name="mine", language="python", capabilities=["sandbox.create"], ...)

A method may be `async def`: it is awaited, in an event loop that lasts as long as the case.

Every case is done in a process forked for it.  So a case begins with nothing of the one before, what it
left in the background ends with it, and so do its connections, before the answer goes out.  The SDK
is imported once, before.  Needs nothing but Python 3.9 and Linux.
"""

import asyncio
import base64
import concurrent.futures
import contextlib
import ctypes
import inspect
import json
import os
import re
import signal
import sys
import threading
import traceback

VERSION = 1
MAX_LINE_BYTES = 64 * 1024 * 1024
READ_BYTES = 1 << 20
PR_SET_PDEATHSIG = 1

# Arguments that are capabilities of their own, after a dot.
PROCESS_ARGUMENTS = ("args", "cwd", "env", "timeout_ms", "timeout_s", "user", "max_output_bytes", "check")
FINER = {
    "sandbox.create": ("command", "args", "tags", "max_lifetime_s"),
    "sandbox.list": ("tags", "include_stopped"),
    "sandbox.stop": ("grace_s", "missing_ok"),
    "exec": PROCESS_ARGUMENTS,
    "start": (*PROCESS_ARGUMENTS, "stdin", "tty"),
    "result": ("timeout_s",),
    "wait": ("timeout_ms", "timeout_s"),
    "kill": ("timeout_ms",),
    "write": ("eof",),
    "stream": ("from_seq",),
    "list": ("status", "limit", "cursor"),
}

KIND_OF_STATUS = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    410: "gone",
    413: "too_large",
    422: "invalid",
    429: "rate_limited",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}


class Skip(Exception):
    """A step cannot be done; the text says why."""


class Raised(Exception):
    """The client raised `error`; `value` is what it had given until then, if anything."""

    def __init__(self, error, value=None):
        super().__init__(str(error))
        self.error = error
        self.value = value


class asking:  # lower case, like contextlib's own
    """`with asking():` around a call of the client tells its errors from mistakes of the adapter."""

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        if isinstance(error, Exception) and not isinstance(error, (Raised, Skip)):
            raise Raised(error) from error


def kind_of_status(status):
    """The error kind of an HTTP status, or None when the status alone says nothing."""
    if not isinstance(status, int):
        return None
    return KIND_OF_STATUS.get(status) or ("server" if 500 <= status < 600 else None)


def shown(output):
    """Text as text, bytes as {"base64"}: as the client gave it."""
    if isinstance(output, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(bytes(output)).decode("ascii")}
    return output


def given(data):
    """The str or bytes that a step's `data` means."""
    return base64.b64decode(data["base64"], validate=True) if isinstance(data, dict) else data


class Run:
    """One case.  Subclass it with a `do_...` method for each operation that the client has.

    settings: the run line's `client` (url, api_key, ...).
    """

    def __init__(self, settings):
        self.settings = settings
        self.outcomes = {}  # of the steps done so far, by name
        self._kept = {}

    def keep(self, step, handle):
        """Remember what this step made under the name of its `as`."""
        if step.get("as"):
            self._kept[step["as"]] = handle

    def kept(self, step, member):
        """The sandbox or process that `step` names in `member`; without it the step cannot be done."""
        name = step[member]
        if name not in self._kept:
            raise Skip(f'there is no "{name}": the step that makes it did not succeed')
        return self._kept[name]

    def id_for(self, step):
        """The id to attach to: given as `id`, or that of the handle named by `from`."""
        return step["id"] if "from" not in step else self.kept(step, "from").id

    def cursor_for(self, step):
        """The cursor to list from: a text, or the one that another step gave."""
        cursor = step.get("cursor")
        if not isinstance(cursor, dict):
            return cursor
        found = self.outcomes.get(cursor["step"], {}).get("value", {}).get("cursor")
        if found is None:
            raise Skip(f'step "{cursor["step"]}" gave no cursor')
        return found

    def error_of(self, error):
        """What `error`, raised by the client, is called in the protocol.  Subclasses know more."""
        return {"kind": "other", "class": type(error).__name__, "message": str(error)}


def _missing(step, capabilities):
    """The first capability that the step needs and the client does not have, or None."""
    op = step["op"]
    asked = [name for name in FINER.get(op, ()) if step.get(name) not in (None, False)]
    needs = [op, *(f"{op}.{name}" for name in asked)]
    if op == "write" and isinstance(step.get("data"), dict):
        needs.append("write.bytes")
    return next((need for need in needs if need not in capabilities), None)


class _Loop:
    """An event loop on a thread of its own, made when the first step needs it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._loop = None

    def result(self, awaitable):
        async def wait():
            return await awaitable

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result()


class _Case:
    """Does the steps of one run line."""

    def __init__(self, run, capabilities, say_at):
        self._run = run
        self._capabilities = capabilities
        self._say_at = say_at
        self._loop = _Loop()
        self._background = {}

    def play(self, steps):
        for step in steps:
            self._say_at(step["step"])
            outcome = self._begin(step) if step.get("background") else self._outcome(step)
            self._run.outcomes[step["step"]] = outcome
        return [{"step": step["step"], **self._run.outcomes[step["step"]]} for step in steps]

    def _begin(self, step):
        future = concurrent.futures.Future()

        def work():
            try:
                future.set_result(self._outcome(step))
            except BaseException as error:
                future.set_exception(error)

        self._background[step["step"]] = future
        threading.Thread(target=work, daemon=True).start()
        return {"value": {}}

    def _outcome(self, step):
        if step["op"] == "join":
            future = self._background.get(step["of"])
            return future.result() if future else {"skipped": f'no step "{step["of"]}" is in the background'}
        missing = _missing(step, self._capabilities)
        method = getattr(self._run, "do_" + step["op"].replace(".", "_"), None)
        if missing or method is None:
            return {"skipped": f"the client has no {missing or step['op']}"}
        try:
            value = method(step)
            return {"value": self._loop.result(value) if inspect.isawaitable(value) else value}
        except Skip as why:
            return {"skipped": str(why)}
        except Raised as raised:
            print(f'step "{step["step"]}": {type(raised.error).__name__}: {raised.error}', file=sys.stderr)
            outcome = {} if raised.value is None else {"value": raised.value}
            return {**outcome, "error": self._run.error_of(raised.error)}


def _line_of(message):
    """One line of the protocol.  Half a surrogate pair, which UTF-8 cannot carry, becomes U+FFFD."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode() + b"\n"


def _write(fd, line):
    view = memoryview(line)
    while view:
        view = view[os.write(fd, view) :]


def _errored(seq, message, trace=None):
    return {"type": "errored", "seq": seq, "message": message, **({"traceback": trace} if trace else {})}


def _answer(make_run, message, capabilities, say):
    """The message that answers a run line; adapter mistakes become `errored`."""
    seq = message.get("seq") if isinstance(message.get("seq"), int) else 0
    try:
        if not isinstance(message.get("client"), dict) or not isinstance(message.get("steps"), list):
            return _errored(seq, "a run line needs `client`, an object, and `steps`, a list")
        case = _Case(
            make_run(message["client"]),
            capabilities,
            lambda step: say({"type": "at", "seq": seq, "step": step}),
        )
        answer = {"type": "result", "seq": seq, "outcomes": case.play(message["steps"])}
        size = len(_line_of(answer))
        return answer if size <= MAX_LINE_BYTES else _errored(seq, f"the result has {size} bytes, more than a line may")
    except KeyError as error:
        return _errored(seq, f"a step has no {error}", traceback.format_exc())
    except Exception as error:
        return _errored(seq, f"{type(error).__name__}: {error}", traceback.format_exc())


class _Died(Exception):
    """The process of a case ended without an answer; `status` is its wait status."""

    def __init__(self, status):
        super().__init__()
        self.status = status


def _read_answer(fd):
    """All that comes until the end of a line, or of the process that writes it."""
    chunks = []
    while not chunks or not chunks[-1].endswith(b"\n"):
        chunk = os.read(fd, READ_BYTES)
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks)


def _be_the_case(parent, writing, work):
    """The forked process: writes the line and gives the exit code."""
    try:
        # A killed adapter must not leave its case behind.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            _write(writing, work())
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def _in_a_process(work):
    """The line that `work()` gives in a forked process, which is gone afterwards with all that it began."""
    parent = os.getpid()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os._exit(_be_the_case(parent, writing, work))
    os.close(writing)
    try:
        line = _read_answer(reading)
        if line.endswith(b"\n"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not line.endswith(b"\n"):
            raise _Died(status)
        return line
    finally:
        os.close(reading)


def _end_like(status):
    """End as the case's process did, so that the suite can name the reason."""
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status) or 1)


def _take_pipes():
    """The protocol's stdin and stdout.  From now on print() goes to stderr, input() finds nothing."""
    lines = os.fdopen(os.dup(0), "rb")
    answers = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return lines, answers


def _parsed(line):
    try:
        message = json.loads(line)
        return message if isinstance(message, dict) else None
    except ValueError:
        return None


def serve(make_run, **hello):
    """Answer the suite until its end; does not return.

    make_run: called with a run line's `client`, gives the Run for it; in the case's own process.
    hello: the members of the hello line, `capabilities` among them.
    """
    lines, answers = _take_pipes()
    capabilities = set(hello["capabilities"])

    def say(message):
        _write(answers, _line_of(message))

    for line in lines:
        message = _parsed(line)
        kind = message.get("type") if message else None
        if kind == "hello":
            say({"type": "hello", "version": VERSION, **hello, "max_in_flight": 1})
        elif kind == "run":
            try:
                _write(answers, _in_a_process(lambda: _line_of(_answer(make_run, message, capabilities, say))))
            except _Died as died:
                _end_like(died.status)
        else:
            say(_errored(0, f"not a line of the protocol: {line[:200].decode(errors='replace').strip()}"))
    sys.exit(0)
