"""Connections that break, answers that are none."""

import httpx
import pytest
from hyperbrowser.exceptions import HyperbrowserError

from library import drain, first, refused, scenario, shown, text
from standbox_server import eventually


def broken_collection(lane, command):
    """The starter's stream breaks: what it says, and what it has until then."""
    process = lane.start(command)
    error = refused(process.wait)
    events, _ = drain(process.stream())
    return process, error, text(events)


@scenario("net-cut-mid-event")
def test_half_an_event_is_none(lane):
    process, error, got = broken_collection(lane, "print-page")
    assert shown(error)[1:] == ("incomplete_output", False)
    whole = "one line of a page\n" * 300
    assert whole.startswith(got) and got != whole
    assert lane.fetch(process).wait().stdout == whole


@scenario("net-clean-cut")
def test_a_clean_end_without_the_exit_is_an_error(lane):
    process, error, got = broken_collection(lane, "demo-job")
    assert shown(error) == (None, "incomplete_output", False)
    assert "before its completion event" in str(error)
    assert got == "half of it\n"
    lane.open("rest")
    assert lane.fetch(process).wait().stdout == "half of it\nthe rest\n"


@scenario("net-reset-mid-stream")
def test_a_reset_is_an_error_and_no_kill(lane):
    process, error, got = broken_collection(lane, "demo-server")
    assert shown(error)[1] == "incomplete_output"
    assert "reset" in str(error).lower()
    assert got == "listening\n"
    assert lane.truth(process)["state"] == "running"
    assert lane.fetch(process).kill().status == "killed"


@scenario("net-broken-chunk")
def test_broken_framing_is_an_error(lane):
    process, error, got = broken_collection(lane, "demo-server")
    assert shown(error)[1] == "incomplete_output"
    assert got == "listening\n"
    assert lane.fetch(process).kill().status == "killed"


@scenario("net-garbage")
def test_garbage_is_an_error_of_the_transport(lane):
    lane.exec("quick-job")
    error = refused(lane.processes.list)
    assert shown(error) == (None, None, True)
    assert isinstance(error.original_error, httpx.RemoteProtocolError)
    assert len(lane.processes.list().data) == 1


@scenario("net-empty-answer")
def test_no_answer_at_all_can_be_tried_again(lane):
    lane.exec("quick-job")
    error = refused(lane.processes.list)
    assert shown(error) == (None, None, True)
    assert len(lane.processes.list().data) == 1


@scenario("net-control-get-retried")
def test_questions_to_the_control_plane_are_asked_three_times(lane):
    sandbox = lane.client().sandboxes.get(lane.sandbox.id)
    assert sandbox.status == "active"
    assert lane.count_requests("sandbox.get") == 3


@scenario("net-html-502")
def test_a_proxys_page_is_shown_with_its_status(lane):
    error = refused(lane.processes.list)
    assert shown(error) == (502, None, True)
    assert "502 Bad Gateway" in str(error)
    assert lane.processes.list().data == []


@scenario("net-html-200")
def test_a_page_instead_of_json_is_an_error(lane):
    error = refused(lane.processes.list)
    assert (error.status_code, error.retryable) == (200, False)
    assert "Failed to parse JSON response" in str(error)


@scenario("net-empty-200")
def test_an_empty_answer_is_an_error(lane):
    with pytest.raises(Exception) as caught:
        lane.processes.list()
    assert type(caught.value).__name__ == "ValidationError"  # an empty object lacks "data"
    assert lane.processes.list().data == []


@scenario("net-slow-bytes")
def test_a_trickle_is_complete(lane):
    assert lane.exec("print-page").stdout == "one line of a page\n" * 20


@scenario("net-busy-409")
def test_busy_is_told_and_not_repeated(lane):
    error = refused(lambda: lane.exec("demo-job"))
    assert shown(error) == (409, "busy", False)
    assert lane.count_requests("process.start") == 1
    assert lane.exec("demo-job").stdout == "ran\n"


@scenario("net-wait-503")
def test_a_restart_of_the_host_ends_only_the_wait(lane):
    process = lane.start("slow-job")
    fetched = lane.fetch(process)
    error = refused(fetched.wait)
    assert shown(error)[::2] == (503, True)
    assert "restarting" in str(error)
    lane.open("finish")
    assert fetched.wait().exit_code == process.wait().exit_code == 2


@scenario("net-error-details")
def test_message_code_and_details_reach_the_caller(lane):
    error = refused(lambda: lane.processes.list(cursor="abc"))
    assert isinstance(error, HyperbrowserError)
    assert shown(error) == (400, "bad_cursor", False)
    assert "that cursor is from another list" in str(error)
    assert (error.details["cursor"], error.details["hint"]) == ("abc", "begin anew")
    (entry,) = lane.admin.post("/requests/find", op="process.list")["requests"]
    assert error.request_id == entry["request_id"]


@scenario("token-expires-midstream")
def test_a_token_that_expires_in_mid_stream_is_refreshed_once(lane):
    process = lane.start("demo-server")
    events = process.stream()
    assert first(events) == "listening\n"
    eventually(lambda: lane.fetch(process) and lane.count_requests("sandbox.get"), 5, "the token is refreshed")
    assert lane.count_requests("sandbox.get") == 1
    lane.open("finish")
    rest, error = drain(events)
    assert (error, text(rest)) == (None, "finished\n")
    assert lane.fetch(process).status == "exited"
    assert lane.count_requests("sandbox.get") == 1
