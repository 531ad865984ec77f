"""Limits, held answers, quiet streams.  Hours pass in milliseconds: each lane has a clock of its own."""

import time

import pytest

from library import drain, first, refused, scenario, shown, text

HOUR_MS = 3_600_000


@scenario("time-limit-thirty-minutes")
def test_thirty_minutes_pass_in_a_tenth_of_a_second(lane):
    lane.sandbox
    begin = time.monotonic()
    result = lane.exec("train-model", timeout_ms=HOUR_MS // 2)
    assert (result.status, result.exit_code, result.stdout) == ("timed_out", None, "epoch 1\n")
    assert time.monotonic() - begin < 20
    assert result.completed_at - result.started_at >= HOUR_MS // 2
    assert lane.alive() == []


@scenario("time-limit-told-at-the-limit")
def test_the_time_out_is_told_at_the_limit(lane):
    process = lane.start("stubborn-job", timeout_ms=60_000)
    events = lane.fetch(process).stream()
    assert first(events) == "armed\n"
    lane.advance(59_999)
    assert lane.fetch(process).status == "running"
    lane.advance(1)
    assert first(events) == "not yet\n"
    lane.advance(60_000)  # the grace, and more
    result = process.wait()
    assert (result.status, result.exit_code) == ("timed_out", None)
    assert "by itself" not in result.stdout
    assert lane.truth(process)["end"]["signal"] == "KILL"


@scenario("time-limit-reaches-children")
def test_children_end_with_the_limit(lane):
    process = lane.start("build-all", timeout_ms=60_000)
    assert first(lane.fetch(process).stream()) == "building\n"
    lane.await_alive("compiler", "linker")
    lane.advance(60_000)
    lane.advance(60_000)
    assert process.wait().status == "timed_out"
    assert lane.alive() == []


@scenario("time-wait-limit")
def test_a_wait_that_ends_early_ends_only_itself(lane):
    process = lane.start("slow-job")
    fetched = lane.fetch(process)
    with pytest.raises(TimeoutError):
        process.wait(timeout_ms=20)
    assert lane.count_requests("process.wait") == 0
    error = refused(lambda: fetched.wait(timeout_ms=20))
    assert (error.status_code, error.retryable) == (408, False)
    assert "timed out" in str(error)
    assert lane.fetch(process).status == "running"
    lane.open("finish")
    assert fetched.wait().stdout == process.wait().stdout == "finished\n"


@scenario("time-client-gives-up")
def test_an_impatient_client_can_come_back(lane):
    process = lane.start("slow-job")
    hasty = lane.client(timeout=0.5).sandboxes.get(lane.sandbox.id)
    error = refused(hasty.get_process(process.id).wait)
    assert shown(error) == (None, None, True)
    assert lane.truth(process)["state"] == "running"
    lane.advance(HOUR_MS)
    lane.open("finish")
    assert lane.fetch(process).wait().stdout == "finished\n"


@scenario("time-body-stalls")
def test_a_body_that_stalls_is_given_up(lane):
    hasty = lane.client(timeout=0.5).sandboxes.get(lane.sandbox.id)
    hasty.exec("quick-job")
    error = refused(hasty.processes.list)
    assert shown(error) == (None, None, True)
    assert [entry.status for entry in hasty.processes.list().data] == ["exited"]


@scenario("time-quiet-stream")
def test_five_quiet_minutes_break_no_stream(lane):
    process = lane.start("slow-job")
    events = lane.fetch(process).stream()
    assert first(events) == "first\n"
    lane.await_sleeper()
    for _ in range(10):
        lane.advance(30_000)
    rest, error = drain(events)
    assert error is None
    assert text(rest) == "second\n"
    assert process.wait().stdout == "first\nsecond\n"
    (entry,) = lane.admin.post("/requests/find", op="process.stream", method="GET")["requests"]
    assert ": keepalive" in entry["answer"]["body"]["data"]


@scenario("time-race")
def test_an_exit_at_the_limit_has_one_outcome(lane):
    process = lane.start("photo-finish", timeout_ms=60_000)
    lane.await_sleeper()
    lane.advance(60_000)
    lane.advance(60_000)
    result = process.wait()
    assert (result.status, result.exit_code) in [("exited", 0), ("timed_out", None)]
    late = lane.fetch(process)
    events, _ = drain(late.stream())
    assert result.status == late.status == events[-1].result.status == late.wait().status
    assert [entry.status for entry in lane.processes.list().data] == [result.status]


@scenario("time-zero-is-no-limit")
def test_zero_is_no_limit(lane):
    process = lane.start("slow-job", timeout_ms=0)
    lane.await_sleeper()
    lane.advance(23 * HOUR_MS)
    assert lane.fetch(process).status == "running"
    lane.advance(HOUR_MS)
    result = process.wait()
    assert (result.status, result.stdout) == ("exited", "a day later\n")


@scenario("time-out-with-code-0")
def test_timed_out_is_a_failure_whatever_the_code(lane):
    process = lane.start("demo-job")
    result = lane.fetch(process).wait()
    assert (result.status, result.exit_code, result.stdout) == ("timed_out", 0, "so far")
