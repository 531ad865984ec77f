"""The library fixtures/scenarios/coreweave: each scenario with the real SDK of both versions.

Every test has a lane of its own, chosen by its API key; when it has passed, every rule of its scenario must have fired as
often as planned.
"""

import json
import re
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

import cwsandbox
import grpc
import pytest
from cwsandbox import Sandbox, SandboxError, SandboxExecutionError, SandboxTimeoutError

from standbox_server import eventually

FILES = {
    path.stem: path
    for path in sorted((Path(__file__).resolve().parents[3] / "fixtures" / "scenarios" / "coreweave").glob("*.json"))
}
IS_OLD = version("cwsandbox") == "0.22.0"
ADMIN_SECONDS = 30



def scenario(name, **options):
    """Marks a test as that of a scenario.  `late`: the test loads it itself, when what it counts is about to begin."""
    return pytest.mark.scenario(name, **options)


class Lane:
    def __init__(self, server, name, late=False):
        self.ready = server.ready
        self.name = name
        self.key = f"lib-{name}"
        if not late:
            self.load()

    def load(self):
        self.post("/scenarios", FILES[self.name].read_bytes())

    def _ask(self, method, path, body=None, of_lane=True):
        request = urllib.request.Request(
            f"{self.ready['admin']}{path}{f'?lane={self.key}' if of_lane else ''}",
            method=method,
            data=body,
            headers={"X-Standbox-Token": self.ready["admin_token"], "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ADMIN_SECONDS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def post(self, path, body=b""):
        return json.loads(self._ask("POST", path, body))

    def open(self, barrier):
        self.post("/barriers/wait", json.dumps({"name": barrier, "timeout_ms": 20_000}).encode())
        self.post("/barriers/open", json.dumps({"name": barrier}).encode())

    def calls(self, method):
        """Ledger lines of the calls of this method, oldest first."""
        lines = [json.loads(line) for line in self._ask("GET", "/ledger").splitlines()]
        return [line for line in lines if line["type"] == "request" and line["path"].endswith(f"/{method}")]

    def _fired(self):
        (state,) = [entry for entry in json.loads(self._ask("GET", "/scenarios"))["scenarios"] if entry["name"] == self.name]
        return [(rule["id"], rule["planned"], rule["fired"]) for rule in state["processes"] + state["faults"]]

    def assert_all_fired(self):
        try:
            eventually(lambda: all(planned == fired for _, planned, fired in self._fired()), 5, "all rules fired")
        except AssertionError:
            raise AssertionError(f"(rule, planned, fired): {self._fired()}") from None
        (verdict,) = json.loads(self._ask("GET", "/verdict"))["lanes"]
        words = {check["id"]: check["verdict"] for check in verdict["checks"]}
        assert "fail" not in (words["faults-fired"], words["processes-matched"]), words

    def close(self):
        self._ask("DELETE", f"/lanes/{self.key}", of_lane=False)


@pytest.fixture
def lane(request, server, environment, monkeypatch):
    marker = request.node.get_closest_marker("scenario")
    instance = Lane(server, *marker.args, **marker.kwargs)
    monkeypatch.setenv("CWSANDBOX_API_KEY", instance.key)
    yield instance
    instance.close()


@pytest.fixture
def box(lane):
    with Sandbox.run() as instance:
        yield instance


def refused(call, kind, status):
    """How each version shows a status of StreamExec: 0.22.0 the raw one, later ones an exception of their own."""
    if IS_OLD:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call()
        assert caught.value.code() is status
    else:
        with pytest.raises(kind) as caught:
            call()
    return caught.value


# How each version shows any of them.
REFUSALS = grpc.aio.AioRpcError if IS_OLD else SandboxError


def run(box, **options):
    return box.exec(["echo", "hi"], **options).result()


STREAM = "StreamExec"


# ---- a command's stream


@scenario("cw-ready-missing")
def test_ready_missing(lane, box):
    process = box.exec(["cat"], stdin=True, timeout_seconds=1)
    with pytest.raises(SandboxTimeoutError):
        process.result()
    eventually(lambda: lane.calls(STREAM)[0]["grpc"]["reset_by_client"] == 8, 5, "the stream is cancelled")


@scenario("cw-ready-late")
def test_ready_late(box):
    process = box.exec(["cat"], stdin=True)
    process.stdin.write(b"early\n")
    process.stdin.close()
    assert process.result().stdout == "early\n"


@scenario("cw-exit-missing")
def test_exit_missing(box):
    if IS_OLD:
        assert run(box).returncode == 0
    else:
        with pytest.raises(SandboxExecutionError):
            run(box)


@scenario("cw-output-after-exit")
def test_output_after_exit(box):
    result = run(box)
    assert (result.stdout, result.returncode) == ("hi\n", 0)


@scenario("cw-trailers-late")
def test_trailers_late(lane, box):
    result = run(box)
    assert (result.stdout, result.returncode) == ("hi\n", 0)
    assert not [call for call in lane.calls(STREAM) if call["grpc"]["status"] == "OK"]


@scenario("cw-error-backpressure")
def test_error_backpressure(box):
    with pytest.raises(SandboxExecutionError) as caught:
        run(box)
    if IS_OLD:
        assert caught.value.reason == "STREAM_BACKPRESSURE"
    else:
        assert isinstance(caught.value, cwsandbox.SandboxStreamBackpressureError)


@scenario("cw-error-truncated")
def test_error_truncated(box):
    process = box.exec(["echo", "hi"])
    with pytest.raises(SandboxExecutionError) as caught:
        process.result()
    assert "".join(process.stdout) == "hi\n"
    if IS_OLD:
        assert caught.value.reason == "STREAM_TRUNCATED"
    else:
        assert isinstance(caught.value, cwsandbox.SandboxStreamTruncatedError)


@scenario("cw-error-of-another-kind")
def test_error_of_another_kind(box):
    with pytest.raises(SandboxExecutionError) as caught:
        run(box)
    assert caught.value.reason == "SOMETHING_ELSE"


@scenario("cw-message-empty")
def test_message_empty(box):
    assert run(box).stdout == "hi\n"


@scenario("cw-stream-unknown")
def test_stream_unknown(box):
    assert run(box).stdout == "xxxhi\n"


@scenario("cw-exit-code-negative")
def test_exit_code_negative(box):
    assert run(box).returncode == -9


@scenario("cw-exit-code-300")
def test_exit_code_300(box):
    assert run(box).returncode == 300


@scenario("cw-message-over-4mib")
def test_message_over_4mib(box):
    if IS_OLD:
        refused(lambda: run(box), None, grpc.StatusCode.RESOURCE_EXHAUSTED)
    else:
        assert len(run(box).stdout) == 5_000_000 + len("hi\n")


@scenario("cw-character-split")
def test_character_split(lane, box):
    process = box.exec(["print-euro"])
    lane.open("more")
    assert process.result().stdout == "€\n"
    assert [item for item in process.stdout] != ["€\n"]


# ---- statuses and connections


@scenario("cw-proxy-503")
def test_proxy_503(lane, box):
    refused(lambda: run(box), cwsandbox.SandboxNotRunningError, grpc.StatusCode.UNAVAILABLE)
    assert lane.calls(STREAM)[0]["grpc"]["http_status"] == 503
    assert run(box).stdout == "hi\n"


@scenario("cw-connection-drops")
def test_connection_drops(box):
    refused(lambda: box.exec(["echo", "hi", "there"]).result(), SandboxError, grpc.StatusCode.UNAVAILABLE)
    try:
        stdout = run(box).stdout
    except REFUSALS as broken:    # grpc may give the broken connection one more command, before it has noticed
        assert not IS_OLD or broken.code() is grpc.StatusCode.UNAVAILABLE
        stdout = run(box).stdout
    assert stdout == "hi\n"


@scenario("cw-stream-reset-internal")
def test_stream_reset_internal(box):
    refused(lambda: run(box), SandboxError, grpc.StatusCode.INTERNAL)
    assert run(box).stdout == "hi\n"


@scenario("cw-stream-reset-calm")
def test_stream_reset_calm(box):
    refused(lambda: run(box), SandboxError, grpc.StatusCode.RESOURCE_EXHAUSTED)


@scenario("cw-stream-without-trailers")
def test_stream_without_trailers(box):
    with pytest.raises(REFUSALS):
        run(box)


@scenario("cw-goaway-in-mid-stream")
def test_goaway_in_mid_stream(box):
    assert run(box).stdout == "hi\n"
    assert box.exec(["echo", "again"]).result().stdout == "again\n"


@scenario("cw-exec-deadline")
def test_exec_deadline(box):
    with pytest.raises(SandboxTimeoutError):
        run(box)


@scenario("cw-exec-not-running")
def test_exec_not_running(lane, box):
    error = refused(lambda: run(box), SandboxError, grpc.StatusCode.FAILED_PRECONDITION)
    assert IS_OLD or error.reason == "CWSANDBOX_SANDBOX_NOT_RUNNING"
    assert lane.calls(STREAM)[0]["grpc"]["reason"] == "CWSANDBOX_SANDBOX_NOT_RUNNING"


# ---- polls


@scenario("cw-get-unavailable")
def test_get_unavailable(box):
    assert run(box).stdout == "hi\n"


@scenario("cw-trailers-large")
def test_trailers_large(box):
    assert run(box).stdout == "hi\n"


@scenario("cw-get-retry-info")
def test_get_retry_info(box):
    begun = time.monotonic()
    assert run(box).stdout == "hi\n"
    assert time.monotonic() - begun >= 0.5


@scenario("cw-get-internal")
def test_get_internal(lane, box):
    with pytest.raises(SandboxError, match="broken for good"):
        run(box)
    assert lane.calls(STREAM) == []


@scenario("cw-get-details-malformed")
def test_get_details_malformed(box):
    with pytest.raises(cwsandbox.SandboxNotFoundError):
        run(box)


@scenario("cw-failed-at-start")
def test_failed_at_start(lane):
    box = Sandbox.run()
    with pytest.raises(cwsandbox.SandboxFailedError):
        run(box)
    assert lane.calls(STREAM) == []


@scenario("cw-unspecified-at-start")
def test_unspecified_at_start(lane):
    Sandbox.run().wait()


@scenario("cw-pending-twice")
def test_pending_twice(box):
    assert run(box).stdout == "hi\n"


# ---- stops


def method(old, new):
    return old if IS_OLD else new


def running(lane):
    """A sandbox that runs, and one Get behind the scenario's load: how many it takes until a sandbox runs is the machine's."""
    box = Sandbox.run()
    run(box)
    lane.load()
    box.get_status()
    return box


@scenario("cw-stop-stale-running", late=True)
def test_stop_stale_running(lane):
    box = running(lane)
    box.stop().result()
    assert len(lane.calls(method("Get", "GetSandbox"))) >= 4


@scenario("cw-stop-drains", late=True)
def test_stop_drains(lane):
    box = running(lane)
    box.stop().result()
    assert len(lane.calls(method("Get", "GetSandbox"))) >= 5


@scenario("cw-stop-then-not-found", late=True)
def test_stop_then_not_found(lane):
    box = running(lane)
    box.stop().result()


@pytest.mark.of_v1beta2
@scenario("cw-stop-says-no")
def test_stop_says_no(lane):
    box = Sandbox.run()
    with pytest.raises(SandboxError, match="the runner is busy"):
        box.stop().result()
    assert run(box).stdout == "hi\n"
    box.stop().result()


@pytest.mark.of_v1beta2
@scenario("cw-file-says-no")
def test_file_says_no(box):
    with pytest.raises(cwsandbox.SandboxFileError):
        box.write_file("/tmp/note", b"one").result()
    box.write_file("/tmp/note", b"two").result()
    with pytest.raises(cwsandbox.SandboxFileError, match="cannot be read now"):
        box.read_file("/tmp/note").result()
    assert box.read_file("/tmp/note").result() == b"two"


# ---- keys


@scenario("cw-key-expires")
def test_key_expires(lane, box):
    refused(lambda: run(box), cwsandbox.CWSandboxAuthenticationError, grpc.StatusCode.UNAUTHENTICATED)
    assert len(lane.calls(STREAM)) == 1
    assert run(box).stdout == "hi\n"


# ---- creates


@scenario("cw-main-crashes")
def test_main_crashes(lane):
    box = Sandbox.run()
    box.wait()
    lane.open("crash")
    box.wait_until_complete().result()
    assert box.returncode == (None if IS_OLD else 9)


@scenario("cw-create-without-room")
def test_create_without_room(lane):
    with pytest.raises(cwsandbox.SandboxResourceExhaustedError) as caught:
        Sandbox.run()
    assert caught.value.reason == "CWSANDBOX_RUNNER_CAPACITY_EXHAUSTED"
    assert Sandbox.list().result() == []


@scenario("cw-create-lost")
def test_create_lost(lane):
    with pytest.raises(SandboxError):
        Sandbox.run()
    assert len(Sandbox.list().result()) == 1


# ---- logs


@scenario("cw-logs-break-off")
def test_logs_break_off(lane):
    box = Sandbox.run("/bin/sh", "-c", "trap 'exit 0' TERM; echo up; sleep infinity & wait")
    run(box)
    reader = box.stream_logs(follow=True)
    with pytest.raises(SandboxError):
        list(reader)
    box.stop().result()


# ---- the library itself


def test_every_scenario_has_a_test_and_every_test_its_scenario():
    named = set(re.findall(r'^@scenario\("([^"]+)"[,)]', Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert len(FILES) >= 25
    assert named == set(FILES)
