"""Every operation that an adapter declares works, every other one is skipped."""

import contextlib
import json
import socket
import threading

import pytest
from standbox_server import eventually
from talk import COMMANDS, CREATE, Adapter, listener, start, step, words_of_protocol

FACTS = {"protocol-a", "protocol-b", "sync", "async", "background"}
OPERATIONS, FINER = words_of_protocol()


def value(outcomes, name):
    assert "value" in outcomes[name], outcomes[name]
    return outcomes[name]["value"]


# ---- what each capability is shown by: steps, and what must come of the step "x"


def result_of(**wanted):
    def check(outcomes):
        got = value(outcomes, "x")
        assert {name: got.get(name) for name in wanted} == wanted
        assert got["id"] and isinstance(got["started_at"], int) and isinstance(got["completed_at"], int)

    return check


def process_of(**wanted):
    def check(outcomes):
        got = value(outcomes, "x")
        assert {name: got.get(name) for name in wanted} == wanted
        assert got["id"] and isinstance(got["pid"], int) and got["cwd"].startswith("/")

    return check


def same_box(outcomes):
    assert value(outcomes, "x") == {"id": value(outcomes, "box")["id"], "status": "active"}


def one_box(outcomes):
    assert value(outcomes, "x") == {"items": [value(outcomes, "box")]}


def same_process(outcomes):
    assert value(outcomes, "x")["id"] == value(outcomes, "s")["id"]
    assert value(outcomes, "x")["command"] == value(outcomes, "s")["command"]


def empty(outcomes):
    assert value(outcomes, "x") == {}


def skipped(outcomes):
    assert set(outcomes["x"]) == {"step", "skipped"}, outcomes["x"]


def timed_out(outcomes):
    assert outcomes["x"]["error"]["kind"] == "timeout", outcomes["x"]


def listed_in_two_pages(outcomes):
    first, second = value(outcomes, "l"), value(outcomes, "x")
    assert first["cursor"] and second["cursor"] is None
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert sorted(ids) == sorted([value(outcomes, "s")["id"], value(outcomes, "s2")["id"]])


def one_listed(outcomes):
    (item,) = value(outcomes, "x")["items"]
    assert (item["status"], item["exit_code"]) == ("exited", 3)


def streamed(outcomes):
    got = value(outcomes, "x")
    *output, last = got["events"]
    assert got["ended"] is True
    assert [(event["type"], event["data"]) for event in output] == [("stdout", "a\n"), ("stderr", "é\n")]
    assert [event["seq"] for event in output] == [1, 2] and all(isinstance(event["timestamp"], int) for event in output)
    assert (last["type"], last["result"]["exit_code"], last["result"]["stdout"]) == ("exit", 4, "a\n")


def streamed_from_2(outcomes):
    events = value(outcomes, "x")["events"]
    assert [event.get("seq") for event in events if event["type"] != "exit"] == [2]


def killed(outcomes):
    assert value(outcomes, "x")["status"] == "killed"


def over_limit(outcomes):
    error = outcomes["x"]["error"]
    assert (error["kind"], error["code"]) == ("output_limit", "output_limit_exceeded"), error


def joined(outcomes):
    assert outcomes["w"] == {"step": "w", "value": {}}
    result_of(status="exited", exit_code=0, stdout="in\n")(outcomes)


OPTIONS = [
    ("cwd", {"cwd": "/tmp"}, "pwd", "/tmp\n"),
    ("env", {"env": {"FOO": "b a r"}}, 'echo "$FOO"', "b a r\n"),
    ("user", {"user": "root"}, "id -un", "root\n"),
    ("args", {"args": ["%s|", "", "a b", "it's"]}, "printf", "|a b|it's|"),
]
LIMITS = [("timeout_ms", 200), ("timeout_s", 1)]
SLEEPER = start("sleep 60")
ATTACHED = step("g", "get", as_="g", from_="p")
STREAMER = start("echo a; sleep 0.1; echo é >&2; exit 4")

