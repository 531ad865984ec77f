"""The adapters of cwsandbox, each version in both flavours: hello, what is declared, what errors are called."""

import json
import os
import re
import signal
import subprocess

import pytest
from standbox_server import Deadline
from talk import ADAPTERS, E2E, Adapter, Lane

SCRIPT = str(ADAPTERS / "python" / "coreweave_adapter.py")
VERSIONS = {"0.22.0": "v1beta2", "1.22.0": "v1"}
KINDS = {
    f"{version}{flag}": [str(E2E / f"venv-coreweave-{version}" / "bin" / "python"), SCRIPT, *([flag] if flag else [])]
    for version in VERSIONS
    for flag in ("", "--async")
}
STATUSES = {
    "INVALID_ARGUMENT": "invalid",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "conflict",
    "PERMISSION_DENIED": "forbidden",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNIMPLEMENTED": "unsupported",
    "INTERNAL": "server",
    "UNAVAILABLE": "unavailable",
    "UNAUTHENTICATED": "unauthenticated",
}
BOX = {"step": "box", "op": "sandbox.create", "as": "box"}


@pytest.fixture(params=KINDS)
def which(request):
    return request.param


@pytest.fixture
def coreweave(which, shared):
    name = f"coreweave {which}"
    if name not in shared or shared[name].process.poll() is not None:
        shared[name] = Adapter(KINDS[which])
    yield shared[name]
    if shared[name].is_busy:
        shared.pop(name).kill()


@pytest.fixture
def lane(request, server):
    made = Lane(server, re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-40:].strip("-"))
    made.client["url"] = server.ready["grpc"]
    return made


def step(name, op, **arguments):
    arguments = {key.rstrip("_"): value for key, value in arguments.items()}
    if op in ("exec", "start") or op.startswith(("sandbox.", "file.")):
        arguments.setdefault("sandbox", "box")
    elif op not in ("join", "wait_many"):
        arguments.setdefault("process", "p")
    return {"step": name, "op": op, **arguments}


def value(outcomes, name):
    assert set(outcomes[name]) == {"step", "value"}, outcomes[name]
    return outcomes[name]["value"]


def error(outcomes, name):
    assert "error" in outcomes[name], outcomes[name]
    return outcomes[name]["error"]


def test_hello_tells_who_it_is(which, coreweave):
    hello = coreweave.hello()
    version = which.removesuffix("--async")
    flavour = "async" if which.endswith("--async") else "sync"
    assert (hello["type"], hello["version"], hello["language"]) == ("hello", 1, "python")
    assert (hello["client_version"], hello["vendors"]) == (version, ["coreweave"])
    assert hello["name"] == f"coreweave-python-{version}{'-async' if flavour == 'async' else ''}"
    declared = set(hello["capabilities"])
    assert len(declared) == len(hello["capabilities"])
    assert declared & {"v1", "v1beta2", "sync", "async"} == {VERSIONS[version], flavour}
    assert ("read" in declared) is (which != "0.22.0--async")


def test_every_capability_is_a_word_of_the_protocol(coreweave):
    schema = json.loads((ADAPTERS.parents[1] / "fixtures" / "schema" / "adapter.schema.json").read_text())
    assert set(coreweave.hello()["capabilities"]) <= set(schema["$defs"]["capability"]["examples"])


def test_commands_and_their_results(coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        BOX,
        step("r", "exec", command="sh", args=["-c", "echo out; echo err >&2; exit 3"]),
        step("c", "exec", command="sh", args=["-c", "echo out; exit 3"], check=True),
        step("d", "exec", command="pwd", cwd="/tmp"),
        step("e", "exec", command=""),
    )
    result = value(outcomes, "r")
    assert (result["exit_code"], result["stdout"], result["stderr"]) == (3, "out\n", "err\n")
    assert result["stdout_bytes"] == {"base64": "b3V0Cg=="}
    assert result["command"] == ["sh", "-c", "echo out; echo err >&2; exit 3"]
    checked = error(outcomes, "c")
    assert (checked["kind"], checked["class"]) == ("check_failed", "SandboxExecutionError")
    assert (checked["details"]["exit_code"], checked["details"]["stdout"]) == (3, "out\n")
    assert value(outcomes, "d")["stdout"] == "/tmp\n"
    assert (error(outcomes, "e")["kind"], error(outcomes, "e")["class"]) == ("invalid", "ValueError")
    assert len(lane.requests("process.exec")) == 3


def test_handles_with_input(coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        BOX,
        step("s", "start", command="cat", stdin=True, as_="p"),
        step("q", "poll"),
        step("w", "write", data={"base64": "AP8="}),
        step("l", "write_line", data="ü"),
        step("t", "wait", timeout_s=0.1),
        step("c", "close_stdin"),
        step("late", "write", data="x"),
        step("r", "result", timeout_s=20),
        step("x", "cancel"),
        step("k", "status"),
        step("m", "wait_many", processes=["p"]),
        step("n", "start", command="true", as_="q"),
        step("i", "write", data="x", process="q"),
    )
    assert value(outcomes, "s") == {"exit_code": None, "command": ["cat"], "stdin": True}
    assert value(outcomes, "q") == {"exit_code": None}
    assert (error(outcomes, "t")["kind"], error(outcomes, "t")["class"]) == ("timeout", "TimeoutError")
    assert error(outcomes, "late")["kind"] == "conflict"
    assert value(outcomes, "r")["stdout_bytes"] == {"base64": "AP/DvAo="}
    assert value(outcomes, "x") == {"cancelled": False}
    assert value(outcomes, "k")["exit_code"] == 0
    assert value(outcomes, "m") == {"done": ["p"], "pending": []}
    assert value(outcomes, "n")["stdin"] is False
    assert outcomes["i"]["skipped"] == "the process has no input"


