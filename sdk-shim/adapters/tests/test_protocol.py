"""How the adapters behave as programs: lines, ends, signals, what must not reach stdout."""

import os
import signal
import subprocess
import textwrap

import pytest
from standbox_server import Deadline, descendants, eventually
from talk import ADAPTERS, ANSWER_SECONDS, COMMANDS, CREATE, PYTHON, Lane, start, step

NAMES = {"python": "hyperbrowser-python", "python-async": "hyperbrowser-python-async", "node": "hyperbrowser-node"}
VERSIONS = {"python": "1.14.0", "python-async": "1.14.0", "node": "0.92.6"}
FACTS = {"python": {"protocol-b", "sync"}, "python-async": {"protocol-b", "async"}, "node": {"protocol-a", "async"}}
EXEC = {"python": "process.start", "python-async": "process.start", "node": "process.exec"}  # what exec asks for


def test_hello_tells_who_it_is(adapter, kind):
    hello = adapter.hello()
    assert (hello["type"], hello["version"]) == ("hello", 1)
    assert (hello["name"], hello["client_version"]) == (NAMES[kind], VERSIONS[kind])
    assert hello["language"] and hello["issues"].startswith("https://")
    assert hello["vendors"] == ["hyperbrowser"]
    assert hello["max_in_flight"] == 1
    assert len(set(hello["capabilities"])) == len(hello["capabilities"])
    assert FACTS[kind] == {"protocol-a", "protocol-b", "sync", "async"} & set(hello["capabilities"])


def test_the_end_of_stdin_is_the_end_with_0(spawn):
    adapter = spawn()
    adapter.hello()
    assert adapter.end() == 0


def test_a_case_in_flight_is_finished_when_stdin_ends(spawn, lane):
    adapter = spawn()
    adapter.begin(lane.client, [CREATE, step("r", "exec", command="sleep 0.3; echo done")])
    adapter.process.stdin.close()
    answer = adapter.answer()
    assert answer["outcomes"][1]["value"]["stdout"] == "done\n"
    assert adapter.process.wait(timeout=ANSWER_SECONDS) == 0


def test_sigterm_ends_it_at_once_with_all_that_it_started(spawn, kind, lane):
    adapter = spawn()
    adapter.begin(lane.client, [CREATE, step("r", "exec", command="sleep 60")])
    lane.await_request(EXEC[kind])
    below = descendants(adapter.process.pid)
    adapter.process.send_signal(signal.SIGTERM)
    assert adapter.process.wait(timeout=Deadline(5).left()) == -signal.SIGTERM
    eventually(lambda: not alive(below), 5, "what it started is gone")


def alive(processes):
    """Those of `processes` that still live, wherever they belong to now."""
    found = set()
    for pid, begin in processes:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[19] == begin and fields[0] not in "ZX":
            found.add((pid, begin))
    return found


@pytest.mark.parametrize(
    "line, seq",
    [
        (b"no json at all\n", 0),
        (b"[1, 2]\n", 0),
        (b"\xff\xfe\n", 0),
        (b'{"type":"dance"}\n', 0),
        (b'{"type":"run","seq":7}\n', 7),
        (b'{"type":"run","seq":7,"client":{"url":"x","api_key":"k"},"steps":[{"op":"exec"}]}\n', 7),
        (b'{"type":"run","seq":7,"client":{"url":"x","api_key":"k"},"steps":[{"step":"r","op":"exec"}]}\n', 7),
    ],
)
def test_a_senseless_line_is_errored_and_the_next_is_done(adapter, lane, line, seq):
    adapter.say(line)
    while (answer := adapter.line())["type"] == "at":
        pass
    assert (answer["type"], answer["seq"]) == ("errored", seq)
    assert answer["message"]
    outcome = adapter.run(lane.client, CREATE)["box"]
    assert "value" in outcome, outcome


def test_members_that_it_does_not_know_are_ignored(adapter, lane):
    adapter.say({"type": "hello", "version": 1, "moon": "full"})
    assert adapter.line()["type"] == "hello"
    assert "value" in adapter.run({**lane.client, "moon": "full"}, {**CREATE, "moon": "full"})["box"]


def test_the_step_that_begins_is_named(adapter, lane):
    adapter.run(lane.client, CREATE, step("one", "exec", command="true"), step("two", "exec", command="true"))
    assert adapter.at == ["box", "one", "two"]