SHOWN = {
    "sandbox.create": ([CREATE, step("x", "sandbox.status")], same_box),
    "sandbox.connect": ([CREATE, step("x", "sandbox.connect", as_="c", from_="box")], same_box),
    "sandbox.refresh": ([CREATE, step("x", "sandbox.refresh")], same_box),
    "sandbox.status": ([CREATE, step("x", "sandbox.status")], same_box),
    "sandbox.list": ([CREATE, step("x", "sandbox.list")], one_box),
    "sandbox.stop": ([CREATE, step("x", "sandbox.stop")], empty),
    "exec": (
        [CREATE, step("x", "exec", command="echo out; echo é >&2; exit 3")],
        result_of(status="exited", exit_code=3, stdout="out\n", stderr="é\n"),
    ),
    **{
        f"exec.{name}": ([CREATE, step("x", "exec", command=line, **given)], result_of(stdout=out))
        for name, given, line, out in OPTIONS
    },
    **{
        f"start.{name}": ([CREATE, start(line, **given), step("x", "wait")], result_of(stdout=out))
        for name, given, line, out in OPTIONS
    },
    **{
        f"exec.{name}": ([CREATE, step("x", "exec", command="sleep 60", **{name: time})], result_of(status="timed_out"))
        for name, time in LIMITS
    },
    **{
        f"start.{name}": ([CREATE, start("sleep 60", **{name: time}), step("x", "wait")], result_of(status="timed_out"))
        for name, time in LIMITS
    },
    "exec.max_output_bytes": ([CREATE, step("x", "exec", command="echo 0123456789", max_output_bytes=5)], over_limit),
    "start.max_output_bytes": ([CREATE, start("echo 0123456789", max_output_bytes=5), step("x", "wait")], over_limit),
    "start": ([CREATE, start("sleep 60", name="x")], process_of(status="running", exit_code=None, command="sleep 60")),
    "get": ([CREATE, SLEEPER, step("x", "get", as_="g", from_="p")], same_process),
    "list": ([CREATE, start("exit 3"), step("w", "wait"), step("x", "list")], one_listed),
    "list.status": (
        [CREATE, SLEEPER, step("e", "exec", command="exit 3"), step("x", "list", status=["exited"])],
        one_listed,
    ),
    "list.limit": ([CREATE, SLEEPER, step("e", "exec", command="exit 3"), step("x", "list", limit=1)], one_listed),
    "list.cursor": (
        [
            CREATE,
            SLEEPER,
            start("exit 3", name="s2"),
            step("l", "list", limit=1),
            step("x", "list", limit=1, cursor={"step": "l"}),
        ],
        listed_in_two_pages,
    ),
    "status": ([CREATE, SLEEPER, step("k", "kill"), step("x", "status")], process_of(status="killed")),
    "poll": ([CREATE, start("exit 5"), step("w", "wait"), step("x", "poll")], process_of(status="exited", exit_code=5)),
    "wait": ([CREATE, start("echo w"), step("x", "wait")], result_of(status="exited", exit_code=0, stdout="w\n")),
    "wait.timeout_ms": ([CREATE, SLEEPER, step("x", "wait", timeout_ms=100)], timed_out),
    "wait.timeout_s": ([CREATE, SLEEPER, ATTACHED, step("x", "wait", process="g", timeout_s=1)], timed_out),
    "result": ([CREATE, start("echo w"), step("x", "result")], result_of(status="exited", exit_code=0, stdout="w\n")),
    "kill": ([CREATE, SLEEPER, step("x", "kill")], killed),
    "kill.timeout_ms": ([CREATE, SLEEPER, step("x", "kill", timeout_ms=4000)], killed),
    "signal": ([CREATE, SLEEPER, step("x", "signal", signal="TERM")], empty),
    "write": ([CREATE, start("cat"), step("x", "write", data="in\n")], empty),
    "write.bytes": (
        [CREATE, start("head -c 3 | od -An -tx1"), step("w", "write", data={"base64": "AP+A"}), step("x", "wait")],
        result_of(stdout=" 00 ff 80\n"),
    ),
    "write.eof": (
        [CREATE, start("cat"), step("w", "write", data="in\n", eof=True), step("x", "wait")],
        result_of(stdout="in\n"),
    ),
    "stream": ([CREATE, STREAMER, step("x", "stream")], streamed),
    "stream.from_seq": ([CREATE, STREAMER, step("x", "stream", from_seq=2)], streamed_from_2),
    "disconnect": ([CREATE, SLEEPER, step("x", "disconnect")], empty),
    "join": (
        [
            CREATE,
            start("cat"),
            step("w", "wait", background=True),
            step("i", "write", data="in\n", eof=True),
            step("x", "join", of="w"),
        ],
        joined,
    ),
}
# Shown by tests of their own, below.
CLIENT_SETTINGS = {"client.timeout_ms", "client.runtime_proxy"}


@pytest.mark.parametrize("capability", SHOWN)
def test_what_is_declared_works(adapter, lane, capability):
    steps, check = SHOWN[capability]
    is_declared = capability in {*adapter.hello()["capabilities"], "join"}
    (check if is_declared else skipped)(adapter.run(lane.client, *steps))


def test_all_that_is_declared_is_tested(kind, adapter):
    declared = set(adapter.hello()["capabilities"])
    assert declared - FACTS - CLIENT_SETTINGS <= set(SHOWN)
    assert declared <= FACTS | OPERATIONS | FINER, "words that the protocol does not have"


@pytest.mark.parametrize("op", sorted(OPERATIONS - set(SHOWN)))
def test_an_operation_that_no_client_here_has_is_skipped(adapter, lane, op):
    assert op not in adapter.hello()["capabilities"]
    more = {"of": "stdout", "pattern": "a", "port": 80, "data": "x"}
    skipped(adapter.run(lane.client, CREATE, start("sleep 60"), step("x", op, sandbox="box", **more)))


def test_an_argument_that_no_client_here_has_is_skipped_not_left_out(adapter, lane):
    outcomes = adapter.run(lane.client, CREATE, step("x", "exec", command="echo no", check=True))
    skipped(outcomes)
    assert not lane.requests("process.exec") and not lane.requests("process.start")


