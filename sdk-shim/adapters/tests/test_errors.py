"""What each trouble of a client is called, and that its own words stay its own."""

import json
import socket

import pytest
from talk import CREATE, listener, start, step

STATUSES = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    410: "gone",
    413: "too_large",
    418: "other",
    422: "invalid",
    429: "rate_limited",
    500: "server",
    501: "server",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
ASKED = [CREATE, start("sleep 60"), step("x", "poll")]
SPOILT = {"op": "process.get"}


def error_of(outcomes, name="x"):
    assert set(outcomes[name]) == {"step", "error"}, outcomes[name]
    return outcomes[name]["error"]


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_its_kind(adapter, lane, status):
    reply = {"status": status, "message": "not today", "code": "no_luck", "details": {"why": "rain"}}
    lane.faults({"when": SPOILT, "reply": reply})
    error = error_of(adapter.run(lane.client, *ASKED))
    assert error["kind"] == STATUSES[status]
    assert (error["status"], error["code"], error["service"]) == (status, "no_luck", "runtime")
    assert error["retryable"] is (status in (429, 502, 503, 504))
    assert error["request_id"].startswith("req_")
    assert error["details"]["why"] == "rain"
    assert error["class"] == "HyperbrowserError"


def test_messages_are_the_sdks_word_for_word(adapter, kind, lane):
    lane.faults({"when": SPOILT, "reply": {"status": 404, "message": "not today"}})
    error = error_of(adapter.run(lane.client, *ASKED))
    assert error["message"] == ("[Hyperbrowser]: not today" if kind == "node" else "not today - Status: 404")


def test_a_refusal_of_the_control_plane_says_so(adapter, lane):
    error = error_of(adapter.run(lane.client, step("x", "sandbox.connect", as_="c", id="nope")))
    assert (error["kind"], error["status"], error["service"]) == ("not_found", 404, "control")


def test_a_local_refusal_with_a_status_has_that_statuss_kind(adapter, lane):
    outcomes = adapter.run(lane.client, CREATE, step("s", "sandbox.stop"), step("x", "exec", command="true"))
    error = error_of(outcomes)
    assert (error["kind"], error["status"], error["code"]) == ("conflict", 409, "sandbox_not_running")
    assert lane.requests("process.exec") == lane.requests("process.start") == []


def test_arguments_refused_before_anybody_is_asked_are_invalid(adapter, lane):
    error = error_of(adapter.run(lane.client, step("x", "sandbox.create", as_="c", snapshot="s", vcpus=2)))
    assert error["kind"] == "invalid"
    assert "status" not in error
    assert lane.was_never_asked()


def test_an_empty_key_is_refused_as_the_steps_error(adapter, lane):
    error = error_of(adapter.run({**lane.client, "api_key": ""}, {**CREATE, "step": "x"}))
    assert (error["kind"], error["class"]) == ("invalid", "HyperbrowserError")


def test_a_port_where_nobody_listens_is_a_connection_error(adapter):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = error_of(adapter.run({"url": f"http://127.0.0.1:{port}", "api_key": "k"}, {**CREATE, "step": "x"}))
    assert (error["kind"], error["service"], error["retryable"]) == ("connection", "control", True)


@pytest.mark.parametrize("fault", ["EMPTY_RESPONSE", "CONNECTION_RESET_BY_PEER", "lost_reply"])
def test_an_answer_that_never_comes_is_a_connection_error(adapter, lane, fault):
    lane.faults({"when": SPOILT, "fault": fault})
    assert error_of(adapter.run(lane.client, *ASKED))["kind"] == "connection"


@pytest.mark.parametrize(
    "answer",
    [
        {"reply": {"status": 200, "body": "<html>sign in</html>", "content_type": "text/html"}},
        {"reply": {"status": 200, "body": "{}"}},
    ],
    ids=["not-json", "not-a-process"],
)
def test_an_answer_that_cannot_be_understood_is_malformed(adapter, lane, answer):
    lane.faults({"when": SPOILT, **answer})
    assert error_of(adapter.run(lane.client, *ASKED))["kind"] == "malformed"


def test_an_answer_that_is_not_http_is_malformed(adapter):
    with listener(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as (port, _):
        error = error_of(adapter.run({"url": f"http://127.0.0.1:{port}", "api_key": "k"}, {**CREATE, "step": "x"}))
    assert error["kind"] == "malformed"


def test_a_limit_of_waiting_is_a_timeout(adapter, lane):
    """At a started process (which Python waits for without asking) and at a fetched one."""
    steps = [CREATE, start("sleep 60"), step("g", "get", as_="g", from_="p"), step("x", "wait", timeout_ms=50)]
    outcomes = adapter.run(lane.client, *steps, step("y", "wait", process="g", timeout_ms=50))
    assert error_of(outcomes)["kind"] == error_of(outcomes, "y")["kind"] == "timeout"
    assert error_of(outcomes, "y")["status"] == 408


BODY_OF_A_SUMMARY = {"process": {"id": "p", "status": "running", "command": "c", "cwd": "/", "pid": 1, "started_at": 1}}


# Protocol A has no output that could be known to be incomplete.
protocol_b = pytest.mark.parametrize("kind", ["python", "python-async"])


@protocol_b
def test_output_known_to_be_incomplete_is_called_so(adapter, lane):
    lane.faults({"when": {"op": "process.start"}, "fault": "drop_terminal_event"})
    error = error_of(adapter.run(lane.client, CREATE, step("x", "exec", command="echo a")))
    assert (error["kind"], error["code"]) == ("incomplete", "incomplete_output")
    assert error["details"]["last_seq"] == 1


@protocol_b
def test_a_server_without_streams_is_unsupported_and_the_command_may_run(adapter, lane):
    body = json.dumps(BODY_OF_A_SUMMARY)
    lane.faults({"when": {"op": "process.start"}, "reply": {"status": 200, "body": body}})
    error = error_of(adapter.run(lane.client, CREATE, step("x", "exec", command="true")))
    assert (error["kind"], error["code"], error["definite"]) == ("unsupported", "streaming_not_supported", False)


@protocol_b
def test_more_output_than_the_client_takes_is_called_so(adapter, lane):
    outcomes = adapter.run(lane.client, CREATE, step("x", "exec", command="head -c 68000000 /dev/zero"), seconds=120)
    error = error_of(outcomes)
    assert (error["kind"], error["code"]) == ("output_limit", "output_limit_exceeded")


@protocol_b
def test_a_stream_without_a_first_event_is_a_connection_error(adapter, lane):
    reply = {"status": 200, "body": ": nothing\n\n", "content_type": "text/event-stream"}
    lane.faults({"when": {"op": "process.start"}, "reply": reply})
    error = error_of(adapter.run(lane.client, CREATE, start("true", name="x")))
    assert error["kind"] == "connection"
    assert error["class"] in ("StopIteration", "StopAsyncIteration")