def test_lines_end_at_a_newline_and_nowhere_else(adapter, lane):
    command = "printf '\u2028\u0085\u2029\r\f' | od -An -tx1"
    adapter.begin(lane.client, [CREATE, step("r", "exec", command=command)], ensure_ascii=False)
    outcome = adapter.answer()["outcomes"][1]
    assert outcome["value"]["stdout"].split() == "e2 80 a8 c2 85 e2 80 a9 0d 0c".split()


NOISY_PYTHON = """
    import os, socket, sys
    connect = socket.socket.connect
    def noisy(self, *args):
        print("noise", os.environ.get("HOME"))
        sys.stdout.write("noise without an end")
        os.write(1, b"raw noise\\n")
        os.system("echo noise of a child")
        return connect(self, *args)
    socket.socket.connect = noisy
"""
NOISY_NODE = """
    const http = require("node:http");
    const request = http.request;
    http.request = function (...args) {
      console.log("noise", process.env.HOME);
      process.stdout.write("noise without an end");
      return request.apply(this, args);
    };
"""


def test_what_the_sdk_prints_never_reaches_stdout_and_it_has_no_home(spawn, lane, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(NOISY_PYTHON))
    (tmp_path / "noisy.cjs").write_text(textwrap.dedent(NOISY_NODE))
    adapter = spawn(PYTHONPATH=str(tmp_path), NODE_OPTIONS=f"--require {tmp_path}/noisy.cjs", HOME=str(tmp_path))
    adapter.hello()
    assert "value" in adapter.run(lane.client, CREATE, step("r", "exec", command="true"))["r"]
    assert adapter.end() == 0
    assert "noise without an end" in adapter.stderr()
    assert "noise /nonexistent" in adapter.stderr()


def test_every_run_has_a_client_of_its_own(adapter, server, lane):
    other = Lane(server, lane.key + "-other")
    first = adapter.run(lane.client, CREATE, start("sleep 60"))
    second = adapter.run(other.client, CREATE, step("x", "exec", command="true", sandbox="box"), step("y", "poll"))
    assert "skipped" in second["y"], "the process of the first run"
    for its, outcomes in ((lane, first), (other, second)):
        assert [box["id"] for box in its.admin("/processes")["sandboxes"]] == [outcomes["box"]["value"]["id"]]


def test_a_saved_key_is_not_used(spawn, lane):
    adapter = spawn(HYPERBROWSER_API_KEY="of-somebody", HYPERBROWSER_BASE_URL="http://127.0.0.1:1")
    assert "value" in adapter.run(lane.client, CREATE)["box"]
    assert len(lane.requests("sandbox.create")) == 1


def test_what_nobody_joined_ends_with_the_case(adapter, lane):
    """Its connections, too: the server sees their end while the process goes on."""
    outcomes = adapter.run(
        lane.client,
        CREATE,
        start("sleep 60"),
        step("g", "get", as_="g", from_="p"),
        step("w", "wait", process="g", background=True),
        step("h", "exec", command="sleep 0.3"),
    )
    assert outcomes["w"] == {"step": "w", "value": {}}
    eventually(lambda: all("end_ms" in entry for entry in lane.requests("process.wait")), 10, "the wait is over")
    assert lane.requests("process.wait")
    (box,) = lane.admin("/processes")["sandboxes"]
    states = {process["command"]: process["state"] for process in box["processes"]}
    assert states["sleep 60"] == "running"


def test_an_sdk_that_dies_takes_the_adapter_with_it(spawn, kind, lane):
    """A crash must be seen as one, with its signal."""
    adapter = spawn()
    adapter.begin(lane.client, [CREATE, step("r", "exec", command="sleep 60")])
    lane.await_request(EXEC[kind])
    below = [pid for pid, _ in descendants(adapter.process.pid)]
    os.kill(below[0] if below else adapter.process.pid, signal.SIGSEGV)
    assert adapter.process.wait(timeout=ANSWER_SECONDS) == -signal.SIGSEGV


def run_to_its_end(command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def without_sdk(kind, folder):
    if kind == "node":
        return ["node", COMMANDS["node"][1], "--modules", folder]
    code = f"import sys; sys.path.insert(0, {str(ADAPTERS / 'python')!r}); import hyperbrowser_adapter"
    return [PYTHON, "-I", "-S", "-c", code]  # -S: without the venv's packages


def test_without_its_sdk_it_says_what_to_install(kind, tmp_path):
    done = run_to_its_end(without_sdk(kind, str(tmp_path)))
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "install" in line and "hyperbrowser" in line


def test_an_unknown_argument_is_wrong_usage(kind):
    done = run_to_its_end([*COMMANDS[kind][:2], "--dance"])
    assert done.returncode == 2
    assert done.stdout == "" and "usage" in done.stderr
