"""The suite's side of the adapter protocol, as far as the tests need it; and the protocol page as data."""

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "sdk-shim" / "tests" / "python"))

from standbox_server import Deadline  # noqa: E402

ADAPTERS = REPO / "sdk-shim" / "adapters"
E2E = Path(os.environ["STANDBOX_E2E"])
PYTHON = str(E2E / "venv" / "bin" / "python")
COMMANDS = {
    "python": [PYTHON, str(ADAPTERS / "python" / "hyperbrowser_adapter.py")],
    "python-async": [PYTHON, str(ADAPTERS / "python" / "hyperbrowser_adapter.py"), "--async"],
    "node": ["node", str(ADAPTERS / "node" / "hyperbrowser-adapter.mjs"), "--modules", str(E2E / "node")],
}
ANSWER_SECONDS = 20
CREATE = {"step": "box", "op": "sandbox.create", "as": "box", "image": "default"}


def step(name, op, **arguments):
    """A step of a case; `as_`, `from_` for Python's own words, `sandbox` and `process` filled in."""
    arguments = {key.rstrip("_"): value for key, value in arguments.items()}
    if op in ("exec", "start", "get", "list", "sandbox.refresh", "sandbox.status", "sandbox.stop"):
        arguments.setdefault("sandbox", "box")
    elif op != "join" and not op.startswith("sandbox."):
        arguments.setdefault("process", "p")
    return {"step": name, "op": op, **arguments}


def start(command, name="s", **arguments):
    return step(name, "start", as_="p", command=command, **arguments)


class Adapter:
    """A running adapter.  Every line that it writes must be one of the protocol."""

    def __init__(self, command, **env):
        self._log = tempfile.TemporaryFile()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        self.process = subprocess.Popen(command, **pipes, env={**os.environ, **env})
        self._unread = b""
        self._seq = 0
        self.is_busy = False  # a line is owed
        self.at = []  # the steps named by the run asked last

    def stderr(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def say(self, message):
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.is_busy = True
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def line(self, seconds=ANSWER_SECONDS):
        """The next line, as JSON."""
        deadline = Deadline(seconds)
        while b"\n" not in self._unread:
            readable, _, _ = select.select([self.process.stdout], [], [], max(deadline.left(), 0))
            assert readable, f"no line in {seconds} s\n{self.stderr()}"
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            assert chunk, f"the adapter ended\n{self.stderr()}"
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        message = json.loads(line)
        self.is_busy = message["type"] == "at"
        return message

    def hello(self):
        self.say({"type": "hello", "version": 1})
        return self.line()

    def begin(self, client, steps, **how):
        """Asks for a run; `how` goes to json.dumps."""
        self._seq += 1
        self.at = []
        line = {"type": "run", "seq": self._seq, "case": "hyperbrowser/a/b", "vendor": "hyperbrowser"}
        self.say(json.dumps({**line, "client": client, "steps": steps}, **how).encode() + b"\n")
        return self._seq

    def answer(self, seconds=ANSWER_SECONDS):
        """The line that answers the run begun last."""
        while (line := self.line(seconds))["type"] == "at":
            assert line["seq"] == self._seq
            self.at.append(line["step"])
        return line

    def run(self, client, *steps, seconds=ANSWER_SECONDS):
        """The outcomes of the steps, by name."""
        seq = self.begin(client, list(steps))
        line = self.answer(seconds)
        assert line["type"] == "result", line
        assert line["seq"] == seq
        assert [outcome["step"] for outcome in line["outcomes"]] == [one["step"] for one in steps]
        return {outcome["step"]: outcome for outcome in line["outcomes"]}

    def end(self):
        """End of stdin: the exit code, and nothing more may come."""
        self.process.stdin.close()
        rest = self._unread + self.process.stdout.read()
        assert rest == b"", rest
        return self.process.wait(timeout=Deadline(ANSWER_SECONDS).left())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Lane:
    """A lane of the server: what its client is told, and what really came."""

    def __init__(self, server, key):
        self.key = key
        self.server = server
        self.client = {"url": server.url, "api_key": key}

    def admin(self, path, body=None):
        request = urllib.request.Request(
            f"{self.server.ready['admin']}{path}?lane={self.key}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Standbox-Token": self.server.ready["admin_token"], "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None
        return [json.loads(line) for line in text.splitlines()] if path == "/ledger" else json.loads(text)

    def faults(self, *rules, **more):
        self.admin("/scenarios", {"standbox": 1, "name": "test", "why": "a test", "faults": list(rules), **more})

    def requests(self, op):
        return [entry for entry in self.admin("/ledger") if entry.get("op") == op and entry["type"] == "request"]

    def was_never_asked(self):
        """Nobody has come with this key: there is not even a lane."""
        try:
            return self.admin("/ledger") == []
        except AssertionError as error:
            return "no lane" in str(error)

    def await_request(self, op, **conditions):
        self.admin("/requests/wait", {"op": op, "count": 1, "timeout_ms": 20_000, **conditions})


@contextlib.contextmanager
def listener(behave):
    """A port on which `behave(connection)` is done with everybody; and who came."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    came.append(connection)
                    threading.Thread(target=behave, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1], came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in came:
                connection.close()


def words_of_protocol():
    """(operations, finer capabilities) that the protocol page names."""
    page = (REPO / "sdk-shim" / "PROTOCOL.md").read_text()
    table = page.partition("### Operations")[2].partition("| word |")[0]
    operations = set(re.findall(r"^\| `([a-z_.]+)` \|", table, re.M))
    section = page.partition("## Capabilities")[2]
    finer = {name for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", section) if name not in operations}
    finer |= {"start." + name.partition(".")[2] for name in finer if name.startswith("exec.")} - {"start.check"}
    return operations, finer