def test_readers_give_items_and_their_end(which, coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        BOX,
        step("s", "start", command="echo", args=["once"], as_="p"),
        step("d", "read", of="stdout"),
        step("e", "read", of="stderr"),
    )
    if which == "0.22.0--async":
        assert outcomes["d"]["skipped"] == "the client has no read"
    else:
        assert value(outcomes, "d") == {"data": ["once\n"], "ended": True}
        assert value(outcomes, "e") == {"data": [], "ended": True}


def test_a_cancelled_command_says_so(coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        BOX,
        step("s", "start", command="sleep", args=["60"], as_="p"),
        step("b", "result", background=True),
        step("c", "cancel"),
        step("j", "join", of="b"),
        step("w", "wait"),
    )
    assert value(outcomes, "c") == {"cancelled": True}
    for name in ("j", "w"):
        assert (error(outcomes, name)["kind"], error(outcomes, name)["class"]) == ("cancelled", "CancelledError")


def test_sandboxes_and_files(coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        step("box", "sandbox.create", as_="box", tags=["mine"], env={"A": "b"}, command="sleep", args=["1000"]),
        step("w", "sandbox.wait", timeout_s=20),
        step("l", "sandbox.list", tags=["mine"]),
        step("f", "sandbox.connect", as_="found", from_="box"),
        step("fw", "file.write", path="/tmp/x", data={"base64": "AP8="}),
        step("fr", "file.read", path="/tmp/x"),
        step("e", "exec", command="sh", args=["-c", "echo $A"]),
        step("x", "sandbox.stop", grace_s=0),
        step("m", "sandbox.list", tags=["mine"], include_stopped=True),
        step("n", "sandbox.connect", as_="none", id="no-such"),
        step("k", "exec", command="true"),
    )
    its = value(outcomes, "box")["id"]
    assert value(outcomes, "w")["status"] == "running"
    assert [one["id"] for one in value(outcomes, "l")["items"]] == [its]
    assert value(outcomes, "f")["id"] == its
    assert value(outcomes, "fr") == {"data": {"base64": "AP8="}}
    assert value(outcomes, "e")["stdout"] == "b\n"
    assert [one["id"] for one in value(outcomes, "m")["items"]] == [its]
    missing = error(outcomes, "n")
    assert (missing["kind"], missing["status"]) == ("not_found", "NOT_FOUND")
    assert (missing["class"], missing["code"]) == ("SandboxNotFoundError", "CWSANDBOX_SANDBOX_NOT_FOUND")
    assert (error(outcomes, "k")["kind"], error(outcomes, "k")["class"]) == ("conflict", "SandboxNotRunningError")


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_its_kind(coreweave, lane, status):
    lane.faults({"when": {"op": "sandbox.create"}, "reply": {"status": status, "message": "not today"}})
    refused = error(coreweave.run(lane.client, BOX), "box")
    assert (refused["kind"], refused["status"]) == (STATUSES[status], status)


def test_what_it_cannot_do_is_skipped(coreweave, lane):
    outcomes = coreweave.run(
        lane.client,
        BOX,
        step("a", "levitate"),
        step("b", "exec", command="true", user="root"),
        step("c", "sandbox.create", as_="other", vcpus=2),
        step("d", "poll", process="never-made"),
        step("e", "exec", command="true"),
    )
    assert [name for name in outcomes if "skipped" in outcomes[name]] == ["a", "b", "c", "d"]
    assert value(outcomes, "e")["exit_code"] == 0


def test_a_key_of_somebody_is_not_used(which, lane):
    adapter = Adapter(KINDS[which], CWSANDBOX_API_KEY="of-somebody", CWSANDBOX_BASE_URL="http://127.0.0.1:1")
    try:
        assert "value" in adapter.run(lane.client, BOX)["box"]
        assert len(lane.requests("sandbox.create")) == 1
    finally:
        adapter.kill()


def test_sigterm_ends_it_at_once(which, lane):
    adapter = Adapter(KINDS[which])
    try:
        adapter.begin(lane.client, [BOX, step("r", "exec", command="sleep", args=["60"])])
        while adapter.line()["step"] != "r":
            pass
        adapter.process.send_signal(signal.SIGTERM)
        assert adapter.process.wait(timeout=Deadline(10).left()) == -signal.SIGTERM
    finally:
        adapter.kill()


def test_the_end_of_stdin_is_the_end_with_0(which):
    adapter = Adapter(KINDS[which])
    adapter.hello()
    assert adapter.end() == 0


def run_to_its_end(command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def test_without_its_sdk_it_says_what_to_install(which):
    code = f"import sys; sys.path.insert(0, {os.path.dirname(SCRIPT)!r}); import coreweave_adapter"
    done = run_to_its_end([KINDS[which][0], "-I", "-S", "-c", code])
    assert (done.returncode, done.stdout) == (2, "")
    assert "install" in done.stderr and "cwsandbox" in done.stderr


def test_an_unknown_argument_is_wrong_usage(which):
    done = run_to_its_end([*KINDS[which][:2], "--dance"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr
