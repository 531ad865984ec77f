"""What the tests of the scenario library stand on: a lane of its own for each, and the admin API.

A pytest plugin beside that of ../python.  A test says which scenario it is about; when it has passed,
every rule of that scenario must have fired as often as planned.
"""

import json
import os
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from hyperbrowser import Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError

from conftest import create, start_server
from standbox_pytest import pytest_pyfunc_call  # noqa: F401
from standbox_server import eventually

HERE = Path(__file__).resolve().parent
# Those for CoreWeave's SDK have their tests beside its others.
FILES = {
    path.stem: path
    for path in sorted((HERE.parents[2] / "fixtures" / "scenarios").rglob("*.json"))
    if path.parent.name != "coreweave"
}
ADMIN_SECONDS = 30


def scenario(name):
    """Marks a test as that of a scenario."""
    return pytest.mark.scenario(name)


def pytest_configure(config):
    config.addinivalue_line("markers", "scenario(name): the scenario in the test's lane")


@pytest.fixture(scope="session")
def library_server():
    instance = start_server()
    yield instance
    try:
        instance.stop()
    finally:
        instance.sweep()


@pytest.fixture
def lane(request, library_server):
    (name,) = request.node.get_closest_marker("scenario").args
    instance = Lane(library_server, name)
    yield instance
    instance.close()


class Admin:
    """The admin API, for one lane."""

    def __init__(self, server, lane):
        self._server = server
        self._lane = urllib.parse.quote(lane)

    def call(self, method, path, body=None, raw=None, of_lane=True):
        request = urllib.request.Request(
            f"{self._server.ready['admin']}{path}{f'?lane={self._lane}' if of_lane else ''}",
            method=method,
            data=raw if raw is not None else None if body is None else json.dumps(body).encode(),
            headers={"X-Standbox-Token": self._server.ready["admin_token"], "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ADMIN_SECONDS) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return [json.loads(line) for line in text.splitlines()] if path == "/ledger" else json.loads(text)

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, **body):
        return self.call("POST", path, body if body else None)


class Lane:
    """A world of its own: the API key chooses it, one scenario is at work in it."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.key = f"lib-{name}"
        self.admin = Admin(server, self.key)
        self._clients = []
        self._sandbox = None
        self.admin.call("POST", "/scenarios", raw=FILES[name].read_bytes())

    def client(self, **options):
        client = Hyperbrowser(base_url=self.server.url, api_key=self.key, **options)
        self._clients.append(client)
        return client

    @property
    def sandbox(self):
        if self._sandbox is None:
            self._sandbox = create(self.client())
        return self._sandbox

    @property
    def processes(self):
        return self.sandbox.processes

    def exec(self, command, **options):
        return self.sandbox.exec(command, **options)

    def start(self, command, **options):
        return self.processes.start(command, **options)

    def fetch(self, process):
        """Another handle of the same process: one that asks the server instead of its own collection."""
        return self.sandbox.get_process(process.id)

    # ---- time, barriers, waits

    def advance(self, ms):
        self.admin.post("/clock/advance", ms=ms)

    def open(self, barrier):
        """Lets go who stands at the barrier, once there is somebody."""
        self.admin.post("/barriers/wait", name=barrier, timeout_ms=20_000)
        self.admin.post("/barriers/open", name=barrier)

    def await_sleeper(self):
        """Until a puppet sleeps by the lane's clock: before that the clock must not be moved."""
        self.admin.post("/barriers/wait", timeout_ms=20_000)

    def await_request(self, op, count=1):
        self.admin.post("/requests/wait", op=op, count=count, timeout_ms=20_000)

    def await_process(self, process, **so_far):
        return self.admin.post("/processes/wait", id=process.id, timeout_ms=20_000, **so_far)["processes"][0]

    def await_fact(self, fact, count=1, **which):
        return self.admin.post("/facts/wait", fact=fact, count=count, timeout_ms=20_000, **which)["facts"]

    # ---- what really happened

    def count_requests(self, op):
        return self.admin.post("/requests/count", op=op)["count"]

    def sandboxes(self):
        return self.admin.get("/processes")["sandboxes"]

    def all_processes(self):
        return [process for sandbox in self.sandboxes() for process in sandbox["processes"]]

    def truth(self, process):
        """What the server and the kernel know of a process."""
        return next(entry for entry in self.all_processes() if entry["id"] == process.id)

    def alive(self):
        """Names of the client's processes that live now, as the kernel has them."""
        return [
            entry["comm"]
            for sandbox in self.sandboxes()
            for entry in sandbox["alive"]
            if not entry["isKeeper"] and entry["state"] != "Z"
        ]

    def log(self, process):
        """The facts of a process, also of one whose sandbox is gone."""
        return [entry for entry in self.admin.get("/ledger") if entry.get("fact") and entry["process"] == process.id]

    def facts(self, process):
        return [entry["fact"] for entry in self.log(process)]

    def await_alive(self, *names):
        """A child gets its name only when it runs, which may be after its parent has spoken."""
        eventually(lambda: set(names) <= set(self.alive()), 5, f"{names} live")

    # ---- the end

    def _fired(self):
        (state,) = [entry for entry in self.admin.get("/scenarios")["scenarios"] if entry["name"] == self.name]
        return [(rule["id"], rule["planned"], rule["fired"]) for rule in state["processes"] + state["faults"]]

    def assert_all_fired(self):
        """A fault is accounted for when its request is over for the server, which may be after the client has gone."""
        try:
            eventually(lambda: all(planned == fired for _, planned, fired in self._fired()), 5, "all rules fired")
        except AssertionError:
            raise AssertionError(f"(rule, planned, fired): {self._fired()}; {self.admin.get('/near-misses')}") from None
        assert all(fault["left"] == 0 for fault in self.admin.get("/faults")["faults"])

    def close(self):
        for client in self._clients:
            client.close()
        self.admin.call("DELETE", f"/lanes/{urllib.parse.quote(self.key)}", of_lane=False)


# ---- for the tests


class Call(threading.Thread):
    """A call on a thread of its own, for those that wait until the test does something."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call = call
        self._value = self._error = None
        self.start()

    def run(self):
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error

    def result(self, nudge=None):
        """`nudge`: is called now and then while it does not return."""
        end = time.monotonic() + ADMIN_SECONDS
        while nudge is not None and self.is_alive() and time.monotonic() < end:
            self.join(0.2)
            nudge()
        self.join(max(0, end - time.monotonic()))
        assert not self.is_alive(), "the call has not returned"
        if self._error is not None:
            raise self._error
        return self._value


def refused(call):
    """The SDK's own error that `call` must end with."""
    with pytest.raises(HyperbrowserError) as caught:
        call()
    return caught.value


def shown(error):
    """What the SDK's error says to a caller who decides whether to try again."""
    return (error.status_code, error.code, error.retryable)


def text(events, kind="stdout"):
    return "".join(event.data for event in events if event.type == kind)


def first(events):
    event = next(events)
    assert event.type != "exit"
    return event.data


def drain(events):
    """All events until the stream ends or breaks, and what broke it."""
    got = []
    try:
        for event in events:
            got.append(event)
    except Exception as error:
        return got, error
    return got, None


def names_with_tests():
    """The scenarios that a test names, in whichever language."""
    patterns = {"test_*.py": r'@scenario\(\s*"([^"]+)"', "*.test.mjs": r'\bscenario\(\s*"([^"]+)"'}
    return {
        name
        for glob, pattern in patterns.items()
        for path in HERE.glob(glob)
        for name in re.findall(pattern, path.read_text(encoding="utf-8"))
    }