def test_an_unknown_operation_is_skipped_and_the_next_step_done(adapter, lane):
    outcomes = adapter.run(lane.client, CREATE, step("x", "levitate"), step("y", "exec", command="true"))
    skipped(outcomes)
    assert value(outcomes, "y")["exit_code"] == 0


def test_a_step_whose_handle_never_came_to_be_is_skipped(adapter, lane):
    steps = [CREATE, step("g", "get", as_="p", id="nope"), step("x", "poll"), step("y", "exec", command="true")]
    outcomes = adapter.run(lane.client, *steps)
    assert outcomes["g"]["error"]["kind"] == "not_found"
    skipped(outcomes)
    assert "value" in outcomes["y"]


def test_a_stream_is_left_after_so_many_output_events(adapter, lane):
    """One reader leaves; the process goes on, and another reads all."""
    steps = [CREATE, start("echo a; read line; echo b"), step("x", "stream", take=1)]
    outcomes = adapter.run(lane.client, *steps, step("w", "write", data="\n"), step("y", "stream"))
    first, second = value(outcomes, "x"), value(outcomes, "y")
    assert ([event["data"] for event in first["events"]], first["ended"]) == (["a\n"], False)
    assert [event.get("data") for event in second["events"]] == ["a\n", "b\n", None]


def test_a_stream_that_breaks_gives_what_came_and_the_error(adapter, lane):
    lane.faults({"when": {"op": "process.stream"}, "at": {"after_events": 2}, "fault": "CONNECTION_RESET_BY_PEER"})
    steps = [CREATE, start("echo a; sleep 0.1; echo b; sleep 60"), ATTACHED]
    got = adapter.run(lane.client, *steps, step("x", "stream", process="g"))["x"]
    steps_of_the_attached = [event["data"] for event in got["value"]["events"]]
    assert steps_of_the_attached in (["a\n"], ["a\n", "b\n"], []) and got["value"]["ended"] is False
    assert got["error"]["kind"] in ("connection", "incomplete")


def test_an_error_in_the_background_comes_with_the_join(adapter, lane):
    steps = [CREATE, SLEEPER, ATTACHED, step("w", "wait", process="g", timeout_ms=50, background=True)]
    outcomes = adapter.run(lane.client, *steps, step("y", "exec", command="echo beside"), step("x", "join", of="w"))
    timed_out(outcomes)
    assert outcomes["w"] == {"step": "w", "value": {}}
    assert value(outcomes, "y")["stdout"] == "beside\n"


def test_a_join_of_nothing_is_skipped(adapter, lane):
    skipped(adapter.run(lane.client, step("x", "join", of="nobody")))


def test_text_that_utf8_cannot_carry_becomes_the_replacement_character(adapter, lane):
    result = {"id": "p", "status": "exited", "exit_code": 0, "started_at": 1}
    texts = {"stdout": "a\ud800b\\ud800", "stderr": "\ud83d\ude00"}
    body = json.dumps({"result": {**result, **texts}})
    lane.faults({"when": {"op": "process.wait"}, "reply": {"status": 200, "body": body}})
    got = adapter.run(lane.client, CREATE, SLEEPER, ATTACHED, step("x", "wait", process="g"))
    assert value(got, "x")["stdout"] == "a\ufffdb\\ud800"
    assert value(got, "x")["stderr"] == "\U0001f600"


def test_much_output_fits_in_one_line(adapter, lane):
    command = "head -c 2000000 /dev/zero | tr '\\0' x"
    outcomes = adapter.run(lane.client, CREATE, step("x", "exec", command=command), seconds=60)
    assert value(outcomes, "x")["stdout"] == "x" * 2_000_000


def test_the_clients_own_limit_is_set(adapter, lane):
    with listener(lambda connection: None) as (port, came):
        client = {"url": f"http://127.0.0.1:{port}", "api_key": "k", "timeout_ms": 300}
        got = adapter.run(client, CREATE)["box"]["error"]
    assert came
    assert (got["kind"], got["retryable"]) == ("connection", True)


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_runtime_requests_go_by_the_proxy_that_is_named(adapter, lane, server):
    def forward(connection):
        with socket.create_connection(("127.0.0.1", server.port)) as far:
            threading.Thread(target=pump, args=(far, connection), daemon=True).start()
            pump(connection, far)
            eventually(lambda: connection.fileno() < 0, 20, "the test is over")

    with listener(forward) as (port, came):
        client = {**lane.client, "runtime_proxy": f"127.0.0.1:{port}"}
        outcomes = adapter.run(client, CREATE, step("x", "exec", command="echo by the way"))
        assert value(outcomes, "x")["stdout"] == "by the way\n"
        assert came


def test_the_adapters_declare_what_their_sdks_differ_in():
    declared = {}
    for kind, command in COMMANDS.items():
        adapter = Adapter(command)
        declared[kind] = set(adapter.hello()["capabilities"])
        adapter.kill()
    more = {"exec.max_output_bytes", "start.max_output_bytes"}
    assert declared["python"] - declared["node"] == {"disconnect", "protocol-b", "sync"} | more
    assert declared["node"] - declared["python"] == {"protocol-a", "async"}
    assert declared["python-async"] ^ declared["python"] == {"sync", "async"}
